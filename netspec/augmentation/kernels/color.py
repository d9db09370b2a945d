"""Arithmetic of colours, on images (N, C, H, W) from 0 to 255 with a number for each sample. order:
rgb, bgr, or empty; gray is left alone where there is nothing to do.
"""

import torch
from torch import Tensor

from netspec.augmentation.kernels.draw import Draw

__all__ = ["contrast", "factor", "luma", "saturate", "turn_hue"]

LUMA = (0.299, 0.587, 0.114)
"""Of red, green and blue (ITU-R BT.601), as Pillow has it."""


def factor(draw: Draw, amount: float, name: str) -> Tensor:
    """Evenly from 1 - amount (at least 0) to 1 + amount, (N, 1, 1, 1)."""
    return draw.uniform(max(0.0, 1 - amount), 1 + amount, name)[:, None, None, None]


def luma(x: Tensor, order: str) -> Tensor:
    """The gray of each pixel, (N, 1, H, W)."""
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    red, green, blue = x.unbind(1) if order != "bgr" else x.unbind(1)[::-1]
    return (red * LUMA[0]).add_(green * LUMA[1]).add_(blue * LUMA[2])[:, None]


def contrast(x: Tensor, by: Tensor, order: str) -> Tensor:
    """Away from the mean gray of each image by a factor."""
    by, means = by.to(x.device), x.sum((2, 3), keepdim=True, dtype=torch.float64)
    # the mean of the gray is the gray of the means
    gray = luma(means / (x.shape[2] * x.shape[3]), order).float()
    return (x * by).add_(gray * (1 - by))


def saturate(x: Tensor, by: Tensor, order: str) -> Tensor:
    """Away from the gray of each pixel by a factor."""
    if x.shape[1] != 3:
        return x
    by = by.to(x.device)
    return (x * by).add_(luma(x, order).mul_(1 - by))


def turn_hue(x: Tensor, turn: Tensor, order: str) -> Tensor:
    """The hue of HSV turned; greatest and least value of each pixel stay. (Smith 1978)"""
    if x.shape[1] != 3:
        return x
    r, g, b = x.unbind(1)[::-1] if order == "bgr" else x.unbind(1)
    most, least = torch.maximum(torch.maximum(r, g), b), torch.minimum(torch.minimum(r, g), b)
    chroma = most - least
    # gray has no hue: 0 over a little
    hue = torch.where(most == r, g - b, torch.where(most == g, b - r, r - g)).div_(chroma.clamp_min(1e-9))
    # in sixths of a turn: red, green and blue at 0, 2 and 4
    hue += torch.where(most == r, 0.0, torch.where(most == g, 2.0, 4.0))
    hue += 6 * turn.to(x.device)[:, None, None]
    hue -= (hue / 6).floor_().mul_(6)
    made = torch.empty_like(x)
    # red |h - 3| - 1, green 2 - |h - 2|, blue 2 - |h - 4|, each held in 0..1
    for channel, (middle, sign) in enumerate(((3.0, 1.0), (2.0, -1.0), (4.0, -1.0))):
        at = 2 - channel if order == "bgr" else channel
        share = (hue - middle).abs_().mul_(sign).add_(-1.0 if sign > 0 else 2.0).clamp_(0, 1)
        torch.addcmul(least, chroma, share, out=made[:, at])
    return made
