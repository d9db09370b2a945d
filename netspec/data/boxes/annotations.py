"""Pictures with boxes around what they show. In: pictures, and boxes as annotations have them; out:
a Source whose label is, for each picture, the rows that MultiBoxLoss reads. Knows no format.
"""

import io
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from netspec.data.pictures.files import read_encoded
from netspec.data.source import Array, Field, Rows, Source, find_origin
from netspec.data.sources.image_folder import ImageFolder
from netspec.data.splits import lacking_names
from netspec.diagnostics import Diagnostic, SpecError, fail
from netspec.diagnostics.words import list_briefly, list_some
from netspec.imaging.decode import open_picture, picture_faults, upright_size
from netspec.resolve.sections.image import ImageContract

__all__ = [
    "BACKGROUND",
    "COLUMNS",
    "Annotated",
    "BoxedFolder",
    "Fault",
    "boxes_behind",
    "join_annotated",
    "lacking_boxes",
    "number_classes",
    "open_boxed",
]

BACKGROUND = "background"
"""Class 0, which no box has: what a prior shows that matches none."""
COLUMNS = ("image", "label", "instance", "xmin", "ymin", "xmax", "ymax", "difficult")
"""Of a row, as Caffe's SSD has it. The first is the picture's number in its batch."""
SHOWN = 6
TOLD = 0.5
"""Pixels beyond the border from which on a box is said to be cut: less is rounding."""


class Fault(NamedTuple):
    """What is wrong with one thing: its code, where it is, and the fact. picture: its number, where
    that is what is left out.
    """

    code: str
    place: str
    fact: str
    picture: int | None = None

    def __str__(self) -> str:
        return f"{self.place}: {self.fact}"


class Annotated(NamedTuple):
    """What annotations say of some pictures. sizes: (width, height) of each, 0 where it is not
    said. A row for each box: the number of its picture, its class from 1 on, its corners in pixels,
    whether it is marked difficult (of COCO: a crowd). place: how messages call a box.
    """

    name: str
    files: Sequence[Path]
    sizes: Array
    owner: Array
    label: Array
    corners: Array
    difficult: Array
    place: Callable[[int], str]
    faults: tuple[Fault, ...] = ()


class BoxedFolder(ImageFolder):
    """Field image as of an ImageFolder, label: (boxes, 8) float32, as COLUMNS says, corners in
    shares of the picture.

    rows: of all pictures; first: where those of each begin. said: sizes in the annotations.
    """

    def __init__(
        self,
        found: Annotated,
        rows: Array,
        first: Array,
        classes: tuple[str, ...],
        contract: ImageContract,
        roots: Sequence[Path],
        findings: tuple[Diagnostic, ...],
    ) -> None:
        super().__init__(
            found.name,
            found.files,
            np.zeros(len(found.files), np.int64),
            classes,
            contract,
            roots,
        )
        self.rows, self.first, self.said, self.findings = (
            rows,
            first,
            found.sizes,
            findings,
        )
        self.fields["label"] = Field((None, len(COLUMNS)), np.dtype(np.float32), boxes=True)

    def labels(self) -> None:
        return None

    def remarks(self) -> tuple[Diagnostic, ...]:
        return (*self.findings, *super().remarks())

    def signatures(self) -> list[str]:
        pairs = zip(map(str, self.files), range(len(self.files)), strict=True)
        return [f"{Path(name).name} {zlib.crc32(self.boxes(i).tobytes())}" for name, i in pairs]

    def batch(self, indices: Array) -> Rows:
        rows = dict(super().batch(indices))
        rows["label"] = [self.boxes(i) for i in indices.tolist()]
        return rows

    def boxes(self, index: int) -> Array:
        """The rows of a picture."""
        return self.rows[self.first[index] : self.first[index + 1]]

    def compare(self, index: int, sizes: Sequence[tuple[int, int]]) -> None:
        said = tuple(self.said[index].tolist())
        if sizes[0] != said and 0 not in said:
            seen = sizes[0]
            fact = f"the annotations say {said[0]} x {said[1]}, the picture is {seen[0]} x {seen[1]}"
            raise fail("NS622", fact, path=str(self.files[index]))

    def count(self, numbers: Array) -> tuple[Array, Array]:
        """Of some pictures: the boxes of each class, and the boxes of each picture."""
        each = (self.first[1:] - self.first[:-1])[numbers]
        there = np.repeat(
            np.isin(np.arange(len(self.files)), numbers),
            self.first[1:] - self.first[:-1],
        )
        labels = self.rows[there, 1].astype(np.int64)
        return np.bincount(labels, minlength=len(self.classes or ())), each


def boxes_behind(source: Source) -> tuple[BoxedFolder, Array] | None:
    """The pictures with boxes that a source, or a part of one, takes its samples from, and which of
    them; None for any other source.
    """
    origin, numbers = find_origin(source)
    if isinstance(origin, BoxedFolder):
        return origin, numbers
    return None


def lacking_boxes(source: Source, part: str) -> tuple[Diagnostic, ...]:
    """NS668 for the classes of which a part (training, test, validation) has no box."""
    behind = boxes_behind(source)
    if behind is None:
        return ()
    counts, _ = behind[0].count(behind[1])
    there = set((np.flatnonzero(counts) - 1).tolist())
    return lacking_names(source.name, part, (source.classes or ())[1:], there, "box")


def number_classes(names: Iterable[str], known: Sequence[str] | None, place: str) -> tuple[str, ...]:
    """The classes by number, the background first; as training knew them, where it did. NS663: one
    is there that it did not know.
    """
    own = tuple(name for name in names if name != BACKGROUND)
    if known is None:
        return (BACKGROUND, *own)
    strange = [name for name in own if name not in known]
    if strange:
        knew = list_briefly([name for name in known if name != BACKGROUND], SHOWN)
        fact = f"class {strange[0]} was not there in training, which knew {knew}"
        raise fail("NS663", fact, path=place)
    return tuple(known)


def join_annotated(parts: Sequence[Annotated]) -> Annotated:
    """Several annotations as one, the pictures of each behind those of the one before."""
    if len(parts) == 1:
        return parts[0]
    begins = np.cumsum([0, *(len(each.files) for each in parts)])
    boxes = np.cumsum([0, *(len(each.owner) for each in parts)])

    def place(box: int) -> str:
        part = int(np.searchsorted(boxes, box, "right")) - 1
        return parts[part].place(box - int(boxes[part]))

    arrays = {
        word: np.concatenate([getattr(each, word) for each in parts])
        for word in ("sizes", "label", "corners", "difficult")
    }
    owner = np.concatenate([each.owner + begin for each, begin in zip(parts, begins, strict=False)])
    faults = [
        fault if fault.picture is None else fault._replace(picture=fault.picture + int(begin))
        for each, begin in zip(parts, begins, strict=False)
        for fault in each.faults
    ]
    files = [file for each in parts for file in each.files]
    return Annotated(parts[0].name, files, owner=owner, place=place, faults=tuple(faults), **arrays)


def open_boxed(
    found: Annotated,
    classes: tuple[str, ...],
    contract: ImageContract,
    roots: Sequence[Path],
    skipping: bool,
) -> BoxedFolder:
    """The source of some annotated pictures: boxes that reach beyond their picture are cut there.

    Raises SpecError NS621 (boxes without extent, or wholly outside), NS622 (annotations and
    pictures that do not belong together), each with all that is so. skipping: they are left out
    instead.
    """
    found = with_sizes(found, roots)
    bad = find_bad_boxes(found)
    faults = [*found.faults, *bad.values()]
    if faults and not skipping:
        raise SpecError(tell_faults(found, faults))
    corners, cut = clip(found)
    left = np.array([i for i in range(len(found.owner)) if i not in bad], np.int64)
    lost = sorted({each.picture for each in faults if each.picture is not None})
    kept = np.delete(np.arange(len(found.files)), lost)
    left = left[np.isin(found.owner[left], kept)]
    rows, first = lay_out(found, corners, left, kept)
    files, sizes = [found.files[i] for i in kept.tolist()], found.sizes[kept]
    said = tell_odd(found, faults, int(cut[left].sum()), int((np.diff(first) == 0).sum()), len(kept))
    return BoxedFolder(
        found._replace(files=files, sizes=sizes),
        rows,
        first,
        classes,
        contract,
        roots,
        said,
    )


def with_sizes(found: Annotated, roots: Sequence[Path]) -> Annotated:
    """The same with the sizes of pictures that the annotations do not say, from their headers."""
    lost = {each.picture for each in found.faults}
    unsaid = [i for i in np.flatnonzero((found.sizes <= 0).any(1)).tolist() if i not in lost]
    sizes, faults = found.sizes.copy(), list(found.faults)
    for i in unsaid:
        try:
            sizes[i] = read_size(found.files[i], roots)
        except SpecError as error:
            faults.append(Fault("NS622", str(found.files[i]), error.diagnostics[0].fact, i))
    return found._replace(sizes=sizes, faults=tuple(faults))


def read_size(path: Path, roots: Sequence[Path]) -> tuple[int, int]:
    """Width and height of a picture, by its header. Raises SpecError NS642, NS643, NS647, NS648."""
    data = read_encoded(path, roots)
    with picture_faults(str(path), len(data)):
        return upright_size(open_picture(io.BytesIO(data), str(path)))


def find_bad_boxes(found: Annotated) -> dict[int, Fault]:
    """What is wrong with each box of which nothing is left to learn from; those of a picture that
    is at fault itself stand back.
    """
    width, height = found.sizes[found.owner].T
    x0, y0, x1, y1 = found.corners.T
    with np.errstate(invalid="ignore"):
        some = (x1 > x0) & (y1 > y0) & np.isfinite(found.corners).all(1)
        inside = (x0 < width) & (y0 < height) & (x1 > 0) & (y1 > 0)
    lost = np.isin(found.owner, [each.picture for each in found.faults if each.picture is not None])
    return {
        i: Fault(
            "NS621",
            found.place(i),
            describe(found.corners[i], found.sizes[found.owner[i]]),
        )
        for i in np.flatnonzero(~(some & inside | lost)).tolist()
    }


def describe(corners: Array, size: Array) -> str:
    """Why a box holds nothing."""
    x0, y0, x1, y1 = corners.tolist()
    if not np.isfinite(corners).all():
        return "a corner is no number"
    if x1 <= x0:
        return f"x from {x0:g} to {x1:g} is no width"
    if y1 <= y0:
        return f"y from {y0:g} to {y1:g} is no height"
    at = f"x from {x0:g} to {x1:g}, y from {y0:g} to {y1:g}"
    return f"{at} lies outside the picture of {size[0]} x {size[1]} pixels"


def clip(found: Annotated) -> tuple[Array, Array]:
    """Corners within their pictures, and which boxes were cut."""
    whole = np.tile(found.sizes[found.owner], 2)
    inside = np.clip(found.corners, 0, whole)
    with np.errstate(invalid="ignore"):
        return inside, np.max(np.abs(inside - found.corners), 1, initial=0) > TOLD


def lay_out(found: Annotated, corners: Array, left: Array, kept: Array) -> tuple[Array, Array]:
    """The rows of the boxes that are left, by picture, and where those of each kept picture
    begin.
    """
    left = left[np.argsort(found.owner[left], kind="stable")]
    owner, label = found.owner[left], found.label[left]
    rows = np.zeros((len(left), len(COLUMNS)), np.float32)
    rows[:, 1], rows[:, 2] = label, instances(owner, label)
    rows[:, 3:7] = corners[left] / np.tile(found.sizes[owner], 2)
    rows[:, 7] = found.difficult[left]
    return rows, np.append(np.searchsorted(owner, kept), len(left))


def instances(owner: Array, label: Array) -> Array:
    """The number of each box among those of its class in its picture, from 0."""
    order = np.lexsort((np.arange(len(owner)), label, owner))
    same = np.zeros(len(order), np.int64)
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(owner[order]) != 0) | (np.diff(label[order]) != 0)
    begins = np.flatnonzero(new)
    if len(order):
        same[order] = np.arange(len(order)) - np.repeat(begins, np.diff(np.append(begins, len(order))))
    return same


def tell_faults(found: Annotated, faults: Sequence[Fault]) -> list[Diagnostic]:
    """A finding for each code, with all that is so."""
    totals = {
        "NS621": f"of {len(found.owner):,} boxes",
        "NS622": f"in {len(found.files):,} pictures",
    }
    note = "`on_error: skip` in the data section leaves them out"
    said = []
    for code in sorted({each.code for each in faults}):
        lines = [str(each) for each in faults if each.code == code]
        fact = f"{len(lines):,} {totals[code]}"
        said.append(Diagnostic(code, fact, path=found.name, notes=(*list_some(lines), note)))
    return said


def tell_odd(
    found: Annotated, faults: Sequence[Fault], cut: int, empty: int, pictures: int
) -> tuple[Diagnostic, ...]:
    """NS623 for what was done to the annotations, and what they lack."""
    notes = []
    if faults:
        notes.append(f"left out: {list_briefly([str(each) for each in faults], SHOWN)}")
    if cut:
        notes.append(f"{cut:,} of {len(found.owner):,} boxes reach beyond their picture: they are cut there")
    if empty:
        notes.append(f"{empty:,} of {pictures:,} pictures have no box: all in them is background")
    if not notes:
        return ()
    return (Diagnostic("NS623", notes[0], path=found.name, notes=tuple(notes[1:])),)
