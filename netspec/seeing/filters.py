"""Weights that can be looked at as pictures. In: what an input takes; out: whether that is a picture,
and the record of a layer's filters.
"""

from typing import NamedTuple

from netspec.data.samples import Taken
from netspec.seeing.seen import Array

__all__ = ["Filters", "is_picture"]


class Filters(NamedTuple):
    """The weights of a layer whose windows slide, (filters, channels, ...space); first: whether
    what it reads is an input of the net; taps: names of its channels' colours (rgb, bgr), else "".
    """

    layer: str
    weight: Array
    first: bool = False
    color: str = ""


def is_picture(taken: Taken) -> bool:
    shape = taken.shape
    return len(shape) == 3 and shape[0] in (1, 3) and all(n is None or n > 1 for n in shape[1:])
