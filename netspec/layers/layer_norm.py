"""Normalisation that asks no other sample: LayerNorm, GroupNorm, InstanceNorm."""

from collections.abc import Iterator
from typing import Any

from netspec.ir.dims import Size, bounds, product, untrace
from netspec.ir.field import Reads, Step, same_place
from netspec.ir.layer import (
    Example,
    Filler,
    Kept,
    Layer,
    ModuleText,
    Weight,
    accepts,
    constant,
    module,
    rejects,
)
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import RuleError, divides
from netspec.ir.types import TensorType
from netspec.record import param

__all__ = ["GroupNorm", "InstanceNorm", "LayerNorm"]


class LayerNorm(Layer, type="LayerNorm", param="layer_norm_param"):
    """Give the values along some axes mean 0 and variance 1, at each place by itself, then scale
    and shift them.

    y = w (x - mean) / sqrt(variance + eps) + b     (Ba, Kiros, Hinton 2016)

    axis: -1 normalises each token of (N, T, C); axis: 1 the channels at each place of (N, C, H, W),
    as ConvNeXt does.
    """

    axis: int = param(default=-1, doc="the first axis that is normalised; negative counts from the back")
    num_axes: int = param(default=1, ge=-1, doc="how many axes: -1 all the rest")
    eps: float = param(
        default=1e-5, gt=0, dialects={"tf": 1e-3}, doc="added to the variance, inside the root"
    )
    affine: bool = param(default=True, doc="scale and shift by trained weights")
    filler: Filler = param(default=constant(1.0), doc="how the scale is initialised")
    bias_filler: Filler = param(default=Filler(), doc="how the shift is initialised")

    def extent(self, x: TensorType) -> tuple[int, int]:
        """The first normalised axis, and the first after them."""
        first = x.axis(self.axis)
        last = x.rank if self.num_axes == -1 else first + self.num_axes
        if not first < last <= x.rank:
            raise RuleError(
                "NS303",
                f"num_axes {self.num_axes} from axis {first} on: the bottom has {x.rank} axes",
                at="num_axes",
            )
        return first, last

    def infer(self, x: TensorType) -> TensorType:
        self.extent(x)
        return x

    def weights(self, x: TensorType) -> Iterator[Weight]:
        first, last = self.extent(x)
        if self.affine:
            yield Weight("weight", x.shape[first:last], self.filler)
            yield Weight("bias", x.shape[first:last], self.bias_filler)

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        first, last = self.extent(x)
        return (tuple(None if first <= axis < last else Step(axis) for axis in range(x.rank)),)

    def population(self, x: TensorType) -> Size:
        first, last = self.extent(x)
        return product(x.shape[first:last])

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        first, last = self.extent(bottoms[0])
        # torch keeps mean and 1 / std, a float32 each
        return Kept((0,), own=8 * product([*bottoms[0].shape[:first], *bottoms[0].shape[last:]]))

    def torch(self, x: TensorType) -> ModuleText:
        first, last = self.extent(x)
        shape = tuple(x.shape[first:last])
        if any(not isinstance(untrace(size), int) for size in shape):
            raise RuleError(
                "NS304",
                f"the normalised sizes must be known: they are {', '.join(map(str, shape))}",
                at="bottom",
            )
        words = {"eps": self.eps, "elementwise_affine": self.affine}
        if last == x.rank:
            return module("nn.LayerNorm", shape, defaults={"eps": 1e-5, "elementwise_affine": True}, **words)
        return module(
            "LayerNormAt", shape, first, defaults={"eps": 1e-5, "elementwise_affine": True}, **words
        )

    def onnx(self, g: OnnxBuilder, x: Any, weight: Any = None, bias: Any = None) -> Any:
        first, last = self.extent(x.type)
        rest = x.type.rank - last
        # ONNX normalises from an axis to the last: the others go before
        order = (*range(first), *range(last, x.type.rank), *range(first, last))
        rows = g.transpose(x, order) if rest else x
        if weight is None:
            scale = g.full(x.type.shape[first:last], 1.0)
        else:
            scale = weight
        y = g.LayerNormalization(rows, scale, bias, axis=first + rest, epsilon=self.eps)
        if not rest:
            return y
        return g.transpose(g.typed(y, rows.type), tuple(order.index(axis) for axis in range(x.type.rank)))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,T,6 -> N,T,6", weights=12)
        yield accepts("{axis: 1, eps: 0.000001}", "N,5,H,W -> N,5,H,W", weights=10)
        yield accepts("{axis: 1, num_axes: -1}", "N,3,4 -> N,3,4", weights=24)
        yield accepts("{axis: 1, num_axes: 2, affine: false}", "N,3,4,W -> N,3,4,W", weights=0)
        yield accepts("{affine: false}", "N,4 -> N,4", weights=0)
        yield accepts("{}", "N,5 -> N,5", weights=10, dialect="tf")
        yield rejects("{axis: 1, num_axes: 3}", "N,3,4", code="NS303", at="num_axes")
        yield rejects("{axis: 3}", "N,3,4", code="NS303", at="axis")
        yield rejects("{}", "N,3,W", code="NS304")
        yield rejects("{eps: 0}", "N,3", code="NS106", at="eps")


class GroupNorm(Layer, type="GroupNorm", param="group_norm_param"):
    """Give each group of channels of a sample mean 0 and variance 1, then scale and shift every
    channel.

    y_c = w_c (x_c - mean_g) / sqrt(variance_g + eps) + b_c, g the group of c     (Wu and He 2018)

    One group: the whole sample. As many groups as channels: InstanceNorm.
    """

    group: int = param(default=32, ge=1, doc="number of groups")
    eps: float = param(
        default=1e-5, gt=0, dialects={"tf": 1e-3}, doc="added to the variance, inside the root"
    )
    affine: bool = param(default=True, doc="scale and shift by trained weights")
    filler: Filler = param(default=constant(1.0), doc="how the scale is initialised")
    bias_filler: Filler = param(default=Filler(), doc="how the shift is initialised")

    def group_count(self, x: TensorType) -> Any:
        return self.group

    def infer(self, x: TensorType) -> TensorType:
        divides(self.group_count(x), x.channels, "group must divide the channels", at="group")
        return x

    def weights(self, x: TensorType) -> Iterator[Weight]:
        if self.affine:
            yield Weight("weight", (x.channels,), self.filler)
            yield Weight("bias", (x.channels,), self.bias_filler)

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        return (same_place(1),)

    def population(self, x: TensorType) -> Size:
        count: Size = product(x.shape[1:]) // self.group_count(x)
        return count

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        # mean and 1 / std
        return Kept((0,), own=8 * bottoms[0].batch * self.group_count(bottoms[0]))

    def torch(self, x: TensorType) -> ModuleText:
        if not isinstance(untrace(x.channels), int):
            raise RuleError("NS304", f"the number of channels must be known: it is {x.channels}", at="bottom")
        usual = {"eps": 1e-5, "affine": True}
        group = product(x.shape[1:]) // self.group_count(x)
        # nn.GroupNorm refuses one sample whose groups hold a single value
        if bounds(untrace(group))[0] > 1:
            name = "nn.GroupNorm"
        else:
            name = "GroupNorm"
        return module(name, self.group_count(x), x.channels, defaults=usual, eps=self.eps, affine=self.affine)

    def onnx(self, g: OnnxBuilder, x: Any, weight: Any = None, bias: Any = None) -> Any:
        groups, shape = self.group_count(x.type), x.type.shape
        rows = g.reshape(x, (shape[0], groups, product(shape[1:]) // groups))
        # its scale is one for each group, the layer's one for each channel: that comes after
        made = g.InstanceNormalization(rows, g.full((groups,), 1.0), g.full((groups,), 0.0), epsilon=self.eps)
        y = g.reshape(g.typed(made, rows.type), shape)
        if weight is None:
            return y
        return g.Add(g.Mul(y, g.aligned(weight, 1, len(shape))), g.aligned(bias, 1, len(shape)))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{group: 2}", "N,6,H,W -> N,6,H,W", weights=12)
        yield accepts("{group: 1, affine: false}", "N,6,T -> N,6,T", weights=0)
        yield accepts("{group: 3, eps: 0.1}", "N,6 -> N,6", weights=12)
        yield accepts("{group: 6}", "1,6 -> 1,6", weights=12)
        yield accepts("{}", "N,64,2,2 -> N,64,2,2", weights=128, dialect="tf")
        yield rejects("{group: 4}", "N,6,4,4", code="NS302", at="group")
        yield rejects("{group: 2}", "N,C,4,4", code="NS304")
        yield rejects("{}", "N", code="NS303")


class InstanceNorm(GroupNorm, type="InstanceNorm", param="instance_norm_param"):
    """Give every map of every sample mean 0 and variance 1; affine: then scale and shift it.

    y_c = w_c (x_c - mean_c) / sqrt(variance_c + eps) + b_c     (Ulyanov, Vedaldi, Lempitsky 2016)

    Caffe's MVN does nearly the same: its eps stands outside the root.
    """

    group: int = param(default=1, ge=1, le=1, doc="each map is its own group: leave it out")
    affine: bool = param(default=False, doc="scale and shift by trained weights")

    def group_count(self, x: TensorType) -> Any:
        return x.channels

    def infer(self, x: TensorType) -> TensorType:
        if x.axes == 0:
            raise RuleError(
                "NS303",
                f"needs a spatial axis, after batch and channels: its bottom is {x}",
                at="bottom",
            )
        return x

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W", weights=0)
        yield accepts("{affine: true, eps: 0.01}", "N,3,T -> N,3,T", weights=6)
        yield accepts("{}", "1,3,1,1 -> 1,3,1,1", weights=0)
        yield rejects("{affine: true}", "N,C,4,4", code="NS304")
        yield rejects("{}", "N,3", code="NS303")
        yield rejects("{group: 2}", "N,4,2,2", code="NS106", at="group")
