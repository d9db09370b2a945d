"""Calls as protobuf: nodes, subgraphs, typed tensors. In: what the builder collected, every operand
named; out: onnx's messages.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from netspec.emit.onnx_builder import OPSET, Body, Call, NotExportableError, Operand
from netspec.ir.dims import Dim, untrace
from netspec.ir.types import TensorType

if TYPE_CHECKING:
    import numpy as np
    from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto

__all__ = ["attribute_value", "element_type", "node_proto", "tensor_proto", "value_info"]

ELEMENTS = {
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "bool": "BOOL",
    "int64": "INT64",
    "int32": "INT32",
    "uint8": "UINT8",
}


def element_type(dtype: str) -> int:
    """onnx's number for a dtype."""
    from onnx import TensorProto

    return int(TensorProto.DataType.Value(ELEMENTS[dtype]))


def node_proto(call: Call) -> "NodeProto":
    """One node; attributes are made the type that the operator's schema asks for."""
    from onnx import helper

    names = [i.name if i is not None else "" for i in call.inputs]
    made = {k: attribute_value(call, k, v) for k, v in call.attributes.items()}
    return helper.make_node(call.op, names, [o.name for o in call.outputs], name=call.name, **made)


@lru_cache(maxsize=1024)
def is_real(op: str, attribute: str) -> bool:
    """Whether an attribute of an operator holds floats."""
    from onnx import defs

    declared = defs.get_schema(op, OPSET).attributes.get(attribute)
    kinds = defs.OpSchema.AttrType
    return declared is not None and declared.type in (kinds.FLOAT, kinds.FLOATS)


def attribute_value(call: Call, name: str, value: Any) -> Any:
    """The value as onnx.helper takes it. Raises NotExportableError for a size that is not a
    number.
    """
    if isinstance(value, Body):
        return graph_proto(value)
    if isinstance(value, (tuple, list)):
        return [attribute_value(call, name, v) for v in value]
    value = untrace(value) if isinstance(value, Dim) else value
    if isinstance(value, Dim):
        raise NotExportableError(f"{name} of ONNX's {call.op} must be a number: it is {value}")
    if isinstance(value, (bool, int)):
        if is_real(call.op, name):
            return float(value)
        return int(value)
    return value


def graph_proto(body: Body) -> "GraphProto":
    from onnx import helper

    nodes = [node_proto(call) for call in body.calls]
    return helper.make_graph(
        nodes,
        body.name,
        [value_info(i) for i in body.inputs],
        [value_info(o) for o in body.outputs],
    )


def value_info(operand: Operand) -> "ValueInfoProto":
    """Name and type; symbolic sizes by their text. An operand of unknown type, in a subgraph, is
    left to shape inference.
    """
    from onnx import ValueInfoProto, helper

    if operand.known is None:
        return ValueInfoProto(name=operand.name)
    return helper.make_tensor_value_info(
        operand.name, element_type(operand.known.dtype), dimensions(operand.known)
    )


def dimensions(type_: TensorType) -> list[int | str]:
    return [size if isinstance(size, int) else str(size) for size in map(untrace, type_.shape)]


def tensor_proto(name: str, array: "np.ndarray[Any, Any]") -> "TensorProto":
    """An initializer with its data."""
    from onnx import numpy_helper

    return numpy_helper.from_array(array, name)


def readers(calls: Iterable[Call], found: dict[Operand, int] | None = None) -> Mapping[Operand, int]:
    """How often each operand is read, subgraphs included."""
    found = {} if found is None else found
    for call in calls:
        for operand in call.inputs:
            if operand is not None:
                found[operand] = found.get(operand, 0) + 1
        for value in call.attributes.values():
            if isinstance(value, Body):
                readers(value.calls, found)
    return found
