"""Transposed convolution: Deconvolution."""

from collections.abc import Iterator
from typing import Any

from netspec.ir.dims import Size, largest, product
from netspec.ir.layer import Example, Filler, Layer, ModuleText, Weight, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import RuleError, at_least, divides
from netspec.ir.types import TensorType
from netspec.layers.common.windows import (
    PerAxis,
    Window,
    both,
    ends,
    fold_batch,
    pointwise,
    spread,
    transpose_sizes,
    unfold_batch,
    window,
)
from netspec.layers.common.words import ENGINE, KAIMING, Engine
from netspec.record import param

__all__ = ["Deconvolution"]


class Deconvolution(
    Layer,
    type="Deconvolution",
    keeps=("bottom",),
    param="convolution_param",
    legacy=("DECONVOLUTION",),
    traits=("windowed", "has_bias", "transposed", "each_bottom"),
):
    """Spread every value over a window, weighted by the filters, and sum where windows overlap: the
    transpose of Convolution.

    y[n,o,k] = b[o] + sum_{c,i,u: s i + d u - p = k} w[c,o,u] x[n,c,i]     (Zeiler et al. 2010; Caffe's Deconvolution)

    pad takes away from the result. Where stride does not divide kernel_size windows overlap
    unevenly: a chequered result.
    """

    num_output: int = param(ge=1, doc="number of output channels")
    kernel_size: PerAxis = param(
        ge=1, pair=("kernel_h", "kernel_w"), doc="window length along each spatial axis"
    )
    stride: PerAxis = param(
        default=1, ge=1, pair=("stride_h", "stride_w"), doc="step between windows of the result"
    )
    pad: int | tuple[int | tuple[int, int], ...] = param(
        default=0,
        ge=0,
        pair=("pad_h", "pad_w"),
        doc="rows taken away on each side: a number, or [[begin, end], ...]",
    )
    output_padding: PerAxis = param(
        default=0, ge=0, doc="rows more at the end (PyTorch's), less than stride or dilation"
    )
    dilation: PerAxis = param(
        default=1, ge=1, pair=("dilation_h", "dilation_w"), doc="distance between kernel taps"
    )
    group: int = param(default=1, ge=1, doc="independent channel groups")
    bias_term: bool = param(default=True, doc="add a bias per output channel")
    weight_filler: Filler = param(
        default=Filler(), dialects={"torch": KAIMING}, doc="how the filters are initialised"
    )
    bias_filler: Filler = param(
        default=Filler(), dialects={"torch": KAIMING}, doc="how the biases are initialised"
    )
    axis: int = param(default=1, doc="the channels; axes before it count as batch, axes after it are space")
    engine: Engine = param(default="DEFAULT", doc=ENGINE)
    force_nd_im2col: bool = param(
        default=False,
        doc="Caffe's general code in place of that for images: accepted, without meaning here",
    )

    def bottom(self, x: TensorType) -> TensorType:
        return fold_batch(x, self.axis)

    def window(self, x: TensorType) -> Window:
        if pointwise(self.axis, x.axes):
            return Window((), (), (), ())
        return window(
            x.space,
            kernel_size=self.kernel_size,
            stride=self.stride,
            pad=self.pad,
            dilation=self.dilation,
        )

    def more(self, x: TensorType) -> tuple[int, ...]:
        return spread(self.output_padding, x.axes, "output_padding")

    def infer(self, x: TensorType) -> TensorType:
        image = self.bottom(x)
        if image.axes > 3:  # torch has no ConvTranspose4d
            raise RuleError(
                "NS303",
                f"at most 3 spatial axes can be convolved back: the bottom has {image.axes}",
                at="bottom",
            )
        divides(self.group, image.channels, "group must divide the input channels", at="group")
        divides(self.group, self.num_output, "group must divide num_output", at="group")
        w = self.window(image)
        for s, d, more in zip(w.stride, w.dilation, self.more(image), strict=True):
            at_least(
                largest(s, d) - 1,
                more,
                "output_padding must be less than stride or dilation",
                at="output_padding",
                code="NS307",
            )
        return unfold_batch(
            image.replaced(channels=self.num_output, space=transpose_sizes(image.space, w, self.more(image))),
            x,
            self.axis,
        )

    def weights(self, x: TensorType) -> Iterator[Weight]:
        image = self.bottom(x)
        yield Weight(
            "weight",
            (image.channels, self.num_output // self.group, *self.window(image).kernel),
            self.weight_filler,
        )
        if self.bias_term:
            yield Weight("bias", (self.num_output,), self.bias_filler)

    def macs(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Size:
        image = self.bottom(bottoms[0])
        # each value of the bottom meets each tap once
        return product([*image.shape, self.num_output // self.group, *self.window(image).kernel])

    def torch(self, x: TensorType) -> ModuleText:
        image = self.bottom(x)
        w, axes = self.window(image), image.axes
        usual = {
            "stride": (1,) * axes,
            "padding": (0,) * axes,
            "output_padding": (0,) * axes,
            "groups": 1,
            "bias": True,
            "dilation": (1,) * axes,
        }
        rest = {
            "output_padding": self.more(image),
            "groups": self.group,
            "bias": self.bias_term,
            "dilation": w.dilation,
        }
        if w.symmetric and x.axis(self.axis) == 1 and axes:
            return module(
                f"nn.ConvTranspose{axes}d",
                image.channels,
                self.num_output,
                w.kernel,
                defaults=usual,
                stride=w.stride,
                padding=tuple(both(p) // 2 for p in w.pads),
                **rest,
            )
        return module(
            "CroppedDeconv",
            image.channels,
            self.num_output,
            w.kernel,
            w.stride,
            tuple(map(ends, w.pads)),
            defaults={"groups": 1, "bias": True, "axis": 1},
            axis=x.axis(self.axis),
            **rest,
        )

    def onnx(self, g: OnnxBuilder, x: Any, weight: Any, bias: Any = None) -> Any:
        top, image = self.infer(x.type), self.bottom(x.type)
        w = self.window(image)
        if image.axes == 0:  # as for Convolution: an axis of length 1
            flat = g.reshape(x, (*image.shape, 1)), g.reshape(weight, (*weight.type.shape, 1))
            return g.reshape(g.ConvTranspose(*flat, bias, group=self.group), top.shape)
        pads = [ends(p)[0] for p in w.pads] + [ends(p)[1] for p in w.pads]
        y = g.ConvTranspose(
            x if image == x.type else g.reshape(x, image.shape),
            weight,
            bias,
            kernel_shape=w.kernel,
            strides=w.stride,
            pads=pads,
            dilations=w.dilation,
            group=self.group,
            output_padding=self.more(image),
        )
        if top.rank == image.rank:
            return y
        return g.reshape(y, top.shape)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{num_output: 4, kernel_size: 3}", "N,3,4,5 -> N,4,6,7", weights=112)
        yield accepts(
            "{num_output: 4, kernel_size: 4, stride: 2, pad: 1}",
            "N,3,H,W -> N,4,2*H,2*W",
            weights=196,
        )
        yield accepts(
            "{num_output: 2, kernel_h: 3, kernel_w: 2, stride_h: 1, stride_w: 3, pad_h: 1, pad_w: 0}",
            "N,3,4,5 -> N,2,4,14",
        )
        yield accepts(
            "{num_output: 6, kernel_size: 3, stride: 2, group: 2}",
            "N,4,4,4 -> N,6,9,9",
            weights=114,
        )
        yield accepts("{num_output: 3, kernel_size: 3, dilation: 2, stride: 2, pad: 1}", "N,2,4,4 -> N,3,9,9")
        yield accepts(
            "{num_output: 2, group: 2, kernel_size: 5, stride: 3, pad: 1, bias_term: false, weight_filler:"
            " bilinear}",
            "N,2,3,3 -> N,2,9,9",
            weights=50,
        )
        yield accepts(
            "{num_output: 2, kernel_size: 3, stride: 2, pad: 1, output_padding: 1}",
            "N,2,H,W -> N,2,2*H,2*W",
        )
        yield accepts("{num_output: 2, kernel_size: 3, pad: [[0, 1], [2, 1]]}", "N,2,4,5 -> N,2,5,4")
        yield accepts("{num_output: 2, kernel_size: 4, stride: 4}", "N,2,T -> N,2,4*T", weights=18)
        yield accepts("{num_output: 2, kernel_size: 2, stride: 2}", "N,3,2,3,4 -> N,2,4,6,8", weights=50)
        yield accepts("{num_output: 2, kernel_size: 2, axis: 2}", "N,2,3,4,4 -> N,2,2,5,5", weights=26)
        yield accepts("{num_output: 6, kernel_size: 3, axis: -1, group: 2}", "N,2,H,4 -> N,2,H,6", weights=18)
        yield rejects("{num_output: 2, kernel_size: 3, pad: 4}", "N,2,4,4", code="NS301", at="pad")
        yield rejects("{num_output: 3, kernel_size: 3, group: 2}", "N,4,4,4", code="NS302", at="group")
        yield rejects(
            "{num_output: 2, kernel_size: 3, output_padding: 1}",
            "N,2,4,4",
            code="NS307",
            at="output_padding",
        )
        yield rejects("{num_output: 2, kernel_size: 2}", "N,2,3,3,3,3", code="NS303")
        yield rejects("{num_output: 2, kernel_size: [2, 2]}", "N,2,5", code="NS107", at="kernel_size")
