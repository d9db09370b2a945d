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
    """Weights (N, radius + 1) of the middle and of each distance from it; with both sides they sum
    to 1.
    """
    weights = torch.exp(-(torch.arange(radius + 1.0) ** 2) / (2 * sigma[:, None] ** 2))
    return weights / (2 * weights.sum(1, keepdim=True) - 1)


def smooth(x: Tensor, sigma: Tensor, most: float) -> Tensor:
    """Images (N, C, H, W) blurred by a Gaussian of a deviation each, mirrored at the edge. most:
    the greatest deviation that may come, whatever this batch holds.
    """
    reach = math.ceil(REACH * most)
    for axis in (-1, -2):
        radius = min(reach, x.shape[axis] - 1)  # a mirror shows no more
        x = slide(x, gaussian(sigma, radius).to(x.device), axis)
    return x


def slide(x: Tensor, weights: Tensor, axis: int) -> Tensor:
    """Each sample convolved with its own weights along an axis: shifted copies added in one order,
    as a convolution of a whole batch does not promise to.
    """
    radius, size = weights.shape[1] - 1, x.shape[axis]
    pad = (radius, radius, 0, 0) if axis == -1 else (0, 0, radius, radius)
    wide, weights = F.pad(x, pad, mode="reflect"), weights[:, :, None, None, None]
    made = x * weights[:, 0]
    for k in range(1, radius + 1):
        both = wide.narrow(axis, radius - k, size) + wide.narrow(axis, radius + k, size)
        made += both.mul_(weights[:, k])
    return made


def smooth_field(draw: Draw, size: tuple[int, int], alpha: tuple[float, float], sigma: float) -> Field:
    """A shift for each pixel, even, smoothed, times alpha along x and y."""
    noise = draw.noise((2, *size), "field", normal=False)
    by = smooth(noise, torch.full((len(draw),), sigma), sigma)
    return Field(by * torch.tensor(alpha)[:, None, None])


def coarse_field(draw: Draw, size: tuple[int, int], alpha: tuple[float, float], points: int) -> Field:
    """A normal shift for each point of a coarse grid, bicubic between them."""
    noise = draw.noise((2, points, points), "field") * torch.tensor(alpha)[:, None, None]
    return Field(F.interpolate(noise, size, mode="bicubic", align_corners=points > 1))
