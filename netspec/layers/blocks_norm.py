"""Torch modules of normalisation and scaling that nn lacks. Inlined into emitted files."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def average_volume(x: Tensor, size: int, stride: int, pad: int) -> Tensor:
    """F.avg_pool3d for volumes of any size: torch's own refuses one smaller than its window, whatever the padding."""
    return F.avg_pool3d(F.pad(x, [pad] * 6), size, stride)


WITHIN_POOL: dict[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: average_volume}


class BatchNorm(nn.Module):
    """Caffe's BatchNorm: neither scale nor shift. The buffers are fading sums: the mean is mean / scale_factor, so the variance.

    use_global_stats None: the sums in eval mode, the batch's own statistics in train mode. The batch's are added to the sums whenever used.
    """

    mean: Tensor
    variance: Tensor
    scale_factor: Tensor

    def __init__(
        self, channels: int, eps: float = 1e-5, moving_average_fraction: float = 0.999, use_global_stats: bool | None = None
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.zeros(channels))
        self.register_buffer("scale_factor", torch.zeros(1))
        self.eps, self.moving_average_fraction, self.use_global_stats = eps, moving_average_fraction, use_global_stats

    @property
    def ungathered(self) -> bool:
        """Whether the stored statistics would be used, and there are none yet: mean and variance count as 0 then."""
        return self.use_global_stats is not False and not self.training and not bool(self.scale_factor.any())

    def forward(self, x: Tensor) -> Tensor:
        stored = self.use_global_stats if self.use_global_stats is not None else not self.training
        rows = x if x.dim() > 1 else x.unsqueeze(1)
        if stored:
            factor = torch.where(self.scale_factor == 0, 0.0, 1 / self.scale_factor)
            y = F.batch_norm(rows, factor * self.mean, factor * self.variance, None, None, False, 0.0, self.eps)
        else:
            mean, variance = torch.zeros_like(self.mean), torch.zeros_like(self.variance)
            y = torch.batch_norm(rows, None, None, mean, variance, True, 1.0, self.eps, torch.backends.cudnn.enabled)
            if rows.numel() == self.mean.numel():
                variance = torch.zeros_like(variance)
            self.gather(mean, variance)
        return y.view_as(x)

    @torch.no_grad()
    def gather(self, mean: Tensor, variance: Tensor) -> None:
        """Add a batch's statistics to the fading sums."""
        for total, now in ((self.mean, mean), (self.variance, variance), (self.scale_factor, 1.0)):
            total.mul_(self.moving_average_fraction).add_(now)


class SlopeBatchNorm(nn.Module):
    """The BN of forks of Caffe: slope and bias trained, mean and variance gathered; frozen: the gathered ones while training too."""

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int, axes: int, eps: float = 1e-5, momentum: float = 0.9, frozen: bool = False) -> None:
        super().__init__()
        shape = (1, channels, *[1] * axes)
        self.slope = nn.Parameter(torch.empty(shape))
        self.bias = nn.Parameter(torch.empty(shape))
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("variance", torch.ones(shape))
        self.eps, self.momentum, self.frozen = eps, momentum, frozen

    def forward(self, x: Tensor) -> Tensor:
        slope, bias = self.slope.flatten(), self.bias.flatten()
        if self.frozen or not self.training:
            return F.batch_norm(x, self.mean.flatten(), self.variance.flatten(), slope, bias, False, 0.0, self.eps)
        with torch.no_grad():
            variance, mean = torch.var_mean(x, [0, *range(2, x.dim())], correction=0)
            self.mean.mul_(self.momentum).add_(mean.view_as(self.mean), alpha=1 - self.momentum)
            self.variance.mul_(self.momentum).add_(variance.view_as(self.variance), alpha=1 - self.momentum)
        return torch.batch_norm(x, slope, bias, None, None, True, 0.0, self.eps, torch.backends.cudnn.enabled)


class ScaleShiftNorm(nn.Module):
    """SegNet's BN: the batch's own statistics always, or, at inference, scale and shift alone, into which they were folded."""

    def __init__(self, channels: int, axes: int, eps: float = 1e-9, inference: bool = False) -> None:
        super().__init__()
        shape = (1, channels, *[1] * axes)
        self.scale = nn.Parameter(torch.empty(shape))
        self.shift = nn.Parameter(torch.empty(shape))
        self.eps, self.inference = eps, inference

    def forward(self, x: Tensor) -> Tensor:
        if self.inference:
            return x * self.scale + self.shift
        return torch.batch_norm(
            x, self.scale.flatten(), self.shift.flatten(), None, None, True, 0.0, self.eps, torch.backends.cudnn.enabled
        )


class MeanVariance(nn.Module):
    """Caffe's MVN: (x - mean) / (std + eps), eps outside the root, over space or over channels and space.

    The gradient is Caffe's: dx = (dy - mean(dy) - y mean(dy y)) / (std + eps). With y in place of (x - mean) / std it is never 0 / 0.
    """

    def __init__(self, normalize_variance: bool = True, across_channels: bool = False, eps: float = 1e-9) -> None:
        super().__init__()
        self.normalize_variance, self.across_channels, self.eps = normalize_variance, across_channels, eps

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
    """SSD's Normalize: x / sqrt(sum x^2 + eps) over the sample, or at each place over the channels; then a trained scale."""

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
    """LRN within channels: x (1 + alpha A)^-beta, A the mean of x^2 over a square window, zeros outside."""

    def __init__(self, size: int, alpha: float, beta: float) -> None:
        super().__init__()
        self.size, self.alpha, self.beta = size, alpha, beta

    def forward(self, x: Tensor) -> Tensor:
        mean = WITHIN_POOL[x.dim() - 2](x.square(), self.size, 1, self.size // 2)
        y: Tensor = x * (1 + self.alpha * mean).pow(-self.beta)
        return y


class GroupNorm(nn.GroupNorm):
    """nn.GroupNorm where a group may be a single value, which nn refuses: it becomes the bias."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


def aligned(w: Tensor, axis: int, rank: int) -> Tensor:
    """w reshaped so that it stands at axes axis.. of a tensor of that rank."""
    return w.reshape((*w.shape, *(1,) * (rank - axis - w.dim())))


class Scale(nn.Module):
    """x times a trained factor, or a second bottom, whose axes stand at axis..; and a trained bias of the same shape."""

    def __init__(self, shape: Any = None, axis: int = 1, bias: Any = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape)) if shape is not None else None
        self.bias = nn.Parameter(torch.empty(bias)) if bias is not None else None
        self.axis = axis

    def forward(self, x: Tensor, factor: Tensor | None = None) -> Tensor:
        weight = self.weight if factor is None else factor
        assert weight is not None
        y = x * aligned(weight, self.axis, x.dim())
        return y if self.bias is None else y + aligned(self.bias, self.axis, x.dim())


class Bias(nn.Module):
    """x plus a trained term, or a second bottom, whose axes stand at axis..."""

    def __init__(self, shape: Any = None, axis: int = 1) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(shape)) if shape is not None else None
        self.axis = axis

    def forward(self, x: Tensor, term: Tensor | None = None) -> Tensor:
        bias = self.bias if term is None else term
        assert bias is not None
        return x + aligned(bias, self.axis, x.dim())


class Axpy(nn.Module):
    """a x + y, with one a for each sample and channel."""

    def forward(self, a: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return a.reshape(*x.shape[:2], *[1] * (x.dim() - 2)) * x + y
