"""Means of losses and metrics. In: what each batch gave; out: numbers by name. Asks the device for
values only when they are read.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["LossWindow", "WeightedMeans", "scalars"]


def scalars(outputs: Tensor | Mapping[str, Any]) -> dict[str, Tensor]:
    """The numbers (no axes) among a net's outputs, detached; a net of one output gives it without a
    name: it counts as `loss`.
    """
    named = {"loss": outputs} if isinstance(outputs, Tensor) else outputs
    return {
        name: value.detach() for name, value in named.items() if isinstance(value, Tensor) and value.ndim == 0
    }


class WeightedMeans:
    """Mean of each metric over samples: a batch counts by its number of samples, so a short last
    batch weighs less.
    """

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.samples = 0

    def add(self, values: Mapping[str, Tensor], samples: int) -> None:
        """Values of one batch (single numbers), each a mean over `samples` samples."""
        for name, value in values.items():
            share = value.detach().reshape(()).double() * samples
            if name in self.sums:
                self.sums[name] = self.sums[name] + share
            else:
                self.sums[name] = share
        self.samples += samples

    def totals(self) -> tuple[dict[str, float], int]:
        """The sums by name, and over how many samples."""
        return {name: float(total) for name, total in self.sums.items()}, self.samples

    def join(self, parts: Sequence[tuple[Mapping[str, float], int]]) -> None:
        """Take over the totals of several processes, this one's among them."""
        if len(parts) == 1:
            return
        names = dict.fromkeys(name for sums, _ in parts for name in sums)
        self.sums = {
            name: torch.tensor(sum(sums.get(name, 0.0) for sums, _ in parts), dtype=torch.float64)
            for name in names
        }
        self.samples = sum(samples for _, samples in parts)

    def result(self) -> dict[str, float]:
        """The means by name; nothing before the first batch."""
        if self.samples:
            return {name: float(total) / self.samples for name, total in self.sums.items()}
        return {}


class LossWindow:
    """The losses of the newest batches: those not yet read from the device, and the mean of the
    last `length` read.

    `begin`: losses read before, oldest first. Reading waits for the device, so the caller says
    when.
    """

    def __init__(self, length: int, begin: Iterable[float] = ()) -> None:
        self.recent: deque[float] = deque(begin, maxlen=length)
        self.waiting: list[Tensor] = []
        self.count = 0

    def add(self, loss: Tensor) -> None:
        self.waiting.append(loss.detach())

    def read(self, mean: Callable[[list[float]], list[float]] = list) -> tuple[int, float] | None:
        """Read the waiting losses. The first that is not finite: its number among all losses added
        (from 0) and its value; or None. mean: over all processes that have such losses.
        """
        if len(self.waiting) < 2:
            values = [float(loss) for loss in self.waiting]
        else:
            values = torch.stack(self.waiting).tolist()
        values = mean(values)
        self.waiting.clear()
        self.recent.extend(values)
        self.count += len(values)
        return next(
            (
                (self.count - len(values) + i, value)
                for i, value in enumerate(values)
                if not math.isfinite(value)
            ),
            None,
        )

    @property
    def mean(self) -> float:
        if self.recent:
            return sum(self.recent) / len(self.recent)
        return math.nan
