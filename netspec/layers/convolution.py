"""Layers that slide filters over their input: Convolution, DepthwiseConvolution."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

from netspec.ir.dims import Size, product
from netspec.ir.layer import Example, Filler, Kept, ModuleText, Weight, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import Change, divides, same
from netspec.ir.types import TensorType
from netspec.layers.common.windowed import Windowed
from netspec.layers.common.windows import (
    PadMode,
    Window,
    both,
    check_mirror,
    ends,
    pad_size,
    pointwise,
    unfold_batch,
    windows,
)
from netspec.layers.common.words import KAIMING
from netspec.record import param

__all__ = ["Convolution", "DepthwiseConvolution"]


class Convolution(
    Windowed,
    type="Convolution",
    param="convolution_param",
    legacy=("CONVOLUTION", "conv"),
    traits=("windowed", "has_bias", "each_bottom"),
):
    """Slide num_output filters over the input and sum: cross-correlation, the kernel is not
    flipped.

    y[n,o,i,j] = b[o] + sum_{c,u,v} w[o,c,u,v] x[n, c, s i + d u - p, s j + d v - p]     (LeCun et al. 1998; Caffe's Convolution)

    With group g, output channels fall into g groups, each of which sees its own share of the input
    channels.
    """

    num_output: int = param(ge=1, doc="number of filters")
    group: int = param(default=1, ge=1, doc="independent channel groups")
    bias_term: bool = param(default=True, doc="add a bias per filter")
    weight_filler: Filler = param(
        default=Filler(), dialects={"torch": KAIMING}, doc="how the filters are initialised"
    )
    bias_filler: Filler = param(
        default=Filler(), dialects={"torch": KAIMING}, doc="how the biases are initialised"
    )
    pad_mode: PadMode = param(default="constant", doc="what the border holds")
    pad_value: float = param(default=0.0, doc="the border's value where pad_mode is constant")
    round_mode: Literal["FLOOR", "EXACT"] = param(
        default="FLOOR",
        doc="FLOOR leaves rows unread that fill no window; EXACT makes them an error",
    )

    def group_count(self, x: TensorType) -> Size:
        return self.group

    def window(self, x: TensorType) -> Window:
        if pointwise(self.axis, x.axes):
            return Window((), (), (), ())
        return super().window(x)

    def infer(self, x: TensorType) -> TensorType:
        image = self.bottom(x)
        for size, what in ((image.channels, "the input channels"), (self.num_output, "num_output")):
            divides(
                self.group_count(image),
                size,
                f"group must divide {what}",
                at="group",
                changes=partial(fewer_groups, size),
            )
        w = self.window(image)
        check_mirror(image.space, w, self.pad_mode)
        return unfold_batch(
            image.replaced(channels=self.num_output, space=windows(image.space, w, self.round_mode)),
            x,
            self.axis,
        )

    def weights(self, x: TensorType) -> Iterator[Weight]:
        image = self.bottom(x)
        yield Weight(
            "weight",
            (
                self.num_output,
                image.channels // self.group_count(image),
                *self.window(image).kernel,
            ),
            self.weight_filler,
        )
        if self.bias_term:
            yield Weight("bias", (self.num_output,), self.bias_filler)

    def macs(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Size:
        image = self.bottom(bottoms[0])
        return product(
            [*tops[0].shape, image.channels // self.group_count(image), *self.window(image).kernel]
        )

    def plain(self, x: TensorType) -> bool:
        """Whether nothing is written out beside the bottom: a border of zeros, even on both sides,
        or none at all.
        """
        image = self.bottom(x)
        w = self.window(image)
        if all(n == 0 for p in w.pads for n in ends(p)):
            return True
        return (
            w.symmetric
            and x.axis(self.axis) == 1
            and image.axes <= 3  # torch has no Conv4d
            and self.pad_mode == "constant"
            and self.pad_value == 0
        )

    def overwritable(self, x: TensorType) -> bool:
        return True

    def folds(self, x: TensorType) -> bool:
        return x.axis(self.axis) == 1

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        image = self.bottom(bottoms[0])
        if image.axes > 3:  # as slabs of three axes
            return Kept(own=4 * self.slabs(image))
        if self.plain(bottoms[0]):
            return Kept(tuple(range(len(bottoms))))
        return Kept(
            passing=(0,) if self.pad_mode in ("reflect", "replicate") else (),
            own=4 * pad_size(image, self.window(image)),
        )

    def slabs(self, image: TensorType) -> Size:
        """Numbers in the slabs that it is computed from, of more than three axes: the taps along
        all but the last three are taken apart.
        """
        w, apart = self.window(image), image.axes - 3
        taps = product(k * n for k, n in zip(w.kernel[:apart], windows(image.space, w)[:apart], strict=True))
        return (
            image.batch
            * image.channels
            * taps
            * product(n + both(p) for n, p in zip(image.space[apart:], w.pads[apart:], strict=True))
        )

    def torch(self, x: TensorType) -> ModuleText:
        image = self.bottom(x)
        w, axes = self.window(image), image.axes
        rest = {
            "stride": w.stride,
            "dilation": w.dilation,
            "groups": self.group_count(image),
            "bias": self.bias_term,
        }
        usual = {
            "stride": (1,) * axes,
            "padding": (0,) * axes,
            "dilation": (1,) * axes,
            "groups": 1,
            "bias": True,
        }
        if x.axis(self.axis) == 1 and 1 <= axes <= 3 and self.plain(x):
            return module(
                f"nn.Conv{axes}d",
                image.channels,
                self.num_output,
                w.kernel,
                defaults=usual,
                padding=tuple(first for first, _ in map(ends, w.pads)),
                **rest,
            )
        usual.update(mode="constant", value=0.0, axis=1, pads=((0, 0),) * axes, stride=None)
        return module(
            "PaddedConv",
            image.channels,
            self.num_output,
            w.kernel,
            defaults=usual,
            mode=self.pad_mode,
            value=self.pad_value,
            # same_tf depends on the size, so each call computes it
            pads="same_tf" if self.pad == "same_tf" else tuple(map(ends, w.pads)),
            axis=x.axis(self.axis),
            **rest,
        )

    def onnx(self, g: OnnxBuilder, x: Any, weight: Any, bias: Any = None) -> Any:
        top, image = self.infer(x.type), self.bottom(x.type)
        w = self.window(image)
        if image.axes == 0:  # ONNX's Conv asks for an axis of space: one of length 1
            flat = g.reshape(x, (*image.shape, 1)), g.reshape(weight, (*weight.type.shape, 1))
            return g.reshape(g.Conv(*flat, bias, group=self.group_count(image)), top.shape)
        x, pads = g.padded(
            x if image == x.type else g.reshape(x, image.shape), w, self.pad_mode, self.pad_value
        )
        y = g.Conv(
            x,
            weight,
            bias,
            kernel_shape=w.kernel,
            strides=w.stride,
            pads=pads,
            dilations=w.dilation,
            group=self.group_count(image),
        )
        if top.rank == image.rank:
            return y
        return g.reshape(y, top.shape)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{num_output: 20, kernel_size: 5}", "N,1,28,28 -> N,20,24,24", weights=520)
        yield accepts("{num_output: 10, kernel_size: 5}", "N,3,480,640 -> N,10,476,636", weights=760)
        yield accepts("{num_output: 4, kernel_size: 3, stride: 2}", "N,1,7,7 -> N,4,3,3", weights=40)
        yield accepts("{num_output: 4, kernel_size: 3, stride: 2, pad: 1}", "N,1,5,5 -> N,4,3,3")
        yield accepts(
            "{num_output: 6, kernel_h: 3, kernel_w: 1, pad_h: 1, group: 2, bias_term: false}",
            "N,4,H,W -> N,6,H,W",
            weights=36,
        )
        yield accepts(
            "{num_output: 4, kernel_size: [3, 5], dilation_h: 2, pad: [2, 0], engine: CAFFE}",
            "N,2,9,9 -> N,4,9,5",
            weights=124,
        )
        yield accepts("{num_output: 4, kernel_size: 3, dilation: 2, pad: same}", "N,2,H,W -> N,4,H,W")
        yield accepts("{num_output: 4, kernel_size: 4, stride: 2, pad: same}", "N,2,9,9 -> N,4,5,5")
        yield accepts("{num_output: 4, kernel_size: 3, pad: full}", "N,2,5,5 -> N,4,7,7")
        yield accepts("{num_output: 4, kernel_size: 3, stride: 2, pad: same_tf}", "N,2,8,7 -> N,4,4,4")
        yield accepts(
            "{num_output: 4, kernel_size: 3, stride: 2, pad: same}",
            "N,2,8,7 -> N,4,4,4",
            dialect="tf",
        )
        yield accepts("{num_output: 4, kernel_size: 3, pad: 1, pad_mode: reflect}", "N,2,6,6 -> N,4,6,6")
        yield accepts(
            "{num_output: 4, kernel_size: 3, pad: [[0, 2], [1, 1]], pad_mode: symmetric}",
            "N,2,6,6 -> N,4,6,6",
        )
        yield accepts("{num_output: 4, kernel_size: 3, pad: 2, pad_mode: circular}", "N,2,6,W -> N,4,8,W+2")
        yield accepts("{num_output: 4, kernel_size: 3, pad: 2, pad_mode: replicate}", "N,2,6 -> N,4,8")
        yield accepts(
            "{num_output: 4, kernel_size: 3, pad: 2, pad_mode: constant, pad_value: -1}",
            "N,2,6,6 -> N,4,8,8",
        )
        yield accepts(
            "{num_output: 8, kernel_size: 2, pad: causal, dilation: 4}",
            "N,3,T -> N,8,T",
            weights=56,
        )
        yield accepts(
            "{num_output: 2, kernel_size: [1, 3, 3], pad: [0, 1, 1]}",
            "N,2,4,5,5 -> N,2,4,5,5",
            weights=38,
        )
        yield accepts(
            "{num_output: 2, kernel_size: 2, stride: [2, 1, 1, 1]}",
            "N,2,5,3,4,4 -> N,2,2,2,3,3",
            weights=66,
        )
        yield accepts("{num_output: 3, kernel_size: 3, axis: 2}", "N,2,4,5,W -> N,2,3,3,W-2", weights=111)
        yield accepts("{num_output: 3, kernel_size: 3, axis: -3}", "N,4,5,5 -> N,3,3,3", weights=111)
        yield accepts("{num_output: 4, kernel_size: 3, axis: 3, group: 2}", "N,2,H,6 -> N,2,H,4", weights=16)
        yield accepts("{num_output: 4, kernel_size: 1, axis: -1, bias_term: false}", "N,6 -> N,4", weights=24)
        yield accepts(
            "{num_output: 4, kernel_size: 2, stride: 2, round_mode: EXACT}", "N,1,H,8 -> N,4,H//2,4"
        )
        yield accepts("{num_output: 4, kernel_size: 3}", "N,2,6,6 -> N,4,4,4", dialect="torch", weights=76)
        yield rejects("{num_output: 4, kernel_size: 9}", "N,3,8,8", code="NS301", at="kernel_size")
        yield rejects(
            "{num_output: 4, kernel_size: 3, dilation: 4}",
            "N,3,8,8",
            code="NS301",
            at="kernel_size",
        )
        yield rejects("{num_output: 4, kernel_size: 3, group: 4}", "N,30,8,8", code="NS302", at="group")
        yield rejects("{num_output: 4, kernel_size: 3, group: 3}", "N,30,8,8", code="NS302", at="group")
        yield rejects("{num_output: 4, kernel_size: [3, 3, 3]}", "N,3,8,8", code="NS107", at="kernel_size")
        yield rejects("{num_output: 4, kernel_size: 3}", "N,C,8,8", code="NS304")
        yield rejects("{num_output: 4, kernel_size: 3}", "N,3", code="NS303")
        yield rejects("{num_output: 4, kernel_size: 0}", "N,3,8,8", code="NS106", at="kernel_size")
        yield rejects("{kernel_size: 3}", "N,3,8,8", code="NS103")
        yield rejects("{num_output: 4, kernel_size: 3, kernel_h: 3}", "N,3,8,8", code="NS108")
        yield rejects("{num_output: 4, kernel_size: 3, pad: some}", "N,3,8,8", code="NS105", at="pad")
        yield rejects("{num_output: 4, kernel_size: 3, axis: 4}", "N,3,8,8", code="NS303", at="axis")
        yield rejects(
            "{num_output: 4, kernel_size: 3, stride: 2, round_mode: EXACT}",
            "N,3,8,8",
            code="NS305",
            at="stride",
        )
        yield rejects(
            "{num_output: 4, kernel_size: 5, pad: 3, pad_mode: reflect}",
            "N,3,3,3",
            code="NS307",
            at="pad",
        )


class DepthwiseConvolution(
    Convolution,
    type="DepthwiseConvolution",
    param="convolution_param",
    legacy=("ConvolutionDepthwise",),
):
    """Filter every channel by itself: num_output / channels filters each.

    y[n,o,i,j] = b[o] + sum_{u,v} w[o,0,u,v] x[n, c, s i + d u - p, s j + d v - p],  c = floor(o channels / num_output)
    (Howard et al. 2017; forks of Caffe)

    It is Convolution with as many groups as channels; group may be left out, and is refused where
    it says anything else.
    """

    def group_count(self, x: TensorType) -> Size:
        return x.channels

    def infer(self, x: TensorType) -> TensorType:
        channels = self.bottom(x).channels
        if self.group != 1:
            same(
                self.group,
                channels,
                "group must be the input channels",
                at="group",
                changes=[Change("leave group out", {"group": 1})],
            )
        divides(channels, self.num_output, "the input channels must divide num_output", at="num_output")
        return super().infer(x)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{num_output: 4, kernel_size: 3, pad: 1}", "N,4,H,W -> N,4,H,W", weights=40)
        yield accepts(
            "{num_output: 8, kernel_size: 3, stride: 2, group: 4, bias_term: false}",
            "N,4,7,7 -> N,8,3,3",
            weights=72,
        )
        yield accepts("{num_output: 3, kernel_size: 5, pad: same}", "N,3,T -> N,3,T", weights=18)
        yield accepts("{num_output: 2, kernel_size: 2}", "N,2,3,3,3 -> N,2,2,2,2", weights=18)
        yield rejects("{num_output: 6, kernel_size: 3}", "N,4,8,8", code="NS302", at="num_output")
        yield rejects("{num_output: 4, kernel_size: 3, group: 2}", "N,4,8,8", code="NS302", at="group")
        yield rejects("{num_output: 4, kernel_size: 9}", "N,4,8,8", code="NS301", at="kernel_size")


def fewer_groups(channels: Size) -> list[Change]:
    """Group counts that divide the channels."""
    counts = [k for k in range(2, 65) if isinstance(channels, int) and channels % k == 0]
    return [Change("use group: 1", {"group": 1})] + [
        Change(f"use group: {k}", {"group": k}) for k in counts[:1]
    ]
