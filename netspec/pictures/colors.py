"""Colours by meaning, and arrays as colours. In: numbers; out: bytes (..., 3). Knows numpy alone."""

from typing import Any

import numpy as np

__all__ = ["DARK", "LIGHT", "SERIES", "Array", "blue_red", "gray", "heat", "overlay", "stretch"]

Array = np.ndarray[Any, Any]

LIGHT = {"ink": "#1c1e21", "soft": "#5a6068", "line": "#c9ced6", "paper": "#ffffff", "panel": "#f2f4f7"}
DARK = {"ink": "#e6e8eb", "soft": "#a9b0ba", "line": "#454b54", "paper": "#16181b", "panel": "#22262b"}
"""What a drawing names by meaning; a page shows one or the other as the reader's system does."""
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6d00", "#56b4e9", "#7f3fbf", "#6b6b6b")
"""Okabe and Ito 2008, told apart by colour-blind readers; yellow darkened, for white paper."""
HEAT = np.array(
    [(13, 8, 60), (92, 16, 110), (167, 42, 91), (228, 92, 44), (250, 168, 36), (252, 255, 190)], np.float64
)
"""Dark to bright, evenly: the places of the colours between black and white."""
BLUE, WHITE, RED = (np.array(c, np.float64) for c in ((33, 102, 172), (247, 247, 247), (178, 24, 43)))


def stretch(values: Array, low: float | None = None, high: float | None = None) -> Array:
    """From the least to the greatest number, or from `low` to `high`, as 0 to 1; what is not finite
    is 0.
    """
    values = np.nan_to_num(np.asarray(values, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low = float(values.min(initial=np.inf)) if low is None else low
    high = float(values.max(initial=-np.inf)) if high is None else high
    if not high > low:
        return np.full(values.shape, 0.5)
    made: Array = ((values - low) / (high - low)).clip(0, 1)
    return made


def gray(values: Array, low: float | None = None, high: float | None = None) -> Array:
    """Black to white."""
    return np.repeat((stretch(values, low, high) * 255).round().astype(np.uint8)[..., None], 3, -1)


def heat(values: Array, low: float | None = None, high: float | None = None) -> Array:
    """Dark violet through red to pale yellow, ever brighter."""
    places = np.linspace(0, 1, len(HEAT))
    at = stretch(values, low, high)
    channels = [np.interp(at, places, HEAT[:, channel]) for channel in range(3)]
    return np.stack(channels, -1).round().astype(np.uint8)


def blue_red(values: Array, most: float | None = None) -> Array:
    """Blue below 0, white at 0, red above; `most`: the size of what is darkest."""
    values = np.nan_to_num(np.asarray(values, np.float64))
    most = float(np.abs(values).max(initial=0.0)) if most is None else most
    at = (values / (most or 1.0)).clip(-1, 1)[..., None]
    made: Array = np.where(at < 0, WHITE + (BLUE - WHITE) * -at, WHITE + (RED - WHITE) * at)
    return made.round().astype(np.uint8)


def overlay(picture: Array, values: Array, strength: float = 0.6) -> Array:
    """Heat over a picture (h, w, 3) in gray: the more of it, the stronger the colour."""
    share = stretch(values)[..., None]
    plain = picture.mean(-1, keepdims=True).repeat(3, -1)
    mixed = plain * (1 - strength * share) + heat(values).astype(np.float64) * strength * share
    made: Array = mixed.round().clip(0, 255).astype(np.uint8)
    return made
