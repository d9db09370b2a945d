"""Torch modules of layers/batch_norm.py that nn lacks. Inlined into emitted files, so it needs
torch alone.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BatchNorm(nn.Module):
    """Caffe's BatchNorm: neither scale nor shift. The buffers are fading sums: the mean is mean /
    scale_factor, so the variance.

    use_global_stats None: the sums in eval mode, the batch's own statistics in train mode. The
    batch's are added to the sums whenever used. by_batch: what normalises by the batch; processes
    that train together put their own there.
    """

    by_batch = staticmethod(torch.batch_norm)
    mean: Tensor
    variance: Tensor
    scale_factor: Tensor

    def __init__(
        self,
        channels: int,
        eps: float = 1e-5,
        moving_average_fraction: float = 0.999,
        use_global_stats: bool | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.zeros(channels))
        self.register_buffer("scale_factor", torch.zeros(1))
        self.eps, self.moving_average_fraction, self.use_global_stats = (
            eps,
            moving_average_fraction,
            use_global_stats,
        )

    @property
    def ungathered(self) -> bool:
        """Whether the stored statistics would be used, and there are none yet: mean and variance
        count as 0 then.
        """
        return self.use_global_stats is not False and not self.training and not bool(self.scale_factor.any())

    def forward(self, x: Tensor) -> Tensor:
        return self.normalize(x)

    def normalize(self, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        """x normalised; in the same pass times a factor of each channel, and a bias added to it."""
        if self.use_global_stats is not None:
            stored = self.use_global_stats
        else:
            stored = not self.training
        rows = x if x.dim() > 1 else x.unsqueeze(1)
        if stored:
            factor = torch.where(self.scale_factor == 0, 0.0, 1 / self.scale_factor)
            y = F.batch_norm(
                rows, factor * self.mean, factor * self.variance, weight, bias, False, 0.0, self.eps
            )
        else:
            mean, variance = torch.zeros_like(self.mean), torch.zeros_like(self.variance)
            y = self.by_batch(
                rows,
                weight,
                bias,
                mean,
                variance,
                True,
                1.0,  # momentum: this batch alone
                self.eps,
                torch.backends.cudnn.enabled,
            )
            # of one value n/(n - 1) is 1/0; Caffe takes 1
            if rows.numel() == self.mean.numel():
                variance = torch.zeros_like(variance)
            self.gather(mean, variance)
        if x.dim() > 1:  # no view: what is written over one later costs a copy of the gradient
            return y
        return y.view_as(x)

    @torch.no_grad()
    def gather(self, mean: Tensor, variance: Tensor) -> None:
        """Add a batch's statistics to the fading sums."""
        fraction = self.moving_average_fraction
        for total, now in ((self.mean, mean), (self.variance, variance)):
            torch.add(now, total, alpha=fraction, out=total)
        self.scale_factor.mul_(fraction).add_(1.0)


class SlopeBatchNorm(nn.Module):
    """The BN of forks of Caffe: slope and bias trained, mean and variance gathered; frozen: the
    gathered ones while training too.
    """

    by_batch = staticmethod(torch.batch_norm)
    moments: Any = staticmethod(torch.var_mean)
    mean: Tensor
    variance: Tensor

    def __init__(
        self,
        channels: int,
        axes: int,
        eps: float = 1e-5,
        momentum: float = 0.9,
        frozen: bool = False,
    ) -> None:
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
            return F.batch_norm(
                x, self.mean.flatten(), self.variance.flatten(), slope, bias, False, 0.0, self.eps
            )
        with torch.no_grad():
            variance, mean = self.moments(x, [0, *range(2, x.dim())], correction=0)
            self.mean.mul_(self.momentum).add_(mean.view_as(self.mean), alpha=1 - self.momentum)
            self.variance.mul_(self.momentum).add_(variance.view_as(self.variance), alpha=1 - self.momentum)
        return self.by_batch(x, slope, bias, None, None, True, 0.0, self.eps, torch.backends.cudnn.enabled)


class ScaleShiftNorm(nn.Module):
    """SegNet's BN: the batch's own statistics always, or, at inference, scale and shift alone, into
    which they were folded.
    """

    by_batch = staticmethod(torch.batch_norm)

    def __init__(self, channels: int, axes: int, eps: float = 1e-9, inference: bool = False) -> None:
        super().__init__()
        shape = (1, channels, *[1] * axes)
        self.scale = nn.Parameter(torch.empty(shape))
        self.shift = nn.Parameter(torch.empty(shape))
        self.eps, self.inference = eps, inference

    def forward(self, x: Tensor) -> Tensor:
        if self.inference:
            return x * self.scale + self.shift
        return self.by_batch(
            x,
            self.scale.flatten(),
            self.shift.flatten(),
            None,
            None,
            True,
            0.0,
            self.eps,
            torch.backends.cudnn.enabled,
        )
