"""The parts of a folder of pictures, opened: all of it is looked at, whatever a training would take."""

from pathlib import Path

from netspec.data.folder_layout import read_layout
from netspec.data.source import Source
from netspec.data.sources.image_folder import open_images
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection

__all__ = ["open_parts"]


def open_parts(folder: Path) -> dict[str, Source]:
    """A source for each part that a folder has of its own, "all" where it has none. Raises SpecError
    as open_images does.
    """
    top = folder.absolute()
    section, contract = DataSection(source="images", path=str(top)), ImageContract(color="rgb")
    opened: dict[str, Source] = {}
    classes: tuple[str, ...] | None = None
    for role in read_layout(top, [top]).roles or ("all",):
        opened[role] = open_images(section, role, top, contract, classes)
        classes = classes or opened[role].classes
    return opened
