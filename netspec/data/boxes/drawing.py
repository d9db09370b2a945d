"""Boxes drawn on pictures, so that a person sees where they lie. In: pixels and rows; out:
pixels.
"""

import numpy as np

from netspec.data.source import Array

__all__ = ["color_of", "draw_boxes"]


def color_of(label: int) -> tuple[int, int, int]:
    """A colour for a class: neighbours are far apart, none is dark.

    >>> color_of(1) != color_of(2)
    True
    """
    hue = label * 0.618 % 1  # steps by the golden ratio fill the circle evenly
    thirds = [abs((hue * 6 - shift) % 6 - 3) - 1 for shift in (0, 2, 4)]
    red, green, blue = (round(255 * min(1.0, max(0.15, share))) for share in thirds)
    return red, green, blue


def draw_boxes(pixels: Array, rows: Array) -> Array:
    """A picture (3, h, w) with the frame of each box (label second, corners in shares from the
    fourth number on), one pixel wide, inside the box.
    """
    made = pixels.copy()
    height, width = pixels.shape[1:]
    for row in rows:
        x0, y0, x1, y1 = (row[3:7] * (width, height, width, height)).round().astype(int).tolist()
        # a box thinner than a pixel is drawn as one
        x1, y1 = min(max(x1, x0 + 1), width), min(max(y1, y0 + 1), height)
        x0, y0 = min(x0, width - 1), min(y0, height - 1)
        color = np.array(color_of(int(row[1])), made.dtype)[:, None]
        for line in (
            np.s_[:, y0, x0:x1],
            np.s_[:, y1 - 1, x0:x1],
            np.s_[:, y0:y1, x0],
            np.s_[:, y0:y1, x1 - 1],
        ):
            made[line] = color
    return made
