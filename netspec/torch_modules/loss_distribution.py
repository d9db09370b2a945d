"""Torch modules of layers/loss_distribution.py that nn lacks. Inlined into emitted files, so it
needs torch alone.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class GaussianKLLoss(nn.Module):
    """-1/2 sum (1 + log s^2 - m^2 - s^2), averaged over samples."""

    def forward(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        return -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum() / mean.shape[0]


class KLDivLoss(nn.Module):
    """t^2 sum q (log q - log p) over the classes, averaged over samples; both from scores."""

    def __init__(self, temperature: float = 1.0, axis: int = 1) -> None:
        super().__init__()
        self.temperature, self.axis = temperature, axis

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        p, q = (F.log_softmax(scores / self.temperature, self.axis) for scores in (x, target.detach()))
        return self.temperature**2 * (q.exp() * (q - p)).sum() / x.shape[0]
