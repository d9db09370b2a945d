"""Shapes as pixels, on white paper. In: a Drawing; out: bytes (h, w, 3)."""

from itertools import pairwise
from typing import Any

import numpy as np

from netspec.diagnostics import fail
from netspec.pictures.colors import LIGHT, Array
from netspec.pictures.fonts import escape, font_of, set_text
from netspec.pictures.shapes import Drawing, Image, Line, Rect, Shape, Text, text_width

__all__ = ["can_raster", "raster"]

TWICE = 2
"""Pixels for each unit: as sharp as most screens."""
SHARP, MOST = 16_000_000, 48_000_000
"""Pixels up to which a drawing has TWICE, and above which it has none: thrice as many bytes, several times in memory."""
ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}
DASH = 5.0


def can_raster(drawing: Drawing) -> bool:
    """Whether it is small enough for pixels."""
    return drawing.width * drawing.height <= MOST


def raster(drawing: Drawing) -> Array:
    """The drawing, TWICE pixels for each of its units, one where it is large. Raises SpecError NS753."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    if not can_raster(drawing):
        fact = f"{drawing.width:,.0f} x {drawing.height:,.0f} pixels, of which {MOST:,} can be drawn: .svg and .html hold it"
        raise fail("NS753", fact)
    scale = {True: TWICE}.get(drawing.width * drawing.height * TWICE**2 <= SHARP, 1)
    size = (max(1, round(drawing.width * scale)), max(1, round(drawing.height * scale)))
    made = Pillow.new("RGB", size, LIGHT["paper"])
    pen = ImageDraw.Draw(made)
    for shape in drawing.shapes:
        if isinstance(shape, Text) and shape.wide:
            stretch_text(made, shape, scale)
        elif isinstance(shape, Image):
            box = (round(shape.w * scale), round(shape.h * scale))
            pixels = Pillow.fromarray(shape.pixels).resize(box, Pillow.Resampling.NEAREST)
            made.paste(pixels, (round(shape.x * scale), round(shape.y * scale)))
        else:
            draw(pen, shape, scale)
    return np.asarray(made)


def stretch_text(made: Any, shape: Text, scale: int) -> None:
    """Letters as high as they say and as wide as they are to be."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    large = font_of("", 64)
    left, top, right, bottom = large.getbbox(shape.text)
    mask = Pillow.new("L", (max(1, int(right - left)), max(1, int(bottom - top))), 0)
    ImageDraw.Draw(mask).text((-left, -top), shape.text, 255, large)
    height = max(1, round(shape.size * 0.72 * scale))
    mask = mask.resize((max(1, round(shape.wide * scale)), height), Pillow.Resampling.BILINEAR)
    at = (round(shape.x * scale), round(shape.y * scale) - height)
    made.paste(Pillow.new("RGB", mask.size, color(shape.fill)), at, mask)


def draw(pen: Any, shape: Shape, scale: int) -> None:
    """One shape with Pillow's pen."""
    if isinstance(shape, Rect):
        x, y, w, h = (scale * value for value in shape[:4])
        outline = color(shape.stroke) if shape.stroke else None
        pen.rounded_rectangle(
            (x, y, x + w, y + h), shape.round * scale, color(shape.fill), outline, scale // 2
        )
    elif isinstance(shape, Line):
        points = [(scale * x, scale * y) for x, y in shape.points]
        for piece in dashes(points, scale) if shape.dashed else [points]:
            pen.line(piece, color(shape.stroke), max(1, round(shape.width * scale)), joint="curve")
    elif isinstance(shape, Text):
        at = (scale * shape.x, scale * shape.y)
        made, text = fit_text(shape, scale)
        pen.text(at, text, color(shape.fill), made, ANCHORS[shape.anchor])


def fit_text(shape: Text, scale: int) -> tuple[Any, str]:
    """A font and what is written with it: letters without a font are codes, smaller, in the room of
    the letters.
    """
    size = max(1, round(shape.size * scale))
    made, text = set_text(shape.text, size)
    if text == escape(shape.text) != shape.text:
        made = font_of("", max(1, size // 2))
        room = (shape.room or text_width(shape.text, shape.size)) * scale
        while len(text) > 1 and made.getlength(text) > room:
            text = text.removesuffix("..")[:-1] + ".."
            if text == "..":
                break
    return made, text


def dashes(points: list[tuple[float, float]], scale: int) -> list[list[tuple[float, float]]]:
    """A line in pieces with gaps between them."""
    found = []
    for (x0, y0), (x1, y1) in pairwise(points):
        count = max(1, int(np.hypot(x1 - x0, y1 - y0) / (DASH * scale)))
        at = np.linspace(0, 1, count + 1)
        for a, b in zip(at[:-1:2], at[1::2], strict=False):
            found.append([(x0 + (x1 - x0) * t, y0 + (y1 - y0) * t) for t in (a, b)])
    return found


def color(word: str) -> str:
    return LIGHT.get(word, word)
