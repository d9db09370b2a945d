"""A drawing as plain shapes, which `svg` and `raster` write. Colours are names of meanings (ink,
soft, line, paper, panel) or #rrggbb; sizes are pixels, y runs down.
"""

from typing import NamedTuple

from netspec.pictures.colors import Array

__all__ = ["Drawing", "Image", "Line", "Rect", "Shape", "Text", "text_width"]


class Rect(NamedTuple):
    """A rectangle; title: what a pointer over it tells."""

    x: float
    y: float
    w: float
    h: float
    fill: str = "panel"
    stroke: str = ""
    title: str = ""
    round: float = 0


class Line(NamedTuple):
    """Points joined in order."""

    points: tuple[tuple[float, float], ...]
    stroke: str = "ink"
    width: float = 1.0
    dashed: bool = False


class Text(NamedTuple):
    """Words whose base line is at y; wide: how many pixels they are stretched to; room: how many
    their codes may take, where letters have no font.
    """

    x: float
    y: float
    text: str
    size: float = 12
    anchor: str = "start"
    fill: str = "ink"
    bold: bool = False
    wide: float = 0
    room: float = 0


class Image(NamedTuple):
    """Pixels (h, w, 3) in a rectangle, each pixel sharp."""

    x: float
    y: float
    w: float
    h: float
    pixels: Array


SIGNS = "→…−"
Shape = Rect | Line | Text | Image


class Drawing(NamedTuple):
    """Shapes, the first lowest."""

    width: float
    height: float
    shapes: tuple[Shape, ...]


def text_width(text: str, size: float = 12) -> float:
    """About as wide as a usual font without serifs sets it; letters beyond European ones are given
    room for their codes (`fonts`).
    """
    return 0.56 * size * sum(1 + 2 * (letter >= "\u0590") * (letter not in SIGNS) for letter in text)
