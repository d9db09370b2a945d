"""Torch modules of layers/convolution.py that nn lacks. Inlined into emitted files, so it needs
torch alone.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from netspec.torch_modules.common import add_border, convolve, tensorflow_pads


class PaddedConv(nn.Module):
    """Convolution whose border is uneven or not of zeros, whose channels are another axis than 1,
    or of more than three axes.

    pads: (begin, end) of each spatial axis, or "same_tf". Axes before `axis` all count as batch.
    """

    def __init__(
        self,
        channels: int,
        num_output: int,
        kernel: Any,
        stride: Any,
        pads: Any = None,
        dilation: Any = None,
        groups: int = 1,
        bias: bool = True,
        mode: str = "constant",
        value: float = 0.0,
        axis: int = 1,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_output, channels // groups, *kernel))
        self.bias = nn.Parameter(torch.empty(num_output)) if bias else None
        self.stride, self.pads, self.dilation, self.groups = (
            stride,
            pads or ((0, 0),) * len(kernel),
            dilation or (1,) * len(kernel),
            groups,
        )
        self.mode, self.value, self.axis = mode, value, axis

    def forward(self, x: Tensor) -> Tensor:
        lead = x.shape[: self.axis]
        x = x.reshape(math.prod(lead), *x.shape[self.axis :])
        kernel = self.weight.shape[2:]
        pads = (
            tensorflow_pads(x.shape[2:], kernel, self.stride, self.dilation)
            if self.pads == "same_tf"
            else self.pads
        )
        if any(begin or end for begin, end in pads):
            x = add_border(x, pads, self.mode, self.value)
        y = convolve(x, self.weight, self.stride, self.dilation, self.groups)
        if self.bias is not None:
            y = y + self.bias.view(-1, *[1] * len(kernel))
        return y.reshape(*lead, *y.shape[1:])
