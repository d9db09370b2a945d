"""Texts and places in them. Everything that carries a position builds on this; it imports nothing
of netspec.
"""

from bisect import bisect_right
from typing import NamedTuple

__all__ = ["Source", "Span"]


class Source:
    """A text and the name it goes by in messages. Offsets count code points from 0; lines and
    columns count from 1.
    """

    __slots__ = ("_starts", "name", "text")

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self._starts: list[int] | None = None

    def __repr__(self) -> str:
        return f"Source({self.name!r}, {len(self.text)} characters)"

    @property
    def starts(self) -> list[int]:
        """Offset at which each line begins; found on first use, since a clean check never asks."""
        if self._starts is None:
            starts, at = [0], self.text.find("\n")
            while at >= 0:
                starts.append(at + 1)
                at = self.text.find("\n", at + 1)
            self._starts = starts
        return self._starts

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1."""
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line, without its line break."""
        starts = self.starts
        end = starts[number] if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r\n")


class Span(NamedTuple):
    """A stretch of a source: offsets start (inclusive) and end (exclusive)."""

    source: Source
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    @property
    def begin(self) -> tuple[int, int]:
        """Line and column of the first character."""
        return self.source.position(self.start)

    @property
    def finish(self) -> tuple[int, int]:
        """Line and column just past the last character."""
        return self.source.position(self.end)
