"""Values for inputs that no data feed: noise and constants, by filler. In: how many samples and a
generator; out: a tensor.
"""

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from netspec.resolve.sections.train import InputFiller

__all__ = ["Fill"]


class Fill(NamedTuple):
    """A filler for one input: shape of a sample, the axis of the batch that counts samples, whether
    it wants integers.
    """

    filler: InputFiller
    shape: tuple[int, ...]
    axis: int = 0
    integer: bool = False

    def batch(self, count: int, generator: Generator) -> Tensor:
        """`count` samples, float32 (or int64), on the CPU, drawn from the generator."""
        value, words = (
            torch.empty((*self.shape[: self.axis], count, *self.shape[self.axis :])),
            self.filler,
        )
        if words.type == "gaussian":
            value.normal_(words.mean, words.std, generator=generator)
        elif words.type == "uniform":
            value.uniform_(words.min, words.max, generator=generator)
        else:
            value.fill_(words.value)
        if self.integer:
            return value.long()
        return value
