"""The learning rate over a whole training, without walking through it. In: a solver's words and a
length; out: stretches of iterations.

A training falls into pieces on each of which the rate only rises or only falls: what holds at
neither end of one holds nowhere in it, and where it begins is found by halving. Knows no spec and
no place.
"""

import math
from collections.abc import Callable, Iterator

from netspec.frozen_classes import frozen
from netspec.resolve.learning_rates import Rate, learning_rate, restarts
from netspec.resolve.sections.solver import SolverParameter

__all__ = ["Schedule", "Stretch", "schedule"]

Stretch = tuple[int, int]
"""The first and the last of some iterations, counted from 0."""
# half of float32's least number, 2**-149: a tie, and ties go to even, to 0
NOTHING = 2.0**-150
"""What float32, in which weights are moved, rounds to 0."""


@frozen
class Schedule:
    """The rate of each iteration, and the pieces."""

    rate: Rate
    pieces: tuple[Stretch, ...]

    def where(self, holds: Callable[[float], bool]) -> list[Stretch]:
        """The stretches in which something holds of the rate that is a bound on it: `rate < 0`,
        `rate > 1`, `rate == 0`.
        """
        found: list[Stretch] = []
        for first, last in self.pieces:
            for begin, end in within(lambda i: holds(self.rate(i)), first, last):
                if found and found[-1][1] == begin - 1:
                    found[-1] = (found[-1][0], end)
                else:
                    found.append((begin, end))
        return found

    @property
    def nothing(self) -> list[Stretch]:
        """Where no weight moves."""
        return self.where(lambda rate: 0 <= rate <= NOTHING)

    @property
    def ends(self) -> Iterator[tuple[int, float]]:
        """The ends of the pieces with their rates: the least and the greatest are among them."""
        return ((i, self.rate(i)) for i in dict.fromkeys(i for piece in self.pieces for i in piece))


def schedule(words: SolverParameter, length: int) -> Schedule:
    """The rates of a training of so many iterations (at least 1)."""
    cuts = {0, words.warmup_iter}
    if words.lr_policy == "one_cycle":
        # torch's OneCycleLR peaks at pct_start * total - 1
        cuts.add(max(0, math.ceil(words.pct_start * length - 1)))
    if words.lr_policy == "warm_restarts":
        cuts.update(restarts(words, length))  # later cycles are like those before
    begins = sorted(cut for cut in cuts if cut < length)
    return Schedule(
        limit_rate(learning_rate(words, length)),
        tuple(zip(begins, [*(b - 1 for b in begins[1:]), length - 1], strict=True)),
    )


def limit_rate(rate: Rate) -> Rate:
    """The rate, infinite where Python's numbers end."""

    def at(i: int) -> float:
        try:
            return rate(i)
        except OverflowError:
            return math.inf

    return at


def within(holds: Callable[[int], bool], first: int, last: int) -> Iterator[Stretch]:
    """Where something holds from first to last that begins or ends once at most."""
    at_first, at_last = holds(first), holds(last)
    if at_first and at_last:
        yield first, last
    elif at_first:
        yield first, turn(holds, first, last) - 1
    elif at_last:
        yield turn(holds, first, last), last


def turn(holds: Callable[[int], bool], first: int, last: int) -> int:
    """The first place that is unlike `first`, where `last` is."""
    like = holds(first)
    while last - first > 1:
        middle = (first + last) // 2
        first, last = (middle, last) if holds(middle) == like else (first, middle)
    return last
