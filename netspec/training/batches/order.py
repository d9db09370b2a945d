"""The order in which samples follow each other: a function of (seed, epoch) alone. In: how many
there are, of which class; out: their indices from any position on.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from netspec.data.source import Array

__all__ = ["Epoch", "Indices", "Order", "Share", "balanced", "entropy", "permutation", "weighted"]

REPEATS = 32
"""Bits that number epochs; those above count how often a sample came in one."""


class Order(NamedTuple):
    """How samples follow each other.

    wrap: batches run over the end of the data and never stop (training); else one pass, the last
    batch being what is left (a test). shuffle: a new order in each epoch, from (seed, epoch); else
    0, 1, 2, ... as Caffe reads. balance: an epoch, as long as the data, holds as many samples of
    each class.
    """

    shuffle: bool
    wrap: bool
    seed: int = 0
    balance: bool = False


class Share(NamedTuple):
    """What one of several processes takes of the batches: of a batch that trains, every size-th row
    from `rank` on; of a test, every size-th batch, whole.
    """

    rank: int = 0
    size: int = 1

    @property
    def rows(self) -> slice:
        return slice(self.rank, None, self.size)


def entropy(*numbers: int) -> np.random.SeedSequence:
    return np.random.SeedSequence([n & (2**64 - 1) for n in numbers])


def permutation(count: int, seed: int, epoch: int) -> Array:
    """The order of an epoch, from NumPy's frozen RandomState: the same in all versions and on all
    machines.
    """
    return np.random.RandomState(np.random.MT19937(entropy(seed, 0, epoch))).permutation(count)


class Epoch(NamedTuple):
    """The samples of an epoch in their order; where some come several times, how often each came
    before.
    """

    order: Array
    again: Array = np.empty(0, np.int64)


def balanced(classes: Sequence[Array], count: int, seed: int, epoch: int) -> Epoch:
    """`count` samples of an epoch in which each class has as many, in an order from (seed, epoch).

    classes: the samples of each. A rare class comes round several times, each time all of it; of a
    common one an epoch has some. Where the classes do not divide the count, those that get one more
    are drawn.
    """
    draw = np.random.RandomState(np.random.MT19937(entropy(seed, 2, epoch)))
    share, more = divmod(count, len(classes))
    sizes = np.full(len(classes), share)
    sizes[draw.permutation(len(classes))[:more]] += 1
    parts, again = [], []
    for own, size in zip(classes, sizes.tolist(), strict=True):
        rounds = [own[draw.permutation(len(own))] for _ in range(math.ceil(size / len(own)))]
        parts += [each[: size - i * len(own)] for i, each in enumerate(rounds)]
        again.append(np.arange(size) // len(own))
    shuffled = draw.permutation(count)
    return Epoch(np.concatenate(parts)[shuffled], np.concatenate(again)[shuffled])


def weighted(weights: Array, seed: int, epoch: int) -> Epoch:
    """An epoch of as many samples as there are weights, drawn with replacement, each by its share of
    their sum, from (seed, epoch).
    """
    draw = np.random.RandomState(np.random.MT19937(entropy(seed, 3, epoch)))
    bounds = np.cumsum(weights / weights.sum())
    # a draw may lie behind a sum that rounding left below 1; what weighs nothing is never drawn
    last = np.flatnonzero(weights)[-1]
    order = np.minimum(np.searchsorted(bounds, draw.random_sample(len(weights)), side="right"), last)
    return Epoch(order, count_before(order))


def count_before(order: Array) -> Array:
    """How often each number came before, at each place."""
    at = np.argsort(order, kind="stable")
    _, counts = np.unique(order, return_counts=True)
    again = np.empty(len(order), np.int64)
    again[at] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    return again


class Indices:
    """Indices of the samples from any position on; keeps the order of the epoch it was asked for
    last.
    """

    def __init__(
        self, count: int, order: Order, classes: Sequence[Array] = (), weights: Array | None = None
    ) -> None:
        self.count = count
        self.order = order
        self.classes = classes
        self.weights = weights
        self.known: tuple[int, Epoch] | None = None

    def at(self, position: int, size: int) -> Array:
        """`size` indices from a position counted over all epochs; fewer at the end of a single
        pass.
        """
        if not self.order.wrap:
            size = min(size, self.count - position)
        parts = [self.epoch(number).order[begin:end] for number, begin, end in self.stretches(position, size)]
        if parts:
            return np.concatenate(parts)
        return np.empty(0, np.int64)

    def epochs(self, position: int, size: int) -> Array:
        """The passes that so many samples from a position on belong to; of a sample that comes
        again in its pass another number each time, since random changes follow from it.
        """
        passes = np.arange(position, position + size) // self.count
        if not size or (not self.classes and self.weights is None):
            return passes
        again = [self.epoch(number).again[begin:end] for number, begin, end in self.stretches(position, size)]
        return passes + (np.concatenate(again) << REPEATS)

    def stretches(self, position: int, size: int) -> Iterator[tuple[int, int, int]]:
        """The parts of epochs that so many samples cover: number, begin, end."""
        while size > 0:
            number, begin = divmod(position, self.count)
            end = min(begin + size, self.count)
            yield number, begin, end
            position, size = position + end - begin, size - (end - begin)

    def epoch(self, number: int) -> "Epoch":
        if self.known is None or self.known[0] != number:
            self.known = number, self.draw(number)
        return self.known[1]

    def draw(self, number: int) -> "Epoch":
        """The order of an epoch."""
        if self.weights is not None:
            return weighted(self.weights, self.order.seed, number)
        if self.classes:
            return balanced(self.classes, self.count, self.order.seed, number)
        if self.order.shuffle:
            return Epoch(permutation(self.count, self.order.seed, number))
        return Epoch(np.arange(self.count))
