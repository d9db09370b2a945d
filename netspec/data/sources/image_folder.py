"""A folder of images with one subfolder per class. Files of any size come in; the input contract's
arriving half gives them one form.
"""

import io
import os
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image

from netspec.data.folder_layout import SHOWN, Classes, check_link, entries_of, is_folder, read_layout
from netspec.data.paths import existing, resolve_path, roots_of
from netspec.data.pictures.files import read_encoded
from netspec.data.pictures.masked import refuse_masks
from netspec.data.source import MEMORY, Array, Field, Rows, Source, as_labels
from netspec.data.splits import fifths_within
from netspec.diagnostics import Diagnostic, SpecError, fail
from netspec.diagnostics.words import list_briefly
from netspec.file_reading import HeldFolders, Roots
from netspec.imaging.decode import open_picture, picture_faults, to_pixels
from netspec.imaging.remarks import Remarks
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection, find_missing

__all__ = [
    "PICTURES",
    "ImageFile",
    "ImageFolder",
    "Kind",
    "files_below",
    "folder_roles",
    "length_of",
    "open_images",
]

SUFFIXES = frozenset(
    (
        ".png",
        ".jpg",
        ".jpeg",
        ".bmp",
        ".gif",
        ".webp",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
    )
)
DECODERS = max(2, min(8, os.cpu_count() or 1))
"""Threads that decode: more than there are cores wait for each other (small pictures, two cores: 8
threads take 1.5 times as long as 2).
"""
AT_ONCE = 16
"""Files that a thread takes at a time: handing each over alone costs as much as decoding a small
one.
"""
T = TypeVar("T")
R = TypeVar("R")


class Kind(NamedTuple):
    """A kind of files that a folder per class may hold: its word, and what their names end in."""

    word: str
    suffixes: frozenset[str]


PICTURES = Kind("image", SUFFIXES)


class ImageFile(NamedTuple):
    """A file of a sample. decode: its values, by the words of the spec; keep: takes them, if there
    is room. always: it is decoded even where a look at the header would do. words: those of the
    spec that the values depend on.
    """

    path: Path
    roots: Roots
    decode: Callable[[Image.Image], Array]
    keep: Callable[[Array], None]
    always: bool = False
    words: str = ""

    def read(self) -> Array:
        """Its values, kept if there is room. Raises SpecError NS642, NS643, NS647, NS648, NS697."""
        data = read_encoded(self.path, self.roots)
        with picture_faults(str(self.path), len(data)):
            values = self.decode(open_picture(io.BytesIO(data), str(self.path)))
        self.keep(values)
        return values


class ImageFolder(Source):
    """Image files and their labels, of any shape. Field image is (C, h, w) uint8, its size None
    where the contract does not fix one.

    Decoded files are kept while they fit in memory.
    """

    def __init__(
        self,
        name: str,
        files: Sequence[Path],
        labels: Array,
        classes: tuple[str, ...] | None,
        contract: ImageContract,
        roots: Sequence[Path],
    ) -> None:
        self.name = name
        self.files = files
        self.roots = HeldFolders(roots)
        self.marks = as_labels(labels)
        self.classes = classes
        self.label = "label"
        self.decoded = self.named = True
        self.contract = contract
        self.seen_by = f"{contract.color} {contract.background} {contract.resize}"
        self.color = contract.color or "rgb"
        self.fields = {
            "image": picture_field(contract),
            "label": Field(self.marks.shape[1:], self.marks.dtype),
        }
        self.kept: list[Array | None] = [None] * len(files)
        self.lengths = np.full(len(files), -1)
        self.room = MEMORY
        self.noticed = Remarks()
        self.beside: tuple[Path, ...] = ()
        self.pool: ThreadPoolExecutor | None = None

    def __len__(self) -> int:
        return len(self.files)

    def labels(self) -> Array | None:
        return self.marks

    def remarks(self) -> tuple[Diagnostic, ...]:
        return self.noticed.tell(self.name)

    def where(self, index: int) -> str:
        return str(self.files[index])

    def signatures(self) -> list[str]:
        # fifteen times as fast as Path.relative_to, for each of all files
        top = os.path.join(self.name, "")
        names = (str(file).removeprefix(top).replace(os.sep, "/") for file in self.files)
        return [f"{name} {self.count_bytes(i)}" for i, name in enumerate(names)]

    def count_bytes(self, index: int) -> int:
        """Bytes of a sample's picture; known where it was looked at."""
        if self.lengths[index] < 0:
            self.lengths[index] = length_of(self.files[index])
        return int(self.lengths[index])

    def batch(self, indices: Array) -> Rows:
        images = list(self.map(self.image, indices.tolist()))
        ragged = len({image.shape for image in images}) > 1 or None in self.fields["image"].shape
        return {"image": images if ragged else np.stack(images), "label": self.marks[indices]}

    def map(self, look: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """What a function gives for each, in order, several at a time."""
        if self.pool is None:
            self.pool = ThreadPoolExecutor(DECODERS, "decode")
        # two turns for each thread at least
        step = max(1, min(AT_ONCE, len(items) // (2 * DECODERS)))
        some = [items[start : start + step] for start in range(0, len(items), step)]
        return chain.from_iterable(self.pool.map(lambda few: [look(each) for each in few], some))

    def files_of(self, index: int) -> tuple[ImageFile, ...]:
        """All files of a sample, its picture first."""
        name = str(self.files[index])
        decode = partial(to_pixels, contract=self.contract, name=name, remarks=self.noticed)
        keep = partial(self.keep, self.kept, index)
        return (ImageFile(self.files[index], self.roots, decode, keep, words=self.seen_by),)

    def compare(self, index: int, sizes: Sequence[tuple[int, int]]) -> None:
        """Raises SpecError where the files of a sample, of such widths and heights, do not go
        together.
        """

    def keep(self, kept: list[Array | None], index: int, values: Array) -> None:
        """Keep values for later; from the first on for which there is no room, none are kept."""
        self.room -= values.nbytes
        if self.room >= 0:
            kept[index] = values

    def image(self, index: int) -> Array:
        """One decoded file, (C, h, w)."""
        kept = self.kept[index]
        if kept is None:
            kept = self.files_of(index)[0].read()
        return kept


def picture_field(contract: ImageContract) -> Field:
    """What decoded pictures are: (C, h, w) uint8, the size None where the contract does not fix
    one.
    """
    exact: tuple[int | None, ...] = (None, None)
    if isinstance(contract.resize, tuple) and len(contract.resize) == 2:
        exact = contract.resize
    return Field((1 if contract.color == "gray" else 3, *exact), np.dtype(np.uint8))


def open_images(
    section: DataSection,
    split: str | None,
    root: Path,
    contract: ImageContract,
    classes: Sequence[str] | None = None,
    allow_outside: bool = False,
) -> Source:
    """The images of `path`/CLASS/, or of `path`/train/CLASS/, `path`/val/CLASS/ and
    `path`/test/CLASS/ where there are such parts, whatever their usual names are
    (folder_layout.py).

    Labels number the sorted class names, or `classes` as training knew them. Without parts, split
    takes every fifth file of a class for the test. Raises SpecError NS643, NS649 (a class folder
    without images), NS650 (no classes at all), NS663 (a class that training did not know), NS664
    (folders that are no classes).
    """
    top, roots = top_of(section, root, allow_outside)
    layout = read_layout(top, roots)
    folder, found = layout.part(split)
    if not found:
        raise fail("NS650", "holds no folder per class", path=str(folder))
    files, labels, names = files_by_class(found, classes, roots, PICTURES)
    if classes is None:
        refuse_masks(found, files, labels, roots)
    source = ImageFolder(str(folder), files, labels, names, contract, roots)
    source.beside = layout.beside
    if layout.roles:
        return source
    return fifths_within(source, split)


def files_by_class(
    found: Classes, classes: Sequence[str] | None, roots: Sequence[Path], kind: Kind
) -> tuple[list[Path], Array, tuple[str, ...]]:
    """The files of some class folders, the number of the class of each, and the names of the
    classes. Raises SpecError NS649, NS663.
    """
    names = tuple(classes) if classes is not None else tuple(found)
    files: list[Path] = []
    labels: list[int] = []
    for name, folders in found.items():
        if name not in names:
            raise fail(
                "NS663",
                f"class {name} was not there in training, which knew {', '.join(names)}",
                path=str(folders[0]),
            )
        own = [path for each in folders for path in sort_paths(files_below(each, roots, kind))]
        # a test may lack a class
        if not own and classes is None:
            raise empty_class(folders[0], [other for other in found if other != name], kind)
        files += own
        labels += [names.index(name)] * len(own)
    return files, np.array(labels, np.int64), names


def sort_paths(paths: Iterable[Path]) -> list[Path]:
    """Paths in their own order; by their parts at once, which costs a fifth of asking pairs."""
    return sorted(paths, key=lambda path: path.parts)


def folder_roles(section: DataSection, root: Path, allow_outside: bool = False) -> tuple[str, ...]:
    """The parts that the folder of a section has."""
    return read_layout(*top_of(section, root, allow_outside)).roles


def top_of(section: DataSection, root: Path, allow_outside: bool) -> tuple[Path, list[Path]]:
    """The folder that a section names, and those that what is found in it may lie in."""
    if section.path is None:
        raise fail("NS641", find_missing(section))
    top = existing(resolve_path(section.path, root, allow_outside), "folder")
    roots = roots_of(root, top, allow_outside)
    check_link(top, roots)
    return top, roots


def empty_class(folder: Path, others: Sequence[str], kind: Kind) -> SpecError:
    """NS649, with what may be done about it."""
    entries = entries_of(folder)
    ends = sorted({Path(each.name).suffix.lower() for each in entries if each.is_file()} - {""})
    fact = f"no {kind.word} among its {len(entries)} entries"
    if ends:
        fact += f", which end in {list_briefly(ends, SHOWN)}"
    kept = f"; the classes are then {list_briefly(others, SHOWN)}" if others else ""
    return fail(
        "NS649",
        fact,
        path=str(folder),
        notes=(
            f"put {kind.word}s of the class into it ({', '.join(sorted(kind.suffixes))})",
            f"if it is no class, take the folder away, or begin its name with a dot{kept}",
        ),
    )


def image_files(folder: Path, roots: Sequence[Path]) -> Iterator[Path]:
    """Image files anywhere below a class folder, each folder once, whatever links lead to it.
    Raises SpecError NS642 for a link that leads elsewhere, NS734 for one that leads back to a folder it lies in,
    or to itself.
    """
    return files_below(folder, roots, PICTURES)


def files_below(folder: Path, roots: Sequence[Path], kind: Kind) -> Iterator[Path]:
    """Files of a kind, as image_files."""
    return walk(folder, roots, kind.suffixes, (), set())


def walk(
    folder: Path,
    roots: Sequence[Path],
    suffixes: Container[str],
    above: tuple[str, ...],
    seen: set[str],
) -> Iterator[Path]:
    """seen: the real paths of all folders gone through, above: of those that this one lies in."""
    check_link(folder, roots)
    full = os.path.realpath(folder)
    if full in above:
        raise fail("NS734", "a link that leads back to a folder it lies in", path=str(folder))
    if full in seen:
        return
    seen.add(full)
    for entry in entries_of(folder):
        if is_folder(entry):
            yield from walk(folder / entry.name, roots, suffixes, (*above, full), seen)
        elif os.path.splitext(entry.name)[1].lower() in suffixes:
            path = folder / entry.name
            if entry.is_symlink():
                check_link(path, roots)
            yield path


def length_of(file: Path) -> int:
    """Bytes of a file; -1 where it is gone or may not be asked."""
    try:
        return file.stat().st_size
    except OSError:
        return -1
