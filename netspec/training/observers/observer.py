"""The form of an observer, and all of a training's as one. In: updates and tests; out: what they
ask for.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from netspec.diagnostics import fail
from netspec.strict_json import JsonError, member

__all__ = ["Observer", "Observers", "Outcome"]

Facts = Mapping[str, Any]


class Outcome(NamedTuple):
    """A test that was made: after how many iterations, what it gave."""

    iteration: int
    metrics: Mapping[str, float]


class Observer:
    """One that looks on. By itself it does nothing.

    word: its name in snapshots and the log. State is JSON and is taken before the test of its
    iteration: a resumed run makes that test again.
    """

    word = ""

    def after_update(self, iteration: int) -> None:
        """So many iterations were made."""

    def after_test(self, test: Outcome) -> str:
        """Why the training should end with this test; "" where it should go on."""
        return ""

    def state(self) -> Facts:
        return {}

    def load_state(self, facts: Facts) -> None:
        """Take over what `state` gave. Raises JsonError where it is not that."""


class Observers:
    """All that look on at a training."""

    def __init__(self, each: Sequence[Observer]) -> None:
        self.each = tuple(each)

    def __iter__(self) -> Iterator[Observer]:
        return iter(self.each)

    def after_update(self, iteration: int) -> None:
        for each in self:
            each.after_update(iteration)

    def after_test(self, test: Outcome) -> str:
        """Each is told of the test; the first reason to end that one has."""
        reasons = [each.after_test(test) for each in self]
        return next(filter(None, reasons), "")

    def state(self) -> dict[str, Facts]:
        return {each.word: each.state() for each in self}

    def load_state(self, facts: Mapping[str, Any], path: Path) -> None:
        """Take over what `state` gave; one that was not there then begins anew. path: the file that
        it stood in. NS674: it is damaged.
        """
        for each in self:
            if each.word not in facts:
                continue
            try:
                each.load_state(member(facts, each.word, dict))
            except JsonError as error:
                raise fail("NS674", f"the state of {each.word}: {error}", path=str(path)) from error
