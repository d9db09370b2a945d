"""Random draws as a function of (seed, epoch, index of the sample, entry, name) and of nothing
else: a counter-based generator, so that no draw depends on those before it.
"""

from dataclasses import dataclass, replace
from math import prod
from typing import Any, Self
from zlib import crc32

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor

__all__ = ["Draw"]

Words = npt.NDArray[np.uint64]
# 2^64 over the golden ratio, SplitMix64's step
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
TRIALS = 12
"""Of a rejection that takes 95 in 100: that all fail does not happen."""


def mix(x: Words) -> Words:
    """The finalizer of SplitMix64 (Steele, Lea, Flood 2014): all bits of a word depend on all."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def step(key: Words, number: Any) -> Words:
    """The key that follows from a key and a number."""
    return mix(key + GOLDEN * (np.atleast_1d(np.asarray(number)).astype(np.uint64) + np.uint64(1)))


@dataclass(frozen=True)
class Draw:
    """The draws of some samples, a row each. Names keep draws apart: the same name gives the same
    numbers again. Tensors lie on the CPU, so they are the same for every device.
    """

    keys: Words

    @classmethod
    def of(cls, seed: int, epochs: Any, indices: Any) -> Self:
        """Of samples by the pass that they are read in and their index in the data."""
        # uint64 takes no number below 0
        key = mix(np.array([seed & (2**64 - 1)], np.uint64) + GOLDEN)
        return cls(step(step(key, np.asarray(epochs, np.int64)), np.asarray(indices, np.int64)))

    def __len__(self) -> int:
        return len(self.keys)

    def entry(self, number: int) -> Self:
        """The draws of one entry of a list."""
        return replace(self, keys=step(self.keys, number))

    def rows(self, at: Any) -> Self:
        """The draws of some of the samples, by index, slice or mask."""
        if not isinstance(at, slice):
            at = np.asarray(at)
        return replace(self, keys=self.keys[at])

    def words(self, name: str, *shape: int) -> Words:
        """Random words (N, *shape), uint64."""
        # not hash(), which is another in each process
        key = step(self.keys, crc32(name.encode()))
        return step(key[:, None], np.arange(prod(shape))[None]).reshape(len(key), *shape)

    def unit(self, name: str, *shape: int) -> npt.NDArray[np.float64]:
        """Evenly from [0, 1), float64, (N, *shape)."""
        # a double holds 53 bits
        return (self.words(name, *shape) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def uniform(self, low: float, high: float, name: str, *shape: int) -> Tensor:
        """Evenly from [low, high), float32, (N, *shape)."""
        made = torch.from_numpy(low + (high - low) * self.unit(name, *shape)).float()
        if high > low:
            # float32 rounds the last of them up to `high`, once in 2^25 draws: a place one too far
            made.clamp_(max=float(np.nextafter(np.float32(high), np.float32(low))))
        return made

    def integers(self, count: int | Tensor, name: str, *shape: int) -> Tensor:
        """Evenly from 0 .. count - 1, int64, (N, *shape); count may differ by sample."""
        unit = torch.from_numpy(self.unit(name, *shape))
        return torch.floor(unit * count).long()

    def chance(self, probability: float, name: str, *shape: int) -> Tensor:
        """True with a probability, (N, *shape)."""
        return torch.from_numpy(self.unit(name, *shape) < probability)

    def sign(self, name: str) -> Tensor:
        """1 or -1, float32, (N,)."""
        return 1 - 2 * self.chance(0.5, name).float()

    def beta(self, alpha: float, name: str) -> Tensor:
        """Beta(alpha, alpha), float32, (N,): of two Gamma numbers, by their logarithms, since small
        alphas make numbers too small to be told from 0.
        """
        first, second = (self.log_gamma(alpha, f"{name} {side}") for side in ("first", "second"))
        with np.errstate(over="ignore"):
            share = 1 / (1 + np.exp(second - first))
        return torch.from_numpy(share).float()

    def log_gamma(self, alpha: float, name: str) -> npt.NDArray[np.float64]:
        """Logarithms of Gamma(alpha), float64, (N,): the first of some trials that is accepted
        (Marsaglia, Tsang 2000), of alpha + 1, brought down by a power of an even number.
        """
        d = alpha + 1 - 1 / 3
        u = self.unit(name, TRIALS, 3)
        # Box and Muller
        normal = np.sqrt(-2 * np.log1p(-u[..., 0])) * np.cos(2 * np.pi * u[..., 1])
        # a negative cube is never taken, but its logarithm must be a number
        v = np.maximum(1 + normal / np.sqrt(9 * d), 1e-9) ** 3
        taken = np.log1p(-u[..., 2]) < normal**2 / 2 + d * (1 - v + np.log(v))
        taken[:, -1] = True
        made = np.take_along_axis(v, taken.argmax(1)[:, None], 1)[:, 0]
        return np.asarray(np.log(d * made) + np.log1p(-self.unit(f"{name} power")) / alpha)

    def noise(self, shape: tuple[int, ...], name: str, *, normal: bool = True) -> Tensor:
        """Normal numbers, or even ones from [-1, 1), float32, (N, *shape): many for each sample,
        from a generator of its own.
        """
        made = torch.empty(len(self), *shape)
        for row, seed in zip(made, self.words(name).tolist(), strict=True):
            generator = Generator().manual_seed(seed >> 1)
            if normal:
                row.normal_(generator=generator)
            else:
                row.uniform_(-1, 1, generator=generator)
        return made
