"""Torch modules of layers/deconvolution.py that nn lacks. Inlined into emitted files, so it needs
torch alone.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TRANSPOSED: dict[int, Any] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


class CroppedDeconv(nn.Module):
    """Transposed convolution that takes another amount away at the beginning than at the end, or
    whose channels are another axis than 1.
    """

    def __init__(
        self,
        channels: int,
        num_output: int,
        kernel: Any,
        stride: Any,
        pads: Any,
        output_padding: Any,
        dilation: Any,
        groups: int = 1,
        bias: bool = True,
        axis: int = 1,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, num_output // groups, *kernel))
        self.bias = nn.Parameter(torch.empty(num_output)) if bias else None
        self.stride, self.pads, self.output_padding, self.dilation, self.groups = (
            stride,
            pads,
            output_padding,
            dilation,
            groups,
        )
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        lead = x.shape[: self.axis]
        x = x.reshape(math.prod(lead), *x.shape[self.axis :])
        if x.dim() == 2:
            y = F.conv_transpose1d(
                x.unsqueeze(-1), self.weight.unsqueeze(-1), self.bias, groups=self.groups
            ).squeeze(-1)
            return y.reshape(*lead, -1)
        y = TRANSPOSED[x.dim() - 2](
            x,
            self.weight,
            self.bias,
            self.stride,
            0,
            self.output_padding,
            self.groups,
            self.dilation,
        )
        for i, (begin, end) in enumerate(self.pads, 2):
            y = y.narrow(i, begin, y.shape[i] - begin - end)
        return y.reshape(*lead, *y.shape[1:])  # type: ignore[no-any-return]
