"""Torch modules of losses beyond Caffe's. Inlined into emitted files, so it needs torch alone."""

import torch
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


class DiceLoss(nn.Module):
    """1 - mean_k (2 sum p_k t_k + s) / (sum p_k + sum t_k + s) over the places that count."""

    def __init__(self, smooth: float = 1.0, axis: int = 1, ignore_label: "int | None" = None) -> None:
        super().__init__()
        self.smooth, self.axis, self.ignore_label = smooth, axis, ignore_label

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        p, target = x.softmax(self.axis).movedim(self.axis, -1).flatten(0, -2), label.flatten()
        t = (target[:, None] == torch.arange(p.shape[1], device=x.device)).to(x.dtype)
        if self.ignore_label is not None:
            counts = (target != self.ignore_label)[:, None]
            p, t = p * counts, t * counts
        return 1 - ((2 * (p * t).sum(0) + self.smooth) / (p.sum(0) + t.sum(0) + self.smooth)).mean()


class CTCLoss(nn.Module):
    """-log of the probability of all paths that spell the labels, a mean over streams; blanks among the labels are no labels."""

    def __init__(self, blank: int = 0) -> None:
        super().__init__()
        self.blank = blank

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        empty = label.long() == self.blank
        packed = label.long().gather(1, empty.long().argsort(stable=True, dim=1))
        steps = torch.full((x.shape[1],), x.shape[0], dtype=torch.long, device=x.device)
        logs = F.log_softmax(x, 2)
        if logs.is_meta:  # torch knows no shapes of ctc_loss
            return logs.sum()
        losses = F.ctc_loss(logs, packed, steps, (~empty).sum(1), self.blank, "none", zero_infinity=True)
        return losses.mean()


class ByClass(nn.Module):
    """Mean over classes that occur of a measure of hits, answers and labels; with per_class, each class's as a second value."""

    def __init__(self, axis: int = 1, ignore_label: "int | None" = None, per_class: bool = False) -> None:
        super().__init__()
        self.axis, self.ignore_label, self.per_class = axis, ignore_label, per_class

    def forward(self, x: Tensor, label: Tensor) -> "Tensor | tuple[Tensor, Tensor]":
        classes = torch.arange(x.shape[self.axis], device=x.device)
        answer = x.argmax(self.axis).flatten()[:, None] == classes
        truth = label.flatten()[:, None] == classes
        if self.ignore_label is not None:
            counts = label.flatten()[:, None] != self.ignore_label
            answer, truth = answer & counts, truth & counts
        hits, answers, labels = ((m.sum(0)).to(x.dtype) for m in (answer & truth, answer, truth))
        occurs = answers + labels > 0
        each = self.measure(hits, answers + labels) * occurs
        mean = each.sum() / occurs.sum().clamp_min(1)
        return (mean, each) if self.per_class else mean

    def measure(self, hits: Tensor, both: Tensor) -> Tensor:
        """The measure of each class; both is the number of answers and labels, which may be 0."""
        raise NotImplementedError


class IoU(ByClass):
    """Hits over the union of answers and labels."""

    def measure(self, hits: Tensor, both: Tensor) -> Tensor:
        return hits / (both - hits).clamp_min(1)


class F1(ByClass):
    """Twice the hits over answers and labels together."""

    def measure(self, hits: Tensor, both: Tensor) -> Tensor:
        return 2 * hits / both.clamp_min(1)
