"""Arithmetic of colours, on images (N, C, H, W) from 0 to 255 with a number for each sample. order: rgb,
bgr, or empty; gray is left alone where there is nothing to do.
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
    r, g, b = x.unbind(1) if order != "bgr" else x.flip(1).unbind(1)
    return (LUMA[0] * r + LUMA[1] * g + LUMA[2] * b)[:, None]


def contrast(x: Tensor, by: Tensor, order: str) -> Tensor:
    """Away from the mean gray of each image by a factor."""
    mean = luma(x, order).double().mean((1, 2, 3), keepdim=True).float()
    return mean + by.to(x.device) * (x - mean)


def saturate(x: Tensor, by: Tensor, order: str) -> Tensor:
    """Away from the gray of each pixel by a factor."""
    if x.shape[1] != 3:
        return x
    gray = luma(x, order)
    return gray + by.to(x.device) * (x - gray)


def turn_hue(x: Tensor, turn: Tensor, order: str) -> Tensor:
    """The hue of HSV turned; greatest and least value of each pixel stay. (Smith 1978)"""
    if x.shape[1] != 3:
        return x
    r, g, b = (x.flip(1) if order == "bgr" else x).unbind(1)
    most, least = torch.maximum(torch.maximum(r, g), b), torch.minimum(torch.minimum(r, g), b)
    chroma = most - least
    safe = torch.where(chroma > 0, chroma, 1.0)
    hue = torch.where(
        most == r, (g - b) / safe, torch.where(most == g, 2 + (b - r) / safe, 4 + (r - g) / safe)
    )
    hue = hue + 6 * turn.to(x.device)[:, None, None]
    channels = [most - chroma * wedge(n + hue) for n in (5.0, 3.0, 1.0)]
    made = torch.stack(channels, 1)
    return made.flip(1) if order == "bgr" else made


def wedge(k: Tensor) -> Tensor:
    """How much of the chroma a channel lacks: max(0, min(k, 4 - k, 1)), k counted in sixths of a turn."""
    k = k.remainder(6.0)
    return torch.minimum(k, 4 - k).clamp(0, 1)
