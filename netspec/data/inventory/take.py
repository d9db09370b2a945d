"""An inventory of opened sources: every sample counted, every picture file looked at. In: the parts of
the data as sources; out: an Inventory, and the findings that it is reason for.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from netspec.data.inventory.fields import FieldFacts, look_at_fields
from netspec.data.inventory.pictures import Picture, look_at
from netspec.data.source import Array, Source, Subset
from netspec.data.sources.image_folder import ImageFolder
from netspec.diagnostics import Diagnostic
from netspec.file_reading import open_in

__all__ = ["Bad", "Inventory", "Part", "folder_behind", "judge", "list_some", "take_inventory"]

LISTED = 20
"""Files that a finding names; the others are counted."""
ALL = ": `netspec data --json` lists them all"
STEP = 512
Known = Mapping[str, Picture]
Tick = Callable[[int], None]


class Part(NamedTuple):
    """One part of the data. counts: samples of each label, in the order of the classes where there
    are any. looked: samples whose values were looked at.

    pictures: of every file, by its path; empty where samples are no files.
    """

    name: str
    source: str
    samples: int
    classes: tuple[str, ...]
    counts: Mapping[str, int]
    fields: Mapping[str, FieldFacts]
    looked: int
    pictures: Mapping[str, Picture]


class Bad(NamedTuple):
    """A file that cannot be read, the code of the finding that says so, and why."""

    path: str
    code: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


class Inventory(NamedTuple):
    """What some data hold. copies: groups of files with the same
    content, each with (part, class, path); plain: files or samples of one colour, or one value.
    """

    parts: tuple[Part, ...]
    bad: tuple["Bad", ...]
    copies: tuple[tuple[tuple[str, str, str], ...], ...]
    plain: tuple[str, ...]


def take_inventory(
    parts: Mapping[str, Source],
    decoding: bool = False,
    known: Known = MappingProxyType({}),
    tick: Tick = lambda count: None,
) -> Inventory:
    """Look at all samples of some parts. Picture files are read by their headers and ends; with
    `decoding` whole, as are the values of every other source.

    known: what an inventory before found, by path, taken where a file's size and time are the same.
    tick: told how many samples were looked at since it was told last.
    """
    made = []
    for name, source in parts.items():
        folder = folder_behind(source)
        if folder is None:
            fields, looked = look_at_fields(source, decoding, tick)
            pictures: dict[str, Picture] = {}
        else:
            fields = {key: FieldFacts(field.shape, str(field.dtype)) for key, field in source.fields.items()}
            pictures = look_at_files(*folder, decoding, known, tick)
            looked = sum(picture.decoded for picture in pictures.values())
        labels = source.labels()
        classes = source.classes or ()
        made.append(
            Part(name, source.name, len(source), classes, count(labels, classes), fields, looked, pictures)
        )
    return Inventory(
        tuple(made),
        tuple(
            Bad(path, each.code, each.fault)
            for part in made
            for path, each in part.pictures.items()
            if each.fault
        ),
        tuple(find_copies(parts, made)),
        tuple(find_plain(parts, made)),
    )


def folder_behind(source: Source) -> tuple[ImageFolder, Array] | None:
    """The folder of pictures that a source, or a part of one, takes its samples from, and which of
    its files they are; None for any other source.
    """
    numbers: Array = np.arange(len(source))
    while isinstance(source, Subset):
        numbers = source.indices[numbers]
        source = source.source
    if isinstance(source, ImageFolder):
        return source, numbers
    return None


def look_at_files(
    folder: ImageFolder, numbers: Array, decoding: bool, known: Known, tick: Tick
) -> dict[str, Picture]:
    """The facts of a folder's files, several at a time."""
    found: dict[str, Picture] = {}
    for start in range(0, len(numbers), STEP):
        files = [folder.files[i] for i in numbers[start : start + STEP].tolist()]
        seen = folder.map(lambda file: look_at(file, folder.roots, decoding, known.get(str(file))), files)
        found |= zip(map(str, files), seen, strict=True)
        tick(len(files))
    return found


def count(labels: Array | None, classes: Sequence[str]) -> dict[str, int]:
    """Samples of each class, or of each label where labels are few and have no names."""
    if labels is None or labels.ndim != 1:
        return {}
    values, counts = np.unique(labels, return_counts=True)
    if not classes and (labels.dtype.kind not in "iu" or len(values) > STEP):
        return {}
    by_label = dict(zip(values.tolist(), counts.tolist(), strict=True))
    if classes:
        return {name: by_label.get(label, 0) for label, name in enumerate(classes)}
    return {str(label): n for label, n in by_label.items()}


def find_copies(
    parts: Mapping[str, Source], made: Sequence[Part]
) -> Iterator[tuple[tuple[str, str, str], ...]]:
    """Groups of files with the same bytes: those of one length whose ends agree are read whole."""
    alike: dict[tuple[int, int], list[tuple[str, str, str]]] = defaultdict(list)
    roots = {}
    for part in made:
        behind = folder_behind(parts[part.name])
        if behind is None:
            continue
        folder, numbers = behind
        for number, (path, picture) in zip(numbers.tolist(), part.pictures.items(), strict=True):
            roots[path] = folder.roots
            name = part.classes[folder.marks[number]] if part.classes else ""
            alike[picture.size, picture.mark].append((part.name, name, path))
    for group in alike.values():
        same: dict[bytes, list[tuple[str, str, str]]] = defaultdict(list)
        for each in group if len({path for *_, path in group}) > 1 else ():
            same[digest(Path(each[2]), roots[each[2]])].append(each)
        yield from (tuple(files) for content, files in same.items() if content and len(files) > 1)


def digest(path: Path, roots: Sequence[Path]) -> bytes:
    """A hash of a file's bytes; empty where it cannot be read."""
    made = blake2b(digest_size=16)
    try:
        with open_in(path, roots) as file:
            while block := file.read(1 << 20):
                made.update(block)
    except OSError:
        return b""
    return made.digest()


def find_plain(parts: Mapping[str, Source], made: Sequence[Part]) -> Iterator[str]:
    """Files of one colour, and samples of one value of a source's first field."""
    for part in made:
        yield from (path for path, picture in part.pictures.items() if picture.plain)
        first = next(iter(part.fields.values()), None)
        if not part.pictures and first is not None:
            yield from map(parts[part.name].where, first.plain)


def judge(found: Inventory) -> list[Diagnostic]:
    """What an inventory has to say against the data: NS647 for all files that cannot be read, in one
    finding (NS648 for those that are too large, NS642, NS643 for those that may not or cannot be
    opened); NS669 for pictures that stand under two classes or in two parts.
    """
    said = []
    total = sum(len(part.pictures) for part in found.parts)
    for code in dict.fromkeys(each.code for each in found.bad):
        bad = [each for each in found.bad if each.code == code]
        fact = f"{len(bad):,} of {total:,} pictures"
        said.append(
            Diagnostic(code, fact, path=found.parts[0].source, notes=list_some(list(map(str, bad)), ALL))
        )
    torn = [group for group in found.copies if len({each[:2] for each in group}) > 1]
    if torn:
        fact = f"{len(torn):,} {'picture stands' if len(torn) == 1 else 'pictures stand'} in two places"
        lines = list_some([" = ".join(path for *_, path in group) for group in torn])
        said.append(Diagnostic("NS669", fact, path=found.parts[0].source, notes=lines))
    return said


def list_some(lines: Sequence[str], where: str = "") -> tuple[str, ...]:
    """The first lines, and how many more there are, and where."""
    more = len(lines) - LISTED
    return (*lines[:LISTED], *([f"and {more:,} more{where}"] if more > 0 else []))
