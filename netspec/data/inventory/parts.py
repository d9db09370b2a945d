"""The parts of a folder of pictures or sounds, opened: all of it is looked at, whatever a training would take."""

from pathlib import Path

from netspec.data.folder_layout import read_layout
from netspec.data.place import Place
from netspec.data.registry import open_source
from netspec.data.source import Source
from netspec.data.sources.audio import holds_sounds
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection

__all__ = ["open_parts"]


def open_parts(folder: Path) -> dict[str, Source]:
    """A source for each part that a folder has of its own, "all" where it has none. Raises SpecError
    as open_images and open_audio do.
    """
    top = folder.absolute()
    kind = "audio" if holds_sounds(top) else "images"
    section = DataSection(source=kind, path=str(top))
    place = Place(top, contract=ImageContract(color="rgb"))
    opened: dict[str, Source] = {}
    for role in read_layout(top, [top]).roles or ("all",):
        opened[role] = open_source(section, role, place)
        place = place._replace(classes=place.classes or opened[role].classes)
    return opened
