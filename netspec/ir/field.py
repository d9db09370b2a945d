"""Where a layer looks: along each axis, which stretch of the bottom one unit of the top reads. Pure numbers; knows no layer."""

from math import inf
from typing import NamedTuple, Union

__all__ = ["Number", "Reads", "Step", "over", "past", "same_place"]

Number = Union[int, float]


class Step(NamedTuple):
    """Unit i of a top's axis reads the units stride*i + first to stride*i + last of the bottom's axis `axis`."""

    axis: int
    stride: Number = 1
    first: Number = 0
    last: Number = 0


Reads = tuple[Step | None, ...]
"""A step for each axis of the top; None: behind it lies no single axis of the bottom. An axis of the bottom that no step names is read whole."""


def same_place(rank: int, apart: frozenset[int] = frozenset()) -> Reads:
    """Every unit reads the unit at its own place, but along the axes `apart` all of them."""
    return tuple(None if axis in apart else Step(axis) for axis in range(rank))


def past(axis: int) -> Step:
    """Reads its own place and all before it, as a recurrent layer does."""
    return Step(axis, 1, -inf, 0)


def over(a: int, b: int) -> Number:
    """a / b, an integer where b divides a."""
    return a // b if a % b == 0 else a / b
