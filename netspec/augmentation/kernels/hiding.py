"""Which pixels are hidden, (N, 1, H, W), and what is put there."""

import math

import torch
from torch import Tensor

from netspec.augmentation.kernels.draw import Draw

__all__ = ["draw_rectangles", "draw_tiles", "hide", "rectangles"]

Size = tuple[int, int]
Range = tuple[float, float]


def hide(x: Tensor, inside: Tensor, value: Tensor | float) -> Tensor:
    """Other values where `inside`."""
    if isinstance(value, Tensor):
        value = value.to(x.device)
    return torch.where(inside.to(x.device), value, x)


def rectangles(at: Tensor, size: Size) -> Tensor:
    """Pixels in (top, left, bottom, right) of each sample."""
    y, x = torch.arange(size[0])[:, None], torch.arange(size[1])
    top, left, bottom, right = at[:, :, None, None].unbind(1)
    return ((y >= top) & (y < bottom) & (x >= left) & (x < right))[:, None]


def draw_rectangles(draw: Draw, size: Size, scale: Range, ratio: Range) -> Tensor:
    """One rectangle each, of random area, shape and place; limited to the image."""
    area = size[0] * size[1] * draw.uniform(*scale, "scale").double()
    shape = draw.uniform(math.log(ratio[0]), math.log(ratio[1]), "ratio").double().exp()
    whole = torch.tensor(size, dtype=torch.float64)
    wanted = torch.stack(((area * shape).sqrt(), (area / shape).sqrt()), 1).round().clamp_min(1)
    sides = torch.minimum(wanted, whole)
    start = torch.floor(draw.uniform(0, 1, "place", 2).double() * (whole - sides + 1))
    return rectangles(torch.cat((start, start + sides), 1).long(), size)


def draw_tiles(draw: Draw, size: Size, tiles: int, chance: float) -> Tensor:
    """Squares of a grid, each by a chance of its own."""
    hidden = draw.chance(chance, "tile", tiles, tiles)
    rows = torch.arange(size[0]) * tiles // size[0]
    columns = torch.arange(size[1]) * tiles // size[1]
    return hidden[:, rows][:, :, columns][:, None]
