"""The parts of a folder of pictures or sounds, opened: all of it is looked at, whatever a
training would take.
"""

from contextlib import suppress
from pathlib import Path

from netspec.data.folder_layout import read_layout
from netspec.data.place import Place
from netspec.data.registry import open_source
from netspec.data.source import Source
from netspec.data.sources.audio import holds_sounds
from netspec.data.sources.coco import coco_roles, holds_coco
from netspec.data.sources.voc import holds_voc, voc_roles
from netspec.diagnostics import Diagnostic, SpecError
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection

__all__ = ["open_parts", "recognise_boxes"]


ROLES = {"coco": coco_roles, "voc": voc_roles}


def recognise_boxes(folder: Path) -> str | None:
    """The source that reads a folder with boxes, voc or coco; None for any other folder."""
    with suppress(SpecError):
        if holds_voc(folder):
            return "voc"
    with suppress(SpecError):
        if holds_coco(folder):
            return "coco"
    return None


def open_parts(folder: Path, faults: list[Diagnostic] | None = None) -> dict[str, Source]:
    """A source for each part that a folder has of its own, "all" where it has none. faults: takes
    what is wrong with single samples. Raises SpecError as open_images and open_audio do.
    """
    top = folder.absolute()
    boxed = recognise_boxes(top)
    kind = boxed or ("audio" if holds_sounds(top) else "images")
    section = DataSection(source=kind, path=str(top))
    place = Place(top, contract=ImageContract(color="rgb"), faults=faults)
    opened: dict[str, Source] = {}
    roles = ROLES[boxed](section, top) if boxed else read_layout(top, [top]).roles
    for role in roles or ("all",):
        opened[role] = open_source(section, role, place)
        place = place._replace(classes=place.classes or opened[role].classes)
    return opened
