"""Small pictures side by side. In: pictures (n, h, w, 3); out: one picture."""

from collections.abc import Sequence

import numpy as np

from netspec.pictures.colors import Array

__all__ = ["enlarge", "fit", "stack", "thicken", "tile"]

GAP, AROUND = 2, (112, 140, 176)
"""Pixels between tiles, and their colour: no gray, so that borders are seen."""


def enlarge(pictures: Array, least: int) -> Array:
    """Pixels repeated, until the longer side of (..., h, w, 3) has `least` or nearly."""
    factor = max(1, least // max(pictures.shape[-3:-1]))
    return pictures.repeat(factor, -3).repeat(factor, -2)


def thicken(picture: Array, tall: int) -> Array:
    """Rows repeated, until there are `tall` or nearly: a line of pixels is hard to see."""
    return picture.repeat(max(1, tall // len(picture)), 0)


def tile(pictures: Sequence[Array] | Array, columns: int = 0, least: int = 1, gap: int = GAP) -> Array:
    """Pictures in rows. columns: in a row, by default nearly as many as there are rows."""
    cells = [enlarge(np.asarray(each), least) for each in pictures]
    columns = columns or max(1, int(np.ceil(np.sqrt(len(cells)))))
    rows = -(-len(cells) // columns)
    h, w = (max((each.shape[axis] for each in cells), default=1) + gap for axis in (0, 1))
    made = np.empty((rows * h + gap, min(columns, max(1, len(cells))) * w + gap, 3), np.uint8)
    made[:] = AROUND
    for i, each in enumerate(cells):
        y, x = i // columns * h + gap, i % columns * w + gap
        made[y : y + each.shape[0], x : x + each.shape[1]] = each
    return made


def stack(pictures: Sequence[Array], gap: int = 8) -> Array:
    """Pictures one below the other on white."""
    width = max(each.shape[1] for each in pictures)
    made = np.full((sum(each.shape[0] + gap for each in pictures) - gap, width, 3), 255, np.uint8)
    y = 0
    for each in pictures:
        made[y : y + each.shape[0], : each.shape[1]] = each
        y += each.shape[0] + gap
    return made


def fit(picture: Array, height: int, width: int, smooth: bool = True) -> Array:
    """A picture (h, w, 3) or map (h, w) of another size."""
    from PIL import Image

    way = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    if picture.ndim == 2:
        made = Image.fromarray(np.asarray(picture, np.float32)).resize((width, height), way)
    else:
        made = Image.fromarray(picture).resize((width, height), way)
    return np.asarray(made)
