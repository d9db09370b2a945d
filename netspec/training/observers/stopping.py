"""Early stopping: a training ends once its tests have not become better for a while. In: tests;
out: why it ends.
"""

from typing import Any

from netspec.resolve.sections.recipes import StopSection
from netspec.strict_json import JsonError, member
from netspec.training.observers.judge import Judge
from netspec.training.observers.observer import Facts, Observer, Outcome

__all__ = ["Stopping"]


class Stopping(Observer):
    """Counts tests without a better value. counted: the iteration of the last one counted, so that
    a test that a resumed run makes again counts once.
    """

    word = "stop"

    def __init__(self, words: StopSection, judge: Judge, measured: str) -> None:
        self.words, self.judge, self.measured = words, judge, measured
        self.best: dict[str, float] = {}
        self.waited, self.counted = 0, -1

    def after_test(self, test: Outcome) -> str:
        if test.iteration > self.counted:
            self.count(test)
        if self.waited >= self.words.patience:
            return self.reason(test)
        return ""

    def count(self, test: Outcome) -> None:
        self.counted = test.iteration
        if self.judge.improves(test.metrics, self.best, self.words.min_delta):
            self.best, self.waited = dict(test.metrics), 0
        else:
            self.waited += 1

    def reason(self, test: Outcome) -> str:
        name = self.judge.name(test.metrics)
        if name is None or name not in self.best:
            return f"{self.waited} tests on {self.measured}_data brought nothing that can be compared"
        better = ("higher", "lower")[name in self.judge.losses]
        margin = f" by more than {self.words.min_delta:g}" if self.words.min_delta else ""
        return (
            f"{self.waited} test{'s'[: self.waited - 1]} on {self.measured}_data brought no {name} {better}"
            f" than {self.best[name]:.4g}{margin}"
        )

    def state(self) -> Facts:
        return {"best": self.best, "waited": self.waited, "counted": self.counted}

    def load_state(self, facts: Facts) -> None:
        best: dict[str, Any] = member(facts, "best", dict)
        self.best = {name: float(member(best, name, int, float)) for name in best}
        self.waited, self.counted = member(facts, "waited", int), member(facts, "counted", int)
        if self.waited < 0:
            raise JsonError(f"waited must be at least 0: it is {self.waited}")
