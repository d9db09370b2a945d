"""A source line as it is shown: tabs spread, wide characters counted, control characters replaced,
long lines clipped around the place.
"""

from collections.abc import Sequence
from functools import cache

__all__ = ["Line", "clean"]

_TAB = 4
_WIDTH = 120  # columns of a line that are shown
_LONGEST, _TAIL = 2000, 200  # characters of a text that are shown, and of them at its end
_AROUND = 400  # characters before and behind the place that are looked at
_LEAD = 30  # of them, before the place, where the line is clipped


def clean(text: str) -> str:
    """Text that is safe in a terminal: a line break becomes a space, any other control character
    U+FFFD, the middle of a long text "…".
    """
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST - _TAIL]} … {text[-_TAIL:]}"
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if c in "\n\t" else _cell(c)[0] for c in text)


class Line:
    """A line and the columns its characters stand in; `start` and `end` (None: the line's end) say
    which part must stay visible.
    """

    def __init__(self, line: str, start: int, end: int | None) -> None:
        self.cut = max(start - _AROUND, 0)
        line = line[self.cut : start + _AROUND]
        start, end = start - self.cut, None if end is None else end - self.cut
        self.cells, self.at = _cells(line)  # `at`: the column of each character, and of the end
        self.first, self.last = self._window(start, len(line) if end is None else end)
        head, tail = "…" * (self.first + self.cut > 0), "…" * (self.last < len(line))
        self.text = (head + "".join(self.cells[self.first : self.last]) + tail).rstrip()
        self.shift = self.at[self.first] - len(head)

    def columns(self, start: int, end: int | None) -> tuple[int, int]:
        """Where a stretch of characters stands in the shown text: columns before it, and how many
        it takes (1 at least).
        """
        stop = len(self.cells) if end is None else end - self.cut
        left = min(max(start - self.cut, self.first), self.last)
        right = min(max(stop, left), self.last)
        return self.at[left] - self.shift, max(self.at[right] - self.at[left], 1)

    def _window(self, start: int, end: int) -> tuple[int, int]:
        """The first and last character shown."""
        count = len(self.cells)
        if self.at[-1] <= _WIDTH:
            return 0, count
        start = min(start, count)
        end = min(max(end, start), count)
        first = 0
        if self.at[end] > _WIDTH - 1:
            wanted = min(self.at[start] - _LEAD, self.at[-1] - _WIDTH)
            first = next(i for i in range(count + 1) if self.at[i] >= max(wanted, 0))
        last = max(i for i in range(first, count + 1) if self.at[i] - self.at[first] <= _WIDTH)
        return first, last


def _cells(line: str) -> tuple[Sequence[str], Sequence[int]]:
    """How each character is shown, and the column of each and of the end."""
    if line.isascii() and line.isprintable():
        return line, range(len(line) + 1)
    cells, at = [], [0]
    for c in line:
        gap = _TAB - at[-1] % _TAB
        shown, width = (" " * gap, gap) if c == "\t" else _cell(c)
        cells.append(shown)
        at.append(at[-1] + width)
    return cells, at


@cache
def _cell(c: str) -> tuple[str, int]:
    """How a character is shown, and how many columns it takes."""
    if " " <= c <= "~":
        return c, 1
    import unicodedata

    category = unicodedata.category(c)
    # what a terminal would obey (escapes, marks of direction) or cannot show
    if category in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        return "\ufffd", 1
    # these stand over the character before them
    if category in ("Mn", "Me"):
        return c, 0
    return c, 2 if unicodedata.east_asian_width(c) in ("W", "F") else 1
