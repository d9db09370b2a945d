"""Layers that measure how far a value lies from points of reference: RBF."""

from collections.abc import Iterator
from typing import Any

from netspec.ir.dims import Size, product
from netspec.ir.field import Reads, same_place
from netspec.ir.layer import (
    Example,
    Filler,
    Kept,
    Layer,
    ModuleText,
    Weight,
    accepts,
    module,
    rejects,
)
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import RuleError
from netspec.ir.types import TensorType
from netspec.record import param

__all__ = ["RBF"]


class RBF(Layer, type="RBF", param="rbf_param"):
    """Measure how far the input is from each of num_output points: the smallest output is the best
    match.

    y[n,i] = sum_j (x[n,j] - w[i,j])^2     (Gaussian output layer of LeCun et al. 1998)

    x holds all axes from 1 on, flattened.
    """

    num_output: int = param(ge=1, doc="number of points")
    weight_filler: Filler = param(default=Filler(), doc="where the points are at first")

    def infer(self, x: TensorType) -> TensorType:
        if x.rank < 2:
            raise RuleError("NS303", f"needs axis 1, the values: its bottom is {x}", at="bottom")
        return TensorType((x.batch, self.num_output))

    def weights(self, x: TensorType) -> Iterator[Weight]:
        yield Weight("weight", (self.num_output, product(x.shape[1:])), self.weight_filler)

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        return (same_place(1),)

    def connections(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Size:
        return bottoms[0].size * self.num_output

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        return Kept(own=4 * bottoms[0].size * self.num_output)

    def torch(self, x: TensorType) -> ModuleText:
        return module("Distances", product(x.shape[1:]), self.num_output)

    def onnx(self, g: OnnxBuilder, x: Any, weight: Any) -> Any:
        inputs = product(x.type.shape[1:])
        gap = g.Sub(g.reshape(x, (x.type.batch, 1, inputs)), weight)
        # differences first: x^2 - 2 x w + w^2 would cancel where a point is met
        return g.reduce("SumSquare", g.typed(gap, TensorType((x.type.batch, self.num_output, inputs))), (2,))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{num_output: 10}", "N,84 -> N,10", weights=840)
        yield accepts(
            "{num_output: 2, weight_filler: {type: values, values: [[1, 0, -1, 0], [0, 1, 0, -1]]}}",
            "N,1,2,2 -> N,2",
            weights=8,
        )
        yield rejects(
            "{num_output: 2, weight_filler: {type: values, values: [1, 2, 3]}}",
            "N,4",
            code="NS302",
            at="weight_filler",
        )
        yield rejects("{num_output: 2}", "N,H", code="NS304")
        yield rejects("{num_output: 2}", "N", code="NS303")
        yield rejects("{}", "N,4", code="NS103")
