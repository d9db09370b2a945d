"""Layers that slide filters over their input."""

from collections.abc import Iterator
from typing import Any, Literal

from netspec.ir.dims import Size, product
from netspec.ir.layer import Example, Filler, Layer, ModuleText, Weight, accepts, module, rejects
from netspec.ir.rule import Change, divides
from netspec.ir.types import TensorType
from netspec.layers.arithmetic import Pad, PerAxis, Window, ends, window, windows
from netspec.record import param

__all__ = ["Convolution"]

PadMode = Literal["constant", "reflect", "symmetric", "replicate", "circular"]
KAIMING = Filler(type="kaiming_uniform")


class Convolution(Layer, type="Convolution", param="convolution_param", legacy=("CONVOLUTION", "conv"), traits=("windowed", "has_bias")):
    """Slide num_output filters over the input and sum: cross-correlation, the kernel is not flipped.

    y[n,o,i,j] = b[o] + sum_{c,u,v} w[o,c,u,v] x[n, c, s i + d u - p, s j + d v - p]     (LeCun et al. 1998; Caffe's Convolution)

    With group g, output channels fall into g groups, each of which sees its own share of the input channels.
    """

    num_output: int = param(ge=1, doc="number of filters")
    kernel_size: PerAxis = param(ge=1, pair=("kernel_h", "kernel_w"), doc="window length along each spatial axis")
    stride: PerAxis = param(default=1, ge=1, pair=("stride_h", "stride_w"), doc="step between windows")
    pad: Pad = param(default=0, ge=0, pair=("pad_h", "pad_w"), doc="border added on each side: a number, [[begin, end], ...], or valid, same, full, causal, same_tf")
    dilation: PerAxis = param(default=1, ge=1, doc="distance between kernel taps")
    group: int = param(default=1, ge=1, doc="independent channel groups")
    bias_term: bool = param(default=True, doc="add a bias per filter")
    weight_filler: Filler = param(default=Filler(), dialects={"torch": KAIMING}, doc="how the filters are initialised")
    bias_filler: Filler = param(default=Filler(), dialects={"torch": KAIMING}, doc="how the biases are initialised")
    pad_mode: PadMode = param(default="constant", doc="what the border holds")
    pad_value: float = param(default=0.0, doc="the border's value where pad_mode is constant")

    def window(self, x: TensorType) -> Window:
        return window(x.space, kernel_size=self.kernel_size, stride=self.stride, pad=self.pad, dilation=self.dilation)

    def infer(self, x: TensorType) -> TensorType:
        divides(self.group, x.channels, "group must divide the input channels", at="group", changes=groups(x.channels))
        divides(self.group, self.num_output, "group must divide num_output", at="group", changes=groups(self.num_output))
        return x.replaced(channels=self.num_output, space=windows(x.space, self.window(x)))

    def weights(self, x: TensorType) -> Iterator[Weight]:
        yield Weight("weight", (self.num_output, x.channels // self.group, *self.window(x).kernel), self.weight_filler)
        if self.bias_term:
            yield Weight("bias", (self.num_output,), self.bias_filler)

    def macs(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Size:
        return product([*tops[0].shape, bottoms[0].channels // self.group, *self.window(bottoms[0]).kernel])

    def torch(self, x: TensorType) -> ModuleText:
        w = self.window(x)
        same = dict(stride=w.stride, dilation=w.dilation, groups=self.group, bias=self.bias_term)
        usual = dict(stride=(1,) * x.axes, padding=(0,) * x.axes, dilation=(1,) * x.axes, groups=1, bias=True)
        if w.symmetric and self.pad_mode == "constant" and self.pad_value == 0:
            return module(f"nn.Conv{x.axes}d", x.channels, self.num_output, w.kernel, defaults=usual, padding=tuple(ends(p)[0] for p in w.pads), **same)
        return module(f"PaddedConv{x.axes}d", x.channels, self.num_output, w.kernel, defaults={**usual, "mode": "constant", "value": 0.0},
                      pads="same_tf" if self.pad == "same_tf" else tuple(map(ends, w.pads)), mode=self.pad_mode, value=self.pad_value, **same)

    def onnx(self, g: Any, x: Any, weight: Any, bias: Any = None) -> Any:
        w = self.window(x.type)
        x, pads = g.padded(x, w, self.pad_mode, self.pad_value)
        return g.Conv(x, weight, bias, kernel_shape=w.kernel, strides=w.stride, pads=pads, dilations=w.dilation, group=self.group)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{num_output: 20, kernel_size: 5}", "N,1,28,28 -> N,20,24,24", weights=520)
        yield accepts("{num_output: 10, kernel_size: 5}", "N,3,480,640 -> N,10,476,636", weights=760)
        yield accepts("{num_output: 4, kernel_size: 3, stride: 2}", "N,1,7,7 -> N,4,3,3", weights=40)
        yield accepts("{num_output: 4, kernel_size: 3, stride: 2, pad: 1}", "N,1,5,5 -> N,4,3,3")
        yield accepts("{num_output: 6, kernel_h: 3, kernel_w: 1, pad_h: 1, group: 2, bias_term: false}", "N,4,H,W -> N,6,H,W", weights=36)
        yield accepts("{num_output: 4, kernel_size: 3, dilation: 2, pad: same}", "N,2,H,W -> N,4,H,W")
        yield accepts("{num_output: 4, kernel_size: 4, stride: 2, pad: same}", "N,2,9,9 -> N,4,5,5")
        yield accepts("{num_output: 4, kernel_size: 3, pad: full}", "N,2,5,5 -> N,4,7,7")
        yield accepts("{num_output: 4, kernel_size: 3, stride: 2, pad: same_tf}", "N,2,8,7 -> N,4,4,4")
        yield accepts("{num_output: 4, kernel_size: 3, pad: 1, pad_mode: reflect}", "N,2,6,6 -> N,4,6,6")
        yield accepts("{num_output: 4, kernel_size: 3, pad: [[0, 2], [1, 1]], pad_mode: symmetric}", "N,2,6,6 -> N,4,6,6")
        yield accepts("{num_output: 4, kernel_size: 3, pad: 2, pad_mode: constant, pad_value: -1}", "N,2,6,6 -> N,4,8,8")
        yield accepts("{num_output: 8, kernel_size: 2, pad: causal, dilation: 4}", "N,3,T -> N,8,T", weights=56)
        yield accepts("{num_output: 2, kernel_size: [1, 3, 3], pad: [0, 1, 1]}", "N,2,4,5,5 -> N,2,4,5,5", weights=38)
        yield rejects("{num_output: 4, kernel_size: 9}", "N,3,8,8", code="NS301", at="kernel_size")
        yield rejects("{num_output: 4, kernel_size: 3, group: 4}", "N,30,8,8", code="NS302", at="group")
        yield rejects("{num_output: 4, kernel_size: [3, 3, 3]}", "N,3,8,8", code="NS107", at="kernel_size")
        yield rejects("{num_output: 4, kernel_size: 3}", "N,C,8,8", code="NS304")
        yield rejects("{num_output: 4, kernel_size: 0}", "N,3,8,8", code="NS106", at="kernel_size")


def groups(channels: Size) -> list[Change]:
    """Group counts that divide the channels."""
    counts = [k for k in range(2, 65) if isinstance(channels, int) and channels % k == 0]
    return [Change("use group: 1", {"group": 1})] + [Change(f"use group: {k}", {"group": k}) for k in counts[:1]]
