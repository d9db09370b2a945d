"""The Open Inference Protocol's infer answer: outputs to bytes, as JSON or as the binary tensor extension
has them, or the best classes of them. Knows no HTTP framing.
"""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from netspec.serving.classification import classify
from netspec.serving.engine import Model
from netspec.serving.protocol import Inference, Wanted
from netspec.serving.tensors import datatype_of
from netspec.serving.values import to_binary, to_json

if TYPE_CHECKING:
    import numpy as np

__all__ = ["encode", "wanted_tensors"]


def encode(
    name: str, version: str, request: Inference, outputs: "Mapping[str, np.ndarray]", model: Model
) -> tuple[bytes, int | None]:
    """The body of the answer and, where binary tensors follow the JSON, the JSON's length."""
    key = key_of(name, version, request, outputs)
    if key is not None and (known := model.heads.answered.get(key)) is not None:
        return b"".join((known, *(to_binary(outputs[name]) for name, _, _ in key[2:]))), len(known)
    tensors, binary = [], []
    for wanted, datatype, array in wanted_tensors(request, outputs, model):
        tensor: dict[str, Any] = {"name": wanted.name, "datatype": datatype, "shape": list(array.shape)}
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
    if key is not None:
        model.heads.keep_answer(key, header)
    return b"".join([header, *binary]), len(header) if binary else None


def key_of(
    name: str, version: str, request: Inference, outputs: "Mapping[str, np.ndarray]"
) -> tuple[Any, ...] | None:
    """All that the head of an answer depends on, where it holds no numbers and no id, and the bytes
    behind it are of one size for all such."""
    if request.id is not None:
        return None
    found: list[Any] = [name, version]
    for wanted in request.outputs:
        array = outputs[wanted.name]
        if not wanted.binary or wanted.classes or array.dtype.kind == "O":
            return None
        found.append((wanted.name, array.dtype, array.shape))
    return tuple(found)


def wanted_tensors(
    request: Inference, outputs: "Mapping[str, np.ndarray]", model: Model
) -> "Iterator[tuple[Wanted, str, np.ndarray]]":
    """Each tensor of the answer with its datatype; classes in place of scores where these are asked
    for.
    """
    for wanted in request.outputs:
        array = outputs[wanted.name]
        if wanted.classes:
            array = classify(wanted.name, array, wanted.classes, model.labels.get(wanted.name, ()))
        yield wanted, datatype_of(array), array


def _dump(answer: dict[str, Any], plain: bool) -> bytes:
    """JSON; `plain` has lists that may hold NaN or infinity, which orjson would turn into null."""
    import orjson

    if plain:
        return json.dumps(
            answer, default=lambda array: array.tolist(), ensure_ascii=False, separators=(",", ":")
        ).encode()
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
