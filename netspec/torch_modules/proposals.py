"""Torch modules of layers/proposals.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn


class BoxOutput(nn.Module):
    """Rows (image, x1, y1, x2, y2) of the boxes that MS-CNN's branches propose, and with `scores`
    those with the score behind.
    """

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
        self.bounds, self.counts, self.min_size, self.norm, self.scores = (
            bounds,
            counts,
            min_size,
            norm,
            scores,
        )

    @torch.no_grad()
    def forward(self, *branches: Tensor) -> "Tensor | tuple[Tensor, Tensor]":
        parts = [self.decode_branch(x, *field) for x, field in zip(branches, self.fields, strict=True)]
        boxes, scores = (torch.cat(each, 1) for each in zip(*parts, strict=True))
        rows = torch.cat([self.image(i, boxes[i], scores[i]) for i in range(len(boxes))])
        corners = torch.cat((rows[:, :3], rows[:, 1:3] + rows[:, 3:5], rows[:, 5:]), 1)
        places = corners[:, :5]
        if len(rows) == 0:
            # as in MS-CNN: there is always a region
            places, corners = places.new_tensor([[0, 1, 1, 10, 10]]), corners.new_zeros(1, 6)
        if self.scores:
            return (places[:, :, None, None], corners[:, :, None, None])
        return places[:, :, None, None]

    def decode_branch(self, x: Tensor, width: int, height: int, rate: int) -> tuple[Tensor, Tensor]:
        """Of each place of a branch: (x1, y1, width, height) within the image, and how far the best
        class lies above the background.
        """
        h, w = x.shape[2:]
        classes, offsets = x.flatten(2)[:, :-4], x.flatten(2)[:, -4:].transpose(1, 2)
        if self.norm is not None:
            mean, std = (torch.tensor(part, dtype=x.dtype, device=x.device) for part in self.norm)
            offsets = offsets * std + mean
        size = torch.tensor([width, height], dtype=x.dtype, device=x.device)
        at = torch.stack(
            torch.meshgrid(torch.arange(w, device=x.device), torch.arange(h, device=x.device), indexing="xy"),
            -1,
        )
        shift, stretch = self.bounds
        centre = offsets[..., :2].clamp(-1 / shift, 1 / shift) * size + (at.reshape(-1, 2) + 0.5) * rate
        extent = size * offsets[..., 2:].clamp(-math.log(stretch), math.log(stretch)).exp()
        corner = (centre - extent / 2).clamp_min(0)
        extent = torch.minimum(
            extent, torch.tensor([w * rate, h * rate], dtype=x.dtype, device=x.device) - corner
        )
        return torch.cat((corner, extent), -1), classes[:, 1:].amax(1) - classes[:, 0]

    def image(self, index: int, boxes: Tensor, scores: Tensor) -> Tensor:
        """Rows (image, x1, y1, width, height, score) of one image, best first; of equal scores the
        later box.
        """
        looked, kept = self.counts
        sure = (scores >= self.threshold) & (boxes[:, 2:] >= self.min_size).all(1)
        boxes, scores = boxes[sure].flip(0), scores[sure].flip(0)
        order = scores.sort(descending=True, stable=True).indices[: looked or None]
        boxes, scores = boxes[order], scores[order]
        corner, far, area = boxes[:, :2], boxes[:, :2] + boxes[:, 2:], boxes[:, 2:].prod(1)
        shared = (
            (torch.minimum(far[:, None], far[None]) - torch.maximum(corner[:, None], corner[None]))
            .clamp_min(0)
            .prod(-1)
        )
        whole = {
            "IOMU": torch.minimum(area[:, None], area[None]),
            "IOFU": area[:, None].expand_as(shared),
        }
        overlaps = (shared / whole.get(self.mode, area[:, None] + area[None] - shared)).tolist()
        found: list[int] = []
        for i in range(len(boxes)):
            if all(overlaps[j][i] <= self.overlap for j in found):
                found.append(i)
        found = found[: kept or None]
        return torch.cat((torch.full_like(scores[found, None], index), boxes[found], scores[found, None]), 1)


def anchor_boxes(
    base: int, ratios: tuple[float, ...], scales: tuple[float, ...]
) -> list[tuple[float, float, float, float]]:
    """Corners around the first place: a square of base pixels, brought to each ratio in whole
    pixels, then to each scale.
    """
    middle, found = (base - 1) / 2, []
    for ratio in ratios:
        # halves go to the even number, as with numpy in Faster R-CNN
        width = round((base * base / ratio) ** 0.5)
        height = round(width * ratio)
        for scale in scales:
            x, y = (width * scale - 1) / 2, (height * scale - 1) / 2
            found.append((middle - x, middle - y, middle + x, middle + y))
    return found


def best_apart(boxes: Tensor, overlap: float, most: int) -> Tensor:
    """Indices of boxes, which come best first, that overlap no kept one by more; at most so many,
    0: all.
    """
    size = boxes[:, 2:] - boxes[:, :2] + 1
    area, left = size.prod(1), torch.arange(len(boxes), device=boxes.device)
    kept: list[Tensor] = []
    while len(left) and (most == 0 or len(kept) < most):
        one, left = left[:1], left[1:]
        kept.append(one)
        low, high = (
            torch.maximum(boxes[one, :2], boxes[left, :2]),
            torch.minimum(boxes[one, 2:], boxes[left, 2:]),
        )
        shared = (high - low + 1).clamp_min(0).prod(1)
        left = left[shared / (area[one] + area[left] - shared) <= overlap]
    if kept:
        return torch.cat(kept)
    return left


class Proposal(nn.Module):
    """Rows (image, x1, y1, x2, y2) of the best regions, and their scores if wanted."""

    def __init__(
        self,
        ratios: tuple[float, ...],
        scales: tuple[float, ...],
        stride: int = 16,
        base: int = 16,
        least: float = 16,
        before: int = 6000,
        after: int = 300,
        overlap: float = 0.7,
        scores: bool = False,
    ) -> None:
        super().__init__()
        self.anchors = anchor_boxes(base, ratios, scales)
        self.stride, self.least, self.before, self.after, self.overlap, self.scores = (
            stride,
            least,
            before,
            after,
            overlap,
            scores,
        )

    @torch.no_grad()
    def forward(self, scores: Tensor, offsets: Tensor, info: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        n, count = len(scores), len(self.anchors)
        scores = scores[:, count:].permute(0, 2, 3, 1).reshape(n, -1)  # the first half: background
        boxes = self.decode_anchors(offsets)
        info = info.reshape(n, -1)
        found = [self.image(boxes[i], scores[i], info[i]) for i in range(n)]
        rows = torch.cat(
            [torch.cat((torch.full_like(own[:, :1], i), own), 1) for i, (own, _) in enumerate(found)]
        )
        if self.scores:
            return (rows, torch.cat([own for _, own in found])[:, None])
        return rows

    def decode_anchors(self, offsets: Tensor) -> Tensor:
        """Boxes (N, H W A, 4), places in rows, then anchors."""
        n, _, h, w = offsets.shape
        anchors = torch.tensor(self.anchors, dtype=offsets.dtype, device=offsets.device)
        y, x = (torch.arange(k, dtype=offsets.dtype, device=offsets.device) * self.stride for k in (h, w))
        shift = torch.stack((x.expand(h, w), y[:, None].expand(h, w)), -1).repeat(1, 1, 2).reshape(-1, 1, 4)
        corners = (anchors + shift).reshape(-1, 4)
        moved = offsets.permute(0, 2, 3, 1).reshape(n, -1, 4)
        size = corners[:, 2:] - corners[:, :2] + 1  # both corners are pixels of it
        centre, half = (
            corners[:, :2] + size / 2 + moved[..., :2] * size,
            moved[..., 2:].exp() * size / 2,
        )
        return torch.cat((centre - half, centre + half), -1)

    def image(self, boxes: Tensor, scores: Tensor, info: Tensor) -> tuple[Tensor, Tensor]:
        """The regions of one image and their scores, best first."""
        most = (info[:2].flip(0) - 1).repeat(2)
        boxes = torch.maximum(torch.minimum(boxes, most), torch.zeros_like(most))
        large = ((boxes[:, 2:] - boxes[:, :2] + 1) >= self.least * info[2]).all(1)
        boxes, scores = boxes[large], scores[large]
        order = scores.sort(descending=True, stable=True).indices
        order = order[: self.before] if self.before else order
        kept = order[best_apart(boxes[order], self.overlap, self.after)]
        return boxes[kept], scores[kept]
