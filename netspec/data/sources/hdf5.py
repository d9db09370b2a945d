"""HDF5 files, and Caffe's HDF5Data list of them: data sets by name, their first axis counting
samples.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from netspec.data.paths import existing, reading_error, resolve_path, roots_for
from netspec.data.source import MEMORY, Array, Field, Rows, Source, as_labels, split_source
from netspec.data.sources.npz import from_arrays
from netspec.diagnostics import fail
from netspec.file_reading import Roots, open_in, read_bytes, read_text
from netspec.resolve.sections.train import DataSection, find_missing

__all__ = ["open_hdf5"]

RATIO = 1032
"""The most that HDF5's deflate can expand; other filters do less."""
LABELS = 1 << 26
"""Bytes up to which labels are read at once, so that they are known before the samples."""
MAGIC = b"\x89HDF\r\n\x1a\n"


def open_hdf5(section: DataSection, split: str | None, root: Path, allow_outside: bool = False) -> Source:
    """Fields are the data sets at the top of the file, or of all files of a list (one path a line),
    one after the other.

    Files up to 1 GiB are read into memory, larger ones stay on disk. Paths in a list count from the
    list's folder, else from the spec's. Raises SpecError NS643, NS645 (not HDF5, damaged), NS646
    (lengths or fields that differ), NS650, NS655, NS657 (h5py is missing).
    """
    if section.path is None:
        raise fail("NS641", find_missing(section))
    path = existing(resolve_path(section.path, root, allow_outside))
    roots = roots_for(root, allow_outside)
    files = [path] if is_hdf5(path, roots) else list_files(path, root, allow_outside)
    try:
        import h5py
    except ImportError as error:
        raise fail("NS657", "source hdf5 needs h5py: pip install 'netspec[data]'", path=str(path)) from error
    opened = [datasets(h5py, file, roots) for file in files]
    for file, sets in zip(files, opened, strict=True):
        with reading(file):
            check_sets(file, sets)
    names = list(opened[0])
    for file, sets in zip(files, opened, strict=True):
        if list(sets) != names:
            raise fail(
                "NS646",
                f"holds {', '.join(sets)}, the first file holds {', '.join(names)}",
                path=str(file),
            )
    if sum(d.size * d.dtype.itemsize for sets in opened for d in sets.values()) <= MEMORY:
        arrays = {name: join_parts([sets[name] for sets in opened], name, files) for name in names}
        return from_arrays(str(path), arrays, section.label, split)
    return split_source(Stored(str(path), opened, section.label), split)


class Stored(Source):
    """Data sets that stay on disk; rows are read as they are asked for."""

    def __init__(self, name: str, files: list[dict[str, Any]], label: str | None) -> None:
        self.name = name
        self.files = files
        lengths = [{len(d) for d in sets.values()} for sets in files]
        if any(len(own) > 1 for own in lengths):
            raise fail("NS646", f"data sets of one file have {max(lengths, key=len)} samples", path=name)
        self.starts = np.cumsum([0, *(next(iter(own)) for own in lengths)])
        marks = label or next(
            (n for n in ("label", "labels", "y", "target", "targets") if n in files[0]), None
        )
        order = [n for n in files[0] if n != marks] + ([marks] if marks in files[0] else [])
        self.label = marks
        self.marks: Array | None = None
        self.fields = {n: Field(files[0][n].shape[1:], files[0][n].dtype) for n in order}

    def __len__(self) -> int:
        return int(self.starts[-1])

    def batch(self, indices: Array) -> Rows:
        return {name: self.rows(name, indices) for name in self.fields}

    def labels(self) -> Array | None:
        """Read where they take little memory."""
        if self.marks is None and self.label is not None:
            parts = [sets[self.label] for sets in self.files]
            if sum(part.size * part.dtype.itemsize for part in parts) <= LABELS:
                self.marks = as_labels(join_parts(parts, self.label, [Path(self.name)] * len(parts)))
        return self.marks

    def rows(self, name: str, indices: Array) -> Array:
        """Rows of one data set. HDF5 reads increasing rows without repeats, so those are read and
        then put in order.
        """
        wanted, back = np.unique(indices, return_inverse=True)
        at = np.searchsorted(self.starts, wanted, side="right") - 1
        with reading(self.name):
            parts = [self.files[f][name][wanted[at == f] - self.starts[f]] for f in np.unique(at)]
        return np.concatenate(parts)[back]


def datasets(h5py: Any, path: Path, roots: Roots) -> dict[str, Any]:
    """The data sets at the top of a file, by name. Raises SpecError NS642 for one whose values lie
    in another file.
    """
    with reading(path):
        file = h5py.File(file_of(path, roots), "r")  # the data sets keep both open
        found = {str(name): own(h5py, file, str(name), path) for name in file}
    return {name: item for name, item in found.items() if isinstance(item, h5py.Dataset)}


def file_of(path: Path, roots: Roots) -> BinaryIO:
    """The file itself. Raises SpecError NS642, NS643, NS645 (empty)."""
    try:
        file = open_in(path, roots)
    except OSError as error:
        raise reading_error(path, error) from error
    if not os.fstat(file.fileno()).st_size:
        file.close()
        raise fail("NS645", "an empty file, no HDF5 file", path=str(path))
    return file


def own(h5py: Any, file: Any, name: str, path: Path) -> Any:
    """What bears a name in a file, if it is of that file: no link leads elsewhere, and its values
    are stored there.
    """
    place = file
    for part in parts_of(h5py, file, name):
        link = place.get(part, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise fail(
                "NS642",
                f"{name} is a link that leads elsewhere; data are read from the file itself",
                path=str(path),
            )
        place = place[part]
    if isinstance(place, h5py.Dataset) and (place.is_virtual or place.external):
        raise fail(
            "NS642",
            f"the values of {name} lie in another file; data are read from the file itself",
            path=str(path),
        )
    return place


def parts_of(h5py: Any, file: Any, name: str) -> list[str]:
    """The steps to what bears a name at the top: one, or those of the path that a soft link
    gives.
    """
    link = file.get(name, getlink=True)
    if isinstance(link, h5py.SoftLink):
        return [part for part in link.path.split("/") if part not in ("", ".")]
    return [name]


def check_sets(path: Path, sets: dict[str, Any]) -> None:
    """Raises SpecError NS650 (no data sets), NS655 (not numbers), NS646 (a single number), NS644
    (more is announced than is stored).
    """
    if not sets:
        raise fail("NS650", "holds no data set", path=str(path))
    for name, data in sets.items():
        if data.dtype.kind not in "biuf":
            raise fail("NS655", f"{name} holds {data.dtype}, numbers are needed", path=str(path))
        if not data.shape:
            raise fail("NS646", f"{name} is a single number, not an array of samples", path=str(path))
        size, stored = data.size * data.dtype.itemsize, data.id.get_storage_size()
        if size > RATIO * stored:
            raise fail(
                "NS644",
                f"{name} announces {list(data.shape)}, {size} bytes, of which {stored} are stored",
                path=str(path),
            )


@contextmanager
def reading(name: Path | str) -> Iterator[None]:
    """What h5py raises on a damaged file, of any kind, becomes NS645."""
    try:
        yield
    except (
        OSError,
        RuntimeError,
        LookupError,
        ValueError,
        TypeError,
        MemoryError,
        ArithmeticError,
        AttributeError,
    ) as error:
        raise fail("NS645", f"damaged HDF5 file: {error}", path=str(name)) from error


def join_parts(parts: list[Any], name: str, files: list[Path]) -> Array:
    arrays = []
    for part, file in zip(parts, files, strict=True):
        with reading(file):
            arrays.append(np.asarray(part[()]))
        if arrays[-1].shape[1:] != arrays[0].shape[1:]:
            raise fail(
                "NS646",
                f"{name} is {list(arrays[-1].shape)}, in the first file {list(arrays[0].shape)}",
                path=str(file),
            )
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate(arrays)


def is_hdf5(path: Path, roots: Roots) -> bool:
    """Whether a file is meant to be HDF5: it begins as one, or is named as one."""
    try:
        return read_bytes(path, roots, len(MAGIC)) == MAGIC or path.suffix.lower() in (
            ".h5",
            ".hdf5",
        )
    except OSError as error:
        raise reading_error(path, error) from error


def list_files(path: Path, root: Path, allow_outside: bool) -> list[Path]:
    """The files that a list names."""
    try:
        lines = read_text(path, roots_for(root, allow_outside)).split("\n")
    except UnicodeDecodeError as error:
        raise fail("NS645", "neither an HDF5 file nor a list of such files", path=str(path)) from error
    except OSError as error:
        raise reading_error(path, error) from error
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise fail("NS650", "an empty list of HDF5 files", path=str(path))
    found = []
    for name in names:
        beside = resolve_path(path.parent / name, root, allow_outside)
        found.append(existing(beside if beside.is_file() else resolve_path(name, root, allow_outside)))
    return found
