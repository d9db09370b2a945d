"""Values of one tensor on the wire: JSON lists and the binary tensor extension to arrays, and back.
Knows no model and no HTTP.

Binary: row-major, little-endian, BOOL one byte each, BYTES each element after its length in 4
bytes.
"""

import json
import math
import re
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from netspec.serving.tensors import NUMPY_TYPES, RequestError, shape_text

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "decode_texts",
    "from_binary",
    "from_json",
    "from_text",
    "load_json",
    "split_bytes",
    "to_binary",
    "to_json",
]

# Bytes of JSON that are read at a time.
PIECE = 1 << 18

# What the module struct packs as numpy would cast it.
PACKED = {"FP32": "f", "FP64": "d"}

WORDS = {"BO": "booleans", "FP": "numbers", "BY": "strings"}


def from_json(name: str, datatype: str, shape: Sequence[int], data: Any, cells: bool = False) -> "np.ndarray":
    """An array from a JSON list, flat or nested as `shape`. cells: of a table, null is NaN, an empty
    one. Raises RequestError where count, nesting, type or range do not fit.
    """
    if not isinstance(data, list):
        raise RequestError(f"data of input {name!r} must be a list: got {_json_type(data)}")
    packed = pack_reals(datatype, data)
    if packed is not None and packed.size == math.prod(shape):
        return packed.reshape(shape)
    try:
        given = _array(datatype, data, cells)
    except (ValueError, OverflowError) as error:
        raise RequestError(
            f"data of input {name!r} must be flat, or nested as {shape_text(shape)}: it is ragged"
        ) from error
    if given is None:
        words = WORDS.get(datatype[:2], "integers")
        raise RequestError(f"data of input {name!r} must hold only {words}, as {datatype} does")
    if given.ndim != 1 and given.shape != tuple(shape):
        raise RequestError(
            f"data of input {name!r} must be flat, or nested as {shape_text(shape)}: it is"
            f" {shape_text(given.shape)}"
        )
    if given.size != math.prod(shape):
        raise RequestError(
            f"input {name!r} of shape {shape_text(shape)} needs {math.prod(shape)} values: data holds"
            f" {given.size}"
        )
    return _narrow(name, datatype, given).reshape(shape)


def from_text(
    name: str, datatype: str, shape: Sequence[int], text: memoryview, cells: bool = False
) -> "np.ndarray":
    """The same from the text of a long list, read piece by piece into the array: as Python's numbers
    its values would take ten times the room.
    """
    import numpy as np

    depth = _depth(text)
    inner = tuple(shape[1:]) if depth > 1 else ()
    found = np.empty(math.prod(shape), NUMPY_TYPES[datatype])
    at = 0
    if depth not in (1, len(shape)):
        return from_json(name, datatype, shape, load_json(text), cells)  # which says what is wrong
    for piece in _pieces(text, depth):
        given = _array(datatype, load_json(b"".join((b"[", piece, b"]"))), cells)
        if given is None or given.shape[1:] != inner or at + given.size > found.size:
            return from_json(name, datatype, shape, load_json(text), cells)
        found[at : at + given.size] = _narrow(name, datatype, given).ravel()
        at += given.size
    if at != found.size:
        return from_json(name, datatype, shape, load_json(text), cells)
    return found.reshape(shape)


def _depth(text: memoryview) -> int:
    """How deep the first value of a list lies."""
    head = re.match(rb"[\[\s]*", text)
    return head[0].count(b"[") if head else 0


def _pieces(text: memoryview, depth: int) -> Iterator[memoryview]:
    """The inside of a list in pieces of whole elements."""
    cut = re.compile(rb"(?:\]\s*){%d}," % (depth - 1))
    at, end = bytes(text[:64]).index(b"[") + 1, len(text) - 1
    while end - at > PIECE:
        found = cut.search(text, at + PIECE, end)
        if found is None:
            break
        yield text[at : found.end() - 1]
        at = found.end()
    yield text[at:end]


def load_json(text: bytes | memoryview) -> Any:
    """Raises ValueError. NaN and Infinity are not JSON, but what clients write for such floats, and
    the standard library reads.
    """
    import orjson

    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        plain = bytes(text)
        if b"NaN" in plain or b"Infinity" in plain:
            with suppress(ValueError, RecursionError):
                return json.loads(plain)
        raise


def pack_reals(datatype: str, data: list[Any]) -> "np.ndarray | None":
    """A flat list in which a number with a point stands, in a third of the time that numpy takes to
    look at it; None for any other, and where a number is too large.
    """
    import numpy as np

    kind = PACKED.get(datatype)
    # Of integers alone numpy keeps all digits until it rounds once; so must we.
    if kind is None or float not in map(type, data):
        return None
    try:
        return np.frombuffer(struct.pack(f"={len(data)}{kind}", *data), NUMPY_TYPES[datatype])
    except (struct.error, OverflowError):
        return None


def _array(datatype: str, data: list[Any], cells: bool = False) -> "np.ndarray | None":
    """The values as numpy reads them, or None where they are not of the datatype's kind. cells: null
    among numbers is NaN.
    """
    import numpy as np

    dtype = np.dtype(NUMPY_TYPES[datatype])
    if dtype.kind == "O":
        texts = np.array(data, dtype=object)
        if all(isinstance(x, str) for x in texts.flat):
            return texts
        return None
    given = np.array(data)
    if cells and given.dtype == object and all(type(x) in (int, float, type(None)) for x in given.flat):
        given = given.astype(float)  # as numpy has it, None is NaN
    if not given.size:
        return given.astype(dtype)
    if (
        given.dtype.kind == "f" and dtype.kind in "iu"
    ):  # numpy's answer to integers of which no one integer type holds all
        exact = np.array(data, dtype=object)
        if all(type(x) is int for x in exact.flat):
            return exact
        return None
    allowed = {"b": "b", "i": "iu", "u": "iu", "f": "iuf"}[dtype.kind]
    if given.dtype.kind in allowed:
        return given
    return None


def _narrow(name: str, datatype: str, given: "np.ndarray") -> "np.ndarray":
    """The values in the datatype; one that it cannot hold is an error, not a wrapped or infinite
    number.
    """
    import numpy as np

    dtype = np.dtype(NUMPY_TYPES[datatype])
    if given.dtype == dtype or not given.size:
        return given
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        low, high = int(given.min()), int(given.max())
        if low < limits.min or high > limits.max:
            wrong = low if low < limits.min else high
            raise RequestError(
                f"data of input {name!r} must lie within {datatype}'s {limits.min} to {limits.max}: it holds"
                f" {wrong}"
            )
        return given.astype(dtype)
    with np.errstate(over="ignore"):
        cast = given.astype(dtype)
    lost = np.isinf(cast) & np.isfinite(given)
    if lost.any():
        raise RequestError(
            f"data of input {name!r} must lie within {datatype}'s range: it holds {given[lost].flat[0]}"
        )
    return cast


def from_binary(name: str, datatype: str, shape: Sequence[int], data: memoryview) -> "np.ndarray":
    """An array from its bytes, where they lie, aligned or not. Raises RequestError where
    their number does not fit.
    """
    import numpy as np

    count = math.prod(shape)
    if datatype == "BYTES":
        return np.array(decode_texts(name, split_bytes(name, count, data)), dtype=object).reshape(shape)
    dtype = np.dtype(NUMPY_TYPES[datatype]).newbyteorder("<")
    if len(data) != count * dtype.itemsize:
        needs = f"{count * dtype.itemsize} bytes ({count} x {dtype.itemsize})"
        raise RequestError(
            f"input {name!r} of shape {shape_text(shape)} and datatype {datatype} needs {needs}: got"
            f" {len(data)}"
        )
    if datatype == "BOOL":  # any byte but 0 is true
        return np.frombuffer(data, dtype="uint8").astype(bool).reshape(shape)
    array = np.frombuffer(data, dtype=dtype).reshape(shape)
    return np.require(array, dtype=NUMPY_TYPES[datatype], requirements="C")


def split_bytes(name: str, count: int, data: memoryview) -> list[memoryview]:
    """The elements of BYTES, each after its length. Raises RequestError."""
    found: list[memoryview] = []
    at = 0
    while at < len(data):
        end = at + 4 + (struct.unpack_from("<I", data, at)[0] if at + 4 <= len(data) else 0)
        if at + 4 > len(data) or end > len(data):
            raise RequestError(
                f"input {name!r}: element {len(found)} of BYTES ends at byte {max(end, at + 4)}, its data at"
                f" {len(data)}"
            )
        found.append(data[at + 4 : end])
        at = end
    if len(found) != count:
        raise RequestError(f"input {name!r} needs {count} elements of BYTES: got {len(found)}")
    return found


def decode_texts(name: str, elements: Sequence[memoryview | bytes]) -> list[str]:
    """The elements of BYTES as ONNX's strings. Raises RequestError."""
    found: list[str] = []
    for element in elements:
        try:
            found.append(str(element, "utf-8"))
        except UnicodeDecodeError as error:
            raise RequestError(
                f"input {name!r}: element {len(found)} of BYTES must be UTF-8: {error.reason}"
            ) from error
    return found


def to_binary(array: "np.ndarray") -> bytes:
    """The array's bytes as the binary tensor extension has them."""
    if array.dtype.kind == "O":
        encoded = [x.encode() for x in array.flat]
        return b"".join(part for x in encoded for part in (struct.pack("<I", len(x)), x))
    if sys.byteorder == "little":
        return array.tobytes()
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def to_json(array: "np.ndarray") -> Any:
    """The values, flat and row-major: a contiguous array for orjson, or a list where orjson cannot
    say them (NaN, infinity, strings).
    """
    import numpy as np

    if array.dtype.kind == "O" or (array.dtype.kind == "f" and not np.isfinite(array).all()):
        return array.ravel().tolist()
    if array.dtype == np.float16:
        wide = array.astype(np.float32)
    else:
        wide = array
    return np.ascontiguousarray(wide).ravel()


def _json_type(value: object) -> str:
    words = {
        dict: "an object",
        str: "a string",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        type(None): "null",
    }
    return words.get(type(value), type(value).__name__)
