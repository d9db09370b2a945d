"""Layers that multiply or shift by what may be smaller than the bottom: Scale, Bias, Axpy."""

from collections.abc import Callable, Iterator
from typing import Any

from netspec.ir.dims import Size
from netspec.ir.field import Reads, same_place
from netspec.ir.layer import (
    Example,
    Filler,
    Layer,
    ModuleText,
    Weight,
    accepts,
    constant,
    module,
    rejects,
)
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import RuleError, same
from netspec.ir.types import TensorType
from netspec.record import param

__all__ = ["Axpy", "Bias", "Scale"]


class Spread(Layer):
    """Base of Scale and Bias: a tensor whose axes stand at axis.. of the bottom. It is a second
    bottom, or trained.
    """

    axis: int = param(
        default=1,
        doc="the bottom's axis at which the tensor's first axis stands; negative counts from the back",
    )
    num_axes: int = param(
        default=1,
        ge=-1,
        doc="how many axes it spans: -1 all the rest, 0 one number; without meaning for a second bottom",
    )

    def first(self, x: TensorType, other: TensorType | None) -> int:
        """The axis where it stands; a number stands anywhere."""
        if other is None:
            number = self.num_axes == 0
        else:
            number = other.shape == ()
        if number:
            return 0
        return x.axis(self.axis)

    def extent(self, x: TensorType, other: TensorType | None) -> tuple[Size, ...]:
        """Its shape, checked to fit."""
        first = self.first(x, other)
        if other is None:
            if self.num_axes == -1:
                last = x.rank
            else:
                last = first + self.num_axes
            if last > x.rank:
                raise RuleError(
                    "NS303",
                    f"num_axes {self.num_axes} from axis {first} on: the bottom has {x.rank} axes",
                    at="num_axes",
                )
            return x.shape[first:last]
        if first + other.rank > x.rank:
            raise RuleError(
                "NS303",
                f"the second bottom has {other.rank} axes from axis {first} on: the first has {x.rank}",
                at="bottom.1",
            )
        for i, size in enumerate(other.shape):
            same(
                size,
                x.shape[first + i],
                f"axis {i} of the second bottom must be axis {first + i} of the first",
                at="bottom.1",
            )
        return other.shape

    def field(self, x: TensorType, other: TensorType | None = None) -> tuple[Reads, ...]:
        if other is None:
            return (same_place(x.rank),)
        first = self.first(x, other)
        return same_place(x.rank), (*(None,) * first, *same_place(other.rank))

    def infer(self, x: TensorType, other: TensorType | None = None) -> TensorType:
        self.extent(x, other)
        return x


class Scale(
    Spread,
    type="Scale",
    keeps=("bottom",),
    param="scale_param",
    bottoms=(1, 2),
    traits=("elementwise", "has_bias"),
):
    """Multiply by a trained factor per channel, or by a second bottom, and add a trained bias if
    asked for.

    y = x * w + b, w and b at axis, axis + 1, ... and the same along all other axes     (Caffe's Scale)

    A BatchNorm of Caffe is followed by a Scale with bias_term: together they are what other
    frameworks call batch normalisation.
    """

    filler: Filler = param(default=constant(1.0), doc="how the factor is initialised")
    bias_term: bool = param(default=False, doc="add a bias of the factor's shape")
    bias_filler: Filler = param(default=Filler(), doc="how the bias is initialised")

    def weights(self, x: TensorType, other: TensorType | None = None) -> Iterator[Weight]:
        if other is None:
            yield Weight("weight", self.extent(x, None), self.filler)
        if self.bias_term:
            yield Weight("bias", self.extent(x, other), self.bias_filler)

    def scales_channels(self, x: TensorType, other: TensorType | None = None) -> bool:
        return other is None and x.rank > 1 and self.first(x, None) == 1 and self.num_axes == 1

    def scaling(
        self, x: TensorType, other: TensorType | None = None
    ) -> Callable[..., tuple[Any, Any]] | None:
        if not self.scales_channels(x, other):
            return None
        return lambda weight, bias=0.0: (weight, bias)

    def torch(self, x: TensorType, other: TensorType | None = None) -> ModuleText:
        shape = self.extent(x, other) if self.bias_term or other is None else None
        return module(
            "Scale",
            defaults={"shape": None, "axis": 1, "bias": None},
            shape=shape if other is None else None,
            axis=self.first(x, other),
            bias=shape if self.bias_term else None,
        )

    def onnx(self, g: OnnxBuilder, x: Any, other: Any = None, weight: Any = None, bias: Any = None) -> Any:
        factor = weight if other is None else other
        first = self.first(x.type, None if other is None else other.type)
        y = g.Mul(x, g.aligned(factor, first, x.type.rank) if factor.type.rank else factor)
        if bias is None:
            return y
        return g.Add(y, g.aligned(bias, first, x.type.rank) if bias.type.rank else bias)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W", weights=3)
        yield accepts("{bias_term: true, filler: {value: 2}}", "N,5 -> N,5", weights=10)
        yield accepts("{axis: 1, num_axes: 2, bias_term: true}", "N,3,4,W -> N,3,4,W", weights=24)
        yield accepts("{axis: 0, num_axes: -1}", "2,3,4 -> 2,3,4", weights=24)
        yield accepts("{num_axes: 0, bias_term: true}", "N,3,4 -> N,3,4", weights=2)
        yield accepts("{axis: -1}", "N,T,4 -> N,T,4", weights=4)
        yield accepts("{num_axes: 0, axis: 9, bias_term: true}", "N,3,4 -> N,3,4", weights=2)
        yield accepts("{}", "N,3,4,W; 3,4 -> N,3,4,W", weights=0)
        yield accepts("{axis: 0, bias_term: true}", "2,3,H; 2,3 -> 2,3,H", weights=6)
        yield accepts("{axis: 0}", "N,C,H,W; N,C -> N,C,H,W", weights=0)
        yield rejects("{}", "N,C,H,W", code="NS304")
        yield rejects("{axis: 2, num_axes: 3}", "N,3,4,4", code="NS303", at="num_axes")
        yield rejects("{axis: 4}", "N,3,4,4", code="NS303", at="axis")
        yield rejects("{}", "N,3,4,4; 4,4", code="NS302")
        yield rejects("{num_axes: -2}", "N,3,4,4", code="NS106", at="num_axes")


class Bias(
    Spread,
    type="Bias",
    keeps=(),
    param="bias_param",
    bottoms=(1, 2),
    traits=("elementwise", "has_bias"),
):
    """Add a trained term per channel, or a second bottom.

    y = x + b, b at axis, axis + 1, ... and the same along all other axes     (Caffe's Bias)

    Unlike Eltwise it lets the second bottom have fewer axes, not sizes of 1.
    """

    filler: Filler = param(default=Filler(), doc="how the term is initialised")

    def weights(self, x: TensorType, other: TensorType | None = None) -> Iterator[Weight]:
        if other is None:
            yield Weight("bias", self.extent(x, None), self.filler)

    def scaling(
        self, x: TensorType, other: TensorType | None = None
    ) -> Callable[..., tuple[Any, Any]] | None:
        if other is None and x.rank > 1 and self.first(x, None) == 1 and self.num_axes == 1:
            return lambda bias: (1.0, bias)
        return None

    def torch(self, x: TensorType, other: TensorType | None = None) -> ModuleText:
        shape = self.extent(x, other) if other is None else None
        return module("Bias", defaults={"shape": None, "axis": 1}, shape=shape, axis=self.first(x, other))

    def onnx(self, g: OnnxBuilder, x: Any, other: Any = None, bias: Any = None) -> Any:
        term = bias if other is None else other
        first = self.first(x.type, None if other is None else other.type)
        return g.Add(x, g.aligned(term, first, x.type.rank) if term.type.rank else term)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W", weights=3)
        yield accepts("{axis: 0, num_axes: -1}", "2,3,4 -> 2,3,4", weights=24)
        yield accepts("{num_axes: 2, filler: {value: 1}}", "N,3,4,W -> N,3,4,W", weights=12)
        yield accepts("{num_axes: 0}", "N,3,T -> N,3,T", weights=1)
        yield accepts("{}", "N,3,4,W; 3,4 -> N,3,4,W", weights=0)
        yield rejects("{}", "N,C,4,4", code="NS304")
        yield rejects("{}", "N,3,4,4; 3,5", code="NS302", at="bottom.1")
        yield rejects("{}", "N,3; 3,5", code="NS303", at="bottom.1")


class Axpy(Layer, type="Axpy", keeps=("bottom.0", "bottom.1"), bottoms=3, traits=("elementwise",)):
    """Weigh the channels of one bottom and add another.

    y[n,c,i,j] = a[n,c] x[n,c,i,j] + z[n,c,i,j]     (squeeze and excitation: Hu et al. 2018; forks of Caffe)

    The bottoms are a, x, z: a has the two axes of x, or all of them with space of size 1.
    """

    def infer(self, a: TensorType, x: TensorType, z: TensorType) -> TensorType:
        if a.rank not in (2, x.rank) or z.rank != x.rank:
            raise RuleError(
                "NS303",
                f"needs a of 2 axes, or as many as x, and z of as many: they are {a}, {x}, {z}",
                at="bottom",
            )
        x.require_axes(2, "bottom.1")
        for i in range(a.rank):
            same(
                a.shape[i],
                x.shape[i] if i < 2 else 1,
                f"axis {i} of the weights must fit the second bottom",
                at="bottom.0",
            )
        for i in range(x.rank):
            same(
                z.shape[i],
                x.shape[i],
                f"axis {i} of the third bottom must be that of the second",
                at="bottom.2",
            )
        return x

    def field(self, a: TensorType, x: TensorType, z: TensorType) -> tuple[Reads, ...]:
        return same_place(2), same_place(x.rank), same_place(x.rank)

    def torch(self, a: TensorType, x: TensorType, z: TensorType) -> ModuleText:
        return module("Axpy")

    def onnx(self, g: OnnxBuilder, a: Any, x: Any, z: Any) -> Any:
        if a.type.rank == x.type.rank:
            weights = a
        else:
            weights = g.aligned(a, 0, x.type.rank)
        return g.Add(g.Mul(weights, x), z)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3; N,3,H,W; N,3,H,W -> N,3,H,W")
        yield accepts("{}", "N,C,1,1; N,C,4,W; N,C,4,W -> N,C,4,W")
        yield accepts("{}", "N,3; N,3,T; N,3,T -> N,3,T")
        yield rejects("{}", "N,4; N,3,5,5; N,3,5,5", code="NS302", at="bottom.0")
        yield rejects("{}", "N,3; N,3,5,5; N,3,5,4", code="NS302", at="bottom.2")
        yield rejects("{}", "N; N,3,5,5; N,3,5,5", code="NS303")
        yield rejects("{}", "N,3; N,3,5,5", code="NS205")
