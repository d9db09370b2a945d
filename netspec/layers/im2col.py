"""Windows written side by side: Im2col."""

from collections.abc import Iterator
from math import prod
from typing import Any

from netspec.ir.dims import product
from netspec.ir.layer import Example, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.types import TensorType
from netspec.layers.common.windowed import Windowed
from netspec.layers.common.windows import ends, number, unfold_batch, windows

__all__ = ["Im2col"]


class Im2col(
    Windowed,
    type="Im2col",
    keeps=(),
    param="convolution_param",
    legacy=("IM2COL", "im2col"),
    traits=("windowed",),
):
    """Write each window's values one under the other, as channels; a convolution is then a matrix
    product.

    y[n, (c K_h + u) K_w + v, i, j] = x[n, c, s i + d u - p, s j + d v - p]     (Caffe's Im2col; Chellapilla et al. 2006)

    The channel varies slowest, then the kernel's row, then its column. The result has kernel_size^2
    times the elements of the input.
    """

    def infer(self, x: TensorType) -> TensorType:
        image = self.bottom(x)
        w = self.window(image)
        y = image.replaced(channels=product([image.channels, *w.kernel]), space=windows(image.space, w))
        return unfold_batch(y, x, self.axis)

    def torch(self, x: TensorType) -> ModuleText:
        w = self.window(self.bottom(x))
        pads = "same_tf" if self.pad == "same_tf" else tuple(map(ends, w.pads))
        return module(
            "Columns",
            w.kernel,
            w.stride,
            pads,
            w.dilation,
            defaults={"axis": 1},
            axis=x.axis(self.axis),
        )

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        import numpy as np

        top, image = self.infer(x.type), self.bottom(x.type)
        w = self.window(image)
        if not isinstance(image.channels, int):
            raise g.refuse(f"a window's values of {image.channels} channels: their number must be known")
        kernel = tuple(map(number, w.kernel))
        taps = prod(kernel)
        # ONNX has Col2Im and no Im2Col: each tap is picked by a filter that is 1 there
        one_hot = np.tile(
            np.eye(taps, dtype=np.float32).reshape(taps, 1, *kernel),
            (image.channels, *(1,) * (1 + image.axes)),
        )
        x, pads = g.padded(x if image == x.type else g.reshape(x, image.shape), w)
        y = g.Conv(
            x,
            g.const(one_hot),
            None,
            kernel_shape=w.kernel,
            strides=w.stride,
            pads=pads,
            dilations=w.dilation,
            group=image.channels,
        )
        if top.rank == image.rank:
            return y
        return g.reshape(y, top.shape)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{kernel_size: 3}", "N,2,5,6 -> N,18,3,4")
        yield accepts("{kernel_h: 3, kernel_w: 2, pad: 1, stride: 2}", "N,2,5,6 -> N,12,3,4")
        yield accepts("{kernel_size: 2, dilation: 2}", "N,2,H,W -> N,8,H-2,W-2")
        yield accepts("{kernel_size: 3, pad: same_tf, stride: 2}", "N,2,8 -> N,6,4")
        yield accepts("{kernel_size: 2}", "N,2,3,4,5 -> N,16,2,3,4")
        yield accepts("{kernel_size: 2, axis: 2}", "N,2,3,4,5 -> N,2,12,3,4")
        yield rejects("{kernel_size: 6}", "N,2,5,6", code="NS301", at="kernel_size")
        yield rejects("{}", "N,2,5,6", code="NS103")
        yield rejects("{kernel_size: 3, num_output: 4}", "N,2,5,6", code="NS102", at="num_output")
