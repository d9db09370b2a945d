"""Torch modules of layers/loss_distance.py that nn lacks. Inlined into emitted files, so it needs
torch alone.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SmoothL1Loss(nn.Module):
    """1/N sum of w_out f(w_in (a - b)), f(d) = (sigma d)^2 / 2 where |d| < 1/sigma^2, else |d| -
    1/(2 sigma^2).
    """

    def __init__(self, sigma: float = 1.0) -> None:
        super().__init__()
        self.beta = 1 / sigma**2

    def forward(
        self, a: Tensor, b: Tensor, inside: Tensor | None = None, outside: Tensor | None = None
    ) -> Tensor:
        difference = a - b.reshape(a.shape)
        if inside is not None:
            difference = difference * inside.reshape(a.shape)
        losses = F.smooth_l1_loss(difference, torch.zeros_like(difference), reduction="none", beta=self.beta)
        if outside is not None:
            losses = losses * outside.reshape(a.shape)
        return losses.sum() / a.shape[0]


class MSELoss(nn.Module):
    """Mean of (a - b)^2 over all elements."""

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(x.flatten(), target.flatten())


class L1Loss(nn.Module):
    """Mean of |a - b| over all elements."""

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(x.flatten(), target.flatten())
