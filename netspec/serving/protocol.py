"""The Open Inference Protocol's infer request: bytes to a checked Inference. Both forms of tensors, JSON
and the binary tensor extension. Knows no HTTP framing.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from netspec.serving.engine import Model
from netspec.serving.heads import Place, Understood
from netspec.serving.limits import Limits
from netspec.serving.pictures import decode_pictures, from_base64, prepare_pixels
from netspec.serving.table_rows import TableRows
from netspec.serving.tensors import NUMPY_TYPES, RequestError, shape_text
from netspec.serving.values import (
    from_binary,
    from_json,
    from_text,
    load_json,
    split_bytes,
)

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Inference", "Tensors", "Wanted", "check_values", "parse", "read_inference"]

# JSON below so many bytes is read as it is: whatever stands in it, it costs little.
LARGE_JSON = 1 << 17
MOST_VALUES = Limits().max_json
# Commas and brackets of all that is not data.
SLACK = 1024
_SHAPE = re.compile(rb'"shape"\s*:\s*\[([0-9,\s]{0,700})\]')
# A list without strings and objects ends before the next of these.
_DATA = re.compile(rb'"data"\s*:\s*(\[[^"{}]*\])')
_NUMBER = re.compile(rb"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A requested output, whether as bytes, and how many classes of it (0: the tensor itself)."""

    name: str
    binary: bool
    classes: int


@dataclass(frozen=True, slots=True)
class Inference:
    """A request that fits the model."""

    id: str | None
    inputs: "Mapping[str, np.ndarray]"
    outputs: Sequence[Wanted]
    patience: float | None = None
    """Seconds that it may wait."""
    decode: "Callable[[int], Mapping[str, np.ndarray]] | None" = None
    """Where pictures came in place of inputs: makes these, if they have at most so many pixels."""


class Tensors(Protocol):
    """Where the values of a request's inputs are. words: the parameters that are understood there;
    binary: whether answers go as bytes where nobody says so.
    """

    @property
    def words(self) -> Mapping[str, Sequence[str]]: ...

    @property
    def binary(self) -> bool: ...

    def take(self, name: str, tensor: dict[str, Any]) -> "np.ndarray":
        """The array of an input whose datatype and shape fit the model. Raises RequestError."""

    def take_files(self, name: str, tensor: dict[str, Any]) -> list[bytes]:
        """The elements of BYTES where they are no text. Raises RequestError."""

    def end(self) -> None:
        """All inputs were taken. Raises RequestError where something is left over."""


def parse(body: bytes, json_length: str | None, model: Model, most: int = MOST_VALUES) -> Inference:
    """Read a request. `json_length` is the value of Inference-Header-Content-Length: where the JSON
    ends and binary tensors begin; `most`: values that the JSON may hold.

    Raises RequestError (400, 413).
    """
    end = _json_end(json_length, len(body))
    if end < len(body):
        known = model.heads.find(body, end)
        if known is not None:
            inputs = known.take(body, end)
            model.check_rows(inputs)
            return Inference(None, inputs, known.outputs, known.patience)
    text = body[:end] if end < len(body) else body
    lists: list[memoryview] = []
    if len(text) > min(LARGE_JSON, most):  # a value takes a byte at least
        check_values(text, most)
    if len(text) > LARGE_JSON:
        text = set_aside(text, lists)
    request = _object(_load(text), "the request")
    inference = read_inference(request, BodyTensors(memoryview(body)[end:], lists, model.rows), model)
    if end < len(body) and inference.id is None and inference.decode is None:
        keep_head(text, request["inputs"], inference, model)
    return inference


def keep_head(head: bytes, tensors: list[dict[str, Any]], inference: Inference, model: Model) -> None:
    """Remember what a head was found to say, where all its inputs are plain numbers behind it."""
    places, begin = dict[str, Place](), 0
    for tensor in tensors:
        array, size = inference.inputs[tensor["name"]], tensor.get("parameters", {}).get("binary_data_size")
        if (
            size is None
            or tensor["datatype"] in ("BYTES", "BOOL")
            or array.dtype.name != NUMPY_TYPES[tensor["datatype"]]
        ):
            return
        dtype = array.dtype.newbyteorder("<").str
        places[tensor["name"]] = Place(tensor["name"], dtype, array.shape, array.size, begin)
        begin += size
    ordered = [places[name] for name in inference.inputs]  # as the model has them
    model.heads.keep(head, Understood(begin, ordered, inference.outputs, inference.patience))


def read_inference(request: dict[str, Any], tensors: Tensors, model: Model) -> Inference:
    """A request, as JSON has it, that fits the model; the values of its inputs are taken from
    `tensors`. Raises RequestError.
    """
    request_id = request.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise RequestError(f"id must be a string: got {request_id!r}")
    parameters = _parameters(request, "the request", tensors.words["request"])
    binary = _flag(parameters, "binary_data_output", "the request", tensors.binary)
    patience = _patience(parameters)
    given = _index_by_name(request, "inputs")
    wanted = _outputs(request, binary, model, tensors)
    decode = _pictures(given, tensors, model)
    if decode is not None:
        return Inference(request_id, {}, wanted, patience, decode)
    return Inference(request_id, _inputs(given, tensors, model), wanted, patience)


def check_values(text: bytes, most: int) -> None:
    """Hold a long JSON text against the shapes that stand in it, before it is read: a list of empty
    lists takes twenty times its bytes. Raises RequestError (413).
    """
    shapes = [[int(n) for n in _NUMBER.findall(found)] for found in _SHAPE.findall(text)]
    needed = SLACK
    for shape in shapes:
        lists = 1
        for size in shape:
            lists *= size
            needed += lists
    found = sum(map(text.count, (b",", b"[", b"{")))
    if found > min(needed, most):
        raise RequestError(
            f"the JSON of a request may hold {min(needed, most)} values, by its shapes and this server's"
            f" limit: it holds {found}; large tensors go as binary data",
            413,
        )


def set_aside(text: bytes, lists: list[memoryview]) -> bytes:
    """A long JSON text with the number of a list in place of each list of numbers under `data`."""

    def take(found: "re.Match[bytes]") -> bytes:
        lists.append(memoryview(text)[found.start(1) : found.end(1)])
        return b'"data":%d' % (len(lists) - 1)

    return _DATA.sub(take, text)


def _parameters(holder: dict[str, Any], what: str, known: Sequence[str]) -> dict[str, Any]:
    """The parameters of a request, an input or an output. What is not understood is refused: the
    client asked for something that would not happen.
    """
    parameters = _object(holder.get("parameters", {}), f"parameters of {what}")
    for name in parameters:
        if name not in known:
            words = f"unknown parameter {name[:100]!r} of {what}: understood is {', '.join(known) or 'none'}"
            raise RequestError(words)
    return parameters


def _flag(parameters: dict[str, Any], name: str, what: str, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise RequestError(f"{name} of {what} must be true or false: got {str(value)[:100]!r}")
    return value


def _patience(parameters: dict[str, Any]) -> float | None:
    timeout = parameters.get("timeout", 0)
    if not _is_count(timeout):
        raise RequestError(f"timeout must be a number of microseconds: got {str(timeout)[:100]!r}")
    return timeout / 1e6 if timeout else None


def _json_end(length: str | None, total: int) -> int:
    if length is None:
        return total
    if not (length.isascii() and length.isdigit() and len(length) < 19):
        raise RequestError(f"Inference-Header-Content-Length must be a number of bytes: got {length[:40]!r}")
    if int(length) > total:
        raise RequestError(
            f"Inference-Header-Content-Length must not exceed the body: {length} > {total} bytes"
        )
    return int(length)


def _load(text: bytes) -> Any:
    try:
        return load_json(text)
    except ValueError as error:
        raise RequestError(f"the request must be JSON: {error if text else 'it is empty'}") from error


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RequestError(f"{what} must be a JSON object")
    return value


def _index_by_name(request: dict[str, Any], key: str) -> dict[str, dict[str, Any]]:
    """The list of tensors under a key, by name."""
    tensors = request.get(key)
    if not isinstance(tensors, list):
        raise RequestError(f"{key} must be a list of tensors")
    found: dict[str, dict[str, Any]] = {}
    for tensor in tensors:
        name = _object(tensor, f"each of {key}").get("name")
        if not isinstance(name, str):
            raise RequestError(f"each of {key} must have a name")
        if name in found:
            raise RequestError(f"{key} must name each tensor once: {name!r} stands there twice")
        found[name] = tensor
    return found


def _inputs(tensors: dict[str, dict[str, Any]], values: Tensors, model: Model) -> "dict[str, np.ndarray]":
    model.check({name: (_datatype(name, t), _shape(name, t)) for name, t in tensors.items()})
    arrays = {}
    for name, tensor in tensors.items():
        _parameters(tensor, f"input {name!r}", values.words["input"])
        arrays[name] = values.take(name, tensor)
    values.end()
    model.check_rows(arrays)
    return {t.name: arrays[t.name] for t in model.inputs}


def _pictures(
    tensors: dict[str, dict[str, Any]], values: Tensors, model: Model
) -> "Callable[[int], Mapping[str, np.ndarray]] | None":
    """What makes the inputs, where they came as pictures: files, or pixels. Raises RequestError."""
    if len(tensors) != 1 or not model.pictures:
        return None
    ((name, tensor),) = tensors.items()
    contract, declared = model.pictures.get(name), model.inputs[0]
    datatype = tensor.get("datatype")
    if contract is None or datatype not in ("BYTES", "UINT8"):
        return None
    shape = _shape(name, tensor)
    _parameters(tensor, f"input {name!r}", values.words["input"])
    if datatype == "UINT8":
        model.check({name: (declared.datatype, shape)})
        pixels = values.take(name, tensor)
        values.end()
        return lambda _: {name: prepare_pixels(pixels, contract).astype(NUMPY_TYPES[declared.datatype])}
    if len(shape) not in (1, 2) or shape[1:] not in ([], [1]) or not shape[0]:
        words = (
            f"pictures for input {name!r}, as BYTES, must have shape [N] or [N, 1]: got {shape_text(shape)}"
        )
        raise RequestError(words)
    files = values.take_files(name, tensor)
    values.end()

    def decode(most: int) -> "Mapping[str, np.ndarray]":
        made = decode_pictures(files, declared, contract, most).astype(NUMPY_TYPES[declared.datatype])
        model.check({name: (declared.datatype, made.shape)})
        return {name: made}

    return decode


class BodyTensors:
    """Those of an HTTP body: in its JSON, or behind it, one after the other. rows: the input in whose
    values null is an empty cell.
    """

    words: Mapping[str, Sequence[str]] = {
        "request": ("binary_data_output", "timeout"),
        "input": ("binary_data_size",),
        "output": ("binary_data", "classification"),
    }
    binary = False

    def __init__(self, rest: memoryview, lists: Sequence[memoryview], rows: TableRows | None = None) -> None:
        self.rest = rest
        self.lists = lists
        self.cells = "" if rows is None else rows.name

    def take(self, name: str, tensor: dict[str, Any]) -> "np.ndarray":
        data = self.take_binary(name, tensor)
        if data is None:
            return _values(name, tensor, self.lists, name == self.cells)
        return from_binary(name, tensor["datatype"], tensor["shape"], data)

    def take_files(self, name: str, tensor: dict[str, Any]) -> list[bytes]:
        data = self.take_binary(name, tensor)
        if data is not None:
            return list(map(bytes, split_bytes(name, math.prod(tensor["shape"]), data)))
        texts = from_json(name, "BYTES", tensor["shape"], tensor["data"])
        return from_base64(name, texts.ravel().tolist())

    def take_binary(self, name: str, tensor: dict[str, Any]) -> memoryview | None:
        """The bytes of an input behind the JSON; None where its values stand in it."""
        size = tensor.get("parameters", {}).get("binary_data_size")
        if (size is None) == ("data" not in tensor):
            raise RequestError(f"input {name!r} must have either data or the parameter binary_data_size")
        if size is None:
            return None
        if not _is_count(size) or size > len(self.rest):
            raise RequestError(
                f"binary_data_size of input {name!r} must be at most the {len(self.rest)} bytes that are left:"
                f" got {size!r}"
            )
        data, self.rest = self.rest[:size], self.rest[size:]
        return data

    def end(self) -> None:
        if len(self.rest):
            words = f"the body must end with the last binary tensor: {len(self.rest)} bytes are left over"
            raise RequestError(words)


def _values(name: str, tensor: dict[str, Any], lists: Sequence[memoryview], cells: bool) -> "np.ndarray":
    data = tensor["data"]
    if not (_is_count(data) and data < len(lists)):
        return from_json(name, tensor["datatype"], tensor["shape"], data, cells)
    try:
        return from_text(name, tensor["datatype"], tensor["shape"], lists[data], cells)
    except ValueError as error:
        raise RequestError(f"the request must be JSON: data of input {name!r}: {error}") from error


def _datatype(name: str, tensor: dict[str, Any]) -> str:
    datatype = tensor.get("datatype")
    if not isinstance(datatype, str) or datatype not in NUMPY_TYPES:
        raise RequestError(
            f"datatype of input {name!r} must be one of {', '.join(NUMPY_TYPES)}: got {datatype!r}"
        )
    return datatype


def _shape(name: str, tensor: dict[str, Any]) -> list[int]:
    shape = tensor.get("shape")
    if not isinstance(shape, list) or len(shape) > 32 or not all(_is_count(n) for n in shape):
        raise RequestError(
            f"shape of input {name!r} must be a list of at most 32 numbers, none negative: got"
            f" {str(shape)[:100]}"
        )
    return shape


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _outputs(request: dict[str, Any], binary: bool, model: Model, tensors: Tensors) -> list[Wanted]:
    names = [t.name for t in model.outputs]
    wanted = []
    for name, tensor in (
        _index_by_name(request, "outputs") if request.get("outputs") is not None else {}
    ).items():
        if name not in names:
            raise RequestError(f"unknown output {name!r}: the model has {', '.join(names)}")
        parameters = _parameters(tensor, f"output {name!r}", tensors.words["output"])
        classes = parameters.get("classification", 0)
        if not _is_count(classes):
            raise RequestError(
                f"classification of output {name!r} must be a number of classes: got {classes!r}"
            )
        wanted.append(Wanted(name, _flag(parameters, "binary_data", f"output {name!r}", binary), classes))
    return wanted or [Wanted(name, binary, 0) for name in names]
