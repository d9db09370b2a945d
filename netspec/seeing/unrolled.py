"""A layer whose windows slide, written out as a matrix. In: kernel, stride, padding, sizes; out: which
weight stands where.

    y = C x,   C[r, c] = w[k]  where place r of the top reads place c of the bottom by tap k, else 0

Dumoulin, Visin 2016 (arXiv:1603.07285), section 4.1. Rows are places of the smaller side, columns of
the larger: a transposed convolution is y = C^T x. Where the border is filled from the other end C is
(doubly block) circulant, else (doubly block) Toeplitz.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np

from netspec.seeing.seen import Array

__all__ = ["place_taps", "shared_gradient"]

Sizes = Sequence[int]


def place_taps(
    space: Sizes, kernel: Sizes, stride: Sizes, begins: Sizes, ends: Sizes, dilation: Sizes, circular: bool
) -> tuple[Array, tuple[int, ...]]:
    """Taps (places of the top, places of the bottom): the number of the weight, -1 for none; and the
    top's sizes.
    """
    out = tuple(
        (n + b + e - d * (k - 1) - 1) // s + 1
        for n, k, s, b, e, d in zip(space, kernel, stride, begins, ends, dilation, strict=True)
    )
    taps = np.full((int(np.prod(out)), int(np.prod(space))), -1, np.int64)
    for row, place in enumerate(product(*map(range, out))):
        for number, tap in enumerate(product(*map(range, kernel))):
            at = [
                p * s - b + t * d for p, s, b, t, d in zip(place, stride, begins, tap, dilation, strict=True)
            ]
            if circular:
                at = [a % n for a, n in zip(at, space, strict=True)]
            if all(0 <= a < n for a, n in zip(at, space, strict=True)):
                taps[row, int(np.ravel_multi_index(at, tuple(space)))] = number
    return taps, out


def shared_gradient(taps: Array, gradient: Array, x: Array, count: int) -> Array:
    """dL/dw[k]: the sum, over all places (r, c) that hold w[k], of dL/dy[r] x[c]."""
    outer = np.outer(gradient.ravel(), x.ravel())
    return np.array([outer[taps == k].sum() for k in range(count)])
