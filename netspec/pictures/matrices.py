"""A matrix as a field of colours, with its numbers where they can be read. In: numbers and names;
out: a Drawing.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from netspec.pictures.colors import Array, blue_red, heat
from netspec.pictures.shapes import Drawing, Image, Rect, Shape, Text, text_width
from netspec.pictures.words import when

__all__ = ["Matrix", "confusion_drawing", "cut", "matrix_drawing", "signed"]

READABLE = 32
"""Rows and columns of which each cell has its number; larger ones are a picture."""
SIDE = 34
"""A square that holds four digits of SIZE; above READABLE rows or columns squares hold no digits and the
whole is at most MOST_SIDE wide.
"""
MOST_SIDE = 640
LONGEST = 18
SIZE = 12


class Matrix(NamedTuple):
    """Numbers (rows, columns), the colour of each (rows, columns, 3), and what is written there."""

    colors: Array
    texts: Sequence[Sequence[str]]
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    title: str = ""
    down: str = ""
    across: str = ""


def matrix_drawing(made: Matrix) -> Drawing:
    """Cells with numbers, or, where there are too many, one picture."""
    height, width = made.colors.shape[:2]
    left = 14 + max((text_width(cut(name), SIZE) for name in made.rows), default=0)
    top = 44 + 18 * bool(made.columns)
    small = max(height, width) <= READABLE
    widest = max((len(text) for row in made.texts for text in row), default=1)
    side = max(SIDE, text_width("0" * widest, SIZE) + 8) if small else max(1, MOST_SIDE // max(height, width))
    shapes: list[Shape] = [
        Text(left, 18, made.title, 15, bold=True),
        Text(left, 36, made.across, 11, fill="soft"),
    ]
    if small:
        shapes += cells(made, left, top, side, min(side, SIDE))
        tall = min(side, SIDE)
    else:
        shapes.append(Image(left, top, side * width, side * height, made.colors))
        tall = side
    for i, name in enumerate(made.rows if small else ()):
        shapes.append(Text(left - 6, top + (i + 0.5) * tall + 4, cut(name), SIZE, "end"))
    for j, name in enumerate(made.columns if small else ()):
        head = cut(name, int(side / 6))
        shapes.append(Text(left + (j + 0.5) * side, top - 6, head, 11, "middle", "soft", room=side - 4))
    if made.down:
        shapes.append(Text(left, top + height * tall + 18, made.down, 11, fill="soft"))
    wide = max(
        left + side * width + 12, left + text_width(made.title, 15) + 12, left + text_width(made.across, 11)
    )
    return Drawing(wide, top + height * tall + 10 + 18 * bool(made.down), tuple(shapes))


def cells(made: Matrix, left: float, top: float, wide: float, tall: float) -> Iterator[Shape]:
    for i, row in enumerate(made.texts):
        for j, text in enumerate(row):
            color = made.colors[i, j]
            x, y = left + j * wide, top + i * tall
            yield Rect(x, y, wide - 1, tall - 1, "#{:02x}{:02x}{:02x}".format(*color))
            dark = float(color @ np.array([0.299, 0.587, 0.114])) < 140
            ink = "#ffffff" if dark else "#111111"
            yield Text(x + wide / 2 - 0.5, y + tall / 2 + 4, text, SIZE, "middle", ink)


def cut(name: str, longest: int = LONGEST) -> str:
    if len(name) > longest:
        return name[: max(1, longest - 1)] + "…"
    return name


def confusion_drawing(
    names: Sequence[str], counts: Sequence[Sequence[int]], title: str = "Confusion"
) -> Drawing:
    """Counts of answers (columns) by true class (rows), coloured by their share of the row."""
    numbers = np.asarray(counts, np.float64).reshape(len(names), len(names))
    shares = numbers / numbers.sum(1, keepdims=True).clip(1)
    texts = [[f"{int(n):,}" if n else "·" for n in row] for row in numbers]
    return matrix_drawing(
        Matrix(
            heat(shares**0.5, 0, 1),  # by the root, so that one mistake in a hundred is seen
            texts,
            names,
            names,
            title,
            "colour: share of the row",
            "a row per true class, a column per answer",
        )
    )


def signed(values: Array, title: str = "", rows: Sequence[str] = (), columns: Sequence[str] = ()) -> Matrix:
    """A matrix of real numbers, blue below 0 and red above."""
    texts = [[when(n, f"{n:.3g}") for n in row] for row in values.tolist()]
    return Matrix(blue_red(values), texts, rows, columns, title)
