"""Which of two tests is the better one. In: their numbers; out: yes or no. Knows no weights."""

import math
from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["Judge"]

ROUNDING = 1e-6
"""Two means of the same samples in another order may differ by so much of themselves."""
Metrics = Mapping[str, float]


class Judge(NamedTuple):
    """losses: numbers of which less is better. alone: whether one learns all by one loss."""

    losses: frozenset[str]
    alone: bool = True

    def name(self, metrics: Metrics) -> str | None:
        """The number that decides: the first metric that is not a loss (more is better), else the
        loss.

        Players who learn against each other have no loss in common: without a metric nothing
        decides.
        """
        for name in metrics:
            if name not in self.losses:
                return name
        if self.alone:
            return "loss"
        return None

    def improves(self, new: Metrics, old: Metrics, margin: float = 0.0) -> bool:
        """Whether a test is better than an older one, of which nothing is known where `old` is
        empty: by the number that decides, and without a margin by the loss where that is the same.

        margin: by how much it must be better, at least. One with a loss that is not finite is never
        better, whatever its metrics.
        """
        name = self.name(new)
        if name is None or not all(math.isfinite(new[loss]) for loss in new if loss in self.losses):
            return False
        found = self.compare(new, old, name, margin)
        if found == 0 and not margin and self.alone:
            found = self.compare(new, old, "loss")
        return found > 0

    def compare(self, new: Metrics, old: Metrics, name: str, margin: float = 0.0) -> int:
        """1 where a number is better than the older one, -1 where it is worse, 0 where the two are
        the same, but for the margin or rounding.
        """
        value, before = new.get(name, math.nan), old.get(name)
        if not math.isfinite(value):
            return -1
        if before is None:
            return 1
        gain = value - before
        if name in self.losses:
            gain = -gain
        if abs(gain) <= max(margin, ROUNDING * abs(before)):
            return 0
        return int(math.copysign(1, gain))
