"""Torch modules of layers/activation.py that nn lacks. Inlined into emitted files, so it needs
torch alone.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SharedPReLU(nn.Module):
    """max(x, 0) + a min(x, 0) with one trained slope a for all channels, a tensor without axes."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(()))

    def forward(self, x: Tensor) -> Tensor:
        return F.prelu(x, self.weight)


class LeakyReLU6(nn.Module):
    """min(max(x, 0), 6) + slope min(x, 0)."""

    def __init__(self, negative_slope: float) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, self.negative_slope) - F.relu(x - 6)


class Absolute(nn.Module):
    """|x|; its gradient at 0 is 0."""

    def forward(self, x: Tensor) -> Tensor:
        return x.abs()


class Insanity(nn.Module):
    """ReLU whose negative values are divided: while training by numbers drawn from lb..ub, one for
    each, in test by their mean.
    """

    def __init__(self, lb: float = 5.0, ub: float = 10.0) -> None:
        super().__init__()
        self.lb, self.ub = lb, ub
        self.mean = (ub - lb) / (math.log(abs(ub)) - math.log(abs(lb)))

    def forward(self, x: Tensor) -> Tensor:
        divisor = torch.empty_like(x).uniform_(self.lb, self.ub) if self.training else self.mean
        return torch.where(x > 0, x, x / divisor)
