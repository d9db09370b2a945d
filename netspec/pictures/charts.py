"""Charts: lines over a number, bars. In: series; out: a Drawing."""

import math
from collections.abc import Iterator, Mapping, Sequence

from netspec.pictures.colors import SERIES
from netspec.pictures.shapes import Drawing, Line, Rect, Shape, Text, text_width

__all__ = ["Series", "line_chart", "ticks"]

Series = Sequence[tuple[float, float]]
"""Points (x, y) in order of x."""
WIDTH, HEIGHT = 560, 300
"""Two charts stand side by side on a page of 1,200 pixels, one fills a telephone held across. LEFT holds a
number of seven digits.
"""
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 34, 40
ROW = 18
NARROW = 1e-12
"""What a range has at least of its greatest number: below that, floats cannot hold its ticks apart."""


def line_chart(
    title: str, series: Mapping[str, Series], x: str, y: str = "", dashed: Sequence[str] = ()
) -> Drawing:
    """A line for each series that has points. dashed: names of those that are."""
    series = {name: finite(points) for name, points in series.items()}
    series = {name: points for name, points in series.items() if points}
    xs = [p[0] for points in series.values() for p in points] or [0.0]
    ys = [p[1] for points in series.values() for p in points] or [0.0]
    legend = list(key(list(series), dashed))
    rows = max((shape.y for shape in legend if isinstance(shape, Text)), default=HEIGHT) if legend else HEIGHT
    frame = Frame(ticks(min(xs), max(xs)), ticks(min(ys), max(ys)))
    shapes: list[Shape] = [Text(LEFT, 20, title, 15, bold=True)]
    shapes += frame.grid(x, y)
    for i, (name, points) in enumerate(series.items()):
        placed = tuple(frame.place(*point) for point in points)
        if len(placed) == 1:
            (px, py), *_ = placed
            shapes.append(Rect(px - 3, py - 3, 6, 6, SERIES[i % len(SERIES)], round=3))
        else:
            shapes.append(Line(placed, SERIES[i % len(SERIES)], 2, name in dashed))
    return Drawing(WIDTH, rows + 12, (*shapes, *legend))


def finite(points: Series) -> list[tuple[float, float]]:
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def key(names: Sequence[str], dashed: Sequence[str]) -> Iterator[Shape]:
    """What the lines are, below the chart."""
    x, y = float(LEFT), HEIGHT + 4.0
    for i, name in enumerate(names):
        wide = 34 + text_width(name)
        if x > LEFT and x + wide > WIDTH:
            x, y = LEFT, y + ROW
        yield Line(((x, y - 4), (x + 20, y - 4)), SERIES[i % len(SERIES)], 3, name in dashed)
        yield Text(x + 26, y, name)
        x += wide + 14


class Frame:
    """The field that a chart's numbers are placed in."""

    def __init__(self, xs: Sequence[float], ys: Sequence[float]) -> None:
        self.xs, self.ys = xs, ys

    def place(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.xs[0]) / (self.xs[-1] - self.xs[0])
        up = (y - self.ys[0]) / (self.ys[-1] - self.ys[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    def grid(self, x: str, y: str) -> Iterator[Shape]:
        """Lines and numbers, and what the axes are."""
        words = iter(tell_apart(self.ys))
        for value in self.ys:
            _, at = self.place(self.xs[0], value)
            yield Line(((LEFT, at), (WIDTH - RIGHT, at)), "line")
            yield Text(LEFT - 6, at + 4, next(words), 11, "end", "soft")
        for value in self.xs:
            at, _ = self.place(value, self.ys[0])
            yield Text(at, HEIGHT - BOTTOM + 16, f"{value:,.10g}", 11, "middle", "soft")
        yield Text(WIDTH - RIGHT, HEIGHT - BOTTOM + 32, x, 11, "end", "soft")
        if y:
            yield Text(4, TOP - 4, y, 11, "start", "soft")


def tell_apart(values: Sequence[float]) -> list[str]:
    """Numbers with as many digits as tell them apart, five at least.

    >>> tell_apart([0.5, 1.0]), tell_apart([1.09855, 1.098555])
    (['0.5', '1'], ['1.09855', '1.098555'])
    """
    for digits in range(5, 15):
        words = [f"{value:.{digits}g}" for value in values]
        if len({*words}) == len({*values}):
            break
    return words


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers that hold the range between them, at least two.

    >>> ticks(0, 0.93)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    >>> ticks(2e-30, 9e-30)
    [2e-30, 4e-30, 6e-30, 8e-30, 1e-29]
    """
    if not high > low + NARROW * max(abs(low), abs(high)):
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    rough = high / most - low / most
    power = math.floor(math.log10(rough))
    size = 10.0**power
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 3 - power) for i in range(first, last + 1)]
