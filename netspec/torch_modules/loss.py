"""Torch modules of layers/loss.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# of FLT_MIN, by which Caffe bounds a probability before it takes the logarithm
LOG_FLT_MIN = math.log(1.1754943508222875e-38)


def limit_below(x: Tensor, least: float) -> Tensor:
    """x, at least `least`; the gradient passes as if nothing were bounded."""
    return x.detach().clamp_min(least) + (x - x.detach())


def planes(x: Tensor, axis: int) -> Tensor:
    """x as (outer, classes, inner), classes on `axis`, without the inner axis where they stand last:
    the softmax of rows is several times as fast.
    """
    if axis == x.dim() - 1:
        return x.reshape(-1, x.shape[axis])
    return x.reshape(math.prod(x.shape[:axis]), x.shape[axis], -1)


def sum_weighted(x: Tensor, weights: Tensor | None) -> Tensor:
    """The sum of all values, each times its weight."""
    if weights is None:
        return x.sum()
    return (x * weights).sum()


def limit_count(count: Tensor | float, least: float = 1) -> Tensor | float:
    """What counts, at least `least`."""
    if isinstance(count, Tensor):
        return count.clamp_min(least)
    return max(least, count)


class Counted(nn.Module):
    """A loss that is a sum, divided by what counts. by_count: that divisor, of this call's count
    (of a number: of what stands for all); processes that train together put their own there.
    """

    by_count = staticmethod(limit_count)

    def normalizer(self, normalization: str, outer: int, count: int, valid: Tensor | None) -> Tensor | float:
        """What a summed loss is divided by: all places, those not ignored (at least 1), samples, or
        1.
        """
        if normalization == "VALID" and valid is not None:
            return self.by_count(valid.sum())
        if normalization == "NONE":
            return self.by_count(1)
        return max(1, {"FULL": count, "VALID": count, "BATCH_SIZE": outer}[normalization])


class SoftmaxWithLoss(Counted):
    """-sum w[label] log max(p_label, FLT_MIN) / Z; with `probabilities`, the softmax itself as a
    second value.

    class_weight: w, by which VALID divides too. balanced: so many classes, whose w training sets;
    until then it is 1.
    """

    class_weight: Tensor | None

    def __init__(
        self,
        axis: int = 1,
        ignore_label: int | None = None,
        normalization: str = "VALID",
        probabilities: bool = False,
        class_weight: "tuple[float, ...] | None" = None,
        balanced: int | None = None,
    ) -> None:
        super().__init__()
        self.axis, self.normalization, self.probabilities = axis, normalization, probabilities
        self.ignore_label = ignore_label
        weight = (1.0,) * balanced if balanced is not None else class_weight
        self.register_buffer("class_weight", None, persistent=False)
        if weight is not None:
            self.class_weight = torch.tensor(weight)

    def forward(self, x: Tensor, label: Tensor) -> "Tensor | tuple[Tensor, Tensor]":
        scores = planes(x, self.axis)
        if label.is_floating_point() and label.shape == x.shape and scores.shape[1] > 1:
            loss = self.by_shares(F.log_softmax(scores, 1), planes(label.to(x.dtype), self.axis))
            return (loss, x.softmax(self.axis)) if self.probabilities else loss
        target = label.reshape(scores.shape[0], *scores.shape[2:]).long()
        ignored = -100 if self.ignore_label is None else self.ignore_label
        losses = F.nll_loss(F.log_softmax(scores, 1), target, ignore_index=ignored, reduction="none")
        weights = self.weights_of(target, x.dtype)
        loss = sum_weighted(losses, weights)
        # the value is bounded, the gradient is not
        bounded = sum_weighted(losses.detach().clamp_max(-LOG_FLT_MIN), weights)
        loss = (bounded + (loss - loss.detach())) / self.divisor(target, weights)
        if self.probabilities:
            return (loss, x.softmax(self.axis))
        return loss

    def by_shares(self, logs: Tensor, shares: Tensor) -> Tensor:
        """The same against shares of the classes, which sum to 1 at each place; none is ignored."""
        count = shares[:, :1].numel()
        if self.class_weight is None:
            divisor = self.normalizer(self.normalization, logs.shape[0], count, None)
        else:
            shares = shares * self.class_weight.to(shares.dtype).reshape(1, -1, *(1,) * (shares.dim() - 2))
            divisor = self.normalizer(self.normalization, logs.shape[0], count, None)
            if self.normalization == "VALID":
                # unlike a count, a sum of weights may lie below 1
                divisor = self.by_count(shares.sum(), 1e-30)
        return -(shares * limit_below(logs, LOG_FLT_MIN)).sum() / divisor

    def weights_of(self, target: Tensor, dtype: torch.dtype) -> Tensor | None:
        """w at each place, 0 where it is ignored; None where all weigh the same."""
        if self.class_weight is None:
            return None
        weight = self.class_weight.to(dtype)
        if self.ignore_label is None:
            return weight[target]
        valid = target != self.ignore_label
        return weight[target.where(valid, 0)] * valid

    def divisor(self, target: Tensor, weights: Tensor | None) -> Tensor | float:
        """Z: of weighted classes the sum of their weights, where it is not a count by its name."""
        if weights is None or self.normalization != "VALID":
            valid = None if self.ignore_label is None else target != self.ignore_label
            return self.normalizer(self.normalization, target.shape[0], target.numel(), valid)
        # where none counts the summed loss is 0: it stays so
        # unlike a count, a sum of weights may lie below 1
        return self.by_count(weights.sum(), 1e-30)


class SigmoidCrossEntropyLoss(Counted):
    """-sum (t log s + (1 - t) log(1 - s)) / Z for s the sigmoid of the scores; with `losses`,
    each summand as a second value.
    """

    def __init__(
        self,
        ignore_label: int | None = None,
        normalization: str = "BATCH_SIZE",
        losses: bool = False,
    ) -> None:
        super().__init__()
        self.ignore_label, self.normalization, self.losses = ignore_label, normalization, losses

    def forward(self, x: Tensor, target: Tensor) -> "Tensor | tuple[Tensor, Tensor]":
        losses = F.binary_cross_entropy_with_logits(x, target.reshape(x.shape).to(x.dtype), reduction="none")
        # Caffe compares what int() makes of a target
        valid = None if self.ignore_label is None else target.reshape(x.shape).trunc() != self.ignore_label
        if valid is not None:
            losses = losses.where(valid, 0.0)
        loss = losses.sum() / self.normalizer(self.normalization, x.shape[0], x.numel(), valid)
        if self.losses:
            return (loss, losses)
        return loss


class EuclideanLoss(nn.Module):
    """sum (a - b)^2 / (2 N)."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return F.mse_loss(a, b.reshape(a.shape).to(a.dtype), reduction="sum") / (2 * a.shape[0])


class HingeLoss(nn.Module):
    """One class against the others: sum of max(0, 1 - x) for the true class and max(0, 1 + x) for
    each other, or of squares, over N.
    """

    def __init__(self, squared: bool = False) -> None:
        super().__init__()
        self.squared = squared

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        scores = x.flatten(1)
        sign = torch.ones_like(scores).scatter(1, label.reshape(-1, 1).long(), -1.0)
        margins = F.relu(1 + sign * scores)
        return (margins * margins if self.squared else margins).sum() / x.shape[0]
