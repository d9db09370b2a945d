"""Torch modules of layers/activation_smooth.py that nn lacks. Inlined into emitted files, so it
needs torch alone.
"""

import torch
from torch import Tensor, nn


class Swish(nn.Module):
    """x sigmoid(beta x)."""

    def __init__(self, beta: float) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.beta * x)
