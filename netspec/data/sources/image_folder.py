"""A folder of images with one subfolder per class. Files of any size come in; the input contract's
arriving half gives them one form.
"""

import os
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from netspec.data.decode import decode, read_encoded
from netspec.data.folder_layout import SHOWN, Classes, check_link, entries_of, read_layout
from netspec.data.paths import existing, resolve_path, roots_of
from netspec.data.remarks import Remarks
from netspec.data.source import MEMORY, Array, Field, Rows, Source, as_labels
from netspec.data.splits import fifths_within
from netspec.diagnostics import Diagnostic, SpecError, fail
from netspec.diagnostics.words import list_briefly
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection

__all__ = ["ImageFolder", "folder_roles", "length_of", "open_images"]

SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm")
)
DECODERS = max(2, min(8, os.cpu_count() or 1))
"""Threads that decode: more than there are cores wait for each other (small pictures, two cores: 8 threads
take 1.5 times as long as 2).
"""
T = TypeVar("T")
R = TypeVar("R")


class Kind(NamedTuple):
    """A kind of files that a folder per class may hold: its word, and what their names end in."""

    word: str
    suffixes: frozenset[str]


PICTURES = Kind("image", SUFFIXES)


class ImageFolder(Source):
    """Image files and their labels, of any shape. Field image is (C, h, w) uint8, its size None where
    the contract does not fix one.

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
        self.roots = roots
        self.marks = as_labels(labels)
        self.classes = classes
        self.label = "label"
        self.decoded = self.named = True
        self.contract = contract
        self.color = contract.color or "rgb"
        exact = (
            contract.resize
            if isinstance(contract.resize, tuple) and len(contract.resize) == 2
            else (None, None)
        )
        shape = (1 if self.color == "gray" else 3, *exact)
        self.fields = {
            "image": Field(shape, np.dtype(np.uint8)),
            "label": Field(self.marks.shape[1:], self.marks.dtype),
        }
        self.kept: list[Array | None] = [None] * len(files)
        self.room = MEMORY
        self.noticed = Remarks()
        self.pool: ThreadPoolExecutor | None = None

    def __len__(self) -> int:
        return len(self.files)

    def labels(self) -> Array | None:
        return self.marks

    def remarks(self) -> tuple[Diagnostic, ...]:
        return self.noticed.findings(self.name)

    def where(self, index: int) -> str:
        return str(self.files[index])

    def signatures(self) -> list[str]:
        top = Path(self.name)
        return [f"{file.relative_to(top).as_posix()} {length_of(file)}" for file in self.files]

    def batch(self, indices: Array) -> Rows:
        images = list(self.map(self.image, indices.tolist()))
        ragged = len({image.shape for image in images}) > 1 or None in self.fields["image"].shape
        return {"image": images if ragged else np.stack(images), "label": self.marks[indices]}

    def map(self, look: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """What a function gives for each, in order, several at a time."""
        if self.pool is None:
            self.pool = ThreadPoolExecutor(DECODERS, "decode")
        return self.pool.map(look, items)

    def check(self, index: int) -> Array:
        """All that belongs to a sample, decoded; its image. Raises SpecError for what is damaged."""
        return self.image(index)

    def image(self, index: int) -> Array:
        """One decoded file, (C, h, w)."""
        kept = self.kept[index]
        if kept is None:
            path = self.files[index]
            kept = decode(read_encoded(path, self.roots), self.contract, str(path), self.noticed)
            if self.room > kept.nbytes:
                self.room -= kept.nbytes
                self.kept[index] = kept
        return kept


def open_images(
    section: DataSection,
    split: str | None,
    root: Path,
    contract: ImageContract,
    classes: Sequence[str] | None = None,
    allow_outside: bool = False,
) -> Source:
    """The images of `path`/CLASS/, or of `path`/train/CLASS/, `path`/val/CLASS/ and `path`/test/CLASS/
    where there are such parts, whatever their usual names are (folder_layout.py).

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
    source = ImageFolder(str(folder), files, labels, names, contract, roots)
    if layout.roles:
        return source
    return fifths_within(source, split)


def files_by_class(
    found: Classes, classes: Sequence[str] | None, roots: Sequence[Path], kind: Kind
) -> tuple[list[Path], Array, tuple[str, ...]]:
    """The files of some class folders, the number of the class of each, and the names of the classes.
    Raises SpecError NS649, NS663.
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
        own = [path for each in folders for path in sorted(files_below(each, roots, kind))]
        if not own and classes is None:
            raise empty_class(folders[0], [other for other in found if other != name], kind)
        files += own
        labels += [names.index(name)] * len(own)
    return files, np.array(labels, np.int64), names


def folder_roles(section: DataSection, root: Path, allow_outside: bool = False) -> tuple[str, ...]:
    """The parts that the folder of a section has."""
    return read_layout(*top_of(section, root, allow_outside)).roles


def top_of(section: DataSection, root: Path, allow_outside: bool) -> tuple[Path, list[Path]]:
    """The folder that a section names, and those that what is found in it may lie in."""
    if section.path is None:
        raise fail("NS641", f"source {section.source} needs `path:`, a folder with a folder per class")
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
    """Image files anywhere below a class folder, each folder once, whatever links lead to it. Raises
    SpecError NS642 for a link that leads elsewhere, or back to a folder it lies in.
    """
    return files_below(folder, roots, PICTURES)


def files_below(folder: Path, roots: Sequence[Path], kind: Kind) -> Iterator[Path]:
    """Files of a kind, as image_files."""
    return walk(folder, roots, kind.suffixes, (), set())


def walk(
    folder: Path, roots: Sequence[Path], suffixes: Container[str], above: tuple[str, ...], seen: set[str]
) -> Iterator[Path]:
    """seen: the real paths of all folders gone through, above: of those that this one lies in."""
    check_link(folder, roots)
    full = os.path.realpath(folder)
    if full in above:
        raise fail("NS642", "a link that leads back to a folder it lies in", path=str(folder))
    if full in seen:
        return
    seen.add(full)
    for entry in entries_of(folder):
        path = folder / entry.name
        if entry.is_dir():
            yield from walk(path, roots, suffixes, (*above, full), seen)
        elif path.suffix.lower() in suffixes:
            if entry.is_symlink():
                check_link(path, roots)
            yield path


def length_of(file: Path) -> int:
    """Bytes of a file; -1 where it is gone or may not be asked."""
    try:
        return file.stat().st_size
    except OSError:
        return -1
