"""Torch modules of layers/hard_examples.py that nn lacks. Inlined into emitted files, so it needs
torch alone.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netspec.torch_modules.loss import LOG_FLT_MIN, Counted, SoftmaxWithLoss, planes


class SoftmaxWithLossOHEM(nn.Module):
    """-sum log max(p_label, FLT_MIN) / Z; the softmax and each place's loss as second and third
    value, without a gradient.
    """

    def __init__(
        self,
        tops: int,
        axis: int = 1,
        ignore_label: int | None = None,
        normalization: str = "VALID",
        class_weight: "tuple[float, ...] | None" = None,
        balanced: int | None = None,
    ) -> None:
        super().__init__()
        self.loss = SoftmaxWithLoss(axis, ignore_label, normalization, False, class_weight, balanced)
        self.tops = tops

    def forward(self, x: Tensor, label: Tensor) -> "Tensor | tuple[Tensor, ...]":
        total: Tensor = self.loss(x, label)
        if self.tops == 1:
            return total
        with torch.no_grad():
            scores = planes(x, self.loss.axis)
            if label.is_floating_point() and label.shape == x.shape and scores.shape[1] > 1:
                logs = F.log_softmax(scores, 1).clamp_min(LOG_FLT_MIN)
                losses = -(planes(label.to(x.dtype), self.loss.axis) * logs).sum(1)
                places = x.select(self.loss.axis, 0).shape
                return (total, x.softmax(self.loss.axis), losses.reshape(places))[: self.tops]
            target = label.reshape(scores.shape[0], *scores.shape[2:]).long()
            if self.loss.ignore_label is None:
                ignored = -100  # torch's own: no label
            else:
                ignored = self.loss.ignore_label
            each = F.nll_loss(
                F.log_softmax(scores, 1).clamp_min(LOG_FLT_MIN),
                target,
                reduction="none",
                ignore_index=ignored,
            )
            return (total, x.softmax(self.loss.axis), each.reshape(label.shape))[: self.tops]


class SmoothL1LossOHEM(Counted):
    """sum f(w (a - b)) / Z with Girshick's f; with places, sums over channels as a second value. As
    in the fork no w in the gradient.
    """

    def __init__(self, normalization: str = "VALID", fixed: float = 1.0, places: bool = False) -> None:
        super().__init__()
        self.normalization, self.fixed, self.places = normalization, fixed, places

    def forward(self, a: Tensor, b: Tensor, weight: Tensor | None = None) -> "Tensor | tuple[Tensor, Tensor]":
        gap = a - b.reshape(a.shape)
        if weight is not None:
            gap = (weight.reshape(a.shape) * gap).detach() + (gap - gap.detach())
        losses = F.smooth_l1_loss(gap, torch.zeros_like(gap), reduction="none")
        count = a.shape[0] * math.prod(a.shape[2:])
        if self.normalization in ("PRE_FIXED", "NONE"):
            divisor = self.by_count(self.fixed)
        else:
            divisor = max(1, a.shape[0] if self.normalization == "BATCH_SIZE" else count)
        total = losses.sum() / divisor
        if not self.places:
            return total
        return total, losses.detach().flatten(1).view(a.shape).sum(1, keepdim=True).reshape(
            a.shape[0], 1, *a.shape[2:], *[1] * (4 - a.dim())
        )


class BoxAnnotatorOHEM(nn.Module):
    """Labels and box weights of each image's regions of greatest loss; for the others ignore_label
    and 0.
    """

    def __init__(self, roi_per_img: int, ignore_label: int = -1) -> None:
        super().__init__()
        self.roi_per_img, self.ignore_label = roi_per_img, ignore_label

    @torch.no_grad()
    def forward(self, regions: Tensor, loss: Tensor, label: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        space = (*regions.shape[2:], *[1] * (4 - regions.dim()))
        order = loss.flatten().sort(descending=True, stable=True).indices
        images = regions[:, 0].flatten().trunc()[order]
        before = (images[:, None] == images[None, :]).tril(-1).sum(1)
        counts = (
            torch.empty_like(order, dtype=torch.bool)
            .scatter(0, order, before < self.roi_per_img)
            .reshape(-1, 1, *space)
        )
        labels = label.reshape(counts.shape).to(loss.dtype)
        return labels.where(counts, self.ignore_label), weights.reshape(len(regions), -1, *space).where(
            counts, 0.0
        )
