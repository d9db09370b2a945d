"""Torch modules of layers/normalization.py that nn lacks. Inlined into emitted files, so it needs
torch alone.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def average_volume(x: Tensor, size: int, stride: int, pad: int) -> Tensor:
    """F.avg_pool3d for volumes of any size: torch's own refuses one smaller than its window,
    whatever the padding.
    """
    return F.avg_pool3d(F.pad(x, [pad] * 6), size, stride)


WITHIN_POOL: dict[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: average_volume}


class MeanVariance(nn.Module):
    """Caffe's MVN: (x - mean) / (std + eps), eps outside the root, over space or over channels and
    space.

    The gradient is Caffe's: dx = (dy - mean(dy) - y mean(dy y)) / (std + eps). With y in place of
    (x - mean) / std it is never 0 / 0.
    """

    def __init__(
        self, normalize_variance: bool = True, across_channels: bool = False, eps: float = 1e-9
    ) -> None:
        super().__init__()
        self.normalize_variance, self.across_channels, self.eps = (
            normalize_variance,
            across_channels,
            eps,
        )

    def forward(self, x: Tensor) -> Tensor:
        first = 1 if self.across_channels else 2
        rows = x.flatten(first) if x.dim() > first else x.unsqueeze(-1)
        centred = rows - rows.mean(-1, keepdim=True)
        if self.normalize_variance:
            unit = centred / (centred.detach().square().mean(-1, keepdim=True).sqrt() + self.eps)
            half = unit.square().mean(-1, keepdim=True) / 2
            centred = unit * (1 + (half.detach() - half))
        return centred.view_as(x)


class UnitLength(nn.Module):
    """SSD's Normalize: x / sqrt(sum x^2 + eps) over the sample, or at each place over the channels;
    then a trained scale.
    """

    def __init__(self, channels: int | None, across_spatial: bool = True, eps: float = 1e-10) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(() if channels is None else (channels,)))
        self.across_spatial, self.eps = across_spatial, eps

    def forward(self, x: Tensor) -> Tensor:
        axes = list(range(1, x.dim())) if self.across_spatial else [1]
        norm = (x.square().sum(axes, keepdim=True) + self.eps).sqrt()
        scale = self.scale if self.scale.dim() == 0 else self.scale.view(-1, *[1] * (x.dim() - 2))
        return x / norm * scale


class WithinChannelNorm(nn.Module):
    """LRN within channels: x (1 + alpha A)^-beta, A the mean of x^2 over a square window, zeros
    outside.
    """

    def __init__(self, size: int, alpha: float, beta: float) -> None:
        super().__init__()
        self.size, self.alpha, self.beta = size, alpha, beta

    def forward(self, x: Tensor) -> Tensor:
        mean = WITHIN_POOL[x.dim() - 2](x.square(), self.size, 1, self.size // 2)
        y: Tensor = x * (1 + self.alpha * mean).pow(-self.beta)
        return y
