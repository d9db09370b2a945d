"""NumPy archives: the arrays of an .npz by name, nothing unpickled, no array larger than its
member.
"""

import lzma
import math
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from netspec.data.paths import existing, reading_error, resolve_path, roots_for
from netspec.data.source import Array, ArraySource, Source, split_source
from netspec.diagnostics import SpecError, fail
from netspec.file_reading import Roots, open_in
from netspec.resolve.sections.train import DataSection, find_missing

__all__ = ["npz_parts", "open_npz", "read_npz"]

RATIO = 1032
"""Deflate makes nothing smaller than 1 : 1,032: what claims to be is a bomb."""
PARTS = ("train", "val", "test")
AXES, LONGEST = 32, 2**48
DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, ArithmeticError, EOFError, LookupError, MemoryError, RuntimeError,
          TypeError, ValueError)  # fmt: skip
"""What zipfile and its decompressors raise on damaged bytes."""


def open_npz(section: DataSection, split: str | None, root: Path, allow_outside: bool = False) -> Source:
    """Fields are the arrays, in the archive's order, the label last; they share their first axis.

    The label is the array named by `label`, else one called label, labels, y, target or targets.
    Names that end in _train and _test (as in x_train, y_test) are the source's own parts. Raises
    SpecError NS643, NS644, NS645, NS646, NS650, NS655.
    """
    if section.path is None:
        raise fail("NS641", find_missing(section))
    path = existing(resolve_path(section.path, root, allow_outside))
    roots = roots_for(root, allow_outside)
    names = member_names(path, roots)
    part = split or "train"
    in_parts = bool(parts_among(names))
    if in_parts and part == "all":
        raise fail(
            "NS641",
            f"the arrays come in parts: {', '.join(names)}; split takes train or test",
            path=str(path),
        )
    chosen = {
        name.removesuffix("_" + part): name for name in names if not in_parts or name.endswith("_" + part)
    }
    if not chosen:
        raise fail("NS650", f"no arrays for {part}; there are {', '.join(names) or 'none'}", path=str(path))
    arrays = read_npz(path, tuple(chosen.values()), roots)
    return from_arrays(
        str(path),
        {field: arrays[name] for field, name in chosen.items()},
        section.label,
        split if not in_parts else None,
    )


def npz_parts(section: DataSection, root: Path, allow_outside: bool = False) -> tuple[str, ...]:
    """The parts that an archive has."""
    path = existing(resolve_path(section.path or "", root, allow_outside))
    return parts_among(member_names(path, roots_for(root, allow_outside)))


def parts_among(names: list[str]) -> tuple[str, ...]:
    """The parts that names of arrays end in: x_train, x_test."""
    ends = tuple(part for part in PARTS if any(name.endswith("_" + part) for name in names))
    return ends if "train" in ends or "test" in ends else ()


def from_arrays(name: str, arrays: dict[str, Array], label: str | None, split: str | None) -> Source:
    """Named arrays as a source: the label's field goes last, so the first field is the data."""
    if label is not None and label not in arrays:
        raise fail("NS656", f"no field {label}; the fields are {', '.join(arrays)}", path=name)
    flat = next((field for field, array in arrays.items() if array.ndim == 0), None)
    if flat is not None:
        raise fail("NS646", f"{flat} is a single number, not an array of samples", path=name)
    marks = label or next(
        (field for field in ("label", "labels", "y", "target", "targets") if field in arrays), None
    )
    ordered = {field: a for field, a in arrays.items() if field != marks} | (
        {marks: arrays[marks]} if marks else {}
    )
    return split_source(ArraySource(name, ordered, marks), split)


def member_names(path: Path, roots: Roots = None) -> list[str]:
    try:
        with open_in(path, roots) as file:
            if not os.fstat(file.fileno()).st_size:
                raise report_damage(path, "an empty file, no .npz archive")
            with zipfile.ZipFile(file) as archive:
                names = archive.namelist()
    except DAMAGE as error:
        raise report_damage(path, f"not an .npz archive: {error}") from error
    except OSError as error:
        raise reading_error(path, error) from error
    other = next((name for name in names if not name.endswith(".npy")), None)
    if other is not None:
        raise report_damage(path, f"member {other!r} is not an array (.npy)")
    return [name.removesuffix(".npy") for name in names]


def read_npz(path: Path, names: tuple[str, ...], roots: Roots = None) -> dict[str, Array]:
    """Some arrays of an archive. Raises SpecError NS644 (shorter than it announces), NS645
    (damaged), NS655 (Python objects).
    """
    try:
        with open_in(path, roots) as file, zipfile.ZipFile(file) as archive:
            return {name: read_member(archive, name, path) for name in names}
    except DAMAGE as error:
        raise report_damage(path, str(error) or type(error).__name__) from error
    except OSError as error:
        raise reading_error(path, error) from error


def read_member(archive: zipfile.ZipFile, name: str, path: Path) -> Array:
    info = archive.getinfo(name + ".npy")
    if info.file_size > RATIO * max(info.compress_size, 1):
        raise report_damage(
            path, f"{name} claims {info.file_size} bytes of {info.compress_size} compressed ones"
        )
    with archive.open(info) as file:
        return read_npy(file, info.file_size, name, path)


def read_npy(file: IO[bytes], size: int, name: str, path: Path) -> Array:
    """An array in .npy form of `size` bytes; the header is checked against that before anything is
    allocated.
    """
    try:
        version = np.lib.format.read_magic(file)
    except ValueError as error:
        raise report_damage(path, f"{name} is no array: {error}") from error
    if version not in ((1, 0), (2, 0)):
        raise report_damage(
            path,
            f"{name} is in version {version[0]}.{version[1]} of the .npy format, 1.0 and 2.0 are known",
        )
    if version == (1, 0):
        header = np.lib.format.read_array_header_1_0
    else:
        header = np.lib.format.read_array_header_2_0
    try:
        shape, fortran, dtype = header(file)
    except Exception as error:  # numpy evaluates the header as a Python literal: a damaged one raises whatever the parser raises
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise report_damage(path, f"the header of {name} is damaged: {why:.120}") from error
    if len(shape) > AXES or not all(0 <= n < LONGEST for n in shape):
        raise report_damage(path, f"{name} announces the shape {list(shape)!s:.80}")
    if dtype.hasobject or dtype.kind not in "biuf":
        raise fail(
            "NS655",
            f"{name} holds {'Python objects' if dtype.hasobject else dtype}, numbers are needed",
            path=str(path),
        )
    expected, held = math.prod(shape) * dtype.itemsize, size - file.tell()
    if expected != held:
        raise fail(
            "NS644" if held < expected else "NS645",
            f"{name} announces {list(shape)} of {dtype}, {expected} bytes, here are {held}",
            path=str(path),
        )
    data = file.read(expected)
    if len(data) < expected:
        raise fail(
            "NS644",
            f"{name} announces {expected} bytes, only {len(data)} could be read",
            path=str(path),
        )
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    return np.asarray(array, dtype.newbyteorder("="), order="C")


def report_damage(path: Path, fact: str) -> SpecError:
    return fail("NS645", fact, path=str(path))
