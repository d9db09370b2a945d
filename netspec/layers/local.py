"""Layers whose windows do not all share one filter over all channels: MappedConvolution,
LocallyConnected, Subsampling.
"""

from collections.abc import Iterator
from math import prod
from typing import Any

import netspec.layers.common.windows as sizes
from netspec.ir.dims import Size, product, untrace
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
from netspec.ir.rule import RuleError, same
from netspec.ir.types import TensorType
from netspec.layers.common.windowed import Placed
from netspec.layers.common.windows import PerAxis, Window, check_axes, windows
from netspec.record import param

__all__ = ["LocallyConnected", "MappedConvolution", "Subsampling"]


class Sliding(Placed):
    """Base of layers that look through a window, without what Caffe adds to that for its own sake."""

    pad_value: float = param(default=0.0, doc="what the border holds")
    num_output: int = param(ge=1, doc="number of filters")
    bias_term: bool = param(default=True, doc="add a bias")
    weight_filler: Filler = param(default=Filler(), doc="how the filters are initialised")
    bias_filler: Filler = param(default=Filler(), doc="how the biases are initialised")

    def infer(self, x: TensorType) -> TensorType:
        read_channels(x)
        return x.replaced(channels=self.num_output, space=windows(x.space, self.window(x)))

    def place(self, x: TensorType) -> dict[str, Any]:
        """Where the windows lie, as words of a module."""
        w = self.window(x)
        pads = "same_tf" if self.pad == "same_tf" else tuple(map(sizes.ends, w.pads))
        return {"stride": w.stride, "pads": pads, "dilation": w.dilation, "value": self.pad_value}

    def usual(self, x: TensorType) -> dict[str, Any]:
        """The module's own defaults for that."""
        n = x.axes
        return {"stride": (1,) * n, "pads": ((0, 0),) * n, "dilation": (1,) * n, "value": 0.0}


class MappedConvolution(
    Sliding, type="MappedConvolution", param="mapped_convolution_param", traits=("windowed", "has_bias")
):
    """Convolve, each filter looking only at the input channels that a connection table gives it.

    y[n,o,i,j] = b[o] + sum_{c in table[o]} sum_{u,v} w[o,c,u,v] x[n, c, s i + d u - p, s j + d v - p]     (LeCun et al. 1989, 1998)

    The weight holds a window per entry of the table, in its order. With untie_biases b has a value
    for every place of the map.
    """

    table: tuple[tuple[int, ...], ...] | None = param(
        default=None, ge=0, doc="the input channels of each filter; left out: all of them"
    )
    untie_biases: bool = param(
        default=False, doc="a bias for every place of every map, in place of one per map"
    )

    def entries(self, x: TensorType) -> tuple[tuple[int, ...], ...]:
        """The table, written out where it was left out, checked."""
        channels = read_channels(x)
        if self.table is None:
            return (tuple(range(channels)),) * sizes.number(self.num_output)
        same(len(self.table), self.num_output, "table must have a row for each filter", at="table")
        for row in self.table:
            if not row or len(set(row)) < len(row) or max(row) >= channels:
                fact = (
                    f"a row of table names channels from 0 to {channels - 1}, at least one and none twice:"
                    f" {list(row)} does not"
                )
                raise RuleError("NS106", fact, at="table")
        return self.table

    def count(self, x: TensorType) -> int:
        # not written out: a number of the file would decide how much memory that takes
        if self.table is None:
            return read_channels(x) * sizes.number(self.num_output)
        return sum(map(len, self.entries(x)))

    def infer(self, x: TensorType) -> TensorType:
        self.count(x)
        return super().infer(x)

    def weights(self, x: TensorType) -> Iterator[Weight]:
        yield Weight("weight", (self.count(x), *self.window(x).kernel), self.weight_filler)
        if self.bias_term:
            yield Weight(
                "bias",
                (self.num_output, *(self.infer(x).space if self.untie_biases else ())),
                self.bias_filler,
            )

    def macs(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Size:
        return product(
            [tops[0].batch, *tops[0].space, self.count(bottoms[0]), *self.window(bottoms[0]).kernel]
        )

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """The weights with the table laid on; a border is written out."""
        x, w = bottoms[0], self.window(bottoms[0])
        plain = all(n == 0 for pad in w.pads for n in sizes.ends(pad))
        weights = 4 * self.num_output * x.channels * product(w.kernel)
        return Kept((0,) if plain else (), own=weights + (0 if plain else 4 * sizes.pad_size(x, w)))

    def torch(self, x: TensorType) -> ModuleText:
        bias = [w.shape for w in self.weights(x)][1:]
        usual = {**self.usual(x), "table": None, "bias": (self.num_output,)}
        more = {"table": self.table, "bias": bias[0] if bias else None}
        return module(
            "MappedConv",
            x.channels,
            self.num_output,
            self.window(x).kernel,
            defaults=usual,
            **self.place(x),
            **more,
        )

    def onnx(self, g: OnnxBuilder, x: Any, weight: Any, bias: Any = None) -> Any:
        w, top, channels = self.window(x.type), self.infer(x.type), read_channels(x.type)
        rows = {
            (o, c): i
            for i, (o, c) in enumerate((o, c) for o, row in enumerate(self.entries(x.type)) for c in row)
        }
        index = tuple(rows.get((o, c), len(rows)) for o in range(self.num_output) for c in range(channels))
        # a window of zeros, last, stands for what the table does not connect
        known = g.concat([weight, g.full((1, *w.kernel), 0.0)], 0)
        shape = (self.num_output, channels, *w.kernel)
        full = g.reshape(g.typed(g.Gather(known, index), TensorType((len(index), *w.kernel))), shape)
        x, pads = g.padded(x, w, "constant", self.pad_value)
        tied = None if self.untie_biases else bias
        y = g.typed(
            g.Conv(x, full, tied, kernel_shape=w.kernel, strides=w.stride, pads=pads, dilations=w.dilation),
            top,
        )
        if self.untie_biases and bias is not None:
            return g.Add(y, bias)
        return y

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts(
            "{num_output: 3, kernel_size: 3, table: [[0, 1], [1], [0, 2]]}", "N,3,6,7 -> N,3,4,5", weights=48
        )
        yield accepts(
            "{num_output: 2, kernel_size: 3, stride: 2, pad: 1, pad_value: -1, untie_biases: true}",
            "N,1,8,8 -> N,2,4,4",
            weights=50,
        )
        yield accepts(
            "{num_output: 2, kernel_size: 5, table: [[3, 1], [0]], bias_term: false}",
            "N,4,T -> N,2,T-4",
            weights=15,
        )
        yield accepts(
            "{num_output: 2, kernel_h: 3, kernel_w: 2, dilation: 2, table: [[1], [0, 1]]}",
            "N,2,H,W -> N,2,H-4,W-2",
            weights=20,
        )
        yield accepts(
            "{num_output: 2, kernel_size: 3, stride: 2, pad: same_tf}", "N,2,7,6 -> N,2,4,3", weights=38
        )
        yield rejects(
            "{num_output: 2, kernel_size: 3, table: [[0], [1], [1]]}", "N,2,6,6", code="NS302", at="table"
        )
        yield rejects(
            "{num_output: 2, kernel_size: 3, table: [[0], [2]]}", "N,2,6,6", code="NS106", at="table"
        )
        yield rejects(
            "{num_output: 2, kernel_size: 3, table: [[0], [1, 1]]}", "N,2,6,6", code="NS106", at="table"
        )
        yield rejects("{num_output: 2, kernel_size: 3}", "N,C,6,6", code="NS304")
        yield rejects("{num_output: 2, kernel_size: 3, untie_biases: true}", "N,1,H,6", code="NS304")
        yield rejects("{num_output: 2, kernel_size: 7}", "N,1,6,6", code="NS301", at="kernel_size")


class LocallyConnected(
    Sliding, type="LocallyConnected", param="locally_connected_param", traits=("windowed", "has_bias")
):
    """Look through windows as a convolution does, with other weights in each: sparse, and not
    shared.

    y[n,o,i,j] = b[o,i,j] + sum_{c,u,v} w[o,i,j,c,u,v] x[n, c, s i + d u - p, s j + d v - p]     (LeCun 1989; Taigman et al. 2014)
    """

    def weights(self, x: TensorType) -> Iterator[Weight]:
        top = self.infer(x).shape[1:]
        yield Weight("weight", (*top, x.channels, *self.window(x).kernel), self.weight_filler)
        if self.bias_term:
            yield Weight("bias", top, self.bias_filler)

    def macs(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Size:
        return product([*tops[0].shape, bottoms[0].channels, *self.window(bottoms[0]).kernel])

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """The values of every window side by side."""
        return Kept(
            own=4
            * tops[0].size
            // self.num_output
            * bottoms[0].channels
            * product(self.window(bottoms[0]).kernel)
        )

    def torch(self, x: TensorType) -> ModuleText:
        usual = {**self.usual(x), "bias": True}
        return module(
            "LocalConv",
            x.channels,
            self.infer(x).shape[1:],
            self.window(x).kernel,
            defaults=usual,
            **self.place(x),
            bias=self.bias_term,
        )

    def onnx(self, g: OnnxBuilder, x: Any, weight: Any, bias: Any = None) -> Any:
        import numpy as np

        w, top, channels = self.window(x.type), self.infer(x.type), read_channels(x.type)
        kernel, places = tuple(map(sizes.number, w.kernel)), product(top.space)
        taps = prod(kernel)
        # windows side by side, as Im2col writes them
        one_hot = np.tile(
            np.eye(taps, dtype=np.float32).reshape(taps, 1, *kernel), (channels, *(1,) * (1 + x.type.axes))
        )
        x, pads = g.padded(x, w, "constant", self.pad_value)
        seen = g.Conv(
            x,
            g.const(one_hot),
            None,
            kernel_shape=w.kernel,
            strides=w.stride,
            pads=pads,
            dilations=w.dilation,
            group=channels,
        )
        seen = g.reshape(
            g.typed(seen, TensorType((top.batch, channels * taps, *top.space))),
            (top.batch, channels * taps, places),
        )
        # each place has a matrix of its own: places are the batch of a MatMul
        own = g.transpose(g.reshape(weight, (self.num_output, places, channels * taps)), (1, 2, 0))
        y = g.typed(
            g.MatMul(g.transpose(seen, (2, 0, 1)), own), TensorType((places, top.batch, self.num_output))
        )
        y = g.reshape(g.transpose(y, (1, 2, 0)), top.shape)
        if bias is None:
            return y
        return g.Add(y, bias)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{num_output: 2, kernel_size: 3}", "N,3,5,6 -> N,2,3,4", weights=672)
        yield accepts("{num_output: 1, kernel_size: 3, bias_term: false}", "N,1,10 -> N,1,8", weights=24)
        yield accepts(
            "{num_output: 2, kernel_size: [3, 2], stride: 2, pad: [1, 0], dilation: [1, 2], pad_value: 2}",
            "N,2,5,6 -> N,2,3,2",
            weights=156,
        )
        yield accepts(
            "{num_output: 2, kernel_size: 3, stride: 2, pad: same_tf}", "N,1,8 -> N,2,4", weights=32
        )
        yield accepts("{num_output: 1, kernel_size: 2}", "N,2,3,3,3 -> N,1,2,2,2", weights=136)
        yield rejects("{num_output: 2, kernel_size: 3}", "N,3,H,6", code="NS304")
        yield rejects("{num_output: 2, kernel_size: 3}", "N,C,6,6", code="NS304")
        yield rejects("{num_output: 2, kernel_size: 7}", "N,1,6,6", code="NS301", at="kernel_size")


class Subsampling(Layer, type="Subsampling", param="subsampling_param", traits=("windowed", "has_bias")):
    """Add up each window, channel by channel, and bring the sum to a trained scale: a pooling that
    learns how much it says.

    y[n,c,i,j] = w[c] sum_{u,v} x[n, c, s i + u, s j + v] + b[c]     (LeCun et al. 1990, 1998)
    """

    kernel_size: PerAxis = param(
        ge=1, pair=("kernel_h", "kernel_w"), doc="window length along each spatial axis"
    )
    stride: PerAxis = param(default=1, ge=1, pair=("stride_h", "stride_w"), doc="step between windows")
    bias_term: bool = param(default=True, doc="add a bias per channel")
    weight_filler: Filler = param(default=constant(1.0), doc="how the factors are initialised")
    bias_filler: Filler = param(default=Filler(), doc="how the biases are initialised")

    def window(self, x: TensorType) -> Window:
        return sizes.window(x.space, kernel_size=self.kernel_size, stride=self.stride)

    def infer(self, x: TensorType) -> TensorType:
        check_axes(x, "takes 1 to 3 spatial axes")
        return x.replaced(space=windows(x.space, self.window(x)))

    def weights(self, x: TensorType) -> Iterator[Weight]:
        yield Weight("weight", (x.channels,), self.weight_filler)
        if self.bias_term:
            yield Weight("bias", (x.channels,), self.bias_filler)

    def connections(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Size:
        return tops[0].size * (product(self.window(bottoms[0]).kernel) + int(self.bias_term))

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        return Kept((0,), own=4 * tops[0].size)

    def torch(self, x: TensorType) -> ModuleText:
        w = self.window(x)
        return module(
            "Subsample", x.channels, w.kernel, w.stride, defaults={"bias": True}, bias=self.bias_term
        )

    def onnx(self, g: OnnxBuilder, x: Any, weight: Any, bias: Any = None) -> Any:
        w = self.window(x.type)
        mean = g.average_pool(x, w, "FLOOR")
        # ONNX has no sum of windows: the mean times the size of one
        y = g.Mul(g.Mul(mean, float(sizes.number(product(w.kernel)))), g.aligned(weight, 1, x.type.rank))
        if bias is None:
            return y
        return g.Add(y, g.aligned(bias, 1, x.type.rank))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{kernel_size: 2, stride: 2}", "N,4,6,8 -> N,4,3,4", weights=8)
        yield accepts(
            "{kernel_size: [3, 2], stride: [2, 1], bias_term: false}",
            "N,2,H,W -> N,2,(H-1)//2,W-1",
            weights=2,
        )
        yield accepts("{kernel_size: 3, stride: 2, weight_filler: {value: 0.5}}", "N,2,8 -> N,2,3", weights=4)
        yield rejects("{kernel_size: 9}", "N,2,6,6", code="NS301", at="kernel_size")
        yield rejects("{kernel_size: 2}", "N,C,6,6", code="NS304")
        yield rejects("{kernel_size: 2}", "N,2", code="NS303")
        yield rejects("{}", "N,2,6,6", code="NS103")


def read_channels(x: TensorType) -> int:
    """The number of channels, which a weight's shape asks for."""
    channels = untrace(x.channels)
    if not isinstance(channels, int):
        raise RuleError(
            "NS304",
            f"the weights have a part for each channel: their number must be known, it is {channels}",
            at="bottom",
        )
    return channels
