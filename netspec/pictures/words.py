"""Words that are there or not. In: whether, and what; out: text."""

from collections.abc import Sequence
from typing import TypeVar

__all__ = ["name_at", "only", "when"]

T = TypeVar("T")


def when(holds: object, text: str) -> str:
    """The text, or none."""
    return text * bool(holds)


def only(holds: object, one: T) -> list[T]:
    """One, as a line of text, or none."""
    return [one] * bool(holds)


def name_at(names: Sequence[str], number: int) -> str:
    """A name by its number, or the number where there is none."""
    if 0 <= number < len(names):
        return names[number]
    return str(number)
