"""A convolution as the matrix that it is: C with one weight at many places, its transpose, and the
gradient of each weight as the sum over its places.

    y = C x,   dL/dx = C^T dL/dy,   dL/dw_k = sum over places (r, c) of w_k in C of dL/dy_r x_c

(seeing/unrolled.py has the source.) One filter and one of its channels, over an input of a few
places: --layer, --unit (the filter), --window (places along a side; by default those of
two windows, 4x4 for 3x3). A transposed convolution has the matrix of the convolution that it undoes.
"""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from netspec.diagnostics import SpecError, fail
from netspec.diagnostics.words import count_of
from netspec.ir.field import ends
from netspec.pictures.colors import blue_red
from netspec.pictures.figure import Figure, Table
from netspec.pictures.matrices import Matrix, matrix_drawing
from netspec.seeing.seen import Array, Asked, Seen
from netspec.seeing.subject import NetSubject, Subject
from netspec.seeing.unrolled import place_taps

__all__ = ["TAKES", "WHOLE", "draw", "see"]

WHOLE = True
TAKES = ("layer", "unit", "window")
MOST = 1024
"""Rows or columns of a matrix that are drawn."""
TRANSPOSED, SMALL = "transposed", 400
"""Up to SMALL entries the matrix names each weight; beyond that names could not be read."""


def see(subject: Subject, asked: Asked) -> Seen:
    """C (places of the smaller side, of the larger), the number of the weight at each entry."""
    net = subject.need_net("matrix")
    if asked.layer is None:
        return first_small(net, asked)
    return write_out(net, subject.layer(asked.layer), asked)


def write_out(net: NetSubject, layer: str, asked: Asked) -> Seen:
    """The matrix of one layer."""
    node = net.nodes[layer]
    if not slides(net, layer):
        raise fail("NS750", f"{layer} slides no window with weights", path=net.path)
    weight = net.net.layer_parameters(layer)[0].detach().cpu().numpy()  # type: ignore[operator]
    unit = asked.unit or 0
    if unit >= len(weight):
        raise fail("NS757", f"unit {unit}; {layer} has {count_of(len(weight), 'filter')}", path=net.path)
    kernel = weight[unit, 0]
    window = node.layer.window(node.layer.bottom(net.typed.bottoms(node)[0]))
    words = numbers_of(window, kernel.shape)
    if words is None:
        raise fail("NS750", f"the window of {layer} has sizes that are not known", path=net.path)
    reach = [d * (k - 1) + 1 for d, k in zip(words[3], kernel.shape, strict=True)]
    stride, begins, finals, dilation = words
    space = [asked.window or n + s for n, s in zip(reach, stride, strict=True)]
    check_size(space, words, reach, net)
    mode = node.layer.border_mode
    if mode not in ("constant", "circular") and (any(begins) or any(finals)):
        raise fail(
            "NS750", f"the border of {layer} is {mode}: its entries are sums of weights", path=net.path
        )
    taps, out = place_taps(space, kernel.shape, stride, begins, finals, dilation, mode == "circular")
    made = np.where(taps >= 0, kernel.ravel()[taps.clip(0)], 0)
    turned = TRANSPOSED in node.layer.traits
    values = {"layer": layer, "unit": unit, "kernel": list(kernel.shape), "space": space, "out": list(out),
              "transposed": turned, "shape": list(made.shape), "kind": kind_of(mode, len(space)),
              "shared": [int((taps == k).sum()) for k in range(kernel.size)]}  # fmt: skip
    told = [f"filter {unit} of {layer}, {shape_of(kernel.shape)}, over {shape_of(space)}: {values['kind']}",
            f"C is {made.shape[0]}x{made.shape[1]}: {shape_of(space)} become {shape_of(out)}"]  # fmt: skip
    arrays = {"matrix": made, "taps": taps, "kernel": kernel}
    return Seen("matrix", f"A convolution of {net.name} as a matrix", told, values, arrays)


def slides(net: NetSubject, layer: str) -> bool:
    """Whether a layer has one kernel for all places."""
    node = net.nodes[layer]
    if "windowed" not in node.layer.traits or not net.typed.weights[node]:
        return False
    shape = net.typed.weights[node][0].shape
    bottom = node.layer.bottom(net.typed.bottoms(node)[0])
    return net.typed.weights[node][0].name == "weight" and len(shape) == 2 + len(bottom.space)


def first_small(net: NetSubject, asked: Asked) -> Seen:
    """The matrix of the first layer that has one of a size that can be looked at."""
    refused: list[SpecError] = []
    for layer in net.layers:
        if slides(net, layer):
            try:
                return write_out(net, layer, asked)
            except SpecError as error:
                refused.append(error)
                if asked.window or asked.unit is not None:
                    break
    if refused:
        raise refused[0]
    raise fail("NS750", "no layer slides one kernel over all places", path=net.path)


def check_size(space: list[int], words: tuple[list[int], ...], reach: list[int], net: NetSubject) -> None:
    """Raises SpecError NS752 where the window does not fit, NS753 for too many rows or columns."""
    stride, begins, finals, _ = words
    padded = [n + b + e for n, b, e in zip(space, begins, finals, strict=True)]
    if any(n < r for n, r in zip(padded, reach, strict=True)):
        raise fail("NS752", f"a window that reaches {reach} does not fit {space}", path=net.path)
    out = [(n - r) // s + 1 for n, r, s in zip(padded, reach, stride, strict=True)]
    rows, columns = prod(out), prod(space)
    if max(rows, columns) > MOST:
        sides = f"{count_of(rows, 'row')} and {count_of(columns, 'column')}"
        fact = f"a matrix of {sides}, of which {MOST:,} can be drawn: give --window"
        raise fail("NS753", fact, path=net.path)


def numbers_of(window: Any, kernel: tuple[int, ...]) -> tuple[list[int], ...] | None:
    """Stride, padding at both ends, dilation; None where one is no number."""
    pads = [ends(pad) for pad in window.pads]
    found = ([*window.stride], [b for b, _ in pads], [e for _, e in pads], [*window.dilation])
    if len(window.kernel) != len(kernel) or not all(isinstance(n, int) for each in found for n in each):
        return None
    return tuple([int(n) for n in each] for each in found)  # type: ignore[arg-type]


def kind_of(mode: str, axes: int) -> str:
    """What such a matrix is called."""
    word = {"circular": "circulant"}.get(mode, "Toeplitz")
    return {1: word, 2: f"doubly block {word}"}.get(axes, f"{word} along each axis")


def shape_of(sizes: Any) -> str:
    return "x".join(map(str, sizes))


def draw(seen: Seen) -> Iterator[Figure]:
    """C, its transpose, and where each weight stands."""
    values, taps = seen.values, seen.arrays["taps"]
    names = tap_names(values["kernel"])
    forward, back = "y = C x", "dL/dx = C' dL/dy"
    if values["transposed"]:
        forward, back = "dL/dx = C dL/dy", "y = C' x"
    yield Figure(
        f"C: {forward}", drawing(seen.arrays["matrix"], taps, names, "C", values["space"], values["out"])
    )
    made = drawing(seen.arrays["matrix"].T, taps.T, names, "C'", values["out"], values["space"])
    yield Figure(f"C transposed: {back}", made)
    if taps.size <= SMALL:
        yield Figure(
            "The gradient of a weight", Table(("weight", "value", "gradient"), [*gradients(seen, names)])
        )


def gradients(seen: Seen, names: list[str]) -> Iterator[tuple[str, str, str]]:
    """A row for each weight: the sum over the places that share it."""
    taps, kernel = seen.arrays["taps"], seen.arrays["kernel"].ravel()
    for k, name in enumerate(names):
        places = [f"g{r} x{c}" for r, c in np.argwhere(taps == k).tolist()]
        yield name, f"{kernel[k]:.4g}", " + ".join(places)


def tap_names(kernel: list[int]) -> list[str]:
    """w00, w01, ...; with commas where a number has two digits."""
    between = "," * (max(kernel) > 10)
    return [f"w{between.join(map(str, at))}" for at in np.ndindex(*kernel)]


def drawing(
    values: Array, taps: Array, names: list[str], title: str, across: list[int], down: list[int]
) -> Any:
    texts = [[names[k] if k >= 0 else "0" for k in row] for row in taps.tolist()]
    told = f"columns: {shape_of(across)} places read, rows: {shape_of(down)} places made"
    return matrix_drawing(
        Matrix(blue_red(values), texts, title=f"{title}, {len(taps)}x{taps.shape[1]}", across=told)
    )
