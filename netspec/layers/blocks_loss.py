"""Torch modules for losses and metrics, with Caffe's values and gradients. Inlined into emitted files, so it needs torch alone."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LOG_FLT_MIN = math.log(1.1754943508222875e-38)
PROBABILITY_FLOOR = 1e-20
DISTANCE_EPSILON = 1e-4


def bounded(x: Tensor, least: float) -> Tensor:
    """x, at least `least`; the gradient passes as if nothing were bounded."""
    return x.detach().clamp_min(least) + (x - x.detach())


def planes(x: Tensor, axis: int) -> Tensor:
    """x as (outer, classes, inner), classes on `axis`; scores that are (outer, classes) already stay so."""
    return x if axis == 1 and x.dim() == 2 else x.reshape(math.prod(x.shape[:axis]), x.shape[axis], -1)


def normalizer(normalization: str, outer: int, count: int, valid: Tensor | None) -> Tensor | float:
    """What a summed loss is divided by: all places, those not ignored (at least 1), samples, or 1."""
    if normalization == "VALID" and valid is not None:
        return valid.sum().clamp_min(1)
    return max(1, {"FULL": count, "VALID": count, "BATCH_SIZE": outer, "NONE": 1}[normalization])


class SoftmaxWithLoss(nn.Module):
    """-sum log max(p_label, FLT_MIN) / Z; with `probabilities`, the softmax itself as a second value."""

    def __init__(self, axis: int = 1, ignore_label: int | None = None, normalization: str = "VALID", probabilities: bool = False) -> None:
        super().__init__()
        self.axis, self.normalization, self.probabilities = axis, normalization, probabilities
        self.ignore_label = ignore_label

    def forward(self, x: Tensor, label: Tensor) -> "Tensor | tuple[Tensor, Tensor]":
        scores = planes(x, self.axis)
        target = label.reshape(scores.shape[0], *scores.shape[2:]).long()
        ordinary = self.ignore_label is None and self.normalization in ("VALID", "FULL")
        words: dict[str, Any] = {
            "ignore_index": -100 if self.ignore_label is None else self.ignore_label,
            "reduction": "mean" if ordinary else "sum",
        }
        logs = F.log_softmax(scores, 1)
        loss = F.nll_loss(logs, target, **words)
        loss = F.nll_loss(logs.detach().clamp_min(LOG_FLT_MIN), target, **words) + (loss - loss.detach())
        if not ordinary:
            valid = None if self.ignore_label is None else target != self.ignore_label
            loss = loss / normalizer(self.normalization, target.shape[0], target.numel(), valid)
        return (loss, x.softmax(self.axis)) if self.probabilities else loss


class SigmoidCrossEntropyLoss(nn.Module):
    """-sum (t log s + (1 - t) log(1 - s)) / Z for s the sigmoid of the scores; with `losses`, each summand as a second value."""

    def __init__(self, ignore_label: int | None = None, normalization: str = "BATCH_SIZE", losses: bool = False) -> None:
        super().__init__()
        self.ignore_label, self.normalization, self.losses = ignore_label, normalization, losses

    def forward(self, x: Tensor, target: Tensor) -> "Tensor | tuple[Tensor, Tensor]":
        losses = F.binary_cross_entropy_with_logits(x, target.reshape(x.shape).to(x.dtype), reduction="none")
        valid = None if self.ignore_label is None else target.reshape(x.shape).trunc() != self.ignore_label
        if valid is not None:
            losses = losses.where(valid, 0.0)
        loss = losses.sum() / normalizer(self.normalization, x.shape[0], x.numel(), valid)
        return (loss, losses) if self.losses else loss


class EuclideanLoss(nn.Module):
    """sum (a - b)^2 / (2 N)."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return F.mse_loss(a, b.reshape(a.shape).to(a.dtype), reduction="sum") / (2 * a.shape[0])


class HingeLoss(nn.Module):
    """One class against the others: sum of max(0, 1 - x) for the true class and max(0, 1 + x) for each other, or of squares, over N."""

    def __init__(self, squared: bool = False) -> None:
        super().__init__()
        self.squared = squared

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        scores = x.flatten(1)
        sign = torch.ones_like(scores).scatter(1, label.reshape(-1, 1).long(), -1.0)
        margins = F.relu(1 + sign * scores)
        return (margins * margins if self.squared else margins).sum() / x.shape[0]


class ContrastiveLoss(nn.Module):
    """1/(2N) sum of d^2 for like pairs and max(margin - d, 0)^2 for others (legacy: max(margin - d^2, 0)), d the distance of a and b.

    As in Caffe the gradient of d has d + 1e-4 below the line.
    """

    def __init__(self, margin: float = 1.0, legacy_version: bool = False) -> None:
        super().__init__()
        self.margin, self.legacy_version = margin, legacy_version

    def forward(self, a: Tensor, b: Tensor, same: Tensor) -> Tensor:
        squared = (a - b).square().flatten(1).sum(1)
        if self.legacy_version:
            apart = F.relu(self.margin - squared)
        else:
            distance = squared.detach().sqrt()
            missing = F.relu(self.margin - distance)
            slope = -missing / (distance + DISTANCE_EPSILON)
            apart = missing.square() + slope * (squared - squared.detach())
        return torch.where(same.reshape(-1) != 0, squared, apart).sum() / (2 * a.shape[0])


class InfogainLoss(nn.Module):
    """-sum_l H[label, l] log max(p_l, 1e-20) / Z for p the softmax of the scores; H is the third value, or a matrix read from a file."""

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
        self.axis, self.ignore_label, self.normalization, self.probabilities = axis, ignore_label, normalization, probabilities
        if classes is not None:
            self.register_buffer("H", torch.zeros(classes, classes), persistent=False)

    def forward(self, x: Tensor, label: Tensor, matrix: Tensor | None = None) -> "Tensor | tuple[Tensor, Tensor]":
        scores = planes(x, self.axis)
        gains = (self.H if matrix is None else matrix).reshape(scores.shape[1], -1).to(x.dtype)
        target = label.reshape(scores.shape[0], *scores.shape[2:]).long()
        valid = None if self.ignore_label is None else target != self.ignore_label
        rows = gains[target if valid is None else target.where(valid, 0)].movedim(-1, 1)
        losses = -(rows * bounded(scores.log_softmax(1), math.log(PROBABILITY_FLOOR))).sum(1)
        if valid is not None:
            losses = losses.where(valid, 0.0)
        loss = losses.sum() / normalizer(self.normalization, target.shape[0], target.numel(), valid)
        return (loss, x.softmax(self.axis)) if self.probabilities else loss


class MultinomialLogisticLoss(nn.Module):
    """-1/N sum log max(p_label, 1e-20); the gradient is -1/(N max(p_label, 1e-20)) everywhere."""

    def forward(self, p: Tensor, label: Tensor) -> Tensor:
        chosen = p.flatten(1).gather(1, label.reshape(-1, 1).long())
        return -bounded(chosen, PROBABILITY_FLOOR).log().sum() / p.shape[0]


class SmoothL1Loss(nn.Module):
    """1/N sum of w_out f(w_in (a - b)), f(d) = (sigma d)^2 / 2 where |d| < 1/sigma^2, else |d| - 1/(2 sigma^2)."""

    def __init__(self, sigma: float = 1.0) -> None:
        super().__init__()
        self.beta = 1 / sigma**2

    def forward(self, a: Tensor, b: Tensor, inside: Tensor | None = None, outside: Tensor | None = None) -> Tensor:
        difference = a - b.reshape(a.shape)
        if inside is not None:
            difference = difference * inside.reshape(a.shape)
        losses = F.smooth_l1_loss(difference, torch.zeros_like(difference), reduction="none", beta=self.beta)
        if outside is not None:
            losses = losses * outside.reshape(a.shape)
        return losses.sum() / a.shape[0]


class Accuracy(nn.Module):
    """Share of places where fewer than top_k other classes score at least as much as the true one; then that share for each class.

    A true class whose score is no number counts as missed (Caffe counts it as found).
    """

    def __init__(self, top_k: int = 1, axis: int = 1, ignore_label: int | None = None, per_class: bool = False) -> None:
        super().__init__()
        self.top_k, self.axis, self.ignore_label, self.per_class = top_k, axis, ignore_label, per_class

    @torch.no_grad()
    def forward(self, x: Tensor, label: Tensor) -> "Tensor | tuple[Tensor, Tensor]":
        scores = planes(x, self.axis)
        target = label.reshape(scores.shape[0], *scores.shape[2:]).long()
        valid = torch.ones_like(target, dtype=torch.bool) if self.ignore_label is None else target != self.ignore_label
        target = target.where(valid, 0)
        own = scores.gather(1, target.unsqueeze(1))
        right = ((scores >= own).sum(1) <= self.top_k) & valid & ~own.squeeze(1).isnan()
        share = right.sum() / valid.sum().clamp_min(1).to(x.dtype)
        if not self.per_class:
            return share
        seen = torch.zeros(scores.shape[1], dtype=x.dtype, device=x.device)
        hits = seen.index_add(0, target.flatten(), right.flatten().to(x.dtype))
        return share, hits / seen.index_add(0, target.flatten(), valid.flatten().to(x.dtype)).clamp_min(1)
