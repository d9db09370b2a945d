"""What requests and answers hold, as JSON Schema for the server's OpenAPI document: made from the words
and datatypes that the protocol's reader goes by.
"""

from collections.abc import Sequence
from typing import Any

from netspec.serving.protocol import BodyTensors
from netspec.serving.tensors import NUMPY_TYPES

__all__ = ["SCHEMAS", "bodies_of"]

COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
TEXT, FLAG = {"type": "string"}, {"type": "boolean"}
PARAMETERS = {
    **dict.fromkeys(("timeout", "binary_data_size", "classification"), COUNT),
    **dict.fromkeys(("binary_data_output", "binary_data"), FLAG),
}


def record(required: Sequence[str] = (), /, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


def array(items: Any, most: int | None = None) -> dict[str, Any]:
    return {"type": "array", "items": items} | ({} if most is None else {"maxItems": most})


def refer(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def parameters_of(what: str) -> dict[str, Any]:
    """Those that are understood, and no others."""
    known = {name: PARAMETERS[name] for name in BodyTensors.words[what]}
    return record(**known) | {"additionalProperties": False}


DATATYPE = {"type": "string", "enum": list(NUMPY_TYPES)}
SHAPE = array(COUNT, 32)
SIGNED = array({"type": "integer", "minimum": -1})
DESCRIBED = record(("name", "datatype", "shape"), name=TEXT, datatype=DATATYPE, shape=SIGNED)
SCHEMAS: dict[str, dict[str, Any]] = {
    "InputTensor": record(
        ("name", "datatype", "shape"), name=TEXT, datatype=DATATYPE, shape=SHAPE, data={"type": "array"},
        parameters=parameters_of("input"),
    ),
    "RequestedOutput": record(("name",), name=TEXT, parameters=parameters_of("output")),
    "InferRequest": record(
        ("inputs",), id={"type": ["string", "null"]}, inputs=array(refer("InputTensor")),
        outputs=array(refer("RequestedOutput")), parameters=parameters_of("request"),
    ),
    "OutputTensor": record(
        ("name", "datatype", "shape"), name=TEXT, datatype=DATATYPE, shape=array(COUNT),
        data={"type": "array"}, parameters=record(binary_data_size=COUNT),
    ),
    "InferAnswer": record(
        ("model_name", "model_version", "outputs"), model_name=TEXT, model_version=TEXT, id=TEXT,
        outputs=array(refer("OutputTensor")),
    ),
    "Server": record(("name", "version", "extensions"), name=TEXT, version=TEXT, extensions=array(TEXT)),
    "Live": record(("live",), live=FLAG),
    "Ready": record(("ready",), name=TEXT, ready=FLAG),
    "Model": record(
        ("name", "versions", "platform", "inputs", "outputs"), name=TEXT, versions=array(TEXT),
        platform=TEXT, inputs=array(DESCRIBED), outputs=array(DESCRIBED),
        parameters={"type": "object", "additionalProperties": TEXT},
    ),
    "Config": record(
        ("name", "max_batch_size", "input", "output"), name=TEXT, max_batch_size=COUNT,
        input=array({"type": "object"}), output=array({"type": "object"}),
    ),
    "Statistics": record(("model_stats",), model_stats=array(record(("name", "version", "inference_stats")))),
    "IndexRequest": record(ready=FLAG),
    "Index": array(
        record(("name", "version", "state", "reason"), name=TEXT, version=TEXT, state=TEXT, reason=TEXT)
    ),
    "Change": record(parameters=record(unload_dependents=FLAG) | {"additionalProperties": False}),
    "Nothing": record(),
    "Error": record(("error",), error=TEXT, code=TEXT),
}  # fmt: skip
# Of a route by how its pattern ends: what is sent, and what comes.
BODIES = {
    "/infer": ("InferRequest", "InferAnswer"),
    "/health/live": ("", "Live"),
    "/ready": ("", "Ready"),
    "/config": ("", "Config"),
    "/stats": ("", "Statistics"),
    "/index": ("IndexRequest", "Index"),
    "load": ("Change", "Nothing"),
    "{version}": ("", "Model"),
    "{name}": ("", "Model"),
    "/v2": ("", "Server"),
}


def bodies_of(pattern: str) -> tuple[str, str]:
    """The schemas of what is sent to a route and of what comes; empty where there is none."""
    return next((found for end, found in BODIES.items() if pattern.endswith(end)), ("", ""))
