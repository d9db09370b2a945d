"""Torch modules of layers/pooling.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from netspec.torch_modules.common import (
    AVERAGE_POOL,
    add_border,
    average_pooled,
    columns,
    max_pooled,
    pool_borders,
    tensorflow_pads,
)


class WindowPool(nn.Module):
    """Base of pooling as Caffe does it at the edge: windows may reach past the input. kernel None:
    one window, the whole input.
    """

    def __init__(
        self, kernel: Any = None, stride: Any = None, pads: Any = None, round_up: bool = False
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.pads, self.round_up = kernel, stride, pads, round_up

    def windows(self, x: Tensor) -> tuple[Any, Any, Any, Any]:
        """Kernel, stride, borders to add, and pads, for this input."""
        space = tuple(x.shape[2:])
        if self.kernel is None:
            zeros = ((0, 0),) * len(space)
            return space, (1,) * len(space), zeros, zeros
        if self.pads == "same_tf":
            pads = tensorflow_pads(space, self.kernel, self.stride, (1,) * len(space))
        else:
            pads = self.pads
        return (
            self.kernel,
            self.stride,
            pool_borders(space, self.kernel, self.stride, pads, self.round_up),
            pads,
        )


class MaxPool(WindowPool):
    """Maximum of each window; with mask also where it stood, counted in its own plane."""

    def __init__(
        self, kernel: Any, stride: Any, pads: Any, round_up: bool = False, mask: bool = False
    ) -> None:
        super().__init__(kernel, stride, pads, round_up)
        self.mask = mask

    def forward(self, x: Tensor) -> Any:
        kernel, stride, borders, _ = self.windows(x)
        return max_pooled(x, kernel, stride, borders, self.mask)


class AveragePool(WindowPool):
    """Mean of each window, its divisor as Caffe counts it, or without the padding."""

    def __init__(
        self,
        kernel: Any,
        stride: Any,
        pads: Any,
        round_up: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel, stride, pads, round_up)
        self.count_include_pad = count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride, borders, pads = self.windows(x)
        return average_pooled(x, kernel, stride, borders, pads, self.count_include_pad)


class LpPool(WindowPool):
    """p-norm of each window: (sum |x|^p)^(1/p). Where it is 0 the gradient is 0 too."""

    def __init__(
        self,
        p: float,
        kernel: Any = None,
        stride: Any = None,
        pads: Any = None,
        round_up: bool = False,
    ) -> None:
        super().__init__(kernel, stride, pads, round_up)
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride, borders, _ = self.windows(x)
        powers = add_border(x.square() if self.p == 2 else x.abs().pow(self.p), borders, "constant", 0.0)
        total = AVERAGE_POOL[len(kernel)](powers, kernel, stride) * math.prod(kernel)
        some = total > 0
        # at 0 the slope of a root is infinite
        root = torch.where(some, total, 1.0).pow(1 / self.p)
        return torch.where(some, root, 0.0)


class StochasticPool(WindowPool):
    """Zeiler and Fergus' pooling: training draws a value of each window, each as probable as it is
    large; test takes the mean.
    """

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride, borders, _ = self.windows(x)
        taps = columns(add_border(x, borders, "constant", 0.0), kernel, stride, (1,) * len(kernel))
        if not self.training:
            total = taps.sum(2)
            return torch.where(total > 0, taps.square().sum(2) / torch.where(total > 0, total, 1.0), 0.0)
        sums = taps.detach().cumsum(2)
        drawn = torch.rand_like(sums[:, :, :1]) * sums[:, :, -1:]
        # rounding may put the draw past the last
        index = (sums < drawn).sum(2, keepdim=True).clamp(max=taps.shape[2] - 1)
        return taps.gather(2, index).squeeze(2)
