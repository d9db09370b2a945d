"""Caffe's BlobProto and Datum on the wire -> numpy arrays, each no larger than the stretch of the
file it came from.

Numbers of less than four bytes, which NVIDIA's fork writes, grow to float32.
"""

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from netspec.caffe.schema import enum_names, message_fields
from netspec.caffe.wire import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    Budget,
    Fields,
    WireError,
    WireField,
    decode_signed,
    varints,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Chunk = NDArray[np.generic]

__all__ = ["Datum", "read_blob", "read_datum", "read_label", "read_whole_blob", "text"]

MAX_AXES = 32  # Caffe's kMaxBlobAxes
LONGEST_TEXT = 4096
BLOB = {name: field.number for name, field in message_fields("BlobProto").items()}
DATUM = {name: field.number for name, field in message_fields("Datum").items()}
LEGACY_AXES = (BLOB["num"], BLOB["channels"], BLOB["height"], BLOB["width"])
FIXED_SIZES = {FIXED32: 4, FIXED64: 8}
RAW_TYPES = {
    "DOUBLE": "<f8",
    "FLOAT": "<f4",
    "FLOAT16": "<f2",
    "INT": "<i4",
    "UINT": "<u4",
    "BOOL": "|b1",
}
RAW = {n: RAW_TYPES[name] for name, n in enum_names("RawType").items()}
"""How NVIDIA's fork packs numbers, by its enum's."""


class Datum(NamedTuple):
    """A row of Caffe's databases: pixels (channels, height, width), uint8 or float32, or an encoded
    image's bytes; and its label.
    """

    pixels: "NDArray[np.generic] | None"
    encoded: bytes | None
    label: int


def read_whole_blob(payload: bytes) -> "NDArray[np.float32]":
    """The one blob of a .binaryproto file, as mean images and InfogainLoss's matrices are stored.
    Raises WireError.
    """
    # no field is shorter than a byte
    return read_blob(memoryview(payload), 0, len(payload), Budget(len(payload) + 1))


def read_blob(data: memoryview, start: int, end: int, budget: Budget) -> "NDArray[np.float32]":
    """The blob in data[start:end] as float32, in its own shape, or (num, channels, height, width)
    where it gives these instead.
    """
    import numpy as np

    shape: list[int] = []
    legacy: dict[int, int] = {}
    singles: list[Chunk] = []
    doubles: list[Chunk] = []
    raw: list[WireField] = []
    kind = -1
    fields = Fields(data, start, end, budget)
    for field in fields:
        if field.number == BLOB["shape"] and field.wire == BYTES:
            shape += read_shape(data, field, budget)
        elif field.number in LEGACY_AXES and field.wire == VARINT:
            legacy[field.number] = decode_signed(field.value)
        elif field.number == BLOB["data"]:
            singles += numbers(fields, field, "<f4")
        elif field.number == BLOB["double_data"]:
            doubles += numbers(fields, field, "<f8")
        elif field.number == BLOB["raw_data_type"] and field.wire == VARINT:
            kind = field.value
        elif field.number == BLOB["raw_data"] and field.wire == BYTES:
            raw = [field]  # of a field that is not repeated the last one counts
    packed = [read_raw(data, field, kind) for field in raw if not doubles and not singles]
    # Caffe reads double_data first, where there are any
    values = np.concatenate(doubles or singles or packed or [np.empty(0, "<f4")]).astype(
        np.float32, copy=False
    )
    return reshape_values(values, [legacy.get(axis, 0) for axis in LEGACY_AXES] if legacy else shape, start)


def read_raw(data: memoryview, field: WireField, kind: int) -> "Chunk":
    """Numbers as they lie in the memory of NVIDIA's fork, of one of its types."""
    import numpy as np

    if kind not in RAW:
        raise WireError(
            field.start,
            "raw numbers without a type" if kind < 0 else f"raw numbers of type {kind}, which does not exist",
        )
    size = np.dtype(RAW[kind]).itemsize
    if (field.end - field.start) % size:
        raise WireError(
            field.start,
            f"{field.end - field.start:,} bytes are no whole number of {size}-byte values",
        )
    return np.frombuffer(data[field.start : field.end], RAW[kind])


def read_shape(data: memoryview, field: WireField, budget: Budget) -> list[int]:
    """The dims of a BlobShape, packed or not."""
    dims: list[int] = []
    for dim in Fields(data, field.start, field.end, budget):
        if dim.wire == BYTES:
            dims += varints(data, dim.start, dim.end, budget)
        elif dim.wire == VARINT:
            dims.append(decode_signed(dim.value))
        if len(dims) > MAX_AXES:
            raise WireError(dim.start, f"a shape of more than {MAX_AXES} axes")
    return dims


def reshape_values(values: "NDArray[np.float32]", shape: list[int], at: int) -> "NDArray[np.float32]":
    """The values in a shape that the file claims for them."""
    if len(shape) > MAX_AXES or any(dim < 0 for dim in shape) or prod(shape) != values.size:
        raise WireError(at, f"a blob of shape {shape} has {values.size:,} values")
    return values.reshape(shape)


def numbers(fields: Fields, field: WireField, dtype: str) -> "Iterator[Chunk]":
    """The values of a repeated floating field from here on: a packed stretch, or single ones that
    follow each other directly.
    """
    import numpy as np

    size = int(dtype[-1])
    if field.wire == BYTES:
        if (field.end - field.start) % size:
            raise WireError(
                field.start,
                f"{field.end - field.start:,} bytes are no whole number of {size}-byte values",
            )
        yield np.frombuffer(fields.data[field.start : field.end], dtype)
    elif FIXED_SIZES.get(field.wire) == size:
        yield run(fields, field, dtype)


def run(fields: Fields, field: WireField, dtype: str) -> "Chunk":
    """The values of unpacked fields with the same one-byte tag, from `field` on; moves `fields`
    behind the last of them.
    """
    import numpy as np

    step = 1 + int(dtype[-1])
    begin, count = field.start - 1, 1
    octets = np.frombuffer(fields.data[: fields.end], np.uint8)
    room = (fields.end - begin) // step
    # windows that double: neither number by number, nor the whole rest for a run of one
    while count < room:
        window = octets[begin + count * step : begin + min(2 * count, room) * step : step]
        others = np.flatnonzero(window != octets[begin])
        count += int(others[0]) if others.size else window.size
        if others.size:
            break
    fields.at = begin + count * step
    return np.ndarray((count,), dtype, fields.data, begin + 1, (step,))


def read_datum(payload: bytes) -> Datum:
    """One row of an LMDB or LevelDB that Caffe wrote. Raises WireError if it is none, empty, or of
    another size than its values.
    """
    import numpy as np

    data = memoryview(payload)
    fields = Fields(data, 0, len(data), Budget(len(data) + 1))
    sizes = dict.fromkeys((DATUM["channels"], DATUM["height"], DATUM["width"]), 0)
    label = 0
    octets, encoded = data[:0], False
    floats: list[Chunk] = []
    for field in fields:
        if field.number in sizes and field.wire == VARINT:
            sizes[field.number] = decode_signed(field.value)
        elif field.number == DATUM["label"] and field.wire == VARINT:
            label = decode_signed(field.value)
        elif field.number == DATUM["encoded"] and field.wire == VARINT:
            encoded = bool(field.value)
        elif field.number == DATUM["data"] and field.wire == BYTES:
            octets = data[field.start : field.end]
        elif field.number == DATUM["float_data"]:
            floats += numbers(fields, field, "<f4")
    if encoded:
        return Datum(None, bytes(octets), label)
    # as in Caffe bytes count before floats
    if floats and not len(octets):
        values = np.concatenate(floats)
    else:
        values = np.frombuffer(octets, np.uint8)
    shape = list(sizes.values())
    if any(dim < 1 for dim in shape) or prod(shape) != values.size:
        raise WireError(0, f"a datum of {shape} has {values.size:,} values")
    return Datum(values.reshape(shape), None, label)


def read_label(payload: memoryview) -> int:
    """The label of such a row alone; its values are stepped over. Raises WireError if it is
    none.
    """
    label = 0
    for field in Fields(payload, 0, len(payload), Budget(len(payload) + 1)):
        if field.number == DATUM["label"] and field.wire == VARINT:
            label = decode_signed(field.value)
    return label


def text(data: memoryview, field: WireField) -> str:
    """A string field; bytes that are no UTF-8 are read as Latin-1."""
    if field.end - field.start > LONGEST_TEXT:
        raise WireError(field.start, f"a name of {field.end - field.start:,} bytes")
    raw = bytes(data[field.start : field.end])
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
