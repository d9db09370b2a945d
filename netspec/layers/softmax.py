"""Layers that weigh the entries of an axis against each other: Softmax, ArgMax."""

from collections.abc import Iterator
from typing import Any

from netspec.ir.dims import Size, product
from netspec.ir.field import Reads, same_place
from netspec.ir.layer import Example, Layer, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import within
from netspec.ir.types import TensorType
from netspec.layers.common.words import ENGINE, Engine
from netspec.record import param

__all__ = ["ArgMax", "Softmax"]


class Softmax(
    Layer,
    type="Softmax",
    keeps=("top",),
    param="softmax_param",
    legacy=("SOFTMAX", "softmax"),
    traits=("normalizes_scores",),
):
    """Turn scores along an axis into positive numbers that sum to 1.

    y_k = exp(x_k - m) / sum_j exp(x_j - m),  m = max_j x_j     (Caffe's Softmax; Bridle 1990)
    """

    axis: int = param(default=1, doc="the axis that is normalised; negative counts from the back")
    engine: Engine = param(default="DEFAULT", doc=ENGINE)

    def infer(self, x: TensorType) -> TensorType:
        x.axis(self.axis)
        return TensorType(x.shape)

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        return (same_place(x.rank, x.axis(self.axis)),)

    def torch(self, x: TensorType) -> ModuleText:
        return module("nn.Softmax", dim=x.axis(self.axis))

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.typed(g.Softmax(x, axis=x.type.axis(self.axis)), x.type)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,10 -> N,10")
        yield accepts("{}", "N,5,H,W -> N,5,H,W")
        yield accepts("{axis: 0}", "4,3 -> 4,3")
        yield accepts("{axis: -1, engine: CAFFE}", "T,N,6 -> T,N,6")
        yield rejects("{}", "N", code="NS303", at="axis")
        yield rejects("{axis: -3}", "N,4", code="NS303", at="axis")


class ArgMax(Layer, type="ArgMax", param="argmax_param", legacy=("ARGMAX",), traits=("no_gradient",)):
    """Indices of the top_k greatest entries, as floats, in falling order of the entries; of equal
    ones the higher index first.

    Without axis each sample is flattened: y[n, 0, j] is the index, y[n, 1, j] with out_max_val the entry     (Caffe's ArgMax)

    With axis, out_max_val gives the entries in place of the indices. No gradient.
    """

    out_max_val: bool = param(default=False, doc="give the entries too; with axis, instead")
    top_k: int = param(default=1, ge=1, doc="how many")
    axis: int | None = param(default=None, doc="the axis they are sought along; left out: the whole sample")

    def infer(self, x: TensorType) -> TensorType:
        x.require_axes(1)
        if self.axis is None:
            within(
                self.entries(x),
                self.top_k,
                "top_k",
                "top_k must not exceed the entries of a sample",
            )
            # Caffe gives three axes at least
            return TensorType((x.batch, 2 if self.out_max_val else 1, self.top_k, *(1,) * (x.rank - 3)))
        axis = x.axis(self.axis)
        within(x.shape[axis], self.top_k, "top_k", "top_k must not exceed the axis")
        return TensorType(tuple(self.top_k if i == axis else s for i, s in enumerate(x.shape)))

    def entries(self, x: TensorType) -> Size:
        return product(x.shape[1:])

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        return (same_place(1) if self.axis is None else same_place(x.rank, x.axis(self.axis)),)

    def torch(self, x: TensorType) -> ModuleText:
        axis = None if self.axis is None else x.axis(self.axis)
        return module(
            "ArgMax",
            defaults={"top_k": 1, "axis": None, "out_max_val": False},
            top_k=self.top_k,
            axis=axis,
            out_max_val=self.out_max_val,
        )

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        top, axis = self.infer(x.type), 1 if self.axis is None else x.type.axis(self.axis)
        if self.axis is not None:
            scores = x
        else:
            scores = g.reshape(x, (x.type.batch, self.entries(x.type)))
        # TopK puts the lower index of equals first, Caffe the higher: so it reads from the end
        values, places = g.TopK(g.flipped(scores, axis), (self.top_k,), outputs=2, axis=axis)
        indices = g.cast(g.Sub(g.size(scores.type.shape[axis] - 1), places), "float32")
        if self.axis is not None:
            return g.typed(values if self.out_max_val else indices, top)
        one = TensorType((x.type.batch, 1, self.top_k))
        parts = [
            g.reshape(part, one.shape) for part in ((indices, values) if self.out_max_val else (indices,))
        ]
        return g.reshape(g.concat(parts, 1), top.shape)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,10 -> N,1,1")
        yield accepts("{top_k: 3, out_max_val: true}", "N,2,4,2 -> N,2,3,1")
        yield accepts("{axis: 1}", "N,21,H,W -> N,1,H,W")
        yield accepts("{axis: -1, top_k: 2, out_max_val: true}", "N,5,3 -> N,5,2")
        yield rejects("{top_k: 11}", "N,10", code="NS302", at="top_k")
        yield rejects("{axis: 1, top_k: 4}", "N,3,9", code="NS302", at="top_k")
        yield rejects("{axis: 2}", "N,3", code="NS303", at="axis")
        yield rejects("{top_k: 0}", "N,3", code="NS106", at="top_k")
