"""How pooling is said in ONNX where one operator does not say it: borders of open size, p-norms,
the stochastic mean.
"""

from math import prod
from typing import Any

from netspec.ir.dims import Dim, untrace
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.types import LOWEST, TensorType
from netspec.layers.common.windows import Window, ends, number, pool_sizes

__all__ = ["export_average", "export_max", "export_norm", "export_stochastic"]


def export_max(g: OnnxBuilder, x: Any, w: Window, rounding: str, mask: bool) -> Any:
    """Maximum of each window; with mask also its place."""
    # a window of open size is the whole map: the place is ArgMax over its plane
    if mask and not all(isinstance(untrace(k), int) for k in w.kernel):
        y = g.max_pool(x, w, rounding)
        return y, g.reshape(
            g.typed(g.ArgMax(g.flatten(x, 2), axis=2), TensorType((*x.type.shape[:2], 1), "int64")),
            y.type.shape,
        )
    if not has_fixed_borders(w):
        if mask:
            raise g.refuse(f"the places of maxima under a border whose size is open: {x.type}")
        return g.max_pool(*reach_past(g, x, w, rounding, LOWEST), "FLOOR")  # a border never wins
    if mask:
        return g.max_pool_indices(x, w, rounding)
    return g.max_pool(x, w, rounding)


def export_average(g: OnnxBuilder, x: Any, w: Window, rounding: str, inside: bool) -> Any:
    """Mean of each window, over the area that count_include_pad means."""
    if has_fixed_borders(w):
        return g.average_pool(x, w, rounding, count_include_pad=inside)
    z, bare = reach_past(g, x, w, rounding, 0.0)
    mean = g.average_pool(z, bare, "FLOOR")
    if inside:
        return mean
    # a mean of ones is the share of each window that lies inside
    ones, _ = reach_past(g, g.full((1, 1, *x.type.space), 1.0), w, rounding, 0.0)
    return g.typed(g.Div(mean, g.average_pool(ones, bare, "FLOOR")), mean.type)


def export_norm(g: OnnxBuilder, x: Any, w: Window, rounding: str, p: float) -> Any:
    """p-norm of each window: the p-th root of the sum of |x|^p."""
    # IEEE 754 rounds products and roots exactly, a power as the library pleases
    powers = g.typed(g.Mul(x, x) if p == 2 else g.Pow(g.Abs(x), p), x.type)
    total, type_ = window_sum(g, powers, w, rounding)
    return g.typed(g.Sqrt(total) if p == 2 else g.Pow(total, 1 / p), type_)


def export_stochastic(g: OnnxBuilder, x: Any, w: Window, rounding: str) -> Any:
    """What test does: sum of squares over sum, 0 where the sum is not positive."""
    sums, type_ = window_sum(g, x, w, rounding)
    squares, _ = window_sum(g, g.typed(g.Mul(x, x), x.type), w, rounding)
    some = g.Greater(sums, 0.0)
    # Where computes both branches: the other one must not divide by 0
    return g.typed(g.Where(some, g.Div(squares, g.Where(some, sums, 1.0)), 0.0), type_)


def window_sum(g: OnnxBuilder, x: Any, w: Window, rounding: str) -> Any:
    """Sum of each window, and its type. The whole input of open size is a ReduceSum."""
    if not all(isinstance(untrace(k), int) for k in w.kernel):
        total = g.reduce("Sum", x, tuple(range(2, x.type.rank)), keep=True)
        return total, total.type
    z, bare = reach_past(g, x, w, rounding, 0.0)
    mean = g.average_pool(z, bare, "FLOOR")
    # ONNX has no sum of windows: the mean of all their places, times how many they are
    return g.Mul(mean, float(prod(map(number, w.kernel)))), mean.type


def has_fixed_borders(w: Window) -> bool:
    """Whether the borders are numbers."""
    return all(isinstance(untrace(side), int) for p in w.pads for side in ends(p))


def reach_past(g: OnnxBuilder, x: Any, w: Window, rounding: str, value: float) -> tuple[Any, Window]:
    """x with what its windows reach past it, and the window without a border; rows that no window
    reads are cut off.
    """
    counts = pool_sizes(x.type.space, w, rounding)
    begins = [ends(p)[0] for p in w.pads]
    borders = [
        (b, (n - 1) * s + k - size - b)
        for b, n, s, k, size in zip(begins, counts, w.stride, w.kernel, x.type.space, strict=True)
    ]
    bare = w._replace(pads=(0,) * len(w.pads))
    if any(isinstance(untrace(side), Dim) for border in borders for side in border):
        return g.pad(x, borders, value=value), bare
    for axis, (begin, end) in enumerate(borders, 2):
        x = extend(g, x, axis, number(begin), number(end), value)
    return x, bare


def extend(g: OnnxBuilder, x: Any, axis: int, begin: int, end: int, value: float) -> Any:
    """One axis with more elements at both ends; a negative end is cut off.

    Joined, not padded: onnxruntime would fold a Pad into the pooling behind it, which refuses a
    border as wide as its window.
    """
    if end < 0:
        x, end = g.slice(x, axis, 0, x.type.shape[axis] + end), 0
    shape = x.type.shape
    sides = [g.full((*shape[:axis], n, *shape[axis + 1 :]), value) if n else None for n in (begin, end)]
    return g.concat([part for part in (sides[0], x, sides[1]) if part is not None], axis)
