"""Where a layer looks: along each axis, which stretch of the bottom one unit of the top reads. Pure
numbers; knows no layer.
"""

from functools import cache
from math import inf
from typing import NamedTuple, Union

from netspec.ir.dims import Size

__all__ = [
    "HERE",
    "Border",
    "Number",
    "Reads",
    "Step",
    "Window",
    "ends",
    "over",
    "past",
    "same_place",
    "whole_batch",
    "window_steps",
]

Number = Union[int, float]
Border = Size | tuple[Size, Size]


class Window(NamedTuple):
    """A window along each spatial axis. `pads` holds one size for both sides, or (begin, end)."""

    kernel: tuple[Size, ...]
    stride: tuple[Size, ...]
    pads: tuple[Border, ...]
    dilation: tuple[Size, ...]

    @property
    def reach(self) -> tuple[Size, ...]:
        """Extent from the first tap to the last: dilation (kernel - 1) + 1."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def symmetric(self) -> bool:
        """Whether each axis has the same padding, a number, on both sides."""
        return all(isinstance(b, int) and b == e for b, e in map(ends, self.pads))


def ends(pad: Border) -> tuple[Size, Size]:
    """Padding at the beginning and at the end."""
    if isinstance(pad, tuple):
        return pad
    return (pad, pad)


class Step(NamedTuple):
    """Unit i of a top's axis reads the units stride*i + first to stride*i + last of the bottom's
    axis `axis`.

    edge, back: how far past its last, and before its first, a unit at the border reads, where the
    border is made of the bottom's own units.
    """

    axis: int
    stride: Number = 1
    first: Number = 0
    last: Number = 0
    edge: Number = 0
    back: Number = 0


HERE = Step(0)[1:]
"""What a step along any axis says behind its axis where a unit reads the unit at its own place
alone.
"""
Reads = tuple[Step | None, ...]
"""A step for each axis of the top; None: no single axis of the bottom lies behind it. A bottom's
axis that no step names is read whole.
"""


@cache
def same_place(rank: int, apart: int | None = None) -> Reads:
    """Every unit reads the unit at its own place, but along the axis `apart` all of them."""
    return tuple(None if axis == apart else Step(axis) for axis in range(rank))


def whole_batch(rank: int) -> Reads:
    """Every unit reads its whole channel, in all samples: where the batch's own statistics count."""
    return tuple(Step(axis) if axis == 1 else None for axis in range(rank))


def past(axis: int) -> Step:
    """Reads its own place and all before it, as a recurrent layer does."""
    return Step(axis, 1, -inf, 0)


def over(a: int, b: int) -> Number:
    """a / b, an integer where b divides a."""
    if a % b == 0:
        return a // b
    return a / b


def count_borrowed(mode: str, border: int, own: int) -> Number:
    """How far past its window's other end, `own` units off, a unit reads through `border` units
    that pad_mode fills from the bottom.
    """
    # reflect leaves the edge out and so reaches one unit further than symmetric
    furthest = {"reflect": border, "symmetric": border - 1, "replicate": 0, "circular": inf}
    if border > 0 and mode in furthest:
        return max(0, furthest[mode] - own)
    return 0


def window_steps(
    window: Window, space: tuple[Size, ...], rank: int, *, transposed: bool, mode: str = "constant"
) -> Reads:
    """The steps of a window (kernel, stride, pads, dilation, per spatial axis) over the last axes;
    channels are read whole.

    mode: what the border holds, a pad_mode.
    """
    lead = rank - len(space)
    steps: list[Step | None] = [Step(axis) for axis in range(lead - 1)] + [None] * min(lead, 1)
    for i, size in enumerate(space):
        kernel, stride, dilation = window.kernel[i], window.stride[i], window.dilation[i]
        begin, end = ends(window.pads[i])
        if not (isinstance(kernel, int) and isinstance(stride, int) and isinstance(dilation, int)):
            steps.append(None)
            continue
        reach = dilation * (kernel - 1)
        if not isinstance(begin, int) or not isinstance(end, int):
            # same_tf of an open size: its split where the stride divides the size
            both = max(reach + 1 - stride, 0)
            begin, end = both // 2, both - both // 2
        if transposed:
            steps.append(Step(lead + i, over(1, stride), over(begin - reach, stride), over(begin, stride)))
        else:
            whole = size == kernel and window.pads[i] in (0, (0, 0))
            beyond = count_borrowed(mode, begin, reach - begin), count_borrowed(mode, end, begin)
            steps.append(None if whole else Step(lead + i, stride, -begin, reach - begin, *beyond))
    return tuple(steps)
