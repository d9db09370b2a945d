"""Layers that change a map's size by where values are put, or by how many windows there are: PixelShuffle, AdaptivePooling."""

from collections.abc import Iterator
from typing import Any, Literal

from netspec.ir.dims import ceil_div
from netspec.ir.field import Reads, Step, over
from netspec.ir.layer import Example, Kept, Layer, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import RuleError, divides
from netspec.ir.types import TensorType
from netspec.layers.arithmetic import PerAxis, spread
from netspec.record import param

__all__ = ["AdaptivePooling", "PixelShuffle"]


class PixelShuffle(Layer, type="PixelShuffle", keeps=(), param="pixel_shuffle_param"):
    """Turn r^2 channels into one map r times as high and wide: a convolution before it upsamples without a chequered result.

    y[n, c, r i + u, r j + v] = x[n, c r^2 + u r + v, i, j]     (sub-pixel convolution: Shi et al. 2016)
    """

    upscale_factor: int = param(ge=1, doc="r, how many times larger the sides become")

    def infer(self, x: TensorType) -> TensorType:
        if x.axes != 2:
            raise RuleError("NS303", f"needs images (N, C, H, W): its bottom is {x}", at="bottom")
        r = self.upscale_factor
        divides(r * r, x.channels, "upscale_factor squared must divide the channels", at="upscale_factor")
        return x.replaced(channels=x.channels // (r * r), space=tuple(size * r for size in x.space))

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        r = self.upscale_factor
        return ((Step(0), None, *(Step(axis, over(1, r), over(1 - r, r), 0) for axis in (2, 3))),)

    def torch(self, x: TensorType) -> ModuleText:
        return module("nn.PixelShuffle", self.upscale_factor)

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.DepthToSpace(x, blocksize=self.upscale_factor, mode="CRD")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{upscale_factor: 2}", "N,12,H,W -> N,3,2*H,2*W")
        yield accepts("{upscale_factor: 3}", "N,9,4,5 -> N,1,12,15")
        yield rejects("{upscale_factor: 2}", "N,6,4,4", code="NS302", at="upscale_factor")
        yield rejects("{upscale_factor: 2}", "N,8,4", code="NS303")
        yield rejects("{}", "N,8,4,4", code="NS103")


class AdaptivePooling(Layer, type="AdaptivePooling", param="adaptive_pooling_param", traits=("pooling",)):
    """Pool into a given number of windows, whatever the size: dense layers behind it take images of any size.

    Window i of m over n values is floor(i n / m) to ceil((i + 1) n / m), the end left out     (PyTorch; He et al. 2014 pool pyramids so)

    Where m does not divide n neighbouring windows share a value.
    """

    output_size: PerAxis = param(ge=1, doc="number of windows along each spatial axis")
    pool: Literal["MAX", "AVE"] = param(default="AVE", doc="how a window is summarised")

    def infer(self, x: TensorType) -> TensorType:
        if x.axes not in (1, 2, 3):
            raise RuleError("NS303", f"pools 1 to 3 spatial axes, after batch and channels: its bottom is {x}", at="bottom")
        return x.replaced(space=spread(self.output_size, x.axes, "output_size"))

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        if self.pool == "MAX":
            return Kept((0,), own=8 * tops[0].size)
        return Kept() if all(size == 1 for size in tops[0].space) else Kept((0,))

    def torch(self, x: TensorType) -> ModuleText:
        name = {"MAX": "Max", "AVE": "Avg"}[self.pool]
        return module(f"nn.Adaptive{name}Pool{x.axes}d", tuple(spread(self.output_size, x.axes, "output_size")))

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        return ((Step(0), Step(1), *(None,) * x.axes),)

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        kind = {"MAX": "Max", "AVE": "Mean"}[self.pool]
        for axis, m in enumerate(spread(self.output_size, x.type.axes, "output_size"), 2):
            n = x.type.shape[axis]
            parts = [g.slice(x, axis, i * n // m, ceil_div((i + 1) * n, m)) for i in range(m)]
            x = g.concat([g.reduce(kind, part, (axis,), keep=True) for part in parts], axis)
        return x

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{output_size: 3}", "N,2,H,W -> N,2,3,3")
        yield accepts("{output_size: [2, 4], pool: MAX}", "N,C,5,7 -> N,C,2,4")
        yield accepts("{output_size: 2, pool: MAX}", "N,3,T -> N,3,2")
        yield accepts("{output_size: [1, 2, 2]}", "N,2,3,4,5 -> N,2,1,2,2")
        yield rejects("{output_size: 0}", "N,2,4,4", code="NS106", at="output_size")
        yield rejects("{output_size: [2, 2]}", "N,2,4", code="NS107", at="output_size")
        yield rejects("{output_size: 2}", "N,2", code="NS303")
        yield rejects("{}", "N,2,4,4", code="NS103")
