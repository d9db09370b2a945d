"""Torch modules of layers/dense.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class InnerProduct(nn.Module):
    """A dense layer over all axes from `axis` on; weight (out, in), or (in, out) if transposed."""

    def __init__(
        self, inputs: int, outputs: int, axis: int = 1, transpose: bool = False, bias: bool = True
    ) -> None:
        super().__init__()
        self.axis, self.transpose = axis, transpose
        self.weight = nn.Parameter(torch.zeros((inputs, outputs) if transpose else (outputs, inputs)))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.flatten(self.axis), self.weight.t() if self.transpose else self.weight, self.bias)


class Embed(nn.Module):
    """A row of the table for each index, which may come as a float, and a bias."""

    def __init__(self, rows: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(rows, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        y = F.embedding(x.long(), self.weight)
        if self.bias is None:
            return y
        return y + self.bias


class Parameter(nn.Module):
    """A trained tensor as a value."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(shape))

    def forward(self) -> Tensor:
        return self.weight
