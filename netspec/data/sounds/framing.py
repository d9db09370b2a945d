"""Sounds of one length: longer ones are cut, shorter ones filled with silence. In: samples (C, t);
out: (C, T). Works on arrays and on tensors.
"""

from typing import Any

import numpy as np

from netspec.data.source import Array

__all__ = ["copy_frame", "frame"]


def place(have: int, want: int, unit: float | None) -> int:
    """Where the shorter of two lengths begins in the longer one: in the middle, or by an even draw
    from [0, 1).
    """
    slack = abs(have - want)
    if unit is None:
        return slack // 2
    return min(int(unit * (slack + 1)), slack)  # rounding may reach the end


def frame(sound: Array, length: int, unit: float | None = None) -> Array:
    """A sound (..., t) as one of a length; itself where it has it."""
    if sound.shape[-1] == length:
        return sound
    made = np.zeros((*sound.shape[:-1], length), sound.dtype)
    copy_frame(sound, made, unit)
    return made


def copy_frame(sound: Any, made: Any, unit: float | None) -> None:
    """Write a sound into one of another length, which is silent."""
    have, want = sound.shape[-1], made.shape[-1]
    at = place(have, want, unit)
    if have > want:
        made[...] = sound[..., at : at + want]
    else:
        made[..., at : at + have] = sound
