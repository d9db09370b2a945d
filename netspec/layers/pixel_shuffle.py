"""Layers that trade places for channels: PixelShuffle, Reorg."""

from collections.abc import Iterator
from typing import Any

from netspec.ir.field import Reads, Step, over, same_place
from netspec.ir.layer import Example, Layer, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import RuleError, divides
from netspec.ir.types import TensorType
from netspec.record import param

__all__ = ["PixelShuffle", "Reorg"]


class Reorg(Layer, type="Reorg", keeps=(), param="reorg_param"):
    """Move places to channels by stride x stride, or with reverse channels to places: YOLOv2's
    passthrough.

    reverse: y[c, s i + u, s j + v] = x[(s u + v) C/s^2 + c, i, j]; else its inverse     (Redmon and Farhadi 2017; Darknet's reorg)

    As in Darknet and the forks, without reverse x is read as if it were (C/s^2, s H, s W): a
    channel of y is not one of x's, thinned.
    """

    stride: int = param(ge=1, doc="s: how many places along each axis become channels")
    reverse: bool = param(default=False, doc="channels to places")

    def infer(self, x: TensorType) -> TensorType:
        if x.rank != 4:
            raise RuleError("NS303", f"needs (N, C, H, W): it is {x}", at="bottom")
        n, c, h, w = x.shape
        s = self.stride
        divides(s * s, c, "stride squared must divide the channels", at="stride")
        if self.reverse:
            return TensorType((n, c // (s * s), h * s, w * s))
        divides(s, h, "stride must divide the height", at="stride")
        divides(s, w, "stride must divide the width", at="stride")
        return TensorType((n, c * s * s, h // s, w // s))

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        return (same_place(1),)

    def torch(self, x: TensorType) -> ModuleText:
        return module("Reorg", self.stride, defaults={"reverse": False}, reverse=self.reverse)

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        (n, c, h, w), s = x.type.shape, self.stride
        top = self.infer(x.type).shape
        if self.reverse:
            return g.reshape(g.transpose(g.reshape(x, (n, s, s, top[1], h, w)), (0, 3, 4, 1, 5, 2)), top)
        return g.reshape(g.transpose(g.reshape(x, (n, c // (s * s), h, s, w, s)), (0, 3, 5, 1, 2, 4)), top)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{stride: 2}", "N,64,26,26 -> N,256,13,13")
        yield accepts("{stride: 2, reverse: true}", "N,8,H,W -> N,2,2*H,2*W")
        yield accepts("{stride: 1}", "N,3,H,W -> N,3,H,W")
        yield rejects("{stride: 2}", "N,6,4,4", code="NS302", at="stride")
        yield rejects("{stride: 2}", "N,8,5,4", code="NS302", at="stride")
        yield rejects("{}", "N,8,4,4", code="NS103")


class PixelShuffle(Layer, type="PixelShuffle", keeps=(), param="pixel_shuffle_param"):
    """Turn r^2 channels into one map r times as high and wide: a convolution before it upsamples
    without a chequered result.

    y[n, c, r i + u, r j + v] = x[n, c r^2 + u r + v, i, j]     (sub-pixel convolution: Shi et al. 2016)
    """

    upscale_factor: int = param(ge=1, doc="r, how many times larger the sides become")

    def infer(self, x: TensorType) -> TensorType:
        if x.axes != 2:
            raise RuleError("NS303", f"needs images (N, C, H, W): its bottom is {x}", at="bottom")
        r = self.upscale_factor
        divides(
            r * r,
            x.channels,
            "upscale_factor squared must divide the channels",
            at="upscale_factor",
        )
        return x.replaced(channels=x.channels // (r * r), space=tuple(size * r for size in x.space))

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        r = self.upscale_factor
        return ((Step(0), None, *(Step(axis, over(1, r), over(1 - r, r), 0) for axis in (2, 3))),)

    def torch(self, x: TensorType) -> ModuleText:
        return module("nn.PixelShuffle", self.upscale_factor)

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        # CRD is PyTorch's order of the channels; ONNX's default, DCR, is TensorFlow's
        return g.DepthToSpace(x, blocksize=self.upscale_factor, mode="CRD")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{upscale_factor: 2}", "N,12,H,W -> N,3,2*H,2*W")
        yield accepts("{upscale_factor: 3}", "N,9,4,5 -> N,1,12,15")
        yield rejects("{upscale_factor: 2}", "N,6,4,4", code="NS302", at="upscale_factor")
        yield rejects("{upscale_factor: 2}", "N,8,4", code="NS303")
        yield rejects("{}", "N,8,4,4", code="NS103")
