"""`lr_policy: plateau`: the rate falls once tests have not become better for a while. In: tests;
out: a factor of the rate.
"""

from netspec.strict_json import JsonError, member
from netspec.training.learners import Learner
from netspec.training.observers.judge import Judge
from netspec.training.observers.observer import Facts, Outcome
from netspec.training.observers.patience import Patience

__all__ = ["Plateau"]

MOST = 100_000
"""Steps that a snapshot may tell of: a power beyond is 0 for any factor that is worth the name."""


class Plateau(Patience):
    """Multiplies the rate of one who learns by gamma, and begins to count anew. steps: how often it
    has.
    """

    def __init__(self, learner: Learner, judge: Judge) -> None:
        super().__init__(judge)
        self.learner, self.steps = learner, 0
        self.word = f"plateau {learner.name}".rstrip()

    def after_test(self, test: Outcome) -> str:
        if self.count(test) and self.waited >= self.learner.words.patience:
            self.steps, self.waited = self.steps + 1, 0
            self.lower()
        return ""

    def lower(self) -> None:
        self.learner.solver.factor = self.learner.words.gamma**self.steps

    def state(self) -> Facts:
        return {**super().state(), "steps": self.steps}

    def load_state(self, facts: Facts) -> None:
        super().load_state(facts)
        self.steps = member(facts, "steps", int)
        if not 0 <= self.steps <= MOST:
            raise JsonError(f"steps must be from 0 to {MOST}: it is {self.steps}")
        self.lower()
