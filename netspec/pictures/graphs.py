"""A graph of boxes, top to bottom. In: boxes and what each reads; out: a Drawing.

A box stands one row below the lowest it reads; within a row boxes stand in the order of what they
read. A line that passes over rows goes down a lane at the right.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from netspec.pictures.matrices import cut
from netspec.pictures.shapes import Drawing, Line, Rect, Shape, Text

__all__ = ["Box", "graph_drawing"]

WIDE, TALL, ACROSS, DOWN, LANE = 216, 46, 20, 20, 7
"""A box holds its name in bold and two lines below it; skips run in lanes on the right, as far apart as
two lines that still look like two.
"""
LETTERS, MOST_LETTERS = 38, 64
"""Of a line that WIDE has room for, and what boxes are made wide for; longer ones are cut."""


class Box(NamedTuple):
    """name; lines below it; reads: names of other boxes; color: of its frame, a meaning or #rrggbb."""

    name: str
    lines: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    color: str = "line"


def graph_drawing(boxes: Sequence[Box]) -> Drawing:
    """All boxes, each behind those that it reads."""
    rows = find_rows(boxes)
    letters = max([LETTERS, *(len(line) for box in boxes for line in box.lines)])
    letters = min(letters, MOST_LETTERS)
    wide = WIDE * letters / LETTERS
    places = find_places(boxes, rows, wide)
    right = max((x for x, _ in places.values()), default=0) + wide / 2
    lines, lanes = [], Lanes(right + 12)
    for box in boxes:
        for source in box.reads:
            lines.append(join(places[source], places[box.name], rows[box.name] - rows[source], lanes))
    shapes: list[Shape] = [
        *lines,
        *(part for box in boxes for part in draw_box(box, places[box.name], wide, letters)),
    ]
    height = (max(rows.values(), default=0) + 1) * (TALL + DOWN) + DOWN
    return Drawing(right + 24 + LANE * len(lanes.taken), height, tuple(shapes))


def find_rows(boxes: Sequence[Box]) -> dict[str, int]:
    rows: dict[str, int] = {}
    for box in boxes:
        rows[box.name] = max((rows[source] + 1 for source in box.reads), default=0)
    return rows


def find_places(boxes: Sequence[Box], rows: Mapping[str, int], wide: float) -> dict[str, tuple[float, float]]:
    """The middle of each box's upper edge."""
    by_row: dict[int, list[Box]] = {}
    for box in boxes:
        by_row.setdefault(rows[box.name], []).append(box)
    widest = max(map(len, by_row.values()), default=1)
    middle = 8 + widest * (wide + ACROSS) / 2
    places: dict[str, tuple[float, float]] = {}
    for row in sorted(by_row):
        here = by_row[row]

        def lean(box: Box) -> float:
            return sum(places[source][0] for source in box.reads) / max(1, len(box.reads))

        here = sorted(here, key=lean)
        for i, box in enumerate(here):
            x = middle + (i - (len(here) - 1) / 2) * (wide + ACROSS)
            places[box.name] = (x, DOWN + row * (TALL + DOWN))
    return places


class Lanes:
    """Ways down at the right, each for lines that do not meet."""

    def __init__(self, left: float) -> None:
        self.left, self.taken = left, list[list[tuple[float, float]]]()

    def find(self, top: float, bottom: float) -> float:
        """The place of the first lane that is free between two heights."""
        for number, spans in enumerate(self.taken):
            if all(bottom < a or top > b for a, b in spans[-4:]):
                spans.append((top, bottom))
                return self.left + LANE * number
        self.taken.append([(top, bottom)])
        return self.left + LANE * (len(self.taken) - 1)


def join(start: tuple[float, float], end: tuple[float, float], rows: int, lanes: Lanes) -> Line:
    """From the lower edge of a box to the upper edge of another."""
    (x0, y0), (x1, y1) = start, end
    low, high = y0 + TALL, y1
    if rows <= 1:
        half = (low + high) / 2
        return Line(((x0, low), (x0, half), (x1, half), (x1, high)), "soft")
    lane = lanes.find(low, high)
    points = ((x0, low), (x0, low + 6), (lane, low + 6), (lane, high - 6), (x1, high - 6), (x1, high))
    return Line(points, "soft")


def draw_box(box: Box, place: tuple[float, float], wide: float, letters: int) -> Iterator[Shape]:
    x, y = place[0] - wide / 2, place[1]
    yield Rect(x, y, wide, TALL, "panel", box.color, ", ".join((box.name, *box.lines)), 5)
    yield Text(x + 8, y + 15, cut(box.name, letters * 3 // 4), 12, bold=True)
    for i, text in enumerate(box.lines[:2]):
        yield Text(x + 8, y + 28 + 13 * i, cut(text, letters), 10, fill="soft")
