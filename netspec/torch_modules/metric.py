"""Torch modules of layers/metric.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

import torch
from torch import Tensor, nn

from netspec.torch_modules.loss import planes


class SegAccuracy(nn.Module):
    """Share of right places, mean share of each class that occurs, mean intersection over union:
    (1, 1, 1, 3).
    """

    def __init__(self, ignore_label: tuple[int, ...] = (), reset: bool = True) -> None:
        super().__init__()
        self.ignore_label, self.reset = ignore_label, reset
        self.seen: Tensor | None = None

    def reset_state(self) -> None:
        """Forget the calls before."""
        self.seen = None

    @torch.no_grad()
    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        classes, target = x.shape[1], label.flatten().long()
        # of equal scores the fork takes the higher class: its pairs (score, class) are sorted
        # downwards
        guess = (classes - 1 - x.flip(1).argmax(1)).flatten()
        counted = torch.ones_like(target, dtype=torch.bool)
        for ignored in self.ignore_label:
            counted &= target != ignored
        pairs = target.where(counted, 0) * classes + guess
        # float32 counts to 2^24
        seen = torch.zeros(classes * classes, dtype=torch.float64, device=x.device).index_add(
            0, pairs, counted.to(torch.float64)
        )
        seen = seen.view(classes, classes)
        if not self.reset:
            self.seen = seen = seen if self.seen is None else seen + self.seen
        hits, rows = seen.diagonal(), seen.sum(1)
        union = rows + seen.sum(0) - hits
        recall = (hits / rows.clamp_min(1)).sum() / (rows > 0).sum().clamp_min(1)
        overlap = torch.where(union == hits, 1.0, hits / union.clamp_min(1)).mean()
        return (
            torch.stack((hits.sum() / rows.sum().clamp_min(1), recall, overlap)).view(1, 1, 1, 3).to(x.dtype)
        )


class Accuracy(nn.Module):
    """Share of places where fewer than top_k other classes score at least as much as the true one;
    then that share for each class.

    A true class whose score is no number counts as missed (Caffe counts it as found).
    """

    def __init__(
        self,
        top_k: int = 1,
        axis: int = 1,
        ignore_label: int | None = None,
        per_class: bool = False,
    ) -> None:
        super().__init__()
        self.top_k, self.axis, self.ignore_label, self.per_class = (
            top_k,
            axis,
            ignore_label,
            per_class,
        )

    @torch.no_grad()
    def forward(self, x: Tensor, label: Tensor) -> "Tensor | tuple[Tensor, Tensor]":
        scores = planes(x, self.axis)
        target = label.reshape(scores.shape[0], *scores.shape[2:]).long()
        if self.ignore_label is None:
            valid = torch.ones_like(target, dtype=torch.bool)
        else:
            valid = target != self.ignore_label
        target = target.where(valid, 0)
        own = scores.gather(1, target.unsqueeze(1))
        right = ((scores >= own).sum(1) <= self.top_k) & valid & ~own.squeeze(1).isnan()
        share = right.sum() / valid.sum().clamp_min(1).to(x.dtype)
        if not self.per_class:
            return share
        seen = torch.zeros(scores.shape[1], dtype=x.dtype, device=x.device)
        hits = seen.index_add(0, target.flatten(), right.flatten().to(x.dtype))
        return share, hits / seen.index_add(0, target.flatten(), valid.flatten().to(x.dtype)).clamp_min(1)
