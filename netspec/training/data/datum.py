"""Caffe's messages that hold data, decoded from protocol buffer bytes: Datum (a sample of an LMDB) and BlobProto (a mean image).

Reads within the bytes it was given and allocates no more than they hold. Raises ValueError for anything else; callers know the file.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from netspec.diagnostics import fail
from netspec.training.data.paths import existing, reading_error
from netspec.training.data.source import Array

__all__ = ["Datum", "read_blob", "read_datum", "read_mean"]


class Datum(NamedTuple):
    """One sample: pixels (C, H, W), uint8 or float32, or an encoded image; and its label."""

    pixels: Array | None
    encoded: bytes | None
    label: int


def varint(buffer: memoryview, at: int) -> tuple[int, int]:
    """A base-128 number of at most 10 bytes, and the offset behind it."""
    value = 0
    for step in range(10):
        if at + step >= len(buffer):
            break
        byte = buffer[at + step]
        value |= (byte & 0x7F) << (7 * step)
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at + step + 1
    raise ValueError(f"a number at byte {at} does not end")


def walk(buffer: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Field number, wire type and value of each field: a number for wire type 0, bytes for 1, 2 and 5."""
    at = 0
    while at < len(buffer):
        tag, at = varint(buffer, at)
        kind = tag & 7
        if kind == 0:
            value, at = varint(buffer, at)
            yield tag >> 3, kind, value
            continue
        if kind == 2:
            size, at = varint(buffer, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind} at byte {at}")
        if size > len(buffer) - at:
            raise ValueError(f"a field of {size} bytes at byte {at}, {len(buffer) - at} are left")
        yield tag >> 3, kind, buffer[at:at + size]
        at += size


def floats(parts: list[memoryview], dtype: str = "<f4") -> Array:
    """Repeated floats, packed or not, as one array."""
    data = b"".join(parts)
    if len(data) % np.dtype(dtype).itemsize:
        raise ValueError(f"{len(data)} bytes are not a whole number of floats")
    return np.frombuffer(data, dtype).astype(np.float32)


def read_datum(data: bytes | memoryview) -> Datum:
    """Datum: channels 1, height 2, width 3, data 4, label 5, float_data 6, encoded 7 (the numbers of Caffe's fields)."""
    sizes, label, encoded = {1: 0, 2: 0, 3: 0}, 0, False
    pixels: memoryview | None = None
    values: list[memoryview] = []
    for number, _, value in walk(memoryview(data)):
        if isinstance(value, int):
            if number in sizes:
                sizes[number] = value
            elif number == 5:
                label = value - (1 << 64) if value >> 63 else value
            elif number == 7:
                encoded = bool(value)
        elif number == 4:
            pixels = value
        elif number == 6:
            values.append(value)
    if encoded:
        return Datum(None, bytes(pixels or b""), label)
    array = np.frombuffer(pixels, np.uint8) if pixels is not None and len(pixels) else floats(values)
    shape = tuple(sizes.values())
    if math.prod(shape) != array.size or not array.size:
        raise ValueError(f"{' x '.join(map(str, shape))} pixels are announced, {array.size} are there")
    return Datum(array.reshape(shape), None, label)


def read_blob(data: bytes) -> Array:
    """BlobProto: num 1, channels 2, height 3, width 4, data 5, shape 7 (dim 1), double_data 8; float32 in its shape."""
    old = {1: 0, 2: 0, 3: 0, 4: 0}
    shape: tuple[int, ...] | None = None
    parts: dict[int, list[memoryview]] = {5: [], 8: []}
    for number, _, value in walk(memoryview(data)):
        if isinstance(value, int):
            if number in old:
                old[number] = value
        elif number in parts:
            parts[number].append(value)
        elif number == 7:
            shape = tuple(dims(value))
    array = floats(parts[5]) if parts[5] else floats(parts[8], "<f8")
    shape = shape if shape is not None else tuple(old.values())
    if math.prod(shape) != array.size:
        raise ValueError(f"{list(shape)} numbers are announced, {array.size} are there")
    return array.reshape(shape)


def dims(message: memoryview) -> Iterator[int]:
    """BlobShape: dim 1, packed or not."""
    for number, _, value in walk(message):
        if number != 1:
            continue
        if isinstance(value, int):
            yield value
            continue
        at = 0
        while at < len(value):
            size, at = varint(value, at)
            yield size


def read_mean(path: Path) -> Array:
    """A mean image, (C, H, W) float32, from a .binaryproto or .npy file. Raises SpecError NS643, NS645."""
    from netspec.training.data.npz import read_npy

    existing(path)
    try:
        if path.suffix == ".npy":
            with path.open("rb") as file:
                mean = read_npy(file, path.stat().st_size, "mean", path).astype(np.float32)
        else:
            mean = read_blob(path.read_bytes())
    except ValueError as error:
        raise fail("NS645", f"not a mean image: {error}", path=str(path)) from error
    except OSError as error:
        raise reading_error(path, error) from error
    if mean.ndim == 4 and len(mean) == 1:
        mean = mean[0]
    if mean.ndim != 3:
        raise fail("NS645", f"a mean image has the axes C, H, W, this one is {list(mean.shape)}", path=str(path))
    return mean
