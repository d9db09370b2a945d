"""What is counted of one version of a model, as plain numbers: in, events; out, sums that `/metrics`
and the protocol's statistics are told from. Cheap, since every request pays for it.
"""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

__all__ = ["Spread", "Statistics"]

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Spread:
    """How values lie among bounds: counts per bucket, the last of them open, and their sum."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    @property
    def total(self) -> int:
        return sum(self.counts)


class Statistics:
    """Requests by status and time; runs by rows; how long requests waited, ran, were read and told."""

    def __init__(self) -> None:
        self.answers: Counter[int] = Counter()
        self.in_progress = 0
        self.seconds = Spread(SECONDS)
        self.queue = Spread(SECONDS)
        self.compute = Spread(SECONDS)
        self.rows = Spread(ROWS)
        self.batches: dict[int, list[float]] = {}
        self.inferences = 0
        self.input_seconds = 0.0
        self.output_seconds = 0.0
        self.success_seconds = 0.0
        self.last = 0.0

    def count_answer(self, status: int, seconds: float) -> None:
        self.answers[status] += 1
        self.seconds.add(seconds)
        if status == 200:
            self.success_seconds += seconds

    def count_run(self, rows: int, seconds: float, waits: Sequence[float]) -> None:
        """A run of the model, and how long each of its requests had waited."""
        self.rows.add(rows)
        self.inferences += rows
        self.last = time.time()
        of_size = self.batches.setdefault(rows, [0, 0.0])
        of_size[0] += 1
        of_size[1] += seconds
        for wait in waits:
            self.queue.add(wait)
            self.compute.add(seconds)
