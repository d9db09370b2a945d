"""What runs along a line: tokens (N, T), signals (N, T) or (N, C, T)."""

import torch
from torch import Tensor

from netspec.augmentation.kernels.draw import Draw

__all__ = [
    "add_noise",
    "change_speed",
    "drop",
    "hide_bands",
    "read_other_strand",
    "replace",
    "shift_time",
    "shuffle",
]


def shuffle(x: Tensor, draw: Draw, window: float) -> Tensor:
    """Tokens in the order of their places plus an even number each."""
    keys = torch.arange(x.shape[1]) + draw.uniform(0, window, "place", x.shape[1])
    return x.gather(1, keys.argsort(dim=1, stable=True).to(x.device))


def replace(x: Tensor, draw: Draw, share: float, tokens: int) -> Tensor:
    """Some tokens by others."""
    chosen = draw.chance(share, "chosen", *x.shape[1:]).to(x.device)
    return torch.where(chosen, draw.integers(tokens, "token", *x.shape[1:]).to(x.device, x.dtype), x)


def drop(x: Tensor, draw: Draw, share: float, fill: int) -> Tensor:
    """Some tokens left out, the rest moved up."""
    gone = draw.chance(share, "chosen", x.shape[1]).to(x.device)
    order = gone.long().argsort(dim=1, stable=True)
    return x.gather(1, order).masked_fill(gone.gather(1, order), fill)


def read_other_strand(x: Tensor) -> Tensor:
    """One-hot maps (N, 4, T) in the order A, C, G, T, from the other end with each letter's
    partner.
    """
    return x.flip(1, 2)


def add_noise(x: Tensor, draw: Draw, snr: tuple[float, float]) -> Tensor:
    """Normal noise of a strength by the signal's own."""
    rows = x.float().flatten(1)
    rms = rows.double().square().mean(1).sqrt().float()
    by = rms * 10 ** (-draw.uniform(*snr, "snr") / 20).to(x.device)  # decibels of an amplitude
    noise = draw.noise(tuple(x.shape[1:]), "noise").to(x.device)
    return x + by.reshape(-1, *(1,) * (x.ndim - 1)) * noise


def shift_time(x: Tensor, draw: Draw, share: float, roll: bool) -> Tensor:
    """Signals moved along time."""
    length = x.shape[-1]
    by = (draw.uniform(-share, share, "shift") * length).round().long().to(x.device)
    source = torch.arange(length, device=x.device) - by[:, None]
    inside = ((source >= 0) & (source < length)) | roll
    at = source.remainder(length).reshape(len(x), *(1,) * (x.ndim - 2), length).expand_as(x)
    return x.gather(-1, at) * inside.reshape(len(x), *(1,) * (x.ndim - 2), length)


def change_speed(x: Tensor, factor: Tensor) -> Tensor:
    """Signals read at factor * t, linearly between samples."""
    length = x.shape[-1]
    at = (factor.double().to(x.device)[:, None] * torch.arange(length, device=x.device)).float()
    low = at.floor()
    share, inside = at - low, at <= length - 1
    shape = (len(x), *(1,) * (x.ndim - 2), length)
    first = low.long().clamp(0, length - 1).reshape(shape).expand_as(x)
    second = (first + 1).clamp_max(length - 1)
    w = share.reshape(shape)
    return ((1 - w) * x.gather(-1, first) + w * x.gather(-1, second)) * inside.reshape(shape)


def hide_bands(draw: Draw, size: int, width: int, count: int, name: str) -> Tensor:
    """Places along an axis that are hidden, (N, size): bands of random width."""
    hidden = torch.zeros(len(draw), size, dtype=torch.bool)
    at = torch.arange(size)
    for k in range(count):
        wide = draw.integers(min(width, size) + 1, f"{name} {k} width")
        begin = draw.integers(size - wide + 1, f"{name} {k}")
        hidden |= (at >= begin[:, None]) & (at < (begin + wide)[:, None])
    return hidden
