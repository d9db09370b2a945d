"""From a data section to an opened source: the table of the kinds of source, and which part of the
data each role takes.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from netspec.data.pictures.conform import conform_to_contract
from netspec.data.place import Place
from netspec.data.source import Source
from netspec.data.sources.audio import open_audio
from netspec.data.sources.cifar import open_cifar10
from netspec.data.sources.coco import coco_roles, open_coco
from netspec.data.sources.csv import open_csv
from netspec.data.sources.digits import open_digits
from netspec.data.sources.hdf5 import open_hdf5
from netspec.data.sources.idx import open_idx, open_mnist
from netspec.data.sources.image_folder import folder_roles, open_images
from netspec.data.sources.lmdb import open_lmdb
from netspec.data.sources.masks import mask_roles, open_masked
from netspec.data.sources.npz import npz_parts, open_npz
from netspec.data.sources.plugin import open_python
from netspec.data.sources.sequences import open_sequences
from netspec.data.sources.table import open_table, table_roles
from netspec.data.sources.text import open_text
from netspec.data.sources.voc import open_voc, voc_roles
from netspec.data.sources.webdataset import open_webdataset
from netspec.data.splits import Folds, draw_part, draw_samples
from netspec.data.tables.standardise import measure, standardise
from netspec.diagnostics import Diagnostic, SpecError, fail
from netspec.diagnostics.suggest import did_you_mean, nearest
from netspec.diagnostics.words import LISTED, list_some
from netspec.resolve.sections.train import DataSection, SplitSection, TrainSection

__all__ = [
    "IN_PARTS",
    "Place",
    "Role",
    "beside",
    "check_parts",
    "data_of",
    "default_part",
    "open_beside",
    "open_source",
    "open_sources",
]

Role = Literal["train", "val", "test"]


Opener = Callable[[DataSection, str | None, Place], Source]
IN_PARTS = ("digits", "mnist", "cifar10")
"""Sources with a training and a test part of their own: without `split`, the role chooses."""
SOURCES: dict[str, Opener] = {
    "digits": lambda section, split, place: open_digits(split),
    "mnist": lambda section, split, place: open_mnist(section, split, place.root, place.allow_outside),
    "cifar10": lambda section, split, place: open_cifar10(
        section, split, place.root, place.file_contract, place.allow_outside
    ),
    "idx": open_idx,
    "images": lambda section, split, place: (
        open_masked(section, split, place.root, place.file_contract, place.allow_outside)
        if section.masks is not None
        else open_images(section, split, place.root, place.file_contract, place.classes, place.allow_outside)
    ),
    "coco": lambda section, split, place: open_coco(
        section, split, place.root, place.file_contract, place.classes, place.allow_outside
    ),
    "voc": lambda section, split, place: open_voc(
        section, split, place.root, place.file_contract, place.classes, place.allow_outside
    ),
    "csv": open_csv,
    "npz": lambda section, split, place: open_npz(section, split, place.root, place.allow_outside),
    "hdf5": lambda section, split, place: open_hdf5(section, split, place.root, place.allow_outside),
    "lmdb": lambda section, split, place: open_lmdb(
        section, split, place.root, place.file_contract, place.allow_outside
    ),
    "sequences": open_sequences,
    "table": open_table,
    "text": lambda section, split, place: open_text(
        section, split, place.root, place.classes, place.allow_outside
    ),
    "audio": open_audio,
    "webdataset": open_webdataset,
}
OWN_PARTS: dict[str, Callable[[DataSection, Place], tuple[str, ...]]] = {
    **dict.fromkeys(IN_PARTS, lambda section, place: ("train", "test")),
    "images": lambda section, place: (folder_roles if section.masks is None else mask_roles)(
        section, place.root, place.allow_outside
    ),
    "coco": lambda section, place: coco_roles(section, place.root, place.allow_outside),
    "voc": lambda section, place: voc_roles(section, place.root, place.allow_outside),
    "table": lambda section, place: table_roles(section, place.root, place.allow_outside),
    "npz": lambda section, place: npz_parts(section, place.root, place.allow_outside),
    "audio": lambda section, place: folder_roles(section, place.root, place.allow_outside),
}
"""The parts that a source has of its own; the others have none."""


def own_parts(section: DataSection, place: Place) -> tuple[str, ...]:
    """The parts that the data of a section have of their own."""
    if section.source in OWN_PARTS:
        return OWN_PARTS[section.source](section, place)
    return ()


def open_source(section: DataSection, split: str | None, place: Place) -> Source:
    """The source that a section names, its first field as the contract wants it on arrival.

    split is the part to take where the section says none: train, test, all, or None for the
    source's default, its training part where it has parts, else everything. Raises SpecError NS640
    (unknown source), NS650 (empty), NS641 to NS663 by what is wrong with the data.
    """
    if place.faults is not None:
        return open_what_is_sound(section, split, place._replace(faults=None), place.faults)
    part = section.split or split
    source = take_part(section, part, place)
    source = conform_to_contract(source, place.contract, place.shape[0] if place.shape else None)
    source = standardise(source, place.facts)
    if not len(source):
        raise fail("NS650", f"no samples{f' in the part {part}' if part else ''}", path=source.name)
    return source


def open_what_is_sound(
    section: DataSection, split: str | None, place: Place, faults: list[Diagnostic]
) -> Source:
    """The source without the samples that cannot be taken, what is wrong with them among `faults`.
    Raises SpecError where more than samples is wrong.
    """
    try:
        return open_source(section, split, place)
    except SpecError as error:
        try:
            source = open_source(section.replace(on_error="skip"), split, place)
        except SpecError:
            raise error from None
        faults += [each for each in name_all(error.diagnostics, source) if each not in faults]
        return source


def name_all(found: Sequence[Diagnostic], source: Source) -> Sequence[Diagnostic]:
    """What was raised at the first sample that cannot be taken, or of all; in either case of all."""
    if len(found) > 1 or len(found[0].notes) >= min(len(source.left_out), LISTED) or len(source.left_out) < 2:
        return found
    fact = f"{len(source.left_out):,} beside {len(source):,} that can be taken"
    return [Diagnostic(found[0].code, fact, path=found[0].path, notes=list_some(source.left_out))]


def check_parts(section: TrainSection, place: Place) -> None:
    """Raises SpecError NS641 where a part is drawn and nobody measures it, or where one part would
    be both the validation and the test data.
    """
    said = {"val": section.val_data, "test": section.test_data}
    for role, data in said.items():
        if data is None and section.split is not None and getattr(section.split, role):
            raise fail("NS641", f"train.split sets {role} apart: nothing reads it, there is no {role}_data")
    val, test = section.val_data, section.test_data
    if val is None or test is None or data_of(val) != data_of(test):
        return
    if val.split not in (None, "val"):
        return
    own = own_parts(test, place)
    drawn = section.split is not None and section.split.test
    if (test.split or "test") == "val" or (own and "test" not in own and not drawn):
        raise fail(
            "NS641",
            "the part val would be the test data, too: what chooses the weights cannot measure them",
            path=test.path,
            notes=("`train.split: {test: 0.2}` draws a test from the training part",),
        )


def take_part(section: DataSection, part: str | None, place: Place) -> Source:
    """A part of a source: its own, or one that is drawn as `train.split` says.

    Raises SpecError NS641 where there is no such part and nothing says how to draw it.
    """
    shares = place.split
    if shares is None and part != "val":
        return open_named(section, part, place)
    own = own_parts(section, place)
    folds = folds_of(shares)
    if part in own and part != "train" and not (part == "val" and folds):
        return open_named(section, part, place)
    words = {} if shares is None else {"val": shares.val, "test": shares.test}
    drawn = {role: share for role, share in words.items() if share and role not in own}
    if part in ("val", "test") and part not in drawn and not (part == "val" and folds):
        raise fail(
            "NS641",
            f"{section.source} has no part called {part}",
            path=section.path,
            notes=(f"`train.split: {{{part}: 0.1}}` draws one, from each class its share",),
        )
    if section.streams:
        raise fail("NS641", "streams run through a text in one piece, train.split draws windows")
    source = open_named(section, "train" if own else "all", place)
    return draw_part(source, part or ("train" if own else None), drawn, shares.seed if shares else 0, folds)


def folds_of(shares: SplitSection | None) -> Folds | None:
    """The fold that `train.split` asks for, if it does."""
    if shares is None or shares.folds is None:
        return None
    return Folds(shares.folds, shares.fold)


def open_named(section: DataSection, part: str | None, place: Place) -> Source:
    """The source by its own words. Raises SpecError NS640 where it is unknown."""
    if section.source.startswith("python:"):
        return open_python(section, part, place.root, place.allow_code)
    if section.source in SOURCES:
        return SOURCES[section.source](section, part, place)
    near = nearest(section.source, SOURCES, 1)
    known = f"there are {', '.join(SOURCES)}, python:module:Class"
    raise fail("NS640", f"{section.source}; " + did_you_mean(near, known))


def open_sources(
    data: DataSection, test_data: DataSection | None, place: Place
) -> tuple[Source, Source | None]:
    """The sources of training and test. The test numbers its classes as the training does.

    Without `split`, sources with parts of their own give each role its part; data that both
    sections name alike are divided, every fifth sample to the test; anything else is taken whole.
    """
    alike = test_data is not None and data_of(data) == data_of(test_data)
    alike = alike or place.split is not None
    train = open_source(data, default_part(data, "train", alike), place)
    if data.standardise:
        train = standardise(train, measure(train))
    if data.bootstrap is not None:  # after what is measured of all, so that members of a bag agree on it
        train = draw_samples(train, data.bootstrap)
    if test_data is None:
        return train, None
    return train, open_beside(data, test_data, "test", beside(place, train))


def beside(place: Place, train: Source) -> Place:
    """The place of data beside those of training, which name the classes and fix the facts."""
    return place._replace(classes=train.classes, facts=train.facts)


def open_beside(data: DataSection, section: DataSection, role: Role, place: Place) -> Source:
    """The validation or test data beside those of training, whose classes and facts `place` has."""
    part = default_part(section, role, data_of(data) == data_of(section))
    return open_source(section, part, place)


def default_part(section: DataSection, role: Role, alike: bool) -> str | None:
    """The part of a role: None where the section's data are all for it."""
    if alike or section.source in IN_PARTS:
        return role
    return None


def data_of(section: DataSection) -> tuple[object, ...]:
    """What names the data, apart from the part that is taken of it."""
    return (
        section.source,
        section.path,
        section.images,
        section.labels,
        section.masks,
        repr(section.options),
    )
