"""What trials of changes may cost, counted in work and not in seconds: the same text gets the same
answer on every machine.

Comes in: a way to check and what one check costs; goes out: one that raises SpentError before it
would cost too much.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from netspec.diagnostics.model import Diagnostic
from netspec.source import Source

__all__ = ["SECOND", "Check", "Effort", "SpentError", "weight"]

SECOND = 1_000_000
"""What all trials of one check may cost, about a second."""
LAYER, FINDING, UNREAD, VALUE = 100, 300, 4, 10
"""What a layer costs, and a finding, where a character of the text costs 1; what one costs of which
no layer was read; and what a value that a variable adds.
"""

Check = Callable[[Source], list[Diagnostic]]


class SpentError(Exception):
    """A trial was not made: the effort that is left does not pay for it."""


class Effort:
    """The work that is left for trials. One trial is paid for in any case, unless it alone would
    cost several times as much as all.
    """

    FIRST = 3  # times the whole: for a single trial a reader waits so long and no longer

    def __init__(self, most: int) -> None:
        self.left = most
        self.largest = self.FIRST * most

    def afford(self, cost: int) -> None:
        """Raises SpentError where one trial is too much: nothing need be prepared for it."""
        if cost > max(self.left, self.largest):
            raise SpentError

    def pay(self, cost: int) -> None:
        """Raises SpentError, and takes nothing, where it is too much."""
        self.afford(cost)
        self.left -= cost
        self.largest = 0

    @contextmanager
    def part(self, share: float) -> Iterator["Effort"]:
        """A part of what is left; what it leaves comes back."""
        part = Effort(int(self.left * share))
        given = part.left
        try:
            yield part
        finally:
            self.left -= given - part.left

    def paying(self, check: Check, cost: int) -> Check:
        """The check, each call paid for. Raises SpentError."""

        def paid(source: Source) -> list[Diagnostic]:
            self.pay(cost)
            return check(source)

        return paid


def weight(source: Source, layers: int, found: int, values: int = 0) -> int:
    """What checking a text costs that has so many layers, blocks unrolled and each phase counted,
    and so many findings, and to which variables add so many values.
    """
    read = len(source.text) * (1 if layers else UNREAD)
    return read + LAYER * layers + FINDING * found + VALUE * values
