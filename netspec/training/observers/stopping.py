"""Early stopping: a training ends once its tests have not become better for a while. In: tests;
out: why it ends.
"""

from netspec.resolve.sections.recipes import StopSection
from netspec.training.observers.judge import Judge
from netspec.training.observers.observer import Outcome
from netspec.training.observers.patience import Patience

__all__ = ["Stopping"]


class Stopping(Patience):
    """Ends the training. measured: what the log calls its tests."""

    word = "stop"

    def __init__(self, words: StopSection, judge: Judge, measured: str) -> None:
        super().__init__(judge, words.min_delta)
        self.words, self.measured = words, measured

    def after_test(self, test: Outcome) -> str:
        self.count(test)
        if self.waited >= self.words.patience:
            return self.reason(test)
        return ""

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
