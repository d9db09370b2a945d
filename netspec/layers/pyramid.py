"""Poolings into a given number of windows: SPP, AdaptivePooling."""

from collections.abc import Iterator
from typing import Any, Literal

from netspec.ir.dims import Size, ceil_div, product, total
from netspec.ir.field import Reads, Step, same_place
from netspec.ir.layer import Example, Kept, Layer, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import at_least
from netspec.ir.types import TensorType
from netspec.layers.common.pooling_onnx import export_average, export_max
from netspec.layers.common.windows import PerAxis, Window, check_axes, spread
from netspec.layers.common.words import ENGINE, Engine
from netspec.record import param

__all__ = ["SPP", "AdaptivePooling"]


class AdaptivePooling(Layer, type="AdaptivePooling", param="adaptive_pooling_param", traits=("pooling",)):
    """Pool into a given number of windows, whatever the size: dense layers behind it take images of
    any size.

    Window i of m over n values is floor(i n / m) to ceil((i + 1) n / m), the end left out     (PyTorch; He et al. 2014 pool pyramids so)

    Where m does not divide n neighbouring windows share a value.
    """

    output_size: PerAxis = param(ge=1, doc="number of windows along each spatial axis")
    pool: Literal["MAX", "AVE"] = param(default="AVE", doc="how a window is summarised")

    def infer(self, x: TensorType) -> TensorType:
        check_axes(x, "pools 1 to 3 spatial axes")
        return x.replaced(space=spread(self.output_size, x.axes, "output_size"))

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        if self.pool == "MAX":
            return Kept((0,), own=8 * tops[0].size)  # places as int64
        if all(size == 1 for size in tops[0].space):
            return Kept()  # a mean of everything goes back by its size alone
        return Kept((0,))

    def torch(self, x: TensorType) -> ModuleText:
        name = {"MAX": "Max", "AVE": "Avg"}[self.pool]
        return module(
            f"nn.Adaptive{name}Pool{x.axes}d",
            tuple(spread(self.output_size, x.axes, "output_size")),
        )

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


class SPP(Layer, type="SPP", param="spp_param", traits=("pooling",)):
    """Pool the input into 1, 4, 16, ... bins and join them all: a vector of fixed length whatever
    the image's size.

    Level i: kernel = stride = ceil(size / 2^i), pad = floor((2^i kernel - size + 1) / 2)     (He et al. 2014; Caffe's SPP)

    With pyramid_height 1 the result keeps its axes. A size whose pad would fill a window is
    refused, as in Caffe: 5 with 3 levels.
    """

    pyramid_height: int = param(ge=1, le=12, doc="number of levels")
    pool: Literal["MAX", "AVE"] = param(default="MAX", doc="how a bin is summarised")
    engine: Engine = param(default="DEFAULT", doc=ENGINE)

    def level(self, size: Size, bins: int) -> tuple[Size, Size]:
        """Window length and pad along an axis."""
        kernel = ceil_div(size, bins)
        return kernel, (kernel * bins - size + 1) // 2

    def infer(self, x: TensorType) -> TensorType:
        check_axes(x, "pools 1 to 3 spatial axes")
        for level in range(self.pyramid_height):
            for size in x.space:
                kernel, pad = self.level(size, 2**level)
                at_least(
                    kernel,
                    pad + 1,
                    f"the border of level {level} must be smaller than its window",
                    at="pyramid_height",
                    code="NS307",
                )
        if self.pyramid_height == 1:
            return x.replaced(space=(1,) * x.axes)
        return TensorType(
            (
                x.batch,
                x.channels * total((2**x.axes) ** level for level in range(self.pyramid_height)),
            )
        )

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        return (same_place(1),)

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """Each level writes its border out and, for MAX, keeps places."""
        x = bottoms[0]
        covered = total(
            product(self.level(size, 2**i)[0] * 2**i for size in x.space) for i in range(self.pyramid_height)
        )
        return Kept(own=4 * x.batch * x.channels * covered + (8 * tops[0].size if self.pool == "MAX" else 0))

    def torch(self, x: TensorType) -> ModuleText:
        return module("PyramidPool", self.pyramid_height, self.pool)

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        if not all(isinstance(size, int) for size in x.type.space):
            raise g.refuse(f"the windows of a pyramid depend on the input's size, which is open: {x.type}")
        tops = []
        for level in range(self.pyramid_height):
            kernels, pads = zip(*(self.level(size, 2**level) for size in x.type.space), strict=True)
            w = Window(kernels, kernels, pads, (1,) * x.type.axes)
            if self.pool == "MAX":
                y = export_max(g, x, w, "CEIL", False)
            else:
                y = export_average(g, x, w, "CEIL", True)
            tops.append(
                y
                if self.pyramid_height == 1
                else g.reshape(y, (x.type.batch, x.type.channels * product((2**level,) * x.type.axes)))
            )
        return g.concat(tops, 1)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{pyramid_height: 1, pool: AVE}", "N,3,8,7 -> N,3,1,1")
        yield accepts("{pyramid_height: 2, pool: AVE}", "N,3,8,7 -> N,15")
        yield accepts("{pyramid_height: 3}", "N,3,7,9 -> N,63")
        yield accepts("{pyramid_height: 2}", "N,3,T -> N,9")
        yield accepts("{pyramid_height: 2}", "N,2,3,4,5 -> N,18")
        yield rejects("{pyramid_height: 3}", "N,3,5,8", code="NS307", at="pyramid_height")
        yield rejects("{pyramid_height: 0}", "N,3,8,8", code="NS106", at="pyramid_height")
        yield rejects("{pyramid_height: 2}", "N,3", code="NS303")
