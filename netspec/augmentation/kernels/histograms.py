"""Changes by the histogram of an image: equalisation of the whole and in tiles, stretching. In 256
steps, each channel by itself.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["equalize", "equalize_tiles", "stretch"]

STEPS = 256


def stretch(x: Tensor) -> Tensor:
    """Each channel's least value to 0, its greatest to 255."""
    least, most = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    # where computes both sides, of a channel of one level too: not 0/0
    return torch.where(most > least, (x - least) * (255 / (most - least).clamp_min(1e-6)), x)


def count(levels: Tensor) -> Tensor:
    """Histograms (rows, 256) of levels (rows, count)."""
    found = torch.zeros(len(levels), STEPS, device=levels.device)
    return found.scatter_add_(1, levels, torch.ones_like(levels, dtype=torch.float32))


def equalize(x: Tensor) -> Tensor:
    """Each channel's histogram made even, as Pillow does."""
    n, c, h, w = x.shape
    levels = x.round().long().clamp(0, STEPS - 1).reshape(n * c, h * w)
    counts = count(levels)
    last = STEPS - 1 - (counts.flip(1) > 0).float().argmax(1)
    step = ((counts.sum(1) - counts.gather(1, last[:, None])[:, 0]) / (STEPS - 1)).floor()
    before = counts.cumsum(1) - counts
    table = ((before + (step / 2).floor()[:, None]) / step.clamp_min(1)[:, None]).floor().clamp(0, STEPS - 1)
    made = table.gather(1, levels).reshape(x.shape)
    return torch.where((step > 0).reshape(n, c, 1, 1), made, x)


def equalize_tiles(x: Tensor, clip_limit: float, tiles: int) -> Tensor:
    """Contrast-limited adaptive equalisation (Zuiderveld 1994)."""
    n, c, h, w = x.shape
    rows, columns = min(tiles, h), min(tiles, w)
    th, tw = -(-h // rows), -(-w // columns)
    more = (0, columns * tw - w, 0, rows * th - h)
    levels = x.round().clamp(0, STEPS - 1)
    whole = F.pad(levels, more, mode="replicate").long()
    parts = whole.reshape(n * c, rows, th, columns, tw).transpose(2, 3).reshape(-1, th * tw)
    tables = limit_tables(count(parts), clip_limit, th * tw).reshape(n * c, rows * columns * STEPS)
    level = levels.long().reshape(n * c, h, w)
    made = torch.zeros(n * c, h, w, device=x.device)
    for i, wy in near(h, th, rows, x.device):
        for j, wx in near(w, tw, columns, x.device):
            at = ((i[:, None] * columns + j) * STEPS + level).reshape(n * c, -1)
            made += wy[:, None] * wx * tables.gather(1, at).reshape(n * c, h, w)
    return made.reshape(n, c, h, w)


def limit_tables(counts: Tensor, clip_limit: float, pixels: int) -> Tensor:
    """The tables of tiles: histograms clipped, what was cut spread evenly, summed up to 255."""
    bound = max(1.0, clip_limit * pixels / STEPS)
    cut = counts.clamp_max(bound)
    even = cut + (counts - cut).sum(1, keepdim=True) / STEPS
    return (even.cumsum(1) * ((STEPS - 1) / pixels)).clamp_max(STEPS - 1)


def near(size: int, tile: int, tiles: int, device: torch.device) -> list[tuple[Tensor, Tensor]]:
    """The two tiles whose middles lie around each pixel along an axis, with their weights."""
    at = (torch.arange(size, device=device) + 0.5) / tile - 0.5
    low, share = at.floor(), at - at.floor()
    return [((low + k).clamp(0, tiles - 1).long(), (share if k else 1 - share)) for k in (0, 1)]
