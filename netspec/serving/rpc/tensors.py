"""The infer call's messages: a ModelInferRequest to a checked Inference, outputs to a
ModelInferResponse. What fits and what does not is protocol.py's to say, as for JSON.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from netspec.serving.answers import wanted_tensors
from netspec.serving.engine import Model
from netspec.serving.protocol import Inference, read_inference
from netspec.serving.rpc.messages import message_class
from netspec.serving.rpc.wire import check_parts, set_aside
from netspec.serving.tensors import RequestError
from netspec.serving.values import decode_texts, from_binary, from_json, split_bytes, to_binary

if TYPE_CHECKING:
    import numpy as np

__all__ = ["read_message", "read_tensors", "write_message"]

CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "INT64": "int64_contents", "UINT64": "uint64_contents",
    "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip


def read_message(body: bytes, most: int) -> tuple[Any, Sequence[memoryview]]:
    """A ModelInferRequest, and its raw tensors, as they lie in the body; most: values that its contents
    may hold one by one. Raises RequestError.
    """
    from google.protobuf.message import DecodeError

    check_parts(body, most)
    rest, raw = set_aside(body)
    try:
        return message_class("ModelInferRequest").FromString(rest), raw
    except DecodeError as error:
        raise RequestError("the message must be a ModelInferRequest: it cannot be decoded") from error


def read_tensors(message: Any, raw: Sequence[memoryview], model: Model) -> Inference:
    """The request that fits the model. Raises RequestError."""
    request = {
        "id": message.id or None,
        "parameters": read_parameters(message.parameters),
        "inputs": [describe_tensor(each) for each in message.inputs],
        "outputs": [describe_output(each) for each in message.outputs],
    }
    return read_inference(request, MessageTensors(message, raw), model)


def describe_tensor(tensor: Any) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": list(tensor.shape),
        "parameters": read_parameters(tensor.parameters),
    }


def describe_output(output: Any) -> dict[str, Any]:
    return {"name": output.name, "parameters": read_parameters(output.parameters)}


def read_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Each by the one value that it has; one without is None, which nothing understands."""
    found = {}
    for name, value in given.items():
        which = value.WhichOneof("choice")
        found[name] = getattr(value, which) if which else None
    return found


class MessageTensors:
    """Where the values of a message's inputs are: all in its raw tensors, in the order of the inputs, or
    each in its own contents.
    """

    words: Mapping[str, tuple[str, ...]] = {
        "request": ("timeout",),
        "input": (),
        "output": ("classification",),
    }

    def __init__(self, message: Any, raw: Sequence[memoryview]) -> None:
        self.raw = raw
        self.contents = {each.name: each.contents for each in message.inputs if each.HasField("contents")}
        self.places = {each.name: number for number, each in enumerate(message.inputs)}
        self.binary = bool(self.raw)

    def take(self, name: str, tensor: Mapping[str, Any]) -> "np.ndarray":
        if not self.raw:
            return self.take_contents(name, tensor)
        return from_binary(name, tensor["datatype"], tensor["shape"], self.take_raw(name))

    def take_files(self, name: str, tensor: Mapping[str, Any]) -> list[bytes]:
        count = math.prod(tensor["shape"])
        if self.raw:
            return list(map(bytes, split_bytes(name, count, self.take_raw(name))))
        contents = self.contents.get(name)
        files = list(contents.bytes_contents) if contents is not None else []
        if len(files) != count:
            raise RequestError(f"input {name!r} needs {count} elements of BYTES: got {len(files)}")
        return files

    def take_raw(self, name: str) -> memoryview:
        if name in self.contents or len(self.raw) != len(self.places):
            raise RequestError(
                f"the message must have contents for each input, or raw_input_contents for all"
                f" {len(self.places)}: it has {len(self.raw)} of these"
            )
        return self.raw[self.places[name]]

    def take_contents(self, name: str, tensor: Mapping[str, Any]) -> "np.ndarray":
        field = CONTENTS.get(tensor["datatype"])
        if field is None:
            raise RequestError(f"input {name!r} of datatype {tensor['datatype']} needs raw_input_contents")
        contents = self.contents.get(name)
        values = list(getattr(contents, field)) if contents is not None else []
        filled = [each.name for each, _ in contents.ListFields()] if contents is not None else []
        if set(filled) - {field}:
            raise RequestError(f"contents of input {name!r} must be {field} alone: got {', '.join(filled)}")
        if field == "bytes_contents":
            values = decode_texts(name, values)
        return from_json(name, tensor["datatype"], tensor["shape"], values)

    def end(self) -> None:
        if self.raw and len(self.raw) != len(self.places):
            raise RequestError(
                f"raw_input_contents must be one for each of {len(self.places)} inputs: got {len(self.raw)}"
            )


def write_message(
    name: str, version: str, request: Inference, outputs: "Mapping[str, np.ndarray]", model: Model
) -> Any:
    """The answer: tensors as raw bytes where the request had them so, else as typed contents."""
    message = message_class("ModelInferResponse")(model_name=name, model_version=version, id=request.id or "")
    tensors = list(wanted_tensors(request, outputs, model))
    typed = all(not wanted.binary and datatype in CONTENTS for wanted, datatype, _ in tensors)
    for wanted, datatype, array in tensors:
        added = message.outputs.add(name=wanted.name, datatype=datatype, shape=array.shape)
        if typed:
            values = array.ravel().tolist()
            if datatype == "BYTES":
                values = [value.encode() for value in values]
            getattr(added.contents, CONTENTS[datatype]).extend(values)
        else:
            message.raw_output_contents.append(to_binary(array))
    return message
