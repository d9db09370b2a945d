"""Random fields of displacements, and the Gaussian that smooths them and images."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from netspec.augmentation.kernels.draw import Draw
from netspec.augmentation.kernels.maps import Field

__all__ = ["coarse_field", "smooth", "smooth_field"]

REACH = 3.0
"""Deviations to each side that a Gaussian is cut at: a thousandth lies beyond."""


def gaussian(sigma: Tensor, radius: int) -> Tensor:
    """Weights (N, 2 radius + 1) that sum to 1."""
    at = torch.arange(-radius, radius + 1, dtype=torch.float32)
    weights = torch.exp(-(at**2) / (2 * sigma[:, None] ** 2))
    return weights / weights.sum(1, keepdim=True)


def smooth(x: Tensor, sigma: Tensor, most: float) -> Tensor:
    """Images (N, C, H, W) blurred by a Gaussian of a deviation each, mirrored at the edge. most: the
    greatest deviation that may come, whatever this batch holds.
    """
    reach = math.ceil(REACH * most)
    for axis in (-1, -2):
        radius = min(reach, x.shape[axis] - 1)
        x = slide(x, gaussian(sigma, radius), axis)
    return x


def slide(x: Tensor, weights: Tensor, axis: int) -> Tensor:
    """Each sample convolved with its own weights along an axis; one by one, since a convolution of many
    may add in another order.
    """
    radius = weights.shape[1] // 2
    if axis == -1:
        pad, shape = (radius, radius, 0, 0), (1, 1, 1, -1)
    else:
        pad, shape = (0, 0, radius, radius), (1, 1, -1, 1)
    rows = zip(x, weights.to(x.device), strict=True)
    return torch.stack(
        [F.conv2d(F.pad(one[:, None], pad, mode="reflect"), w.reshape(shape))[:, 0] for one, w in rows]
    )


def smooth_field(draw: Draw, size: tuple[int, int], alpha: tuple[float, float], sigma: float) -> Field:
    """A shift for each pixel, even, smoothed, times alpha along x and y."""
    noise = draw.noise((2, *size), "field", normal=False)
    by = smooth(noise, torch.full((len(draw),), sigma), sigma)
    return Field(by * torch.tensor(alpha)[:, None, None])


def coarse_field(draw: Draw, size: tuple[int, int], alpha: tuple[float, float], points: int) -> Field:
    """A normal shift for each point of a coarse grid, bicubic between them."""
    noise = draw.noise((2, points, points), "field") * torch.tensor(alpha)[:, None, None]
    return Field(F.interpolate(noise, size, mode="bicubic", align_corners=points > 1))
