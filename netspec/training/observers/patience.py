"""Counting tests without a better value: what early stopping and a plateau have in common. In:
tests; out: how many in a row brought nothing.
"""

from typing import Any

from netspec.strict_json import JsonError, member
from netspec.training.observers.judge import Judge
from netspec.training.observers.observer import Facts, Observer, Outcome

__all__ = ["Patience"]


class Patience(Observer):
    """counted: the iteration of the last test counted, so that one that a resumed run makes again
    counts once. waited: tests since the best.
    """

    def __init__(self, judge: Judge, min_delta: float = 0.0) -> None:
        self.judge, self.min_delta = judge, min_delta
        self.best: dict[str, float] = {}
        self.waited, self.counted = 0, -1

    def count(self, test: Outcome) -> bool:
        """Whether a test is a new one, which is then counted."""
        if test.iteration <= self.counted:
            return False
        self.counted = test.iteration
        self.waited += 1
        if self.judge.improves(test.metrics, self.best, self.min_delta):
            self.best, self.waited = dict(test.metrics), 0
        return True

    def state(self) -> Facts:
        return {"best": self.best, "waited": self.waited, "counted": self.counted}

    def load_state(self, facts: Facts) -> None:
        best: dict[str, Any] = member(facts, "best", dict)
        self.best = {name: float(member(best, name, int, float)) for name in best}
        self.waited, self.counted = member(facts, "waited", int), member(facts, "counted", int)
        if self.waited < 0:
            raise JsonError(f"waited must be at least 0: it is {self.waited}")
