"""The Open Inference Protocol's infer request and answer: bytes to a checked Inference, outputs to
bytes. Knows no HTTP framing.

Both forms of tensors (JSON and the binary tensor extension) and the classification extension.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netspec.serving.classification import classify
from netspec.serving.engine import Model
from netspec.serving.tensors import NUMPY_TYPES, RequestError, datatype_of
from netspec.serving.values import from_binary, from_json, to_binary, to_json

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Inference", "Wanted", "encode", "parse"]


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


def parse(body: bytes, json_length: str | None, model: Model) -> Inference:
    """Read a request. `json_length` is the value of Inference-Header-Content-Length: where the JSON
    ends and binary tensors begin.

    Raises RequestError (400).
    """
    end = _json_end(json_length, len(body))
    request = _object(_load(body[:end] if end < len(body) else body), "the request")
    request_id = request.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise RequestError(f"id must be a string: got {request_id!r}")
    parameters = _object(request.get("parameters", {}), "parameters")
    inputs = _inputs(_index_by_name(request, "inputs"), memoryview(body)[end:], model)
    return Inference(
        request_id, inputs, _outputs(request, parameters.get("binary_data_output") is True, model)
    )


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
    import orjson

    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if (
            b"NaN" in text or b"Infinity" in text
        ):  # not JSON, but what clients write for such floats, and the standard library reads
            try:
                return json.loads(text)
            except (ValueError, RecursionError):
                pass
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


def _inputs(tensors: dict[str, dict[str, Any]], rest: memoryview, model: Model) -> "dict[str, np.ndarray]":
    model.check({name: (_datatype(name, t), _shape(name, t)) for name, t in tensors.items()})
    arrays = {}
    for name, tensor in tensors.items():
        size = _object(tensor.get("parameters", {}), f"parameters of input {name!r}").get("binary_data_size")
        if (size is None) == ("data" not in tensor):
            raise RequestError(f"input {name!r} must have either data or the parameter binary_data_size")
        if size is None:
            arrays[name] = from_json(name, tensor["datatype"], tensor["shape"], tensor["data"])
            continue
        if not _is_count(size) or size > len(rest):
            raise RequestError(
                f"binary_data_size of input {name!r} must be at most the {len(rest)} bytes that are left: got"
                f" {size!r}"
            )
        arrays[name] = from_binary(name, tensor["datatype"], tensor["shape"], rest[:size])
        rest = rest[size:]
    if len(rest):
        raise RequestError(f"the body must end with the last binary tensor: {len(rest)} bytes are left over")
    return {t.name: arrays[t.name] for t in model.inputs}


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


def _outputs(request: dict[str, Any], binary: bool, model: Model) -> list[Wanted]:
    names = [t.name for t in model.outputs]
    wanted = []
    for name, tensor in (
        _index_by_name(request, "outputs") if request.get("outputs") is not None else {}
    ).items():
        if name not in names:
            raise RequestError(f"unknown output {name!r}: the model has {', '.join(names)}")
        parameters = _object(tensor.get("parameters", {}), f"parameters of output {name!r}")
        classes = parameters.get("classification", 0)
        if not _is_count(classes):
            raise RequestError(
                f"classification of output {name!r} must be a number of classes: got {classes!r}"
            )
        wanted.append(Wanted(name, parameters.get("binary_data", binary) is True, classes))
    return wanted or [Wanted(name, binary, 0) for name in names]


def encode(
    name: str, version: str, request: Inference, outputs: "Mapping[str, np.ndarray]", model: Model
) -> tuple[bytes, int | None]:
    """The body of the answer and, where binary tensors follow the JSON, the JSON's length."""
    tensors, binary = [], []
    for wanted in request.outputs:
        array = outputs[wanted.name]
        if wanted.classes:
            array = classify(wanted.name, array, wanted.classes, model.labels.get(wanted.name, ()))
        tensor: dict[str, Any] = {
            "name": wanted.name,
            "datatype": datatype_of(array),
            "shape": list(array.shape),
        }
        if wanted.binary:
            binary.append(to_binary(array))
            tensor["parameters"] = {"binary_data_size": len(binary[-1])}
        else:
            tensor["data"] = to_json(array)
        tensors.append(tensor)
    answer = (
        {"model_name": name, "model_version": version}
        | ({} if request.id is None else {"id": request.id})
        | {"outputs": tensors}
    )
    header = _dump(answer, any(isinstance(t.get("data"), list) for t in tensors))
    return b"".join([header, *binary]), len(header) if binary else None


def _dump(answer: dict[str, Any], plain: bool) -> bytes:
    """JSON; `plain` has lists that may hold NaN or infinity, which orjson would turn into null."""
    import orjson

    if plain:
        return json.dumps(
            answer, default=lambda array: array.tolist(), ensure_ascii=False, separators=(",", ":")
        ).encode()
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
