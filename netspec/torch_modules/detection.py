"""Torch modules of layers/detection.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

import torch
from torch import Tensor, nn


class PriorBox(nn.Module):
    """Boxes of fixed sizes around each place of a map, as shares of the image, then their
    variances: (1, 2, H W boxes 4).
    """

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
        self.sizes, self.variance, self.clip, self.image, self.step, self.offset = (
            sizes,
            variance,
            clip,
            image,
            step,
            offset,
        )

    def forward(self, x: Tensor, data: Tensor) -> Tensor:
        h, w = x.shape[2:]
        height, width = self.image or data.shape[2:]
        step_h, step_w = self.step or (height / h, width / w)
        half = torch.tensor(self.sizes, dtype=x.dtype, device=x.device) / 2
        y = ((torch.arange(h, dtype=x.dtype, device=x.device) + self.offset) * step_h)[:, None, None].expand(
            h, w, len(half)
        )
        x_ = ((torch.arange(w, dtype=x.dtype, device=x.device) + self.offset) * step_w)[None, :, None].expand(
            h, w, len(half)
        )
        boxes = torch.stack(
            (
                (x_ - half[:, 0]) / width,
                (y - half[:, 1]) / height,
                (x_ + half[:, 0]) / width,
                (y + half[:, 1]) / height,
            ),
            -1,
        )
        boxes = boxes.clamp(0, 1) if self.clip else boxes
        spread = torch.tensor(self.variance, dtype=x.dtype, device=x.device).expand(h, w, len(half), 4)
        return torch.stack((boxes.reshape(-1), spread.reshape(-1)))[None]


def decode_boxes(offsets: Tensor, priors: Tensor, variances: Tensor, code: str) -> Tensor:
    """Boxes (..., 4) from what a net says of them relative to their priors; variances of 1 where
    they are encoded in the target.
    """
    if code == "CORNER":
        return priors + offsets * variances
    size = priors[..., 2:] - priors[..., :2]
    if code == "CORNER_SIZE":
        return priors + offsets * variances * torch.cat((size, size), -1)
    centre = (priors[..., :2] + priors[..., 2:]) / 2 + offsets[..., :2] * variances[..., :2] * size
    half = size * torch.exp(offsets[..., 2:] * variances[..., 2:]) / 2
    return torch.cat((centre - half, centre + half), -1)


def select_boxes(boxes: Tensor, scores: Tensor, threshold: float, top_k: int, eta: float) -> Tensor:
    """Indices of boxes, best first, that overlap no better one by more than the threshold, which
    shrinks by eta down to 0.5.
    """
    order = scores.sort(descending=True, stable=True).indices
    order = order[:top_k] if top_k >= 0 else order
    chosen = boxes[order]
    area = ((chosen[:, 2] - chosen[:, 0]).clamp_min(0)) * ((chosen[:, 3] - chosen[:, 1]).clamp_min(0))
    span = (
        torch.minimum(chosen[:, None, 2:], chosen[None, :, 2:])
        - torch.maximum(chosen[:, None, :2], chosen[None, :, :2])
    ).clamp_min(0)
    shared = span.prod(-1)
    # boxes without area are 0/0; a list, since the loop would wait for the device at each
    overlaps = (shared / (area[:, None] + area[None, :] - shared)).where(shared > 0, 0.0).tolist()
    kept: list[int] = []
    for i in range(len(order)):
        if all(overlaps[i][j] <= threshold for j in kept):
            kept.append(i)
            threshold = threshold * eta if threshold > 0.5 else threshold
    return order[kept]


class DetectionOutput(nn.Module):
    """Rows (image, label, score, x1, y1, x2, y2) of what is left after decoding and suppression:
    (1, 1, rows, 7).
    """

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
        self.num_classes, self.share_location, self.background = (
            num_classes,
            share_location,
            background,
        )
        self.nms_threshold, self.top_k, self.keep_top_k, self.confidence = (
            nms_threshold,
            top_k,
            keep_top_k,
            confidence,
        )
        self.code, self.in_target, self.eta = code, in_target, eta

    @torch.no_grad()
    def forward(self, locations: Tensor, confidences: Tensor, priors: Tensor) -> Tensor:
        boxes, variances = priors.reshape(2, -1, 4)
        if self.in_target:
            variances = torch.ones_like(variances)
        count = len(boxes)
        offsets = locations.reshape(len(locations), count, -1, 4)
        scores = confidences.reshape(len(locations), count, self.num_classes)
        rows = [
            self.image(
                i,
                decode_boxes(offsets[i], boxes[:, None], variances[:, None], self.code),
                scores[i],
            )
            for i in range(len(locations))
        ]
        found = torch.cat(rows)
        if len(found) == 0:
            # SSD's: where nothing is found in any image, a row of -1 for each
            found = torch.full((len(locations), 7), -1.0, dtype=locations.dtype, device=locations.device)
            found[:, 0] = torch.arange(len(locations), device=locations.device)
        return found[None, None]

    def image(self, index: int, boxes: Tensor, scores: Tensor) -> Tensor:
        """The rows of one image: classes in order, best boxes first; at most keep_top_k by
        score.
        """
        rows = []
        for label in range(self.num_classes):
            if label == self.background:
                continue
            own = boxes[:, 0 if self.share_location else label]
            if self.confidence is None:
                sure = torch.arange(len(own), device=own.device)
            else:
                sure = (scores[:, label] > self.confidence).nonzero()[:, 0]
            kept = sure[
                select_boxes(own[sure], scores[sure, label], self.nms_threshold, self.top_k, self.eta)
            ]
            head = torch.stack(
                (
                    torch.full_like(scores[kept, label], index),
                    torch.full_like(scores[kept, label], label),
                    scores[kept, label],
                ),
                1,
            )
            rows.append(torch.cat((head, own[kept]), 1))
        found = torch.cat(rows) if rows else boxes.new_zeros(0, 7)
        if 0 <= self.keep_top_k < len(found):
            best = found[:, 2].sort(descending=True, stable=True).indices[: self.keep_top_k]
            found = found[best.sort().values]  # classes in order again
        return found
