"""Torch modules of layers/scale.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

from typing import Any

import torch
from torch import Tensor, nn


def align(w: Tensor, axis: int, rank: int) -> Tensor:
    """w reshaped so that it stands at axes axis.. of a tensor of that rank."""
    return w.reshape((*w.shape, *(1,) * (rank - axis - w.dim())))


class Scale(nn.Module):
    """x times a trained factor, or a second bottom, whose axes stand at axis..; and a trained bias
    of the same shape.
    """

    def __init__(self, shape: Any = None, axis: int = 1, bias: Any = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape)) if shape is not None else None
        self.bias = nn.Parameter(torch.empty(bias)) if bias is not None else None
        self.axis = axis

    def forward(self, x: Tensor, factor: Tensor | None = None) -> Tensor:
        weight = self.weight if factor is None else factor
        assert weight is not None
        y = x * align(weight, self.axis, x.dim())
        if self.bias is None:
            return y
        return y + align(self.bias, self.axis, x.dim())


class Bias(nn.Module):
    """x plus a trained term, or a second bottom, whose axes stand at axis..."""

    def __init__(self, shape: Any = None, axis: int = 1) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(shape)) if shape is not None else None
        self.axis = axis

    def forward(self, x: Tensor, term: Tensor | None = None) -> Tensor:
        bias = self.bias if term is None else term
        assert bias is not None
        return x + align(bias, self.axis, x.dim())


class Axpy(nn.Module):
    """a x + y, with one a for each sample and channel."""

    def forward(self, a: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return a.reshape(*x.shape[:2], *[1] * (x.dim() - 2)) * x + y
