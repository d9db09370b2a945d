"""Torch modules of losses beyond Caffe's. Inlined into emitted files, so it needs torch alone."""

import torch.nn.functional as F
from torch import Tensor, nn


class MSELoss(nn.Module):
    """Mean of (a - b)^2 over all elements."""

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(x.flatten(), target.flatten())


class L1Loss(nn.Module):
    """Mean of |a - b| over all elements."""

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(x.flatten(), target.flatten())


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


class BinaryCrossEntropyLoss(nn.Module):
    """Mean cross-entropy of probabilities against targets between 0 and 1."""

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        t = target.reshape(x.shape)
        return -(t * x.clamp_min(1e-20).log() + (1 - t) * (1 - x).clamp_min(1e-20).log()).mean()


class Labelled(nn.Module):
    """Losses of scores against labels: a mean over the places that count."""

    def __init__(self, axis: int = 1, ignore_label: "int | None" = None) -> None:
        super().__init__()
        self.axis, self.ignore_label = axis, ignore_label

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        logs, target = F.log_softmax(x.movedim(self.axis, -1).flatten(0, -2), -1), label.flatten().long()
        if self.ignore_label is None:
            return self.losses(logs, target).mean()
        counts = target != self.ignore_label
        return (self.losses(logs, target * counts) * counts).sum() / counts.sum().clamp_min(1)

    def losses(self, logs: Tensor, label: Tensor) -> Tensor:
        """The loss of each place from its log-probabilities."""
        raise NotImplementedError


class LabelSmoothingLoss(Labelled):
    """-((1 - e) log p_label + e mean_k log p_k)."""

    def __init__(self, smoothing: float, axis: int = 1, ignore_label: "int | None" = None) -> None:
        super().__init__(axis, ignore_label)
        self.smoothing = smoothing

    def losses(self, logs: Tensor, label: Tensor) -> Tensor:
        at_label = logs.gather(1, label[:, None]).squeeze(1)
        return -((1 - self.smoothing) * at_label + self.smoothing * logs.mean(1))


class FocalLoss(Labelled):
    """-alpha (1 - p_label)^gamma log p_label."""

    def __init__(self, gamma: float, alpha: float = 1.0, axis: int = 1, ignore_label: "int | None" = None) -> None:
        super().__init__(axis, ignore_label)
        self.gamma, self.alpha = gamma, alpha

    def losses(self, logs: Tensor, label: Tensor) -> Tensor:
        at_label = logs.gather(1, label[:, None]).squeeze(1)
        return -self.alpha * (1 - at_label.exp()).clamp_min(1e-12) ** self.gamma * at_label
