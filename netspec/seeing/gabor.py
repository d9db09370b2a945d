"""Which filters are Gabor functions. In: filters (n, h, w); out: for each the best of a bank, and
how much of it that explains.

    g(x, y) = exp(-(x'^2 + y'^2) / (2 s^2)) cos(2 pi x' / l + p),  x' = x cos t + y sin t

in the notation of Daugman 1985. For each orientation t, wavelength l, width s and centre, amplitude,
phase and a constant are found by least squares (a projection on three vectors), so that all filters
are fitted at once.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from netspec.seeing.seen import Array

__all__ = ["Fit", "fit_gabors"]

LEAST = 5
"""Rows and columns from which on a fit says something: 3x3 numbers have as many as its words."""
NAMED = 0.75
"""Of a filter's variance, what a fit must explain to give it a name. White noise of 7x7, against the
best of this bank, reaches 0.55 at most in 200 draws.
"""
ANGLES, PLACES = 12, (-0.2, 0.0, 0.2)
"""Every 15 degrees, so that the fit begins at most 7.5 from the best. PLACES of its middle, in parts of the
filter's side.
"""


class Fit(NamedTuple):
    """degrees: across the stripes, 0 for vertical ones; wavelength, width: pixels; explained: share
    of the variance; name: in words, empty where too little is explained.
    """

    degrees: float
    wavelength: float
    width: float
    explained: float
    name: str


def fit_gabors(filters: Array) -> list[Fit]:
    """A fit for each filter; none where they are too small."""
    n, h, w = filters.shape
    if min(h, w) < LEAST or not n:
        return []
    words, bases = bank(h, w)
    flat = filters.reshape(n, -1).astype(np.float64)
    flat = flat - flat.mean(1, keepdims=True)
    total = (flat**2).sum(1)
    explained = (np.einsum("kpc,np->nkc", bases, flat) ** 2).sum(2) / np.where(total > 0, total, 1)[:, None]
    best = explained.argmax(1)
    return [describe(words[k], float(explained[i, k])) for i, k in enumerate(best.tolist())]


def describe(words: tuple[float, float, float], explained: float) -> Fit:
    """A fit, with a name where it explains enough."""
    degrees, wavelength, width = words
    name = ""
    if explained >= NAMED:
        kind = "stripes" if width > wavelength / 3 else "edge"
        name = f"{kind} at {degrees:.0f}°, wavelength {wavelength:.1f}"
    return Fit(degrees, wavelength, width, explained, name)


@cache
def bank(h: int, w: int) -> tuple[list[tuple[float, float, float]], Array]:
    """Words (degrees, wavelength, width) and orthonormal bases (k, h * w, 2), without a constant."""
    side = min(h, w)
    y, x = np.mgrid[:h, :w].astype(np.float64)
    words, made = [], []
    for angle in np.arange(ANGLES) * np.pi / ANGLES:
        for wavelength in side / np.array([0.7, 1.0, 1.4, 2.0, 2.6]):
            for width in side * np.array([0.16, 0.25, 0.4]):
                for dy in PLACES:
                    for dx in PLACES:
                        cx, cy = x - (w - 1) / 2 - dx * side, y - (h - 1) / 2 - dy * side
                        along = cx * np.cos(angle) + cy * np.sin(angle)
                        bell = np.exp(-(cx**2 + cy**2) / (2 * width**2))
                        turn = 2 * np.pi * along / wavelength
                        made.append(
                            np.stack([(bell * np.cos(turn)).ravel(), (bell * np.sin(turn)).ravel()], -1)
                        )
                        words.append((float(np.degrees(angle)), float(wavelength), float(width)))
    bases = np.stack(made)
    bases = bases - bases.mean(1, keepdims=True)
    return words, orthonormal(bases)


def orthonormal(bases: Array) -> Array:
    """Gram and Schmidt, over the last axis, which is two long."""
    first = bases[..., 0] / np.linalg.norm(bases[..., 0], axis=1, keepdims=True)
    rest = bases[..., 1] - (bases[..., 1] * first).sum(1, keepdims=True) * first
    norm = np.linalg.norm(rest, axis=1, keepdims=True)
    return np.stack([first, np.where(norm > 1e-9, rest / np.where(norm > 1e-9, norm, 1), 0)], -1)
