"""Torch modules of layers/loss_segmentation.py that nn lacks. Inlined into emitted files, so it
needs torch alone.
"""

import torch
from torch import Tensor, nn


class DiceLoss(nn.Module):
    """1 - mean_k (2 sum p_k t_k + s) / (sum p_k + sum t_k + s) over the places that count.

    over_all: what a sum comes to; processes that train together put theirs there.
    """

    over_all = staticmethod(torch.positive)

    def __init__(self, smooth: float = 1.0, axis: int = 1, ignore_label: "int | None" = None) -> None:
        super().__init__()
        self.smooth, self.axis, self.ignore_label = smooth, axis, ignore_label

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        p, target = x.softmax(self.axis).movedim(self.axis, -1).flatten(0, -2), label.flatten()
        t = (target[:, None] == torch.arange(p.shape[1], device=x.device)).to(x.dtype)
        if self.ignore_label is not None:
            counts = (target != self.ignore_label)[:, None]
            p, t = p * counts, t * counts
        hits, both = self.over_all(torch.stack(((p * t).sum(0), p.sum(0) + t.sum(0))))
        loss: Tensor = 1 - ((2 * hits + self.smooth) / (both + self.smooth)).mean()
        return loss


class ByClass(nn.Module):
    """Mean over classes that occur of a measure of hits, answers and labels; with per_class, each
    class's as a second value.
    """

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
        if self.per_class:
            return (mean, each)
        return mean

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
