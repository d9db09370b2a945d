"""Maps of places: from each pixel of a result to where it is read in the image. Coordinates are
pixels from the middle, x to the right and y down; (N, H, W) each.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "Field", "Linear", "Map", "Points", "affine", "follow", "homography", "mirror", "read", "shift_by", "trace_back",
]  # fmt: skip

ROUNDS = 8
"""Steps of the fixed point that turns a field around; smooth fields need two or three."""
PADDING = {"zeros": "zeros", "edge": "border", "reflect": "reflection"}


class Points(NamedTuple):
    """Places, one coordinate in each tensor."""

    x: Tensor
    y: Tensor


class Linear(NamedTuple):
    """A projective map, matrices (N, 3, 3), float64."""

    matrix: Tensor

    def choose(self, chosen: Tensor) -> "Linear":
        """The map where chosen, elsewhere nothing moves."""
        return Linear(torch.where(chosen[:, None, None], self.matrix, torch.eye(3, dtype=torch.float64)))

    @property
    def moving(self) -> Tensor:
        """The samples that it moves, (N,)."""
        return (self.matrix != torch.eye(3, dtype=torch.float64)).flatten(1).any(1)

    def rows(self, at: Tensor) -> "Linear":
        """The maps of some of the samples."""
        return Linear(self.matrix[at])

    def at(self, p: Points) -> Points:
        """Where places lead to."""
        m = self.matrix.to(p.x.device, p.x.dtype)[:, :, :, None, None]
        x = m[:, 0, 0] * p.x + (m[:, 0, 1] * p.y + m[:, 0, 2])
        y = m[:, 1, 0] * p.x + (m[:, 1, 1] * p.y + m[:, 1, 2])
        # none of them is projective: nothing to divide by
        if bool((self.matrix[:, 2, :2] == 0).all()):
            return Points(x, y)
        w = m[:, 2, 0] * p.x + (m[:, 2, 1] * p.y + m[:, 2, 2])
        return Points(x / w, y / w)

    def back(self, p: Points) -> Points:
        """Where places come from."""
        return Linear(torch.linalg.inv(self.matrix)).at(p)


class Field(NamedTuple):
    """A displacement of each pixel, (N, 2, H, W) in pixels, x first."""

    by: Tensor

    def choose(self, chosen: Tensor) -> "Field":
        """The map where chosen, elsewhere nothing moves."""
        return Field(self.by * chosen.to(self.by.dtype)[:, None, None, None])

    @property
    def moving(self) -> Tensor:
        """The samples that it moves, (N,)."""
        return (self.by != 0).flatten(1).any(1).cpu()

    def rows(self, at: Tensor) -> "Field":
        """The maps of some of the samples."""
        return Field(self.by[at])

    def at(self, p: Points) -> Points:
        """Where places lead to; between pixels the field is interpolated."""
        by = self.by.to(p.x.device)
        if p.x.shape[1:] != by.shape[2:] or not is_grid(p):
            by = F.grid_sample(by, normalize(p, by.shape[2:]), padding_mode="border", align_corners=False)
        return Points(p.x + by[:, 0], p.y + by[:, 1])

    def back(self, p: Points) -> Points:
        """Where places come from: the fixed point of q = p - by(q)."""
        found = p
        for _ in range(ROUNDS):
            moved = self.at(found)
            found = Points(found.x - (moved.x - p.x), found.y - (moved.y - p.y))
        return found


Map = Linear | Field


def is_grid(p: Points) -> bool:
    """Whether places are the pixels themselves: broadcast from one row and one column."""
    return p.x.stride(1) == 0 and p.y.stride(2) == 0


def grid(count: int, size: tuple[int, int], device: torch.device) -> Points:
    """The pixels of an image, the same for each sample."""
    h, w = size
    x = torch.arange(w, device=device, dtype=torch.float32) - (w - 1) / 2
    y = torch.arange(h, device=device, dtype=torch.float32) - (h - 1) / 2
    return Points(x.expand(count, h, w), y[:, None].expand(count, h, w))


def follow(maps: tuple[Map, ...], count: int, size: tuple[int, int], device: torch.device) -> Points:
    """Where each pixel is read after several changes in a row: the last one's map comes first."""
    p = grid(count, size, device)
    for each in reversed(join(maps)):
        p = each.at(p)
    return p


def join(maps: tuple[Map, ...]) -> tuple[Map, ...]:
    """Neighbours that are linear as one."""
    found: list[Map] = []
    for each in maps:
        last = found[-1] if found else None
        if isinstance(each, Linear) and isinstance(last, Linear):
            found[-1] = Linear(product(last.matrix, each.matrix))
        else:
            found.append(each)
    return tuple(found)


def trace_back(maps: tuple[Map, ...], p: Points) -> Points:
    """Where places of the image stand after several changes in a row."""
    for each in join(maps):
        p = each.back(p)
    return p


def normalize(p: Points, size: tuple[int, ...]) -> Tensor:
    """Places as grid_sample counts them: -1 to 1 from edge to edge."""
    h, w = size
    return torch.stack((p.x * (2 / w), p.y * (2 / h)), -1)


def read(x: Tensor, p: Points, mode: str, outside: str = "zeros") -> Tensor:
    """The values (N, C, H, W) at places; mode: bilinear or nearest."""
    at = normalize(p, tuple(x.shape[-2:]))
    return F.grid_sample(x.float(), at, mode=mode, padding_mode=PADDING[outside], align_corners=False)


def affine(
    count: int,
    degrees: Tensor | float = 0.0,
    shift: tuple[Tensor | float, Tensor | float] = (0.0, 0.0),
    scale: Tensor | float = 1.0,
    shear: tuple[Tensor | float, Tensor | float] = (0.0, 0.0),
) -> Linear:
    """Shear, then grow, turn (counterclockwise) and shift an image, about its middle: the map from
    the result back. degrees and shear in degrees, shift in pixels.
    """
    one, zero = torch.ones(count, dtype=torch.float64), torch.zeros(count, dtype=torch.float64)
    angle = torch.deg2rad(one * degrees)
    c, s = angle.cos(), angle.sin()
    tx, ty = (one * shift[0], one * shift[1])
    kx, ky = (torch.deg2rad(one * each).tan() for each in shear)
    unshift = matrices(one, zero, -tx, zero, one, -ty)
    unturn = matrices(c, -s, zero, s, c, zero)
    ungrow = matrices(1 / (one * scale), zero, zero, zero, 1 / (one * scale), zero)
    unshear = matrices(one + kx * ky, -kx, zero, -ky, one, zero)
    return Linear(product(product(unshear, ungrow), product(unturn, unshift)))


def product(a: Tensor, b: Tensor) -> Tensor:
    """Matrices (N, 3, 3) multiplied, summed in one order whatever N is."""
    parts = a[..., None] * b[:, None]
    return parts[:, :, 0] + parts[:, :, 1] + parts[:, :, 2]


def shift_by(count: int, x: Tensor | float, y: Tensor | float) -> Linear:
    """The map that reads so many pixels further right and down."""
    return affine(count, shift=(-x, -y))


def mirror(count: int, axis: int) -> Linear:
    """The map that reverses along axis -1 (left and right) or -2."""
    one, zero = torch.ones(count, dtype=torch.float64), torch.zeros(count, dtype=torch.float64)
    if axis == -1:
        return Linear(matrices(-one, zero, zero, zero, one, zero))
    return Linear(matrices(one, zero, zero, zero, -one, zero))


def matrices(a: Tensor, b: Tensor, c: Tensor, d: Tensor, e: Tensor, f: Tensor) -> Tensor:
    """(N, 3, 3) with the last row 0, 0, 1."""
    zero = torch.zeros_like(a)
    rows = (a, b, c, d, e, f, zero, zero, torch.ones_like(a))
    return torch.stack(rows, 1).reshape(-1, 3, 3)


def homography(new: Tensor, old: Tensor) -> Linear:
    """The projective map that leads four places (N, 4, 2) each to another: eight equations."""
    (x, y), (u, v) = new.double().unbind(-1), old.double().unbind(-1)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    first = torch.stack((x, y, one, zero, zero, zero, -u * x, -u * y), -1)
    second = torch.stack((zero, zero, zero, x, y, one, -v * x, -v * y), -1)
    found = torch.linalg.solve(torch.cat((first, second), 1), torch.cat((u, v), 1)[..., None])[..., 0]
    return Linear(torch.cat((found, torch.ones_like(found[:, :1])), 1).reshape(-1, 3, 3))
