"""An inventory of opened sources: every sample counted, every picture file looked at. In: the parts
of the data as sources; out: an Inventory, and the findings that it is reason for.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from PIL import Image

from netspec.data.boxes.annotations import BoxedFolder, boxes_behind
from netspec.data.inventory.fields import FieldFacts, look_at_fields
from netspec.data.inventory.pictures import UNKNOWN, Picture, look_at
from netspec.data.source import Array, Source, find_origin
from netspec.data.sources.image_folder import ImageFile, ImageFolder
from netspec.diagnostics import Diagnostic, Fix, SpecError
from netspec.diagnostics.words import list_some
from netspec.file_reading import Roots, open_in

__all__ = [
    "Bad",
    "Boxes",
    "Inventory",
    "Part",
    "classes_held",
    "folder_behind",
    "judge",
    "take_inventory",
]

ALL = ": `netspec data --json` lists them all"
ROWS = 2
"""Axes of labels of which a sample has several."""
STEP = 512
"""Pictures between two looks at the room that is left for keeping them; labels without names that are
counted apart: more different ones are mostly no classes.
"""
Known = Mapping[str, Picture]
Tick = Callable[[int], None]


class Boxes(NamedTuple):
    """total: how many boxes there are; most: in one picture; without: pictures that have none.
    sides: root of the share of its picture that a box covers, least, middle and greatest.
    difficult: boxes that are marked so.
    """

    total: int
    most: int
    without: int
    sides: tuple[float, float, float]
    difficult: int


class Part(NamedTuple):
    """One part of the data. counts: samples of each label, in the order of the classes where there
    are any; boxes of each, where samples hold several; masks that hold it, where each pixel has one.
    looked: samples whose values were looked at.

    pictures: of every sample, by its path; empty where samples are no pictures. masks: of the files
    that belong to them. facts: as of the source. left_out: samples that it could not take, and why.
    """

    name: str
    source: str
    samples: int
    classes: tuple[str, ...]
    counts: Mapping[str, int]
    fields: Mapping[str, FieldFacts]
    looked: int
    pictures: Mapping[str, Picture]
    masks: Mapping[str, Picture] = MappingProxyType({})
    boxes: Boxes | None = None
    facts: Mapping[str, object] = MappingProxyType({})
    left_out: tuple[str, ...] = ()

    @property
    def files(self) -> dict[str, Picture]:
        """All files by their paths."""
        return {**self.pictures, **self.masks}


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
    keeping: bool = False,
) -> Inventory:
    """Look at all samples of some parts. Picture files are read by their headers and ends; with
    `decoding` whole, as are the values of every other source. keeping: pictures are decoded as long
    as there is room for the source to keep them, so that a training has them then.

    known: what an inventory before found, by path, taken where a file's size and time are the same.
    tick: told how many samples were looked at since it was told last.
    """
    made = []
    for name, source in parts.items():
        labels, classes = source.labels(), source.classes or ()
        part = Part(
            name,
            source.name,
            len(source),
            classes,
            count(labels, classes or source.columns),
            {},
            0,
            {},
            facts=source.facts,
            left_out=source.left_out,
        )
        boxed = boxes_behind(source)
        if boxed is not None:
            counts, boxes = count_boxes(*boxed)
            part = part._replace(counts=counts, boxes=boxes)
        folder = folder_behind(source)
        if folder is None:
            fields, looked = look_at_fields(source, decoding, tick)
            made.append(part._replace(fields=fields, looked=looked))
            continue
        pictures, masks = look_at_files(*folder, Look(decoding, keeping, known), tick)
        fields = {key: FieldFacts(field.shape, str(field.dtype)) for key, field in source.fields.items()}
        looked = sum(picture.decoded for picture in pictures.values())
        part = part._replace(fields=fields, looked=looked, pictures=pictures, masks=masks)
        made.append(part._replace(counts=count_masks(masks.values(), classes)) if masks else part)
    return Inventory(
        tuple(made),
        tuple(
            Bad(path, each.code, each.fault)
            for part in made
            for path, each in part.files.items()
            if each.fault
        ),
        tuple(find_copies(parts, made)),
        tuple(find_plain(parts, made)),
    )


def folder_behind(source: Source) -> tuple[ImageFolder, Array] | None:
    """The folder of pictures that a source, or a part of one, takes its samples from, and which of
    its files they are; None for any other source.
    """
    origin, numbers = find_origin(source)
    if isinstance(origin, ImageFolder):
        return origin, numbers
    return None


class Look(NamedTuple):
    """How files are looked at, and what is known of them; as take_inventory has it."""

    decoding: bool
    keeping: bool
    known: Known

    def at_sample(self, folder: ImageFolder, index: int) -> list[tuple[str, Picture]]:
        """All files of a sample by their paths, its picture first."""
        files = folder.files_of(index)
        found = [self.at_file(file, self.decoding or file.always) for file in files]
        picture = found[0][1]
        folder.lengths[index] = picture.size
        if picture.plain:
            folder.noticed.flat[found[0][0]] = None
        if not any(picture.fault for _, picture in found):
            return compare(folder, index, found)
        return found

    def at_file(self, file: ImageFile, decoding: bool) -> tuple[str, Picture]:
        """A file's path, and its facts."""

        def decode(image: Image.Image) -> Array:
            values = file.decode(image)
            if self.keeping:
                file.keep(values)
            return values

        path = str(file.path)
        known = self.known.get(path, UNKNOWN)
        return path, look_at(file.path, file.roots, decode, decoding, known, file.words)


def compare(folder: ImageFolder, index: int, found: list[tuple[str, Picture]]) -> list[tuple[str, Picture]]:
    """The files of a sample; the last is to blame where they do not go together."""
    try:
        folder.compare(index, [(picture.width, picture.height) for _, picture in found])
    except SpecError as error:
        path, picture = found[-1]
        return [*found[:-1], (path, picture.blame(error))]
    return found


def look_at_files(
    folder: ImageFolder, numbers: Array, look: Look, tick: Tick
) -> tuple[dict[str, Picture], dict[str, Picture]]:
    """The facts of a folder's pictures, and of what belongs to them, several at a time."""
    pictures: dict[str, Picture] = {}
    masks: dict[str, Picture] = {}
    for start in range(0, len(numbers), STEP):
        some = numbers[start : start + STEP].tolist()
        # asked once for all of these, so that what is decoded does not hang on which thread was first
        now = look._replace(decoding=look.decoding or (look.keeping and folder.room > 0))
        for first, *others in folder.map(partial(now.at_sample, folder), some):
            pictures[first[0]] = first[1]
            masks |= others
        tick(len(some))
    return pictures, masks


def count(labels: Array | None, classes: Sequence[str]) -> dict[str, int]:
    """Samples of each class, or of each label where labels are few and have no names; of rows of 0
    and 1 those that have each of them. classes: names of labels, or of the columns of such rows.
    """
    if labels is not None and labels.ndim == ROWS and 1 < labels.shape[1] <= STEP:
        ones = (labels == 1).sum(0).tolist()
        named = classes if len(classes) == len(ones) else [*map(str, range(len(ones)))]
        return dict(zip(named, ones, strict=True)) if np.isin(labels, (0, 1)).all() else {}
    if labels is None or labels.ndim != 1:
        return {}
    values, counts = np.unique(labels, return_counts=True)
    if not classes and (labels.dtype.kind not in "iu" or len(values) > STEP):
        return {}
    by_label = dict(zip(values.tolist(), counts.tolist(), strict=True))
    if classes:
        return {name: by_label.get(label, 0) for label, name in enumerate(classes)}
    return {str(label): n for label, n in by_label.items()}


def count_masks(masks: Iterable[Picture], classes: Sequence[str]) -> dict[str, int]:
    """Masks that hold each class, by its name or number; of those whose classes are few."""
    holding = Counter(number for mask in masks for number in classes_held(mask))
    named = {name: holding.pop(number, 0) for number, name in enumerate(classes)}
    return named | {str(number): holding[number] for number in sorted(holding)}


def classes_held(mask: Picture) -> list[int]:
    """The numbers of the classes that a mask holds, where all are below 256."""
    bits = int(mask.held or "0", 16)
    return [number for number in range(bits.bit_length()) if bits >> number & 1]


def count_boxes(folder: BoxedFolder, numbers: Array) -> tuple[dict[str, int], Boxes]:
    """The boxes of each class in some pictures, and what they are like."""
    counts, each = folder.count(numbers)
    rows = np.concatenate([folder.boxes(i) for i in numbers.tolist()])
    sides = np.sqrt((rows[:, 5] - rows[:, 3]) * (rows[:, 6] - rows[:, 4]))
    ends = tuple(map(float, np.quantile(sides, (0, 0.5, 1)))) if len(sides) else (0.0, 0.0, 0.0)
    names = folder.classes or ()
    found = Boxes(
        len(rows),
        int(each.max(initial=0)),
        int((each == 0).sum()),
        (ends[0], ends[1], ends[2]),
        int(rows[:, 7].sum()),
    )
    return dict(zip(names[1:], counts[1:].tolist(), strict=True)), found


def find_copies(
    parts: Mapping[str, Source], made: Sequence[Part]
) -> Iterator[tuple[tuple[str, str, str], ...]]:
    """Groups of files with the same bytes: those of one length whose ends agree are read whole. Each
    file with its part and the class that it has there.
    """
    alike: dict[tuple[int, int], list[tuple[str, str, str]]] = defaultdict(list)
    roots = {}
    for part in made:
        behind = folder_behind(parts[part.name])
        if behind is None:
            continue
        folder, numbers = behind
        for number, name in zip(numbers.tolist(), names_of(parts[part.name]), strict=True):
            path = str(folder.files[number])
            roots[path], picture = folder.roots, part.pictures[path]
            alike[picture.size, picture.mark].append((part.name, name, path))
    for group in alike.values():
        same: dict[bytes, list[tuple[str, str, str]]] = defaultdict(list)
        # one file may stand in several rows of a list, or in several parts
        for each in group if len(set(group)) > 1 else ():
            same[digest(Path(each[2]), roots[each[2]])].append(each)
        yield from (tuple(files) for content, files in same.items() if content and len(set(files)) > 1)


def names_of(source: Source) -> list[str]:
    """The class of each sample, by its number where that has no name; empty where it has none."""
    labels = source.labels()
    if labels is None or labels.ndim != 1 or labels.dtype.kind not in "iu":
        return [""] * len(source)
    names = dict(enumerate(source.classes or ()))
    return [names.get(label, str(label)) for label in labels.tolist()]


def digest(path: Path, roots: Roots) -> bytes:
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


def judge(found: Inventory, fixes: tuple[Fix, ...] = ()) -> list[Diagnostic]:
    """What an inventory has to say against the data: NS647 for all files that cannot be read, in
    one finding (NS648 for those that are too large, NS642, NS643 for those that may not or cannot
    be opened); NS669 for pictures that stand under two classes or in two parts. fixes: how to go on
    without the files.
    """
    said = []
    total = sum(len(part.files) for part in found.parts)
    kind = "files" if any(part.masks for part in found.parts) else "pictures"
    for code in dict.fromkeys(each.code for each in found.bad):
        bad = [each for each in found.bad if each.code == code]
        fact = f"{len(bad):,} of {total:,} {kind}"
        notes = list_some(list(map(str, bad)), ALL)
        said.append(Diagnostic(code, fact, path=found.parts[0].source, notes=notes, fixes=fixes))
    torn = [group for group in found.copies if len({each[:2] for each in group}) > 1]
    if torn:
        fact = f"{len(torn):,} {'picture stands' if len(torn) == 1 else 'pictures stand'} in two places"
        two = [group for group in torn if len({name for _, name, _ in group}) > 1]
        if two:
            fact += f", {len(two):,} of them under two classes"
        lines = list_some([tell_copies(group) for group in torn])
        said.append(Diagnostic("NS669", fact, path=found.parts[0].source, notes=lines))
    return said


def tell_copies(group: Sequence[tuple[str, str, str]]) -> str:
    """`a.png (train, cat) = b.png (train, dog)`: what tells the places of a picture apart."""
    differ = [index for index in (0, 1) if len({each[index] for each in group}) > 1]
    places = dict.fromkeys((each[2], ", ".join(each[i] for i in differ if each[i])) for each in group)
    return " = ".join(f"{path} ({said})" if said else path for path, said in places)
