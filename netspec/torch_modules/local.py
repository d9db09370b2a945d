"""Torch modules of layers/local.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from netspec.torch_modules.common import (
    AVERAGE_POOL,
    add_border,
    columns,
    convolve,
    tensorflow_pads,
)


class Slid(nn.Module):
    """Base of modules that look through windows; pads: (begin, end) of each spatial axis, or
    "same_tf".
    """

    def __init__(self, kernel: Any, stride: Any, pads: Any, dilation: Any, value: float) -> None:
        super().__init__()
        self.kernel, self.value, n = kernel, value, len(kernel)
        self.stride, self.pads, self.dilation = (
            stride or (1,) * n,
            pads or ((0, 0),) * n,
            dilation or (1,) * n,
        )

    def with_border(self, x: Tensor) -> Tensor:
        pads = (
            tensorflow_pads(x.shape[2:], self.kernel, self.stride, self.dilation)
            if self.pads == "same_tf"
            else self.pads
        )
        if any(begin or end for begin, end in pads):
            return add_border(x, pads, "constant", self.value)
        return x


class MappedConv(Slid):
    """Convolution by a connection table: a window of weights per entry. bias: its shape, one per
    map or one per place, or None.
    """

    entries: Tensor

    def __init__(
        self,
        channels: int,
        num_output: int,
        kernel: Any,
        stride: Any = None,
        pads: Any = None,
        dilation: Any = None,
        value: float = 0.0,
        table: Any = None,
        bias: Any = (),
    ) -> None:
        super().__init__(kernel, stride, pads, dilation, value)
        entries = [
            o * channels + c for o in range(num_output) for c in (table[o] if table else range(channels))
        ]
        self.shape = (num_output, channels, *kernel)
        self.weight = nn.Parameter(torch.empty(len(entries), *kernel))
        self.bias = nn.Parameter(torch.empty(bias or (num_output,))) if bias is not None else None
        self.register_buffer("entries", torch.tensor(entries), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        full = self.weight.new_zeros(self.shape[0] * self.shape[1], *self.kernel).index_copy(
            0, self.entries, self.weight
        )
        y = convolve(self.with_border(x), full.view(self.shape), self.stride, self.dilation, 1)
        if self.bias is None:
            return y
        return y + (self.bias if self.bias.dim() > 1 else self.bias.view(-1, *[1] * len(self.kernel)))


class LocalConv(Slid):
    """Convolution without sharing: each place of each map has weights and a bias of its own. top:
    maps and space.
    """

    def __init__(
        self,
        channels: int,
        top: Any,
        kernel: Any,
        stride: Any = None,
        pads: Any = None,
        dilation: Any = None,
        value: float = 0.0,
        bias: bool = True,
    ) -> None:
        super().__init__(kernel, stride, pads, dilation, value)
        self.weight = nn.Parameter(torch.empty(*top, channels, *kernel))
        self.bias = nn.Parameter(torch.empty(*top)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        seen = columns(self.with_border(x), self.kernel, self.stride, self.dilation)
        weight = self.weight.flatten(1 + len(self.kernel)).flatten(1, len(self.kernel))
        y = torch.einsum("nkp,opk->nop", seen.flatten(1, 2).flatten(2), weight).reshape(
            len(x), len(weight), *seen.shape[3:]
        )
        if self.bias is None:
            return y
        return y + self.bias


class Subsample(nn.Module):
    """Sum of each window times a trained factor per channel, plus a trained bias."""

    def __init__(self, channels: int, kernel: Any, stride: Any, bias: bool = True) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        n = len(self.kernel)
        y: Tensor = (
            AVERAGE_POOL[n](x, self.kernel, self.stride)
            * math.prod(self.kernel)
            * self.weight.view(-1, *[1] * n)
        )
        if self.bias is None:
            return y
        return y + self.bias.view(-1, *[1] * n)
