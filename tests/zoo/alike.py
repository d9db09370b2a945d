"""Weights and images that two implementations of a net can make alike without knowing each other: a tensor's numbers follow from its shape.

Layers of one shape get the same numbers wherever they stand, so neither names nor the order of branches have to be matched.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

Product = tuple[tuple[int, ...], int]
"""A weight's shape, and at how many places it is used for one sample."""


def bare(shape: Iterable[int]) -> tuple[int, ...]:
    """A shape without what only layout adds: a 1x1 window, axes of length 1 at either end of a table or vector."""
    kept = tuple(int(n) for n in shape)
    if len(kept) > 2 and kept[0] != 1 and kept[1] != 1 and any(n != 1 for n in kept[2:]):
        return kept
    while len(kept) > 1 and kept[-1] == 1:
        kept = kept[:-1]
    while len(kept) > 1 and kept[0] == 1:
        kept = kept[1:]
    return kept


def numbers(shape: Sequence[int], role: str) -> np.ndarray:
    """Numbers for a tensor. Roles: weight (of a product), scale, shift, mean, variance; scale_factor is 1."""
    if role == "scale_factor":
        return np.ones(shape, np.float32)
    own = bare(shape)
    rng = np.random.default_rng([len(own), *own, sum(map(ord, role))])
    if role == "weight" and len(own) > 1:
        edge = (6 / np.prod(own[1:])) ** 0.5
        found = rng.uniform(-edge, edge, own)
    else:
        found = rng.uniform(*((0.5, 1.0) if role in ("scale", "variance", "weight") else (-0.2, 0.2)), own)
    return found.astype(np.float32).reshape(tuple(int(n) for n in shape))


def image(shape: Sequence[int]) -> np.ndarray:
    """The same noise for everyone, around 0."""
    return np.random.default_rng([7, *shape]).uniform(-1, 1, shape).astype(np.float32)


def counted(products: Iterable[Product]) -> list[list[object]]:
    """`[[shape, places, how many], ...]`, sorted: what is recorded."""
    return [[list(shape), places, n] for (shape, places), n in sorted(Counter(products).items())]


def macs(products: Iterable[Product]) -> int:
    return sum(int(np.prod(shape)) * places for shape, places in products)
