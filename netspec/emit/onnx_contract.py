"""The input contract inside the model: colour order, centre crop, mean, deviation and scale, so
that whoever feeds it gives pixels as files hold them.

In: an input with its contract, if it has one, and the type that the net
computes with; out: operands. Decoding and resizing stay outside: they work on files of any size.
"""

from collections.abc import Mapping, Sequence

from netspec.emit.onnx_builder import Operand
from netspec.emit.onnx_idioms import Builder
from netspec.emit.onnx_rows import prepare_rows, row_type
from netspec.ir.dims import Size, symbol
from netspec.ir.graph import Input
from netspec.ir.types import TensorType

__all__ = ["STAGES", "prepare_input", "raw_type"]

STAGES = ("crop", "color", "cells", "mean", "std", "scale")
"""What the graph does to a picture, or a row of a table, in this order; of each the tensor that it leaves has a name, so
that it can be compared by itself.
"""


def raw_type(given: Input, type_: TensorType) -> TensorType:
    """What a caller feeds an input of the net: of a table a number for each column; with a centre
    crop, images of the contract's exact `resize`, or of any height and width from the crop's on.
    """
    contract, name = given.contract, given.value.name
    if given.rows is not None:
        return row_type(given.rows, type_)
    if contract is None or contract.crop is None:
        return type_
    exact = contract.resize if isinstance(contract.resize, tuple) and len(contract.resize) == 2 else None
    space: tuple[Size, ...] = tuple(exact) if exact else (symbol(f"{name}_H"), symbol(f"{name}_W"))
    return type_.replaced(space=space)


def prepare_input(
    g: Builder, x: Operand, given: Input, type_: TensorType, names: Mapping[str, str]
) -> Operand:
    """x as the net wants it: centre crop at floor((size - crop) / 2), channels reversed for bgr,
    then (pixel - mean_value) / std_value * scale.

    names: what the tensor after each of STAGES is called.
    """
    contract = given.contract
    if given.rows is not None:
        return prepare_rows(g, x, given.rows, type_, names)
    if contract is None:
        return x
    if contract.crop is not None and x.type.space != contract.crop:
        x = centre_cropped(g, x, contract.crop)
        x.name = names["crop"]
    if contract.color == "bgr":
        x = g.typed(g.Gather(x, (2, 1, 0), axis=1), x.type)
        x.name = names["color"]
    if any(contract.mean_value):
        x = g.typed(g.Sub(x, per_channel(g, contract.mean_value)), type_)
        x.name = names["mean"]
    if contract.std_value:
        x = g.typed(g.Div(x, per_channel(g, contract.std_value)), type_)
        x.name = names["std"]
    if contract.scale != 1:
        x = g.typed(g.Mul(x, float(contract.scale)), type_)
        x.name = names["scale"]
    return x


def per_channel(g: Builder, values: Sequence[float]) -> Operand:
    """Numbers that stand for the channels, or for all of them, beside (N, C, H, W)."""
    return g.const([[[value]] for value in values], "float32")


def centre_cropped(g: Builder, x: Operand, crop: tuple[int, int]) -> Operand:
    """The middle of the last two axes. The sizes are measured on x: its symbols stand in no other
    shape.
    """
    have = g.shape_of(x, 2)
    begin = g.Div(g.Sub(have, crop), (2,))
    return g.typed(g.Slice(x, begin, g.Add(begin, crop), (2, 3)), x.type.replaced(space=crop))
