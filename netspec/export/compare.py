"""How far two tensors may be apart. In: what onnxruntime and torch (in float64, in float32) made; out: a Difference. Knows only numpy."""

from dataclasses import dataclass
from math import inf, sqrt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["EPS", "FACTOR", "Difference", "difference"]

EPS = 2.0**-23
FACTOR = 8.0
HUGE = 3e38
"""Elements from here on (infinities, Caffe's -FLT_MAX) are compared by themselves: they are no sums that rounding could touch."""


@dataclass(frozen=True)
class Difference:
    """The greatest distance of a tensor from the truth, what is allowed, and where it is.

    size: max |truth|. void: nothing is to be learnt, since float32 cannot hold any element of the tensor.
    """

    distance: float
    tolerance: float
    size: float = 0.0
    text: str = ""
    void: bool = False

    @property
    def ratio(self) -> float:
        """Distance in units of the tolerance."""
        return self.distance / self.tolerance if self.tolerance else (inf if self.distance else 0.0)

    @property
    def agrees(self) -> bool:
        return self.distance <= self.tolerance


def difference(got: "Array", truth: "Array", single: "Array", fan_in: float, shaken: "Array | None" = None) -> Difference:
    """|got - truth| against 8 max(|single - truth|, eps sqrt(fan_in) max|truth|), each the greatest of its tensor.

    shaken: what torch makes in float32 of inputs changed in their last bit; where it is given, its distance counts as well.
    An element that is not finite, or huge, must be the same, unless float32 makes torch itself miss it; for infinity, which is only the
    other side of an overflow, NaN will do. Elements that are finite in truth and not in torch's float32 are passed over.
    """
    import numpy as np

    if got.shape != truth.shape:
        return Difference(inf, 0.0, text=f"onnxruntime makes {list(got.shape)}, torch {list(truth.shape)}")
    if truth.size == 0:
        return Difference(0.0, 0.0)
    a, b, t = (x.astype(np.float64) for x in (got, single, truth))
    odd, lost = ~(np.abs(t) < HUGE), ~np.isfinite(b)
    wrong = odd & ~np.isclose(a, t, rtol=1e-6, equal_nan=True) & np.isclose(b, t, rtol=1e-6, equal_nan=True) & ~(np.isinf(t) & np.isnan(a))
    if wrong.any():
        return Difference(inf, 0.0, text=at(wrong.argmax(), got, truth))
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.where(odd | lost, 0.0, np.abs(a - t))
        own = np.where(odd | lost, 0.0, np.abs(b - t))
        if shaken is not None:
            own = np.maximum(own, np.nan_to_num(np.where(odd | lost, 0.0, np.abs(shaken.astype(np.float64) - t))))
    off = np.where(np.isnan(off), inf, off)
    size = float(np.where(odd, 0.0, np.abs(t)).max())
    tolerance = FACTOR * max(float(own.max()), EPS * sqrt(fan_in) * size)
    return Difference(float(off.max()), tolerance, size, at(off.argmax(), got, truth), void=bool((odd | lost).all()))


def at(place: Any, got: "Array", truth: "Array") -> str:
    """`onnxruntime has 0.5 at [0, 3, 5], torch 0.25`."""
    import numpy as np

    index = tuple(int(i) for i in np.unravel_index(int(place), truth.shape))
    return f"onnxruntime has {float(got[index]):.9g} at {list(index)}, torch {float(truth[index]):.9g}"
