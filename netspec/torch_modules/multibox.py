"""Torch modules of layers/multibox.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from netspec.torch_modules.loss import LOG_FLT_MIN, Counted, limit_below

LEAST_OVERLAP = 1e-6  # the fork's: less is none


def jaccard(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes (A, 4) and (B, 4) of corners: (A, B), 0 where they do not
    meet.
    """
    span = (
        torch.minimum(a[:, None, 2:], b[None, :, 2:]) - torch.maximum(a[:, None, :2], b[None, :, :2])
    ).clamp_min(0)
    shared = span.prod(-1)
    areas = [(x[:, 2:] - x[:, :2]).clamp_min(0).prod(1) for x in (a, b)]
    return (shared / (areas[0][:, None] + areas[1][None] - shared)).where(shared > 0, 0.0)


def encode_boxes(boxes: Tensor, priors: Tensor, variances: Tensor, code: str) -> Tensor:
    """What a net should say of boxes relative to their priors."""
    if code == "CORNER":
        return (boxes - priors) / variances
    size = priors[:, 2:] - priors[:, :2]
    if code == "CORNER_SIZE":
        return (boxes - priors) / torch.cat((size, size), 1) / variances
    centre = (boxes[:, :2] + boxes[:, 2:] - priors[:, :2] - priors[:, 2:]) / 2 / size
    return torch.cat((centre, ((boxes[:, 2:] - boxes[:, :2]) / size).log()), 1) / variances


def select_rows(rows: Tensor, counts: Tensor) -> Tensor:
    """The rows that count, and one of zeros, which no prior overlaps: an image may have no box.
    Where values are unknown (meta), all.
    """
    chosen = rows if rows.is_meta else rows[counts]
    return torch.cat((chosen, rows.new_zeros(1, rows.shape[1])))


class MultiBoxLoss(Counted):
    """SSD's loss of offsets and scores. overlap None: one prior for each box; misses: how many for
    each match, and their most overlap.
    """

    def __init__(
        self,
        num_classes: int,
        code: str = "CORNER",
        background: int = 0,
        overlap: float | None = 0.5,
        misses: tuple[float, float] | None = (3.0, 0.5),
        logistic: bool = False,
        square: bool = False,
        weight: float = 1.0,
        in_target: bool = False,
        difficult: bool = True,
        normalization: str = "VALID",
    ) -> None:
        super().__init__()
        self.num_classes, self.code, self.background, self.overlap, self.misses = (
            num_classes,
            code,
            background,
            overlap,
            misses,
        )
        self.logistic, self.square, self.weight = logistic, square, weight
        self.in_target, self.difficult, self.normalization = in_target, difficult, normalization

    def forward(self, offsets: Tensor, scores: Tensor, priors: Tensor, truth: Tensor) -> Tensor:
        boxes, variances = priors.detach().reshape(2, -1, 4)
        if self.in_target:
            variances = torch.ones_like(variances)
        rows = truth.detach().reshape(-1, 8)
        offsets, scores = (
            offsets.reshape(len(offsets), -1, 4),
            scores.reshape(len(scores), -1, self.num_classes),
        )
        total, matches = offsets.new_zeros(()), offsets.new_zeros(())
        for i in range(len(offsets)):
            counts = (rows[:, 0].trunc() == i) & (self.difficult | (rows[:, 7] == 0))
            truths = select_rows(rows, counts)
            match, best = self.match_priors(boxes, truths[:, 3:7])
            found, own = match >= 0, truths[match.clamp_min(0)]
            # without a match the distance is 0, and so is its gradient
            away = offsets[i] - encode_boxes(own[:, 3:7], boxes, variances, self.code).where(
                found[:, None], offsets[i].detach()
            )
            still = torch.zeros_like(away)
            if self.square:
                place = away.square().sum() / 2
            else:
                place = F.smooth_l1_loss(away, still, reduction="sum")
            label = own[:, 1].long().where(found, self.background)
            total = total + self.weight * place + self.of_scores(scores[i], label, found, best)
            matches = matches + found.sum()
        return total / self.normalizer(self.normalization, len(offsets), len(offsets) * len(boxes), matches)

    @torch.no_grad()
    def match_priors(self, priors: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """For each prior the box that it is matched to, or -1; and the most that it overlaps
        any.
        """
        overlaps = jaccard(priors, boxes)
        overlaps = overlaps.where(overlaps > LEAST_OVERLAP, 0.0)
        best, nearest = overlaps.max(1).values, overlaps.argmax(1)
        match, left = torch.full_like(nearest, -1), overlaps.clone()
        number = torch.arange(len(priors), device=priors.device)
        # each box takes one; the last row is none
        for _ in range(len(boxes) - 1):
            at = left.argmax()
            prior, box = at // len(boxes), at % len(boxes)
            match = torch.where((number == prior) & (left.max() > 0), box, match)
            left = left * (number != prior)[:, None] * (torch.arange(len(boxes), device=priors.device) != box)
        if self.overlap is not None:
            match = nearest.where((match < 0) & (best > 0) & (best >= self.overlap), match)
        return match, best

    def of_scores(self, scores: Tensor, label: Tensor, found: Tensor, best: Tensor) -> Tensor:
        """Cross-entropy of the matches and of the misses that cost most."""
        losses = self.entropy(scores, label)
        if self.misses is None:
            return losses.sum()
        ratio, most = self.misses
        miss = ~found & (best < most)
        order = losses.detach().masked_fill(~miss, -torch.inf).sort(descending=True, stable=True).indices
        rank = torch.empty_like(order).scatter(0, order, torch.arange(len(order), device=order.device))
        # the fork cuts to an int
        return (losses * (found | (miss & (rank < (found.sum() * ratio).trunc())))).sum()

    def entropy(self, scores: Tensor, label: Tensor) -> Tensor:
        if self.logistic:
            target = F.one_hot(label, self.num_classes).to(scores.dtype)
            return F.binary_cross_entropy_with_logits(scores, target, reduction="none").sum(1)
        logs: Any = limit_below(scores.log_softmax(1), LOG_FLT_MIN)
        return -logs.gather(1, label[:, None])[:, 0]  # type: ignore[no-any-return]
