"""The parts of the data at a path, opened: all of it is looked at, whatever a training would take."""

from collections.abc import Mapping
from pathlib import Path

from netspec.data.inventory.kinds import recognise
from netspec.data.place import Place
from netspec.data.registry import open_source
from netspec.data.source import Source
from netspec.diagnostics import Diagnostic
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection

__all__ = ["open_parts", "open_sections"]


def open_parts(path: Path, faults: list[Diagnostic] | None = None) -> dict[str, Source]:
    """A source for each part that the data at a path have of their own, "all" where they have none.
    faults: takes what is wrong with single samples. Raises SpecError as recognise and the source do.
    """
    return open_sections(recognise(path), path, faults)


def open_sections(
    sections: Mapping[str, DataSection], path: Path, faults: list[Diagnostic] | None = None
) -> dict[str, Source]:
    """The same of sections that are known."""
    top = path.absolute()
    place = Place(top if top.is_dir() else top.parent, contract=ImageContract(color="rgb"), faults=faults)
    opened: dict[str, Source] = {}
    for role, section in sections.items():
        # sections of their own paths are their parts whole
        alone = any(other is not section for other in sections.values())
        opened[role] = open_source(section, "all" if alone else role, place)
        place = place._replace(classes=place.classes or opened[role].classes)
    return opened
