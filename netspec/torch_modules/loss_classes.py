"""Torch modules of layers/loss_classes.py that nn lacks. Inlined into emitted files, so it needs
torch alone.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netspec.torch_modules.loss import Counted, limit_below, planes

PROBABILITY_FLOOR = 1e-20  # Caffe's kLOG_THRESHOLD


class InfogainLoss(Counted):
    """-sum_l H[label, l] log max(p_l, 1e-20) / Z for p the softmax of the scores; H is the third
    value, or a matrix read from a file.
    """

    H: Tensor

    def __init__(
        self,
        axis: int = 1,
        ignore_label: int | None = None,
        normalization: str = "VALID",
        classes: int | None = None,
        probabilities: bool = False,
    ) -> None:
        super().__init__()
        self.axis, self.ignore_label, self.normalization, self.probabilities = (
            axis,
            ignore_label,
            normalization,
            probabilities,
        )
        if classes is not None:
            self.register_buffer("H", torch.zeros(classes, classes), persistent=False)

    def forward(
        self, x: Tensor, label: Tensor, matrix: Tensor | None = None
    ) -> "Tensor | tuple[Tensor, Tensor]":
        scores = planes(x, self.axis)
        gains = (self.H if matrix is None else matrix).reshape(scores.shape[1], -1).to(x.dtype)
        target = label.reshape(scores.shape[0], *scores.shape[2:]).long()
        valid = None if self.ignore_label is None else target != self.ignore_label
        rows = gains[target if valid is None else target.where(valid, 0)].movedim(-1, 1)
        losses = -(rows * limit_below(scores.log_softmax(1), math.log(PROBABILITY_FLOOR))).sum(1)
        if valid is not None:
            losses = losses.where(valid, 0.0)
        loss = losses.sum() / self.normalizer(self.normalization, target.shape[0], target.numel(), valid)
        if self.probabilities:
            return (loss, x.softmax(self.axis))
        return loss


class MultinomialLogisticLoss(nn.Module):
    """-1/N sum log max(p_label, 1e-20); the gradient is -1/(N max(p_label, 1e-20)) everywhere."""

    def forward(self, p: Tensor, label: Tensor) -> Tensor:
        chosen = p.flatten(1).gather(1, label.reshape(-1, 1).long())
        return -limit_below(chosen, PROBABILITY_FLOOR).log().sum() / p.shape[0]


class BinaryCrossEntropyLoss(nn.Module):
    """Mean cross-entropy of probabilities against targets between 0 and 1."""

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        t = target.reshape(x.shape)
        return -(
            t * x.clamp_min(PROBABILITY_FLOOR).log() + (1 - t) * (1 - x).clamp_min(PROBABILITY_FLOOR).log()
        ).mean()


class Labelled(Counted):
    """Losses of scores against labels: a mean over the places that count."""

    def __init__(self, axis: int = 1, ignore_label: "int | None" = None) -> None:
        super().__init__()
        self.axis, self.ignore_label = axis, ignore_label

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        logs, target = (
            F.log_softmax(x.movedim(self.axis, -1).flatten(0, -2), -1),
            label.flatten().long(),
        )
        if self.ignore_label is None:
            return self.losses(logs, target).mean()
        counts = target != self.ignore_label
        # an ignored label may be no class: it reads class 0 and counts 0
        return (self.losses(logs, target * counts) * counts).sum() / self.by_count(counts.sum())

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

    def __init__(
        self, gamma: float, alpha: float = 1.0, axis: int = 1, ignore_label: "int | None" = None
    ) -> None:
        super().__init__(axis, ignore_label)
        self.gamma, self.alpha = gamma, alpha

    def losses(self, logs: Tensor, label: Tensor) -> Tensor:
        at_label = logs.gather(1, label[:, None]).squeeze(1)
        # of a gamma below 1 the slope at 0 is infinite
        return -self.alpha * (1 - at_label.exp()).clamp_min(1e-12) ** self.gamma * at_label
