"""Boxes that move with an image: rows of a label, corners in shares of the picture, -1 in front
where there is none. Clipped to the picture, and dropped where too little is left.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from netspec.augmentation.kernels.frame import Samples, sizes_of
from netspec.augmentation.kernels.maps import Map, Points, trace_back

__all__ = ["LAYOUTS", "Boxes"]

LAYOUTS = {5: 1, 8: 3}
"""Columns of a row, and where the four corners begin: (label, corners), and Caffe's (image, label,
instance, corners, difficult)."""
STEPS = 8
"""Points along an edge of a box that is followed through a bent map; its corners are among them."""
LEAST_LEFT = 0.25
"""Of a box's area: with less left, what is seen of a thing mostly tells nothing of it."""


@dataclass(frozen=True)
class Boxes:
    """Boxes (N, G, columns). least: share of the area that must be left."""

    rows: Tensor
    least: float = LEAST_LEFT

    def __getitem__(self, at: Any) -> Self:
        return replace(self, rows=self.rows[at])

    @property
    def begin(self) -> int:
        return LAYOUTS[self.rows.shape[-1]]

    @property
    def corners(self) -> Tensor:
        """xmin, ymin, xmax, ymax, (N, G, 4)."""
        return self.rows[..., self.begin : self.begin + 4]

    def put(self, corners: Tensor) -> Self:
        """With corners that may lie outside: clipped, and dropped where too little is left."""
        inside = corners.clamp(0, 1)
        # a box without area is none
        left = area(inside) >= self.least * area(corners).clamp_min(1e-12)
        rows = self.rows.clone()
        rows[..., self.begin : self.begin + 4] = inside.to(rows.dtype)
        none = rows.new_full(rows.shape[-1:], 0)
        none[0] = -1
        kept = (left & (rows[..., 0] >= 0))[..., None]
        return replace(self, rows=torch.where(kept, rows, none))

    def scale(self, factor: Tensor, shift: Tensor) -> Self:
        """Corners times a factor plus a shift, (N, 2) each, x first."""
        both = (factor.repeat(1, 2)[:, None], shift.repeat(1, 2)[:, None])
        factor, shift = (each.to(self.rows.device, torch.float64) for each in both)
        return self.put(self.corners.double() * factor + shift)

    def crop(self, at: Tensor, samples: Samples, size: tuple[int, int]) -> Self:
        """After a window of a size was cut at (top, left)."""
        return self.window(at, torch.tensor(size).expand_as(at), samples)

    def window(self, at: Tensor, size: Tensor, samples: Samples) -> Self:
        """After a window was cut and filled the frame; at, size: (N, 2), y first."""
        old, new = sizes_of(samples).flip(1), size.double().flip(1)
        return self.scale(old / new, -at.flip(1).double() / new)

    def pad(self, width: int, samples: Samples) -> Self:
        """After a border was put around."""
        old = sizes_of(samples).flip(1)
        new = old + 2 * width
        return self.scale(old / new, width / new)

    def flip(self, chosen: Tensor, axis: int) -> Self:
        """After a reversal along axis -1 or -2."""
        c = self.corners
        order = [2, 1, 0, 3] if axis == -1 else [0, 3, 2, 1]
        along = torch.tensor([1, 0, 1, 0] if axis == -1 else [0, 1, 0, 1], device=c.device, dtype=c.dtype)
        turned = along + (1 - 2 * along) * c[..., order]
        return self.put(torch.where(chosen.to(c.device)[:, None, None], turned, c))

    def trace(self, maps: tuple[Map, ...], old: tuple[int, int], new: tuple[int, int]) -> Self:
        """After changes of places, from a size to another: the upright box around where the edges
        went.
        """
        steps = torch.arange(STEPS) / STEPS
        up, down, one = steps, 1 - steps, torch.ones(STEPS)
        along = torch.cat((up, one, down, 0 * one)).to(self.rows.device)
        across = torch.cat((0 * one, up, one, down)).to(self.rows.device)
        x0, y0, x1, y1 = self.corners.double()[..., None, :].unbind(-1)
        x, y = x0 + (x1 - x0) * along, y0 + (y1 - y0) * across
        # maps count pixels from the middle
        went = trace_back(maps, Points(((x - 0.5) * old[1]).float(), ((y - 0.5) * old[0]).float()))
        x, y = went.x.double() / new[1] + 0.5, went.y.double() / new[0] + 0.5
        return self.put(torch.stack((x.amin(-1), y.amin(-1), x.amax(-1), y.amax(-1)), -1))


def area(corners: Tensor) -> Tensor:
    x0, y0, x1, y1 = corners.unbind(-1)
    return (x1 - x0).clamp_min(0) * (y1 - y0).clamp_min(0)
