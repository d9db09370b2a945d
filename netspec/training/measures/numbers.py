"""Numbers against numbers: mean errors and the share of the variance that is explained. In: answers
and targets batch by batch; out: plain data.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["Numbers"]

MOST_APART = 64
"""More values than this in a sample are taken together, as those of a picture."""


class Numbers:
    """Running means by value of a sample, after Chan, Golub and LeVeque: no sample is kept."""

    def __init__(self) -> None:
        self.count = 0
        self.absolute = self.squared = self.mean = self.spread = torch.zeros(0)

    def add(self, answers: Tensor, targets: Tensor) -> None:
        """Answers (N, ...) and as many targets."""
        if not len(answers):
            return
        y, t = (rows_of(v.detach().double().cpu(), len(answers)) for v in (answers, targets))
        if not self.count:
            self.absolute, self.squared, self.mean, self.spread = (
                torch.zeros(t.shape[1], dtype=torch.float64) for _ in range(4)
            )
        self.absolute = self.absolute + (y - t).abs().sum(0)
        self.squared = self.squared + ((y - t) ** 2).sum(0)
        mean, n = t.mean(0), len(t)
        gap, whole = mean - self.mean, self.count + n
        self.spread = self.spread + ((t - mean) ** 2).sum(0) + gap**2 * self.count * n / whole
        self.mean = self.mean + gap * n / whole
        self.count = whole

    def result(self, names: Sequence[str] = ()) -> dict[str, Any]:
        """MAE, RMSE and R2 of each value, and their means. R2 of a constant is 1 where it is met
        exactly, else 0, as scikit-learn has it.
        """
        if not self.count:
            return {"kind": "numbers", "values": []}
        constant = (self.squared > 0).logical_not().double()
        explained = torch.where(self.spread > 0, 1 - self.squared / self.spread, constant)
        columns = {
            "mae": self.absolute / self.count,
            "rmse": (self.squared / self.count).sqrt(),
            "r2": explained,
        }
        found: dict[str, Any] = {
            "kind": "numbers",
            "values": [str(i) for i in range(len(self.mean))],
        }
        found["mean"] = {word: float(values.mean()) for word, values in columns.items()}
        return found | {word: values.tolist() for word, values in columns.items()}


def rows_of(values: Tensor, count: int) -> Tensor:
    """(N, D), or all values of a sample one below the other where they are many."""
    rows = values.reshape(count, -1)
    if rows.shape[1] > MOST_APART:
        return rows.reshape(-1, 1)
    return rows
