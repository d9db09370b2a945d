"""Torch modules of layers that forks of Caffe added. Inlined into emitted files, so it needs torch alone."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netspec.layers.blocks_loss import LOG_FLT_MIN, SoftmaxWithLoss, planes


class SoftmaxWithLossOHEM(nn.Module):
    """-sum log max(p_label, FLT_MIN) / Z; the softmax and each place's loss as second and third value, without a gradient."""

    def __init__(self, tops: int, axis: int = 1, ignore_label: int | None = None, normalization: str = "VALID") -> None:
        super().__init__()
        self.loss = SoftmaxWithLoss(axis, ignore_label, normalization)
        self.tops = tops

    def forward(self, x: Tensor, label: Tensor) -> "Tensor | tuple[Tensor, ...]":
        total: Tensor = self.loss(x, label)
        if self.tops == 1:
            return total
        with torch.no_grad():
            scores = planes(x, self.loss.axis)
            target = label.reshape(scores.shape[0], *scores.shape[2:]).long()
            ignored = -100 if self.loss.ignore_label is None else self.loss.ignore_label
            each = F.nll_loss(F.log_softmax(scores, 1).clamp_min(LOG_FLT_MIN), target, reduction="none", ignore_index=ignored)
            return (total, x.softmax(self.loss.axis), each.reshape(label.shape))[: self.tops]


class SmoothL1LossOHEM(nn.Module):
    """sum f(w (a - b)) / Z with Girshick's f; with places, sums over channels as a second value. As in the fork no w in the gradient."""

    def __init__(self, normalization: str = "VALID", fixed: float = 1.0, places: bool = False) -> None:
        super().__init__()
        self.normalization, self.fixed, self.places = normalization, fixed, places

    def forward(self, a: Tensor, b: Tensor, weight: Tensor | None = None) -> "Tensor | tuple[Tensor, Tensor]":
        gap = a - b.reshape(a.shape)
        if weight is not None:
            gap = (weight.reshape(a.shape) * gap).detach() + (gap - gap.detach())
        losses = F.smooth_l1_loss(gap, torch.zeros_like(gap), reduction="none")
        count = a.shape[0] * math.prod(a.shape[2:])
        total = losses.sum() / max(1.0, {"BATCH_SIZE": a.shape[0], "PRE_FIXED": self.fixed, "NONE": 1}.get(self.normalization, count))
        if not self.places:
            return total
        return total, losses.detach().flatten(1).view(a.shape).sum(1, keepdim=True).reshape(
            a.shape[0], 1, *a.shape[2:], *[1] * (4 - a.dim())
        )


class BoxAnnotatorOHEM(nn.Module):
    """Labels and box weights of each image's regions of greatest loss; for the others ignore_label and 0."""

    def __init__(self, roi_per_img: int, ignore_label: int = -1) -> None:
        super().__init__()
        self.roi_per_img, self.ignore_label = roi_per_img, ignore_label

    @torch.no_grad()
    def forward(self, regions: Tensor, loss: Tensor, label: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        space = (*regions.shape[2:], *[1] * (4 - regions.dim()))
        order = loss.flatten().sort(descending=True, stable=True).indices
        images = regions[:, 0].flatten().trunc()[order]
        before = (images[:, None] == images[None, :]).tril(-1).sum(1)
        counts = torch.empty_like(order, dtype=torch.bool).scatter(0, order, before < self.roi_per_img).reshape(-1, 1, *space)
        labels = label.reshape(counts.shape).to(loss.dtype)
        return labels.where(counts, self.ignore_label), weights.reshape(len(regions), -1, *space).where(counts, 0.0)


class Reorg(nn.Module):
    """Darknet's reorg: places to channels by stride x stride, over the values as the fork counts them; reverse: channels to places."""

    def __init__(self, stride: int, reverse: bool = False) -> None:
        super().__init__()
        self.stride, self.reverse = stride, reverse

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        s = self.stride
        if self.reverse:
            return x.reshape(n, s, s, -1, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, -1, h * s, w * s)
        return x.reshape(n, c // (s * s), h, s, w, s).permute(0, 3, 5, 1, 2, 4).reshape(n, c * s * s, h // s, w // s)


class MergeCrop(nn.Module):
    """The middle of b, cut to the size of a, behind a's channels or added to them; sides that pass no value or no gradient on."""

    def __init__(self, add: bool = False, forwards: tuple[bool, bool] = (True, True), backwards: tuple[bool, bool] = (True, False)) -> None:
        super().__init__()
        self.add, self.forwards, self.backwards = add, forwards, backwards

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        for axis in range(2, a.dim()):
            b = b.narrow(axis, (b.shape[axis] - a.shape[axis]) // 2, a.shape[axis])
        sides = [
            (x.detach() if passes else torch.zeros_like(x)) + (x - x.detach() if learns else 0)
            for x, passes, learns in zip((a, b), self.forwards, self.backwards, strict=True)
        ]
        return sides[0] + sides[1] if self.add else torch.cat(sides, 1)


class Flip(nn.Module):
    """Maps turned left to right, upside down, or both."""

    def __init__(self, axes: tuple[int, ...]) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        return x.flip(self.axes)


class Insanity(nn.Module):
    """ReLU whose negative values are divided: while training by numbers drawn from lb..ub, one for each, in test by their mean."""

    def __init__(self, lb: float = 5.0, ub: float = 10.0) -> None:
        super().__init__()
        self.lb, self.ub = lb, ub
        self.mean = (ub - lb) / (math.log(abs(ub)) - math.log(abs(lb)))

    def forward(self, x: Tensor) -> Tensor:
        divisor = torch.empty_like(x).uniform_(self.lb, self.ub) if self.training else self.mean
        return torch.where(x > 0, x, x / divisor)


class CenterGradient(torch.autograd.Function):
    """The centres themselves; their gradient is sum (c - x) / (1 + n) for a class with n samples, whatever the loss's weight."""

    @staticmethod
    def forward(ctx: Any, centers: Tensor, x: Tensor, label: Tensor) -> Tensor:
        ctx.save_for_backward(centers, x, label)
        return centers.index_select(0, label)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None]:
        centers, x, label = ctx.saved_tensors
        away = torch.zeros_like(centers).index_add(0, label, centers.index_select(0, label) - x)
        count = torch.ones_like(centers[:, 0]).index_add(0, label, torch.ones_like(x[:, 0]))
        return away / count[:, None], None, None


class CenterLoss(nn.Module):
    """sum |x - c_label|^2 / (2 N); centers (classes, features)."""

    def __init__(self, classes: int, features: int) -> None:
        super().__init__()
        self.center = nn.Parameter(torch.empty(classes, features))

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        rows, target = x.flatten(1), label.reshape(-1).long()
        own: Any = CenterGradient.apply(self.center, rows.detach(), target)  # type: ignore[no-untyped-call]
        loss: Tensor = (rows - own).square().sum() / (2 * x.shape[0])
        return loss


class SegAccuracy(nn.Module):
    """Share of right places, mean share of each class that occurs, mean intersection over union: (1, 1, 1, 3)."""

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
        # of equal scores the fork takes the higher class: its pairs (score, class) are sorted downwards
        guess = (classes - 1 - x.flip(1).argmax(1)).flatten()
        counted = torch.ones_like(target, dtype=torch.bool)
        for ignored in self.ignore_label:
            counted &= target != ignored
        pairs = target.where(counted, 0) * classes + guess
        seen = torch.zeros(classes * classes, dtype=torch.float64, device=x.device).index_add(0, pairs, counted.to(torch.float64))
        seen = seen.view(classes, classes)
        if not self.reset:
            self.seen = seen = seen if self.seen is None else seen + self.seen
        hits, rows = seen.diagonal(), seen.sum(1)
        union = rows + seen.sum(0) - hits
        recall = (hits / rows.clamp_min(1)).sum() / (rows > 0).sum().clamp_min(1)
        overlap = torch.where(union == hits, 1.0, hits / union.clamp_min(1)).mean()
        return torch.stack((hits.sum() / rows.sum().clamp_min(1), recall, overlap)).view(1, 1, 1, 3).to(x.dtype)


class BoxOutput(nn.Module):
    """Rows (image, x1, y1, x2, y2) of the boxes that MS-CNN's branches propose, and with `scores` those with the score behind."""

    def __init__(
        self,
        fields: tuple[tuple[int, int, int], ...],
        threshold: float,
        overlap: float,
        mode: str = "IOU",
        bounds: tuple[float, float] = (2.0, 2.0),
        counts: tuple[int, int] = (0, 0),
        min_size: float = 15.0,
        norm: Any = None,
        scores: bool = False,
    ) -> None:
        super().__init__()
        self.fields, self.threshold, self.overlap, self.mode = fields, threshold, overlap, mode
        self.bounds, self.counts, self.min_size, self.norm, self.scores = bounds, counts, min_size, norm, scores

    @torch.no_grad()
    def forward(self, *branches: Tensor) -> "Tensor | tuple[Tensor, Tensor]":
        parts = [self.decoded(x, *field) for x, field in zip(branches, self.fields, strict=True)]
        boxes, scores = (torch.cat(each, 1) for each in zip(*parts, strict=True))
        rows = torch.cat([self.image(i, boxes[i], scores[i]) for i in range(len(boxes))])
        corners = torch.cat((rows[:, :3], rows[:, 1:3] + rows[:, 3:5], rows[:, 5:]), 1)
        places = corners[:, :5]
        if len(rows) == 0:
            places, corners = places.new_tensor([[0, 1, 1, 10, 10]]), corners.new_zeros(1, 6)
        return (places[:, :, None, None], corners[:, :, None, None]) if self.scores else places[:, :, None, None]

    def decoded(self, x: Tensor, width: int, height: int, rate: int) -> tuple[Tensor, Tensor]:
        """Of each place of a branch: (x1, y1, width, height) within the image, and how far the best class lies above the background."""
        h, w = x.shape[2:]
        classes, offsets = x.flatten(2)[:, :-4], x.flatten(2)[:, -4:].transpose(1, 2)
        if self.norm is not None:
            mean, std = (torch.tensor(part, dtype=x.dtype, device=x.device) for part in self.norm)
            offsets = offsets * std + mean
        size = torch.tensor([width, height], dtype=x.dtype, device=x.device)
        at = torch.stack(torch.meshgrid(torch.arange(w, device=x.device), torch.arange(h, device=x.device), indexing="xy"), -1)
        shift, stretch = self.bounds
        centre = offsets[..., :2].clamp(-1 / shift, 1 / shift) * size + (at.reshape(-1, 2) + 0.5) * rate
        extent = size * offsets[..., 2:].clamp(-math.log(stretch), math.log(stretch)).exp()
        corner = (centre - extent / 2).clamp_min(0)
        extent = torch.minimum(extent, torch.tensor([w * rate, h * rate], dtype=x.dtype, device=x.device) - corner)
        return torch.cat((corner, extent), -1), classes[:, 1:].amax(1) - classes[:, 0]

    def image(self, index: int, boxes: Tensor, scores: Tensor) -> Tensor:
        """Rows (image, x1, y1, width, height, score) of one image, best first; of equal scores the later box."""
        looked, kept = self.counts
        sure = (scores >= self.threshold) & (boxes[:, 2:] >= self.min_size).all(1)
        boxes, scores = boxes[sure].flip(0), scores[sure].flip(0)
        order = scores.sort(descending=True, stable=True).indices[: looked or None]
        boxes, scores = boxes[order], scores[order]
        corner, far, area = boxes[:, :2], boxes[:, :2] + boxes[:, 2:], boxes[:, 2:].prod(1)
        shared = (torch.minimum(far[:, None], far[None]) - torch.maximum(corner[:, None], corner[None])).clamp_min(0).prod(-1)
        whole = {"IOMU": torch.minimum(area[:, None], area[None]), "IOFU": area[:, None].expand_as(shared)}
        overlaps = (shared / whole.get(self.mode, area[:, None] + area[None] - shared)).tolist()
        found: list[int] = []
        for i in range(len(boxes)):
            if all(overlaps[j][i] <= self.overlap for j in found):
                found.append(i)
        found = found[: kept or None]
        return torch.cat((torch.full_like(scores[found, None], index), boxes[found], scores[found, None]), 1)
