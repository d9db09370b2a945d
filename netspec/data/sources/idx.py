"""IDX files, plain or gzip (the format of MNIST: LeCun, Cortes, Burges): bytes in, arrays out.
Checks every size before it allocates.
"""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from netspec.data.paths import (
    existing,
    find_folder,
    judge_found_path,
    reading_error,
    resolve_path,
    roots_for,
    roots_of,
)
from netspec.data.place import Place
from netspec.data.source import Array, ArraySource, Source, split_source
from netspec.diagnostics import SpecError, fail
from netspec.file_reading import Roots, open_in
from netspec.resolve.sections.train import DataSection, find_missing

__all__ = ["open_idx", "open_mnist", "read_idx"]

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
RATIO = 1032
"""The most that deflate can expand: a header that asks for more than this cannot be met by the
file.
"""
BATCH = 4
"""Axes of images together, (N, C, H, W)."""
MNIST = {"train": "train", "test": "t10k"}


def read_idx(path: Path, roots: Roots = None) -> Array:
    """The array of an IDX file below `roots`, memory-mapped where it is plain single bytes.

    Raises SpecError NS643 (no such file), NS644 (fewer bytes than the header announces), NS645 (not
    IDX, damaged gzip, bytes to spare).
    """
    existing(path)
    try:
        with open_in(path, roots) as plain:
            held = os.fstat(plain.fileno()).st_size
            packed = plain.read(2) == b"\x1f\x8b"
            plain.seek(0)
            return read_body(
                cast(BinaryIO, gzip.GzipFile(fileobj=plain)) if packed else plain,
                path,
                packed,
                held,
            )
    except EOFError as error:
        raise fail(
            "NS644", f"the gzip stream of {path.stat().st_size} bytes ends early", path=str(path)
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise fail("NS645", f"damaged gzip stream: {error}", path=str(path)) from error
    except OSError as error:
        raise reading_error(path, error) from error


def read_body(file: BinaryIO, path: Path, packed: bool, held: int) -> Array:
    """Header, then data: exactly as many bytes as the header announces. held: those of the file,
    packed or not.
    """
    dtype, shape, start = read_header(file, path)
    size = math.prod(shape) * dtype.itemsize
    if not packed and held != start + size:
        raise wrong_size(path, shape, start + size, held)
    if packed and start + size > RATIO * held:
        raise fail(
            "NS644",
            f"the header announces {start + size} bytes, {held} packed ones hold at most {RATIO * held}",
            path=str(path),
        )
    # bytes need no turning round: they stay in the file
    if not packed and dtype.itemsize == 1 and size:
        return np.memmap(file, dtype=dtype, mode="r", offset=start, shape=shape)
    data = file.read(size)
    if len(data) < size or file.read(1):
        raise wrong_size(path, shape, start + size, start + len(data) + (len(data) == size))
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def read_header(file: BinaryIO, path: Path) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Type, shape and length in bytes of the header: 0, 0, type code, number of axes, then each
    length as a big-endian 32-bit number.
    """
    magic = file.read(4)
    if len(magic) < 4:
        raise fail("NS644", f"an IDX header needs 4 bytes, here are {len(magic)}", path=str(path))
    if magic[:2] != b"\0\0" or magic[2] not in TYPES or not 1 <= magic[3] <= 8:
        raise fail(
            "NS645",
            "an IDX file begins with 00 00, a type (08, 09, 0b to 0e) and 1 to 8 axes; this one with"
            f" {magic.hex(' ')}",
            path=str(path),
        )
    lengths = file.read(4 * magic[3])
    start = 4 + 4 * magic[3]
    if len(lengths) < start - 4:
        raise fail(
            "NS644",
            f"an IDX header with {magic[3]} axes needs {start} bytes, here are {4 + len(lengths)}",
            path=str(path),
        )
    return np.dtype(TYPES[magic[2]]), struct.unpack(f">{magic[3]}I", lengths), start


def wrong_size(path: Path, shape: tuple[int, ...], expected: int, found: int) -> SpecError:
    code, word = ("NS644", "only") if found < expected else ("NS645", "at least")
    sizes = " x ".join(map(str, shape))
    return fail(
        code,
        f"the header announces {sizes}, {expected} bytes in all, here are {word} {found}",
        path=str(path),
    )


def pair_labels(images: Path, labels: Path, roots: Roots) -> ArraySource:
    """Images and labels as one source: images gain a channel axis, (N, H, W) becomes (N, 1, H,
    W).
    """
    pixels, marks = with_channels(read_idx(images, roots)), read_idx(labels, roots)
    if marks.ndim != 1 or marks.dtype.kind not in "iu":
        raise fail(
            "NS645",
            f"labels need one axis of integers, here are {marks.ndim} axes of {marks.dtype}",
            path=str(labels),
        )
    if len(pixels) != len(marks):
        raise fail(
            "NS646",
            f"{len(pixels)} images in {images.name}, {len(marks)} labels in {labels.name}",
            path=str(images),
        )
    return ArraySource(
        str(images),
        {"image": pixels, "label": marks},
        "label",
        color="gray" if pixels.ndim == BATCH else None,
    )


def open_pixels(images: Path, roots: Roots) -> Source:
    """A file of images with the labels beside it, by the name that MNIST's files have, or without
    any.
    """
    beside = images.with_name(images.name.replace("images", "labels").replace("idx3", "idx1"))
    if beside != images and beside.is_file():
        return pair_labels(images, beside, roots)
    pixels = with_channels(read_idx(images, roots))
    return ArraySource(str(images), {"image": pixels}, color="gray" if pixels.ndim == BATCH else None)


def with_channels(pixels: Array) -> Array:
    """Images with an axis of channels: (N, H, W) becomes (N, 1, H, W)."""
    return pixels[:, None] if pixels.ndim == BATCH - 1 else pixels


def find_file(folder: Path, name: str) -> Path:
    """The file of that name, as `name`, `name.gz`, or with a dot before idx, as some copies have
    it.
    """
    spellings = (
        name,
        name + ".gz",
        name.replace("-idx", ".idx"),
        name.replace("-idx", ".idx") + ".gz",
    )
    return next((folder / s for s in spellings if (folder / s).is_file()), folder / name)


def open_mnist(section: DataSection, split: str | None, root: Path, allow_outside: bool = False) -> Source:
    """MNIST or a set in its form (Fashion-MNIST): fields image (1, 28, 28) uint8, gray, and label.
    Default part: train.
    """
    folder = find_folder(section.path, root, ("mnist",), "*-images*idx3-ubyte*", allow_outside)
    if split == "all":
        raise fail("NS641", "mnist has the parts train and test, not all")
    part = MNIST[split or "train"]
    names = (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte")
    images, labels = (
        judge_found_path(find_file(folder, name), root, folder, allow_outside) for name in names
    )
    source = pair_labels(images, labels, roots_of(root, folder, allow_outside))
    # a set in MNIST's form may have other classes
    source.classes = tuple(map(str, range(10))) if int(source.arrays["label"].max(initial=0)) < 10 else None
    return source


def open_idx(section: DataSection, split: str | None, place: Place) -> Source:
    """Any pair of IDX files, `images:` and `labels:`, in `path:` if that is given: fields image and
    label. To predict, `path` may be the images alone.
    """
    root, allow_outside = place.root, place.allow_outside
    if place.predicting and section.path and section.images is None:
        return open_pixels(resolve_path(section.path, root, allow_outside), roots_for(root, allow_outside))
    if section.images is None or section.labels is None:
        raise fail("NS641", find_missing(section))
    if section.path:
        base = resolve_path(section.path, root, allow_outside)
    else:
        base = root
    images, labels = (
        resolve_path(Path(base) / name, root, allow_outside) for name in (section.images, section.labels)
    )
    return split_source(pair_labels(images, labels, roots_for(root, allow_outside)), split)
