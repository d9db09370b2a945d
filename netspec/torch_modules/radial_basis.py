"""Torch modules of layers/radial_basis.py that nn lacks. Inlined into emitted files, so it needs
torch alone.
"""

import torch
from torch import Tensor, nn


class Distances(nn.Module):
    """Squared Euclidean distance to each of some points."""

    def __init__(self, inputs: int, num_output: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_output, inputs))

    def forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1)[:, None] - self.weight).square().sum(2)
