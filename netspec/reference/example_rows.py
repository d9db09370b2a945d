"""Example rows of layer types, carried out. In: a Layer class and a row; out: its layer, types,
weights, multiply-accumulates.
"""

from typing import NamedTuple

from netspec.diagnostics.model import Diagnostics, SpecError
from netspec.ir.dims import Size, symbol
from netspec.ir.layer import Example, Layer, Weight
from netspec.ir.types import TensorType
from netspec.source import Source
from netspec.syntax.reader import read

__all__ = ["Worked", "layer_of", "plain_type", "type_text", "work_example"]


class Worked(NamedTuple):
    """An accepted example carried out: the bottoms, and the weights and multiply-accumulates that
    they give.
    """

    bottoms: tuple[TensorType, ...]
    weights: tuple[Weight, ...]
    macs: Size


def work_example(cls: type[Layer], example: Example) -> Worked | None:
    """The example carried out; None where its bottoms are not plain sizes. Raises Reject where its
    parameters do not fit.
    """
    layer = layer_of(cls, example)
    bottoms = tuple(type_ for text in example.bottoms if (type_ := plain_type(text)) is not None)
    if len(bottoms) != len(example.bottoms):
        return None
    made = layer.infer(*bottoms)
    tops = (made,) if isinstance(made, TensorType) else made
    return Worked(bottoms, tuple(layer.weights(*bottoms)), layer.macs(bottoms, tops))


def layer_of(cls: type[Layer], example: Example) -> Layer:
    """The layer that an example's parameters make."""
    diagnostics = Diagnostics()
    tree = read(Source(cls.type, example.parameters), diagnostics)
    if tree is None:
        raise SpecError(diagnostics.sorted())
    layer = cls.read(tree.mapping, example.dialect, whole=tree)
    layer.__dict__["top_count"] = example.outputs or len(example.tops)
    return layer


def plain_type(text: str) -> TensorType | None:
    """`N,1,28,28` as a type; None where a size is an expression."""
    sizes = [] if text == "()" else [part.strip() for part in text.split(",")]
    if not all(size.isdigit() or size.isidentifier() for size in sizes):
        return None
    return TensorType(tuple(int(size) if size.isdigit() else symbol(size) for size in sizes))


def type_text(text: str) -> str:
    """`N,1,28,28` as a spec writes it: `[N, 1, 28, 28]`."""
    return "[]" if text == "()" else f"[{', '.join(part.strip() for part in text.split(','))}]"
