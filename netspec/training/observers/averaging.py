"""Averages of the weights over a training: EMA, which forgets, and SWA, which does not. In:
updates; out: other values for the same tensors while a test or a file looks at them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from netspec.resolve.sections.recipes import AverageSection
from netspec.strict_json import JsonError, member
from netspec.training.observers.observer import Facts, Observer
from netspec.training.optim.solver import ParameterSpec

__all__ = ["Averaging"]


class Averaging(Observer):
    """Keeps a second value of every tensor. EMA averages what batch normalisation gathered as it
    does the weights; after SWA it is measured anew.

    count: how many weights went into the average so far; before the first the training's own are
    shown. measured: the count for which statistics were measured last. Without words it shows the
    training's own weights always.
    """

    word = "average"

    def __init__(
        self,
        words: AverageSection | None,
        parameters: Sequence[ParameterSpec],
        measure: Callable[[], None] = lambda: None,
    ) -> None:
        self.asked, self.words, self.measure = words is not None, words or AverageSection(), measure
        self.own = [each.tensor.detach() for each in parameters]
        self.other: list[Tensor] = []
        self.count = self.measured = 0

    @torch.no_grad()
    def after_update(self, iteration: int) -> None:
        late = iteration - max(self.words.start, 1)
        if not self.asked or late < 0 or late % self.words.every:
            return
        self.count += 1
        if self.count == 1:
            self.take()
            return
        for other, own in zip(self.other, self.own, strict=True):
            if other.is_floating_point():
                other.lerp_(own, self.weight())
            else:
                other.copy_(own)

    def weight(self) -> float:
        """How much the newest weights count. EMA forgets faster in the beginning, when what it
        holds is hardly trained.
        """
        if self.words.type == "SWA":
            return 1 / self.count
        return max(1 - self.words.decay, 9 / (9 + self.count))

    @torch.no_grad()
    def take(self) -> None:
        """Begin with the weights as they are."""
        self.other = [tensor.clone() for tensor in self.own]

    @contextmanager
    def show(self) -> Iterator[None]:
        """While the block runs, the net's tensors hold the average."""
        if not self.count:
            yield
            return
        self.swap()
        try:
            if self.words.type == "SWA" and self.measured != self.count:
                self.measure()
                self.measured = self.count
            yield
        finally:
            self.swap()

    @torch.no_grad()
    def swap(self) -> None:
        for own, other in zip(self.own, self.other, strict=True):
            held = own.clone()
            own.copy_(other)
            other.copy_(held)

    def state(self) -> Facts:
        return {"count": self.count, "measured": self.measured}

    def load_state(self, facts: Facts) -> None:
        """After the averages themselves, which the snapshot keeps as the run's weights."""
        if not self.asked:
            return
        count, measured = member(facts, "count", int), member(facts, "measured", int)
        if not 0 <= measured <= count or (count and not self.other):
            raise JsonError(f"count is {count}, measured {measured}, of {len(self.other)} averages")
        self.count, self.measured = count, measured
