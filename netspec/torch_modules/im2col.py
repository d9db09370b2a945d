"""Torch modules of layers/im2col.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

import math
from typing import Any

from torch import Tensor, nn

from netspec.torch_modules.common import add_border, columns, tensorflow_pads


class Columns(nn.Module):
    """Caffe's Im2col: each window's values as channels, channel slowest."""

    def __init__(self, kernel: Any, stride: Any, pads: Any, dilation: Any, axis: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride, self.pads, self.dilation, self.axis = (
            kernel,
            stride,
            pads,
            dilation,
            axis,
        )

    def forward(self, x: Tensor) -> Tensor:
        lead = x.shape[: self.axis]
        x = x.reshape(math.prod(lead), *x.shape[self.axis :])
        if self.pads == "same_tf":
            pads = tensorflow_pads(x.shape[2:], self.kernel, self.stride, self.dilation)
        else:
            pads = self.pads
        y = columns(add_border(x, pads, "constant", 0.0), self.kernel, self.stride, self.dilation).flatten(
            1, 2
        )
        return y.reshape(*lead, *y.shape[1:])
