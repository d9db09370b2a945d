"""How far two tensors may be apart. In: what onnxruntime and torch (in float64, in float32) made;
out: a Difference. Knows only numpy.

Channels are judged one by one, so that one that is a million times larger hides no other.
"""

from dataclasses import dataclass, replace
from math import inf, sqrt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["EPS", "FACTOR", "PROVING", "Difference", "difference"]

EPS = 2.0**-23
"""Of float32: what one rounding may be off by, of a value of 1."""
FACTOR = 8.0
"""Between the rounding that was seen and what is allowed: another order of the same sum is another
draw, and eight times the usual one is rare.
"""
PROVING = 0.01
"""A tolerance above this part of the values proves nothing."""
HUGE = 3e38
"""Elements from here on (infinities, Caffe's -FLT_MAX) are compared by themselves: they are no sums
that rounding could touch.
"""
LARGEST = (2 - 2.0**-23) * 2.0**127
SMALLEST = 2.0**-126
"""Below, a processor may take numbers for zero."""
FEW = 16
"""A channel of fewer elements says too little of its own rounding: those of like size (`LIKE`)
speak for it.
"""
LIKE = 1e4
"""Channels whose values are larger by less than this may speak for a small one."""


@dataclass(frozen=True)
class Difference:
    """The channel that comes closest to what is allowed: its greatest distance from the truth, the
    tolerance, max |truth|, and where.

    void: in no channel is anything learnt, since the tolerance exceeds a hundredth of the values or
    float32 cannot hold them.
    """

    distance: float
    tolerance: float
    size: float = 0.0
    text: str = ""
    void: bool = False

    @property
    def ratio(self) -> float:
        """Distance in units of the tolerance."""
        if self.tolerance:
            return self.distance / self.tolerance
        if self.distance:
            return inf
        return 0.0

    @property
    def agrees(self) -> bool:
        return self.distance <= self.tolerance


def difference(
    got: "Array",
    truth: "Array",
    single: "Array",
    fan_in: float,
    noise: "Array | None" = None,
    axis: int | None = 1,
) -> Difference:
    """|got - truth| against 8 max(|single - truth|, noise, eps sqrt(fan_in) max|truth|), each the greatest of its channel along `axis`.

    noise: what rounding is known to cost at each element, where it is given. An element that is not
    finite, or huge, must be the same, unless float32 makes torch itself miss it; for infinity,
    which is only the other side of an overflow, NaN will do. Elements that are finite in truth and
    not in torch's float32 are passed over.
    """

    if got.shape != truth.shape:
        return Difference(inf, 0.0, text=f"onnxruntime makes {list(got.shape)}, torch {list(truth.shape)}")
    if truth.size == 0:
        return Difference(0.0, 0.0)
    axis = axis if axis is not None and axis < truth.ndim else None
    found = plain(got, truth, single, fan_in, noise, axis)
    if found is not None:
        return found
    return compare_guarded(got, truth, single, fan_in, noise, axis)


def plain(
    got: "Array",
    truth: "Array",
    single: "Array",
    fan_in: float,
    noise: "Array | None",
    axis: int | None,
) -> Difference | None:
    """The comparison where every element is finite, in few passes over memory; None where one is
    not.
    """
    import numpy as np

    with np.errstate(invalid="ignore", over="ignore"):
        size = split_channels(np.abs(truth.astype(np.float64, copy=False)), axis)
        off, own = (np.abs(np.subtract(x, truth, dtype=np.float64)) for x in (got, single))
        own = split_channels(own if noise is None else np.maximum(own, noise), axis)
        if not all(top < HUGE for top in (size.max(), off.max(), own.max())):  # NaN wins
            return None
    tolerances, sizes = tolerate(own, size, fan_in)
    return worst(off, tolerances, sizes, axis, (got, truth))


def compare_guarded(
    got: "Array",
    truth: "Array",
    single: "Array",
    fan_in: float,
    noise: "Array | None",
    axis: int | None,
) -> Difference:
    """The comparison where some elements are infinite, huge or no numbers."""
    import numpy as np

    a, b, t = (x.astype(np.float64) for x in (got, single, truth))
    odd, over = ~(np.abs(t) < HUGE), find_overflow(a, t, fan_in)
    lost = ~np.isfinite(b) | over
    # 1e-6 is FACTOR roundings of float32
    wrong = (
        odd
        & ~np.isclose(a, t, rtol=1e-6, equal_nan=True)
        & np.isclose(b, t, rtol=1e-6, equal_nan=True)
        & ~(np.isinf(t) & np.isnan(a))
        & ~over
    )
    if wrong.any():
        return Difference(inf, 0.0, text=at(int(wrong.argmax()), got, truth))
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.where(odd | lost, 0.0, np.abs(a - t))
        own = np.where(odd | lost, 0.0, np.abs(b - t))
        if noise is not None:
            own = np.maximum(own, np.nan_to_num(np.where(odd | lost, 0.0, noise)))
    off = np.where(np.isnan(off), inf, off)
    size = np.where(odd, 0.0, np.abs(t))
    tolerances, sizes = tolerate(split_channels(own, axis), split_channels(size, axis), fan_in)
    found = worst(off, tolerances, sizes, axis, (got, truth))
    return replace(found, void=found.void or bool((odd | lost).all()))


def find_overflow(got: "Array", truth: "Array", fan_in: float) -> "Array":
    """Where a sum is not finite that need not be: what it adds up to is below float32's greatest
    number, what it passes on the way is not. The greatest number itself is no sum.
    """
    import numpy as np

    size = np.abs(truth)
    sums = size < LARGEST
    if not sums.any() or size[sums].max() * sqrt(fan_in) < LARGEST:
        return np.zeros(truth.shape, bool)
    return sums & ~np.isfinite(got)


def split_channels(x: "Array", axis: int | None) -> "Array":
    """A row for each channel."""
    import numpy as np

    if axis is None:
        return x.reshape(1, -1)
    return np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1)


def tolerate(own: "Array", size: "Array", fan_in: float) -> "tuple[Array, Array]":
    """Tolerance and size of each channel, from rows of torch's own errors and of magnitudes."""
    import numpy as np

    errors, sizes = own.max(1), size.max(1)
    spoken = sizes
    if own.shape[1] < FEW and len(errors) > 1:
        order = np.argsort(sizes, kind="stable")
        upto = np.searchsorted(sizes[order], sizes * LIKE, side="right") - 1
        errors = np.maximum.accumulate(errors[order])[upto]
        spoken = sizes[order][upto]
    least = np.where(spoken > 0, SMALLEST, 0.0)
    return FACTOR * np.maximum(np.maximum(errors, EPS * sqrt(fan_in) * spoken), least), sizes


def worst(
    off: "Array",
    tolerances: "Array",
    sizes: "Array",
    axis: int | None,
    tensors: "tuple[Array, Array]",
) -> Difference:
    """The Difference at the channel whose distance is most of its tolerance; among those that prove
    something, if any does.
    """
    import numpy as np

    rows = split_channels(off, axis)
    distances = rows.max(1)
    void = (tolerances > PROVING * sizes) & (sizes > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(distances > 0, distances / tolerances, 0.0)
    ratios = np.where(np.isnan(ratios), inf, ratios)
    if void.all():
        told = ratios
    else:
        told = np.where(void & (ratios <= 1), -1.0, ratios)
    channel = int(told.argmax())
    text = at(place(rows, channel, off.shape, axis), *tensors)
    return Difference(
        float(distances[channel]),
        float(tolerances[channel]),
        float(sizes[channel]),
        text,
        bool(void.all()),
    )


def place(rows: "Array", channel: int, shape: tuple[int, ...], axis: int | None) -> tuple[int, ...]:
    """Where the greatest element of a channel is in the whole."""
    import numpy as np

    rest = shape if axis is None else shape[:axis] + shape[axis + 1 :]
    inside = [int(i) for i in np.unravel_index(int(rows[channel].argmax()), rest)]
    if axis is None:
        return tuple(inside)
    return (*inside[:axis], channel, *inside[axis:])


def at(index: "tuple[int, ...] | int", got: "Array", truth: "Array") -> str:
    """`onnxruntime has 0.5 at [0, 3, 5], torch 0.25`."""
    import numpy as np

    if not isinstance(index, tuple):
        index = tuple(int(i) for i in np.unravel_index(index, truth.shape))
    return f"onnxruntime has {float(got[index]):.9g} at {list(index)}, torch {float(truth[index]):.9g}"
