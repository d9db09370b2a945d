"""Torch modules of layers/regions.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

import math

import torch
from torch import Tensor, nn

# each copies the map of its image
REGIONS_AT_ONCE = 16


def round_half_away(x: Tensor) -> Tensor:
    """To the nearest whole number, halves away from zero, as C rounds."""
    return torch.sign(x) * torch.floor(x.abs() + 0.5)


def places(low: Tensor, high: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Whole places low..high - 1 of each bin, cut to 0..size - 1: places (..., longest), and which
    of them count.
    """
    low, high = low.clamp(0, size), high.clamp(0, size)
    known = low.numel() > 0 and not low.is_meta
    longest = max(1, int((high - low).max().item())) if known else 1
    at = low.unsqueeze(-1) + torch.arange(longest, device=low.device)
    return at.clamp_max(size - 1).long(), at < high.unsqueeze(-1)


class ROIPooling(nn.Module):
    """Greatest value in each bin of each region (image, x1, y1, x2, y2), widened by pad_ratio; an
    empty bin gives 0.
    """

    def __init__(
        self, pooled_h: int, pooled_w: int, spatial_scale: float = 1.0, pad_ratio: float = 0.0
    ) -> None:
        super().__init__()
        self.pooled, self.spatial_scale, self.pad_ratio = (
            (pooled_h, pooled_w),
            spatial_scale,
            pad_ratio,
        )

    def forward(self, x: Tensor, regions: Tensor) -> Tensor:
        regions = regions.reshape(len(regions), -1)
        parts = [self.pool(x, some) for some in torch.split(regions, REGIONS_AT_ONCE)]
        if parts:
            return torch.cat(parts)
        return x.new_zeros(0, x.shape[1], *self.pooled)

    def pool(self, x: Tensor, regions: Tensor) -> Tensor:
        wider = (regions[:, 3:] - regions[:, 1:3] + 1) * self.pad_ratio
        corners = round_half_away(
            torch.cat((regions[:, 1:3] - wider, regions[:, 3:] + wider), 1) * self.spatial_scale
        )
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
        """Places of the bins along one axis: bin i spans floor(i s) to ceil((i + 1) s), s = length
        / count, from begin on.
        """
        # Fast R-CNN takes a region turned round for one place
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
        begin = round_half_away(regions[:, 1:3]) * self.spatial_scale
        end = (round_half_away(regions[:, 3:5]) + 1) * self.spatial_scale
        step = (end - begin).clamp_min(0.1) / g  # R-FCN's least
        rows = self.inside(begin[:, 1], step[:, 1], x.shape[2])
        columns = self.inside(begin[:, 0], step[:, 0], x.shape[3])
        maps = x.reshape(len(x), self.output_dim, g, g, *x.shape[2:])
        images = torch.split(regions[:, 0].long(), 1)
        parts = [
            torch.einsum("ncijhw,ih,jw->cij", maps.index_select(0, i), r, c)
            for i, r, c in zip(images, rows, columns, strict=True)
        ]
        area = rows.sum(-1)[:, None, :, None] * columns.sum(-1)[:, None, None, :]
        if parts:
            return torch.stack(parts) / area.clamp_min(1)
        return x.new_zeros(0, self.output_dim, g, g)

    def inside(self, begin: Tensor, step: Tensor, size: int) -> Tensor:
        """1 where a place lies in a bin, for each region, bin and place."""
        index = torch.arange(self.group_size, device=begin.device)
        low = torch.floor(index * step[:, None] + begin[:, None]).clamp(0, size)
        high = torch.ceil((index + 1) * step[:, None] + begin[:, None]).clamp(0, size)
        at = torch.arange(size, device=begin.device)
        return ((at >= low[..., None]) & (at < high[..., None])).to(step.dtype)
