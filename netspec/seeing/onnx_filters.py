"""The filters of an ONNX graph: weights of windows, and of dense layers that read a picture. In: its
nodes, its tensors, what its inputs take; out: Filters by node.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from netspec.data.samples import Taken
from netspec.seeing.filters import Filters, is_picture
from netspec.seeing.seen import Array

__all__ = ["read_filters", "restore"]

WINDOWED, DENSE = ("Conv", "ConvTranspose"), ("Gemm", "MatMul")
RESTORED = "DequantizeLinear"
PASSING = ("Mul", "Add", "Sub", "Div", "Reshape", "Flatten", "Identity", "Cast", "QuantizeLinear", RESTORED)
"""What leaves a picture a picture: its scale, its mean, its shape, its bits."""


def read_filters(
    nodes: Sequence[Any], weights: Mapping[str, Array], taken: Mapping[str, Taken]
) -> Iterator[Filters]:
    """Filters in the order of the nodes."""
    makers = {top: node for node in nodes for top in node.output}
    weights = {**weights, **restore(nodes, weights)}
    for node in nodes:
        if node.op_type not in WINDOWED + DENSE or node.input[1] not in weights:
            continue
        weight, name = weights[node.input[1]], node.name or node.output[0]
        given = taken.get(find_origin(makers, {*weights}, {*taken}, node.input[0]))
        if node.op_type in DENSE:
            yield from read_dense(node, weight, given)
        elif 3 <= weight.ndim <= 5:
            yield Filters(name, weight, given is not None, color_of(given))


def restore(nodes: Sequence[Any], weights: Mapping[str, Array]) -> dict[str, Array]:
    """Weights that are kept in whole numbers: (q - zero) scale, along the node's axis, by the node's
    output.
    """
    found = {}
    for node in nodes:
        if node.op_type == RESTORED and all(name in weights for name in node.input if name):
            kept, scale, *zero = (weights[name].astype(np.float32) for name in node.input if name)
            axis = next((each.i for each in node.attribute if each.name == "axis"), 1)
            shape = [1] * kept.ndim
            if scale.size > 1:
                shape[axis] = -1
            whole = kept - (zero[0].reshape(shape) if zero else 0)
            found[node.output[0]] = whole * scale.reshape(shape)
    return found


def read_dense(node: Any, weight: Array, given: Taken | None) -> Iterator[Filters]:
    """A filter as large as the picture, where the layer reads one."""
    if given is None or weight.ndim != 2 or not is_picture(given):
        return
    turned = any(each.name == "transB" and each.i for each in node.attribute)
    rows = weight.T
    if turned:
        rows = weight
    shape = tuple(n or 0 for n in given.shape)
    if rows.shape[1] == math.prod(shape):
        yield Filters(node.name or node.output[0], rows.reshape(-1, *shape), True, color_of(given))


def find_origin(makers: Mapping[str, Any], fixed: set[str], inputs: set[str], value: str) -> str:
    """The input that a value is, but for its scale, mean or shape; empty where it is more."""
    while value not in inputs:
        node = makers.get(value)
        if node is None or node.op_type not in PASSING:
            return ""
        moving = [each for each in node.input if each not in fixed and not is_constant(makers, each)]
        if len(moving) != 1:
            return ""
        value = moving[0]
    return value


def is_constant(makers: Mapping[str, Any], value: str) -> bool:
    return value in makers and makers[value].op_type == "Constant"


def color_of(given: Taken | None) -> str:
    """How the channels of an input are named: rgb, bgr."""
    if given is None or given.contract is None:
        return ""
    return given.contract.order(given.shape[0] if given.shape else None) or ""
