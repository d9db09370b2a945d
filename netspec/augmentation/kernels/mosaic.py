"""Four samples around a point."""

from typing import NamedTuple

import torch
from torch import Tensor

from netspec.augmentation.kernels.batch import Batch
from netspec.augmentation.kernels.boxes import Boxes
from netspec.augmentation.kernels.draw import Draw
from netspec.augmentation.kernels.mixing import put_shares

__all__ = ["lay_out"]


class Quarter(NamedTuple):
    """Where a part lies in the result, and where it is cut from: (top, left) each, and the size,
    (N, 2).
    """

    at: Tensor
    size: Tensor
    source: Tensor


def lay_out(batch: Batch, at: Tensor, others: list[Batch], draw: Draw) -> Batch:
    """Samples `at` in the first quarter, the others in the next ones, row by row."""
    image, size = batch.pixels.float(), batch.size
    here = at.to(image.device)
    quarters = draw_quarters(draw, size)
    parts = [image[here], *(other.pixels.float() for other in others)]
    made = batch.replace(image=image.index_copy(0, here, tile(parts, quarters)))
    if isinstance(batch.mask, Tensor):
        masks = [batch.mask[here], *(o.mask for o in others if isinstance(o.mask, Tensor))]
        made = made.replace(mask=batch.mask.index_copy(0, here, tile(masks, quarters)))
    if batch.boxes is not None:
        boxes = [batch.boxes[here], *(o.boxes for o in others if o.boxes is not None)]
        made = made.replace(boxes=gather(batch.boxes, here, boxes, quarters, size))
    areas = torch.stack([q.size.double().prod(1) for q in quarters], 1) / (size[0] * size[1])
    return put_shares(made, at, others, areas[:, :-1])


def draw_quarters(draw: Draw, size: tuple[int, int]) -> list[Quarter]:
    """The quarters around a point in the middle half, each cut at a place drawn evenly."""
    whole = torch.tensor(size)
    point = torch.floor(draw.uniform(0.25, 0.75, "point", 2).double() * whole).long().clamp_min(1)
    point = torch.minimum(point, whole - 1).clamp_min(1)  # no quarter is empty
    found = []
    for i, (down, right) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        second = torch.tensor([down, right])
        at, sides = point * second, torch.where(second == 1, whole - point, point)
        unit = draw.uniform(0, 1, f"place {i}", 2).double()
        found.append(Quarter(at, sides, torch.floor(unit * (whole - sides + 1)).long()))
    return found


def tile(parts: list[Tensor], quarters: list[Quarter]) -> Tensor:
    """Windows of the parts side by side."""
    made = torch.empty_like(parts[0])
    for part, quarter in zip(parts, quarters, strict=True):
        rows = zip(made, part, *(each.tolist() for each in quarter), strict=True)
        for into, x, (top, left), (h, w), (y, z) in rows:
            into[..., top : top + h, left : left + w] = x[..., y : y + h, z : z + w]
    return made


def gather(
    every: Boxes, here: Tensor, parts: list[Boxes], quarters: list[Quarter], size: tuple[int, int]
) -> Boxes:
    """The boxes of all samples, four times as many rows: of the mixed ones those of the parts."""
    empty = every.rows.new_zeros(every.rows.shape)
    empty[..., 0] = -1
    rows = torch.cat((every.rows, empty, empty, empty), 1)
    moved = [move(part, quarter, size) for part, quarter in zip(parts, quarters, strict=True)]
    return Boxes(rows.index_copy(0, here, torch.cat([each.rows for each in moved], 1)), every.least)


def move(boxes: Boxes, quarter: Quarter, size: tuple[int, int]) -> Boxes:
    """A part's boxes, cut to its window, in the result."""
    whole = torch.tensor(size, dtype=torch.float64).expand(len(boxes.rows), 2)
    at, sides, source = (each.double().flip(1) for each in quarter)
    full = whole.flip(1)
    return boxes.scale(full / sides, -source / sides).scale(sides / full, at / full)
