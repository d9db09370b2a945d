"""What all layers share that slide a window over channels: axis, kernel, stride, pad, dilation, and
what the dialect makes of `same`.
"""

from collections.abc import Mapping
from typing import Any, Self

from netspec.ir.layer import Layer
from netspec.ir.types import TensorType
from netspec.layers.common.windows import Pad, PerAxis, Window, fold_batch, window
from netspec.layers.common.words import ENGINE, Engine
from netspec.record import param

__all__ = ["DialectPad", "Placed", "Windowed"]


class DialectPad(Layer):
    """Base of layers with a pad word: under dialect tf, `same` is TensorFlow's."""

    @classmethod
    def read(cls, fields: Mapping[str, Any], dialect: str = "caffe", whole: Any = None) -> Self:
        layer = super().read(fields, dialect, whole)
        if dialect == "tf" and layer.__dict__["pad"] == "same":
            return layer.replace(pad="same_tf")
        return layer


class Placed(DialectPad):
    """Base of layers that look through a window: where the windows lie, in the words of Caffe's
    ConvolutionParameter.
    """

    kernel_size: PerAxis = param(
        ge=1, pair=("kernel_h", "kernel_w"), doc="window length along each spatial axis"
    )
    stride: PerAxis = param(default=1, ge=1, pair=("stride_h", "stride_w"), doc="step between windows")
    pad: Pad = param(
        default=0,
        ge=0,
        pair=("pad_h", "pad_w"),
        doc="border added on each side: a number, [[begin, end], ...], or valid, same, full, causal, same_tf",
    )
    dilation: PerAxis = param(
        default=1, ge=1, pair=("dilation_h", "dilation_w"), doc="distance between kernel taps"
    )

    def window(self, x: TensorType) -> Window:
        return window(
            x.space,
            kernel_size=self.kernel_size,
            stride=self.stride,
            pad=self.pad,
            dilation=self.dilation,
        )


class Windowed(Placed):
    """Base of Convolution and its kin: with the channel axis, and what Caffe adds for its own
    sake.
    """

    axis: int = param(default=1, doc="the channels; axes before it count as batch, axes after it are space")
    engine: Engine = param(default="DEFAULT", doc=ENGINE)
    force_nd_im2col: bool = param(
        default=False,
        doc="Caffe's general code in place of that for images: accepted, without meaning here",
    )

    def bottom(self, x: TensorType) -> TensorType:
        """The bottom as batch, channels, space."""
        return fold_batch(x, self.axis)
