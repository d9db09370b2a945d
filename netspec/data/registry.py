"""From a data section to an opened source: the table of the kinds of source, and which part of the
data each role takes.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from netspec.data.conform import conform_to_contract
from netspec.data.source import Source
from netspec.data.sources.cifar import open_cifar10
from netspec.data.sources.csv import open_csv
from netspec.data.sources.digits import open_digits
from netspec.data.sources.hdf5 import open_hdf5
from netspec.data.sources.idx import open_idx, open_mnist
from netspec.data.sources.image_folder import open_images
from netspec.data.sources.lmdb import open_lmdb
from netspec.data.sources.npz import open_npz
from netspec.data.sources.plugin import open_python
from netspec.data.sources.text import open_text
from netspec.diagnostics import fail
from netspec.diagnostics.suggest import nearest
from netspec.resolve.sections.image import ImageContract, Shape
from netspec.resolve.sections.train import DataSection

__all__ = ["IN_PARTS", "Place", "Role", "data_of", "default_part", "open_source", "open_sources"]

Role = Literal["train", "test"]


class Place(NamedTuple):
    """Where a section stands and what its input expects.

    root: the spec's folder.   shape: of one sample of the input, without N.   contract: the input's `image:`, if it has one.
    classes: names that training gave the labels, for a test or another file.   allow_outside: paths may leave root.
    allow_code: a Python source may run.
    """

    root: Path
    shape: Shape | None = None
    contract: ImageContract | None = None
    classes: Sequence[str] | None = None
    allow_outside: bool = False
    allow_code: bool = False

    @property
    def file_contract(self) -> ImageContract:
        """The contract that decodes files: the default one where the input has none."""
        contract = self.contract or ImageContract()
        if self.shape and len(self.shape) == 3:
            return contract.for_files(self.shape)
        return contract


Opener = Callable[[DataSection, str | None, Place], Source]
IN_PARTS = ("digits", "mnist", "cifar10")
"""Sources with a training and a test part of their own: without `split`, the role chooses."""
SOURCES: dict[str, Opener] = {
    "digits": lambda section, split, place: open_digits(split),
    "mnist": lambda section, split, place: open_mnist(section, split, place.root, place.allow_outside),
    "cifar10": lambda section, split, place: open_cifar10(
        section, split, place.root, place.file_contract, place.allow_outside
    ),
    "idx": lambda section, split, place: open_idx(section, split, place.root, place.allow_outside),
    "images": lambda section, split, place: open_images(
        section, split, place.root, place.file_contract, place.classes, place.allow_outside
    ),
    "csv": lambda section, split, place: open_csv(
        section, split, place.root, place.classes, place.allow_outside
    ),
    "npz": lambda section, split, place: open_npz(section, split, place.root, place.allow_outside),
    "hdf5": lambda section, split, place: open_hdf5(section, split, place.root, place.allow_outside),
    "lmdb": lambda section, split, place: open_lmdb(
        section, split, place.root, place.file_contract, place.allow_outside
    ),
    "text": lambda section, split, place: open_text(
        section, split, place.root, place.classes, place.allow_outside
    ),
}


def open_source(section: DataSection, split: str | None, place: Place) -> Source:
    """The source that a section names, its first field as the contract wants it on arrival.

    split is the part to take where the section says none: train, test, all, or None for the
    source's default, its training part where it has parts, else everything. Raises SpecError NS640
    (unknown source), NS650 (empty), NS641 to NS663 by what is wrong with the data.
    """
    part = section.split or split
    if section.source.startswith("python:"):
        source = open_python(section, part, place.root, place.allow_code)
    elif section.source in SOURCES:
        source = SOURCES[section.source](section, part, place)
    else:
        near = nearest(section.source, SOURCES, 1)
        known = f"there are {', '.join(SOURCES)}, python:module:Class"
        raise fail("NS640", f"{section.source}; " + (f"did you mean {near[0]}?" if near else known))
    source = conform_to_contract(source, place.contract, place.shape[0] if place.shape else None)
    if not len(source):
        raise fail("NS650", f"no samples{f' in the part {part}' if part else ''}", path=source.name)
    return source


def open_sources(
    data: DataSection, test_data: DataSection | None, place: Place
) -> tuple[Source, Source | None]:
    """The sources of training and test. The test numbers its classes as the training does.

    Without `split`, sources with parts of their own give each role its part; data that both
    sections name alike are divided, every fifth sample to the test; anything else is taken whole.
    """
    alike = test_data is not None and data_of(data) == data_of(test_data)
    train = open_source(data, default_part(data, "train", alike), place)
    if test_data is None:
        return train, None
    return train, open_source(
        test_data, default_part(test_data, "test", alike), place._replace(classes=train.classes)
    )


def default_part(section: DataSection, role: Role, alike: bool) -> str | None:
    """The part of a role: None where the section's data are all for it."""
    if alike or section.source in IN_PARTS:
        return role
    return None


def data_of(section: DataSection) -> tuple[object, ...]:
    """What names the data, apart from the part that is taken of it."""
    return section.source, section.path, section.images, section.labels, repr(section.options)
