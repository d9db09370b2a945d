"""Torch modules of layers/sampling.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

import torch
from torch import Tensor, nn


class Reparameterization(nn.Module):
    """mean + e^(log_variance / 2) times normal noise while training; the mean itself in test."""

    def forward(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        if not self.training:
            return mean + 0 * log_variance  # both bottoms get a gradient
        return mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
