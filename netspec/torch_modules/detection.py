"""Torch modules of layers/detection.py that nn lacks. Inlined into emitted files, so it needs torch alone."""

import math

import torch
from torch import Tensor, nn

REGIONS_AT_ONCE = 16


def rounded(x: Tensor) -> Tensor:
    """To the nearest whole number, halves away from zero, as C rounds."""
    return torch.sign(x) * torch.floor(x.abs() + 0.5)


def places(low: Tensor, high: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Whole places low..high - 1 of each bin, cut to 0..size - 1: places (..., longest), and which of them count."""
    low, high = low.clamp(0, size), high.clamp(0, size)
    known = low.numel() > 0 and not low.is_meta
    longest = max(1, int((high - low).max().item())) if known else 1
    at = low.unsqueeze(-1) + torch.arange(longest, device=low.device)
    return at.clamp_max(size - 1).long(), at < high.unsqueeze(-1)


class ROIPooling(nn.Module):
    """Greatest value in each bin of each region (image, x1, y1, x2, y2), widened by pad_ratio; an empty bin gives 0."""

    def __init__(self, pooled_h: int, pooled_w: int, spatial_scale: float = 1.0, pad_ratio: float = 0.0) -> None:
        super().__init__()
        self.pooled, self.spatial_scale, self.pad_ratio = (pooled_h, pooled_w), spatial_scale, pad_ratio

    def forward(self, x: Tensor, regions: Tensor) -> Tensor:
        regions = regions.reshape(len(regions), -1)
        parts = [self.pool(x, some) for some in torch.split(regions, REGIONS_AT_ONCE)]
        return torch.cat(parts) if parts else x.new_zeros(0, x.shape[1], *self.pooled)

    def pool(self, x: Tensor, regions: Tensor) -> Tensor:
        wider = (regions[:, 3:] - regions[:, 1:3] + 1) * self.pad_ratio
        corners = rounded(torch.cat((regions[:, 1:3] - wider, regions[:, 3:] + wider), 1) * self.spatial_scale)
        rows, row_counts = self.bins(corners[:, 1], corners[:, 3], self.pooled[0], x.shape[2])
        columns, column_counts = self.bins(corners[:, 0], corners[:, 2], self.pooled[1], x.shape[3])
        counts = row_counts[:, :, None, :, None] & column_counts[:, None, :, None, :]
        images = x[regions[:, 0].long()]
        one = torch.arange(len(regions), device=x.device)[:, None, None, None, None]
        values = images.movedim(1, -1)[one, rows[:, :, None, :, None], columns[:, None, :, None, :]]
        values = values.masked_fill(~counts.unsqueeze(-1), -math.inf).flatten(3, 4)
        best = values.max(3).values.movedim(-1, 1)
        return best.masked_fill(~counts.flatten(3).any(3).unsqueeze(1), 0.0)

    def bins(self, begin: Tensor, end: Tensor, count: int, size: int) -> tuple[Tensor, Tensor]:
        """Places of the bins along one axis: bin i spans floor(i s) to ceil((i + 1) s), s = length / count, from begin on."""
        step = (end - begin + 1).clamp_min(1) / count
        index = torch.arange(count, device=begin.device)
        low, high = torch.floor(index * step[:, None]), torch.ceil((index + 1) * step[:, None])
        return places(low + begin[:, None], high + begin[:, None], size)


class PSROIPooling(nn.Module):
    """Mean of each bin of each region, bin (i, j) over its own score map; an empty bin gives 0."""

    def __init__(self, output_dim: int, group_size: int, spatial_scale: float = 1.0) -> None:
        super().__init__()
        self.output_dim, self.group_size, self.spatial_scale = output_dim, group_size, spatial_scale

    def forward(self, x: Tensor, regions: Tensor) -> Tensor:
        g, regions = self.group_size, regions.reshape(len(regions), -1).to(x.dtype)
        begin = rounded(regions[:, 1:3]) * self.spatial_scale
        end = (rounded(regions[:, 3:5]) + 1) * self.spatial_scale
        step = (end - begin).clamp_min(0.1) / g
        rows = self.inside(begin[:, 1], step[:, 1], x.shape[2])
        columns = self.inside(begin[:, 0], step[:, 0], x.shape[3])
        maps = x.reshape(len(x), self.output_dim, g, g, *x.shape[2:])
        images = torch.split(regions[:, 0].long(), 1)
        parts = [torch.einsum("ncijhw,ih,jw->cij", maps.index_select(0, i), r, c) for i, r, c in zip(images, rows, columns, strict=True)]
        area = rows.sum(-1)[:, None, :, None] * columns.sum(-1)[:, None, None, :]
        return torch.stack(parts) / area.clamp_min(1) if parts else x.new_zeros(0, self.output_dim, g, g)

    def inside(self, begin: Tensor, step: Tensor, size: int) -> Tensor:
        """1 where a place lies in a bin, for each region, bin and place."""
        index = torch.arange(self.group_size, device=begin.device)
        low = torch.floor(index * step[:, None] + begin[:, None]).clamp(0, size)
        high = torch.ceil((index + 1) * step[:, None] + begin[:, None]).clamp(0, size)
        at = torch.arange(size, device=begin.device)
        return ((at >= low[..., None]) & (at < high[..., None])).to(step.dtype)


class PriorBox(nn.Module):
    """Boxes of fixed sizes around each place of a map, as shares of the image, then their variances: (1, 2, H W boxes 4)."""

    def __init__(
        self,
        sizes: tuple[tuple[float, float], ...],
        variance: tuple[float, ...],
        clip: bool = False,
        image: tuple[int, int] | None = None,
        step: tuple[float, float] | None = None,
        offset: float = 0.5,
    ) -> None:
        super().__init__()
        self.sizes, self.variance, self.clip, self.image, self.step, self.offset = sizes, variance, clip, image, step, offset

    def forward(self, x: Tensor, data: Tensor) -> Tensor:
        h, w = x.shape[2:]
        height, width = self.image or data.shape[2:]
        step_h, step_w = self.step or (height / h, width / w)
        half = torch.tensor(self.sizes, dtype=x.dtype, device=x.device) / 2
        y = ((torch.arange(h, dtype=x.dtype, device=x.device) + self.offset) * step_h)[:, None, None].expand(h, w, len(half))
        x_ = ((torch.arange(w, dtype=x.dtype, device=x.device) + self.offset) * step_w)[None, :, None].expand(h, w, len(half))
        boxes = torch.stack(
            ((x_ - half[:, 0]) / width, (y - half[:, 1]) / height, (x_ + half[:, 0]) / width, (y + half[:, 1]) / height), -1
        )
        boxes = boxes.clamp(0, 1) if self.clip else boxes
        spread = torch.tensor(self.variance, dtype=x.dtype, device=x.device).expand(h, w, len(half), 4)
        return torch.stack((boxes.reshape(-1), spread.reshape(-1)))[None]


def decoded(offsets: Tensor, priors: Tensor, variances: Tensor, code: str) -> Tensor:
    """Boxes (..., 4) from what a net says of them relative to their priors; variances of 1 where they are encoded in the target."""
    if code == "CORNER":
        return priors + offsets * variances
    size = priors[..., 2:] - priors[..., :2]
    if code == "CORNER_SIZE":
        return priors + offsets * variances * torch.cat((size, size), -1)
    centre = (priors[..., :2] + priors[..., 2:]) / 2 + offsets[..., :2] * variances[..., :2] * size
    half = size * torch.exp(offsets[..., 2:] * variances[..., 2:]) / 2
    return torch.cat((centre - half, centre + half), -1)


def kept_boxes(boxes: Tensor, scores: Tensor, threshold: float, top_k: int, eta: float) -> Tensor:
    """Indices of boxes, best first, that overlap no better one by more than the threshold, which shrinks by eta down to 0.5."""
    order = scores.sort(descending=True, stable=True).indices
    order = order[:top_k] if top_k >= 0 else order
    chosen = boxes[order]
    area = ((chosen[:, 2] - chosen[:, 0]).clamp_min(0)) * ((chosen[:, 3] - chosen[:, 1]).clamp_min(0))
    span = (torch.minimum(chosen[:, None, 2:], chosen[None, :, 2:]) - torch.maximum(chosen[:, None, :2], chosen[None, :, :2])).clamp_min(0)
    shared = span.prod(-1)
    overlaps = (shared / (area[:, None] + area[None, :] - shared)).where(shared > 0, 0.0).tolist()
    kept: list[int] = []
    for i in range(len(order)):
        if all(overlaps[i][j] <= threshold for j in kept):
            kept.append(i)
            threshold = threshold * eta if threshold > 0.5 else threshold
    return order[kept]


class DetectionOutput(nn.Module):
    """Rows (image, label, score, x1, y1, x2, y2) of what is left after decoding and suppression: (1, 1, rows, 7)."""

    def __init__(
        self,
        num_classes: int,
        share_location: bool = True,
        background: int = 0,
        nms_threshold: float = 0.3,
        top_k: int = -1,
        keep_top_k: int = -1,
        eta: float = 1.0,
        confidence: float | None = None,
        code: str = "CORNER",
        in_target: bool = False,
    ) -> None:
        super().__init__()
        self.num_classes, self.share_location, self.background = num_classes, share_location, background
        self.nms_threshold, self.top_k, self.keep_top_k, self.confidence = nms_threshold, top_k, keep_top_k, confidence
        self.code, self.in_target, self.eta = code, in_target, eta

    @torch.no_grad()
    def forward(self, locations: Tensor, confidences: Tensor, priors: Tensor) -> Tensor:
        boxes, variances = priors.reshape(2, -1, 4)
        variances = torch.ones_like(variances) if self.in_target else variances
        count = len(boxes)
        offsets = locations.reshape(len(locations), count, -1, 4)
        scores = confidences.reshape(len(locations), count, self.num_classes)
        rows = [self.image(i, decoded(offsets[i], boxes[:, None], variances[:, None], self.code), scores[i]) for i in range(len(locations))]
        found = torch.cat(rows)
        if len(found) == 0:
            found = torch.full((len(locations), 7), -1.0, dtype=locations.dtype, device=locations.device)
            found[:, 0] = torch.arange(len(locations), device=locations.device)
        return found[None, None]

    def image(self, index: int, boxes: Tensor, scores: Tensor) -> Tensor:
        """The rows of one image: classes in order, best boxes first; at most keep_top_k by score."""
        rows = []
        for label in range(self.num_classes):
            if label == self.background:
                continue
            own = boxes[:, 0 if self.share_location else label]
            sure = (
                torch.arange(len(own), device=own.device)
                if self.confidence is None
                else (scores[:, label] > self.confidence).nonzero()[:, 0]
            )
            kept = sure[kept_boxes(own[sure], scores[sure, label], self.nms_threshold, self.top_k, self.eta)]
            head = torch.stack(
                (torch.full_like(scores[kept, label], index), torch.full_like(scores[kept, label], label), scores[kept, label]), 1
            )
            rows.append(torch.cat((head, own[kept]), 1))
        found = torch.cat(rows) if rows else boxes.new_zeros(0, 7)
        if 0 <= self.keep_top_k < len(found):
            best = found[:, 2].sort(descending=True, stable=True).indices[: self.keep_top_k]
            found = found[best.sort().values]
        return found
