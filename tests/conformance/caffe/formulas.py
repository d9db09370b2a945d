"""Caffe's layer rules as plain NumPy in float64, from the oracle's formulas and from nothing of netspec's; and random nets of one layer.

`DRAWS[name](d)` answers a Drawn: a layer's prototxt, its inputs, and the function that says what must come of them.
"""

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tests.conformance.caffe.dice import Arrays, Dice, layer_text, repeated

__all__ = ["DRAWS", "Drawn"]

Array = np.ndarray
FLT_MAX, FLT_MIN = 3.4028234663852886e38, 1.1754943508222875e-38


class Drawn(NamedTuple):
    """A random net. reference: inputs and weights (w0, w1, ...) to tops. learns: inputs with a gradient, None for all.

    after: weights that the forward pass leaves; slopes: gradients where Caffe's are not those of its own formula.
    """

    layer: str
    inputs: Arrays
    reference: Callable[[Arrays], Arrays]
    learns: tuple[str, ...] | None = None
    tolerance: float = 2e-5
    phase: str = "TEST"
    weights: Arrays = {}
    after: Callable[[Arrays], Arrays] | None = None
    slopes: Callable[[Arrays, Arrays], Arrays] | None = None


# --- windows ----------------------------------------------------------------------------------------------------------


class Windows(NamedTuple):
    kernel: list[int]
    stride: list[int]
    pad: list[int]
    dilation: list[int]

    @property
    def reach(self) -> list[int]:
        return [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True)]

    def taps(self) -> "itertools.product[tuple[int, ...]]":
        return itertools.product(*map(range, self.kernel))

    def rows(self, tap: tuple[int, ...], counts: list[int]) -> tuple[slice, ...]:
        """What a tap reads of the padded space (or writes of a transposed convolution's result) for all windows."""
        begin = [u * d for u, d in zip(tap, self.dilation, strict=True)]
        return tuple(
            slice(b, b + s * (n - 1) + 1, s) for b, s, n in zip(begin, self.stride, counts, strict=True)
        )


def windows(d: Dice, axes: int) -> tuple[str, Windows]:
    """Words of a ConvolutionParameter in one of their forms: one number, one for each axis, _h and _w."""
    w = Windows(d.sizes(1, 3, axes), d.sizes(1, 3, axes), d.sizes(0, 2, axes), d.sizes(1, 2, axes))
    form = d.choice(["one", "each", "hw"] if axes == 2 else ["one", "each"])
    if form == "one":
        w = Windows(*([part[0]] * axes for part in w))
    names = ("kernel_size", "stride", "pad", "dilation")
    if form == "hw":
        pairs = zip(("kernel", "stride", "pad"), w, strict=False)
        return " ".join(f"{n}_h: {p[0]} {n}_w: {p[1]}" for n, p in pairs) + " " + repeated(
            "dilation", w.dilation
        ), w
    return " ".join(repeated(n, p[:1] if form == "one" else p) for n, p in zip(names, w, strict=True)), w


def folded(x: Array, axis: int) -> Array:
    return x.reshape((-1, *x.shape[axis:]))


def counts(x: Array, w: Windows) -> list[int]:
    return [
        (n + 2 * p - r) // s + 1 for n, p, r, s in zip(x.shape[2:], w.pad, w.reach, w.stride, strict=True)
    ]


def bordered(x: Array, w: Windows) -> Array:
    return np.pad(x, [(0, 0), (0, 0), *((p, p) for p in w.pad)])


def convolved(x: Array, weight: Array, w: Windows, group: int) -> Array:
    out, padded = counts(x, w), bordered(x, w)
    parts = []
    for filters, maps in zip(np.split(weight, group), np.split(padded, group, axis=1), strict=True):
        taps = [
            np.einsum("nc...,oc->no...", maps[(..., *w.rows(u, out))], filters[(..., *u)]) for u in w.taps()
        ]
        parts.append(sum(taps))
    return np.concatenate(parts, axis=1)


def spread(x: Array, weight: Array, w: Windows, group: int) -> Array:
    """The transposed convolution: each value over its window, then the padding cut off."""
    space = list(x.shape[2:])
    full = [s * (n - 1) + r for s, n, r in zip(w.stride, space, w.reach, strict=True)]
    parts = []
    for filters, maps in zip(np.split(weight, group), np.split(x, group, axis=1), strict=True):
        y = np.zeros((len(x), weight.shape[1], *full))
        for u in w.taps():
            y[(..., *w.rows(u, space))] += np.einsum("nc...,co->no...", maps, filters[(..., *u)])
        parts.append(y)
    return np.concatenate(parts, axis=1)[(..., *(slice(p, n - p) for p, n in zip(w.pad, full, strict=True)))]


def filters(d: Dice, type_: str) -> Drawn:
    """Convolution and Deconvolution: any channel axis, 0 to 3 axes of space, groups."""
    axis = d.choice([1, 1, 1, 0, 2, 3])
    axes, group = d.choice([1, 2, 2, 3] if axis < 2 else [0, 1, 2]), d.choice([1, 1, 2, 3])
    words, w = windows(d, axes) if axes else ("kernel_size: 3", Windows([], [], [], []))
    transposed = type_ == "Deconvolution"
    least = [
        -(-(2 * p + 1 - r) // s) + 1 if transposed else r - 2 * p
        for r, p, s in zip(w.reach, w.pad, w.stride, strict=True)
    ]
    shape = [
        *d.sizes(1, 2, axis),
        group * d.size(1, 2),
        *(max(1, n) + d.size(0, 2 - transposed) for n in least),
    ]
    outputs, bias = group * d.size(1, 2), d.chance(0.7)
    words += f" num_output: {outputs} group: {group} bias_term: {str(bias).lower()} axis: {d.axis(axis, len(shape))}"

    def reference(a: Arrays) -> Arrays:
        x = folded(a["x"], axis)
        y = spread(x, a["w0"], w, group) if transposed else convolved(x, a["w0"], w, group)
        y = y + a["w1"].reshape(-1, *(1,) * axes) if bias else y
        return {"y": y.reshape(*shape[:axis], *y.shape[1:])}

    return Drawn(
        layer_text(type_, f"convolution_param {{ {words} }}"),
        {"x": d.normal(shape)},
        reference,
        tolerance=1e-4,
    )


def im2col(d: Dice) -> Drawn:
    axis, axes = d.choice([1, 1, 2, 0]), d.choice([1, 2, 2, 3])
    words, w = windows(d, axes)
    space = [max(1, r - 2 * p) + d.size(0, 2) for r, p in zip(w.reach, w.pad, strict=True)]
    shape = [*d.sizes(1, 2, axis), d.size(1, 2), *space]

    def reference(a: Arrays) -> Arrays:
        x = folded(a["x"], axis)
        taps = np.stack([bordered(x, w)[(..., *w.rows(u, counts(x, w)))] for u in w.taps()], 2)
        y = taps.reshape(len(x), -1, *taps.shape[3:])
        return {"y": y.reshape(*shape[:axis], *y.shape[1:])}

    text = layer_text("Im2col", f"convolution_param {{ {words} axis: {d.axis(axis, len(shape))} }}")
    return Drawn(text, {"x": d.normal(shape)}, reference)


# --- pooling ----------------------------------------------------------------------------------------------------------


def pooled(x: Array, pool: str, w: Windows, up: bool = True) -> tuple[Array, Array]:
    """Values and mask, window by window."""
    space = x.shape[2:]
    rounded = math.ceil if up else math.floor
    out = [
        rounded((n + 2 * p - k) / s) + 1 for n, k, s, p in zip(space, w.kernel, w.stride, w.pad, strict=True)
    ]
    if any(w.pad):
        out = [m - ((m - 1) * s >= n + p) for m, n, s, p in zip(out, space, w.stride, w.pad, strict=True)]
    y, mask = np.zeros((2, *x.shape[:2], *out))
    for place in np.ndindex(*out):
        begin = [i * s - p for i, s, p in zip(place, w.stride, w.pad, strict=True)]
        end = [min(b + k, n + p) for b, k, n, p in zip(begin, w.kernel, space, w.pad, strict=True)]
        area = math.prod(e - b for b, e in zip(begin, end, strict=True))
        first, last = [max(b, 0) for b in begin], [min(e, n) for e, n in zip(end, space, strict=True)]
        inside = x[(..., *map(slice, first, last))]
        if pool == "AVE":
            y[(..., *place)] = inside.sum((2, 3)) / area if area else np.nan
        elif inside.size == 0:
            y[(..., *place)], mask[(..., *place)] = -FLT_MAX, -1
        else:
            best = inside.reshape(*x.shape[:2], -1).argmax(-1)
            row, column = np.divmod(best, last[1] - first[1])
            y[(..., *place)], mask[(..., *place)] = (
                inside.max((2, 3)),
                (first[0] + row) * space[1] + first[1] + column,
            )
    return y, mask


def averages(d: Dice) -> Drawn:
    """AVE with borders up to the window's length less one, where the divisor tells."""
    kernel, stride, up = d.sizes(2, 5, 2), d.sizes(1, 4, 2), d.chance(0.7)
    w = Windows(kernel, stride, [d.size(k // 2, k - 1) for k in kernel], [1, 1])
    shape = [
        *d.sizes(1, 2, 2),
        *(max(1, k - 2 * p) + d.size(0, 6) for k, p in zip(kernel, w.pad, strict=True)),
    ]
    words = f"round_mode: {'CEIL' if up else 'FLOOR'} "
    words += " ".join(
        f"{n}_h: {p[0]} {n}_w: {p[1]}" for n, p in zip(("kernel", "stride", "pad"), w, strict=False)
    )
    text = layer_text("Pooling", f"pooling_param {{ pool: AVE {words} }}")
    return Drawn(text, {"x": d.normal(shape)}, lambda a: {"y": pooled(a["x"], "AVE", w, up)[0]})


def pooling(d: Dice) -> Drawn:
    pool, up, mask = d.choice(["MAX", "AVE"]), d.chance(0.7), d.chance(0.4)
    kernel, stride = d.sizes(1, 4, 2), d.sizes(1, 4, 2)
    pad = [d.size(0, k - 1) for k in kernel] if d.chance(0.5) else [0, 0]
    w = Windows(kernel, stride, pad, [1, 1])
    shape = [*d.sizes(1, 2, 2), *(max(1, k - 2 * p) + d.size(0, 6) for k, p in zip(kernel, pad, strict=True))]
    words = "" if up else "round_mode: FLOOR "
    if d.chance(0.15):
        w, words = Windows(shape[2:], [1, 1], [0, 0], [1, 1]), "global_pooling: true "
    else:
        words += " ".join(
            f"{n}_h: {p[0]} {n}_w: {p[1]}" for n, p in zip(("kernel", "stride", "pad"), w, strict=False)
        )
    names = ["y", "m"] if mask and pool == "MAX" else ["y"]

    def reference(a: Arrays) -> Arrays:
        return dict(zip(names, pooled(a["x"], pool, w, up), strict=False))

    x = d.normal(shape)
    made = reference({"x": x})["y"]
    empty = not np.isfinite(made).all() or bool((made < -1e30).any())
    return Drawn(
        layer_text("Pooling", f"pooling_param {{ pool: {pool} {words} }}", tops=names),
        {"x": x},
        reference,
        () if empty else None,
    )


def pyramid(d: Dice) -> Drawn:
    height, pool = d.size(1, 3), d.choice(["MAX", "AVE"])

    def level(space: tuple[int, ...], i: int) -> Windows:
        kernel = [-(-n // 2**i) for n in space]
        return Windows(
            kernel, kernel, [(k * 2**i - n + 1) // 2 for k, n in zip(kernel, space, strict=True)], [1, 1]
        )

    legal = [
        n for n in range(1, 12) if all((w := level((n,), i)).pad[0] < w.kernel[0] for i in range(height))
    ]
    shape = [*d.sizes(1, 2, 2), d.choice(legal), d.choice(legal)]

    def reference(a: Arrays) -> Arrays:
        levels = [pooled(a["x"], pool, level(a["x"].shape[2:], i))[0] for i in range(height)]
        return {"y": levels[0] if height == 1 else np.concatenate([y.reshape(len(y), -1) for y in levels], 1)}

    return Drawn(
        layer_text("SPP", f"spp_param {{ pyramid_height: {height} pool: {pool} }}"),
        {"x": d.normal(shape)},
        reference,
    )


# --- normalisation ----------------------------------------------------------------------------------------------------


def lrn(d: Dice) -> Drawn:
    n, alpha, beta, k, within = (
        d.choice([1, 3, 5, 7]),
        d.choice([1, 1e-4, 2.5]),
        d.choice([0.75, 0.5, 2]),
        d.choice([1, 2]),
        d.chance(0.5),
    )

    def reference(a: Arrays) -> Arrays:
        x, squares = a["x"], a["x"] ** 2
        if within:
            return {
                "y": x
                * (1 + alpha * pooled(squares, "AVE", Windows([n] * 2, [1] * 2, [n // 2] * 2, [1] * 2))[0])
                ** -beta
            }
        sums = np.stack(
            [squares[:, max(0, c - n // 2) : c + n // 2 + 1].sum(1) for c in range(x.shape[1])], 1
        )
        return {"y": x * (k + alpha / n * sums) ** -beta}

    words = f"local_size: {n} alpha: {alpha} beta: {beta} k: {k} norm_region: {'WITHIN_CHANNEL' if within else 'ACROSS_CHANNELS'}"
    return Drawn(
        layer_text("LRN", f"lrn_param {{ {words} }}"),
        {"x": d.normal([*d.sizes(1, 5, 2), *d.sizes(1, 4, 2)])},
        reference,
    )


def batch_norm(d: Dice) -> Drawn:
    rank, phase, given = d.size(1, 5), d.choice(["TEST", "TRAIN"]), d.choice([None, True, False])
    eps, m = d.choice([1e-5, 0.1]), d.choice([0.999, 0.9, 0, 1])
    stored = given if given is not None else phase == "TEST"
    # of two values that lie close together a small eps makes large numbers of what was rounded away
    shape = [d.size(2, 4) if stored else d.size(4, 6), *d.sizes(1, 3, rank - 1)]

    def channels(x: Array) -> Array:
        return (x if x.ndim > 1 else x[:, None]).swapaxes(0, 1).reshape(x.shape[1] if x.ndim > 1 else 1, -1)

    def reference(a: Arrays) -> Arrays:
        rows = channels(a["x"])
        factor = 0 if a.get("w2", [0])[0] == 0 else 1 / a["w2"][0]
        mean, variance = (factor * a["w0"], factor * a["w1"]) if stored else (rows.mean(1), rows.var(1))
        wide = (1, -1, *(1,) * (rank - 2)) if rank > 1 else (-1,)
        return {"y": (a["x"] - mean.reshape(wide)) / np.sqrt(variance.reshape(wide) + eps)}

    def after(a: Arrays) -> Arrays:
        if stored:
            return {name: a[name] for name in ("w0", "w1", "w2")}
        rows = channels(a["x"])
        n = rows.shape[1]
        return {
            "w0": rows.mean(1) + m * a["w0"],
            "w1": n / max(n - 1, 1) * rows.var(1) + m * a["w1"],
            "w2": 1 + m * a["w2"],
        }

    words = f"eps: {eps} moving_average_fraction: {m} " + (
        "" if given is None else f"use_global_stats: {str(given).lower()}"
    )
    sums = {"w1": np.array(d.choice([0.5, 2.0])), "w2": np.array(d.choice([0.0, 1.0, 2.5]))}
    text = layer_text("BatchNorm", f"batch_norm_param {{ {words} }}")
    return Drawn(text, {"x": d.normal(shape) * 2 + 1}, reference, None, 1e-4, phase, sums, after)


def mvn(d: Dice) -> Drawn:
    rank, across, divides, eps = d.size(2, 4), d.chance(0.5), d.chance(0.7), d.choice([1e-9, 0.5])
    shape = [*d.sizes(1, 3, 2), *d.sizes(2, 4, rank - 2)]
    across = across or rank == 2
    axes = tuple(range(1 if across else 2, rank))

    def parts(x: Array) -> tuple[Array, Array]:
        centred = x - x.mean(axes, keepdims=True)
        return centred, np.sqrt((centred**2).mean(axes, keepdims=True)) + eps

    def reference(a: Arrays) -> Arrays:
        centred, scale = parts(a["x"])
        return {"y": centred / scale if divides else centred}

    def slopes(a: Arrays, given: Arrays) -> Arrays:
        (centred, scale), dy = parts(a["x"]), given["y"]
        flat = dy - dy.mean(axes, keepdims=True)
        return {
            "x": (flat - centred / scale * (dy * centred / scale).mean(axes, keepdims=True)) / scale
            if divides
            else flat
        }

    words = f"normalize_variance: {str(divides).lower()} across_channels: {str(across).lower()} eps: {eps}"
    shape[1] += rank == 2
    return Drawn(
        layer_text("MVN", f"mvn_param {{ {words} }}"),
        {"x": d.normal(shape)},
        reference,
        None,
        1e-4,
        slopes=slopes,
    )


# --- one value at a time ----------------------------------------------------------------------------------------------


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def elementwise(d: Dice) -> Drawn:
    x = d.normal(d.sizes(1, 4, d.size(2, 5))) * d.choice([1, 3])
    slope, alpha, beta, least, cut = (
        d.choice([0, 0.1, -0.5]),
        d.choice([1, 0.3]),
        d.choice([1, -2]),
        d.choice([-1, 0.2]),
        d.choice([0, 0.5]),
    )
    shared = d.chance(0.4)
    along = (1, -1, *(1,) * (x.ndim - 2))
    table: dict[str, tuple[str, Callable[[Arrays], Array]]] = {
        "ReLU": (
            f"relu_param {{ negative_slope: {slope} }}",
            lambda a: np.maximum(a["x"], 0) + slope * np.minimum(a["x"], 0),
        ),
        "PReLU": (
            f"prelu_param {{ channel_shared: {str(shared).lower()} }}",
            lambda a: (
                np.maximum(a["x"], 0)
                + (a["w0"] if shared else a["w0"].reshape(along)) * np.minimum(a["x"], 0)
            ),
        ),
        "ELU": (
            f"elu_param {{ alpha: {alpha} }}",
            lambda a: np.where(a["x"] > 0, a["x"], alpha * np.expm1(np.minimum(a["x"], 0))),
        ),
        "Sigmoid": ("", lambda a: sigmoid(a["x"])),
        "TanH": ("", lambda a: np.tanh(a["x"])),
        "AbsVal": ("", lambda a: np.abs(a["x"])),
        "BNLL": ("", lambda a: np.logaddexp(0, a["x"])),
        "Swish": (f"swish_param {{ beta: {beta} }}", lambda a: a["x"] * sigmoid(beta * a["x"])),
        "Clip": (
            f"clip_param {{ min: {least} max: {least + 1} }}",
            lambda a: np.clip(a["x"], least, least + 1),
        ),
        "Threshold": (f"threshold_param {{ threshold: {cut} }}", lambda a: (a["x"] > cut) * 1.0),
    }
    type_ = d.choice(list(table))
    words, function = table[type_]
    return Drawn(
        layer_text(type_, words), {"x": x}, lambda a: {"y": function(a)}, () if type_ == "Threshold" else None
    )


def powers(d: Dice) -> Drawn:
    """Power, Exp and Log of shift + scale x."""
    type_, x = d.choice(["Power", "Exp", "Log"]), np.clip(d.normal(d.sizes(1, 4, d.size(1, 5))), -2, 2)
    scale, shift, power, base = (
        d.choice([1, 0.5, 2]),
        d.choice([0, 1, 2.5]),
        d.choice([0, 1, 2, 3, -1, 0.5]),
        d.choice([-1, 2, 10, 0.5]),
    )
    if type_ == "Exp":
        x = x / 4  # differences of numbers in the millions say nothing of the small ones beside them
    if type_ == "Log" or power in (-1, 0.5):
        x = np.abs(x) + 0.3
    elif d.chance(0.3):
        scale = -scale
    rate = 1.0 if base == -1 else math.log(base)
    function: Callable[[Array], Array] = {
        "Power": lambda v: v**power if power else np.ones_like(v),
        "Exp": lambda v: np.exp(rate * v),
        "Log": lambda v: np.log(v) / rate,
    }[type_]
    words = f"scale: {scale} shift: {shift} " + (f"power: {power}" if type_ == "Power" else f"base: {base}")
    return Drawn(
        layer_text(type_, f"{type_.lower()}_param {{ {words} }}"),
        {"x": x},
        lambda a: {"y": function(shift + scale * a["x"])},
    )


DRAWS: dict[str, Callable[[Dice], Drawn]] = {
    "convolution": lambda d: filters(d, "Convolution"),
    "deconvolution": lambda d: filters(d, "Deconvolution"),
    "im2col": im2col,
    "pooling": pooling,
    "averages": averages,
    "pyramid": pyramid,
    "lrn": lrn,
    "batch_norm": batch_norm,
    "mvn": mvn,
    "elementwise": elementwise,
    "powers": powers,
}
