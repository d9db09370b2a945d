"""What each layer makes of an input: its channels as pictures, as `forward_blobs` has them.

A tile a channel of the layer's first top, stretched together, black the least and white the greatest
value of the layer; of vectors a strip. After Zeiler, Fergus 2014 (arXiv:1311.2901), section 4.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from netspec.diagnostics import fail
from netspec.diagnostics.words import count_of
from netspec.pictures.colors import gray, heat
from netspec.pictures.figure import Figure
from netspec.pictures.tiles import enlarge, fit, thicken, tile
from netspec.pictures.words import only, when
from netspec.seeing.finite import are_finite, check_finite
from netspec.seeing.one import of_layer
from netspec.seeing.samples import samples_of, show_pixels
from netspec.seeing.seen import SAMPLE, Array, Asked, Seen
from netspec.seeing.subject import Subject

__all__ = ["TAKES", "WHOLE", "draw", "see"]

WHOLE = True
TAKES = (*SAMPLE, "layer", "unit", "count")
MOST_LAYERS, MOST_MAPS = 16, 64
"""Of a deep net so many layers, evenly spread, of a layer so many maps: `--layer` and `--count` show
others.
"""
LEAST, TALL, WIDE = 48, 16, 512
"""Pixels of a map's side, and of the height and width of the one row that a vector is."""
MOST_SIDE, MOST_ROW = 1600, 128
"""Pixels along a sheet, larger maps are drawn smaller; numbers of a vector in a row."""
INPUT = "input"


def see(subject: Subject, asked: Asked) -> Seen:
    """Arrays (channels, ...) by layer, of the first sample; `input` is what the net was given."""
    sample = samples_of(subject, asked)[0]
    layers = [subject.layer(asked.layer)] if asked.layer is not None else choose(subject.layers)
    made = subject.activations(sample.arrays, layers)
    arrays = {
        name: of_layer(subject, name, value) for name, value in made.items() if value.ndim > 1 and value.size
    }
    if not arrays:
        raise fail("NS750", "no layer has a map of one sample", path=subject.path)
    wrong = [name for name, value in arrays.items() if not are_finite(value)]
    if len(wrong) == len(arrays):
        check_finite(arrays, subject.path)
    arrays = {name: value for name, value in arrays.items() if name not in wrong}
    if asked.unit is not None:
        most = max(len(value) for value in arrays.values())
        arrays = {name: value for name, value in arrays.items() if len(value) > asked.unit}
        if not arrays:
            raise fail("NS757", f"unit {asked.unit}; there are {most}", path=subject.path)
    if subject.picture:
        arrays[INPUT] = show_pixels(sample.arrays[subject.picture][0], subject.contract(subject.picture))
    told = [f"of {sample.name}" + when(sample.label is not None, f", {sample.label}")]
    left = len(subject.layers) - len(layers)
    told += only(left and asked.layer is None, f"{count_of(left, 'more layer')}: --layer NAME")
    told += only(wrong, f"not shown, for values are infinite or no numbers: {', '.join(wrong)}")
    values = {
        "sample": sample.name,
        "layers": [describe(name, value) for name, value in arrays.items() if name != INPUT],
        "count": asked.count or MOST_MAPS,
        "unit": asked.unit,
    }
    return Seen("maps", f"Feature maps of {subject.name}", told, values, arrays)


def choose(layers: Sequence[str]) -> list[str]:
    """Layers spread evenly over the net."""
    if len(layers) <= MOST_LAYERS:
        return list(layers)
    at = np.linspace(0, len(layers) - 1, MOST_LAYERS).round().astype(int)
    return [layers[i] for i in at]


def describe(name: str, value: Array) -> dict[str, object]:
    low, high = float(value.min()), float(value.max())
    return {"layer": name, "shape": list(value.shape), "least": low, "greatest": high,
            "zeros": float((value == 0).mean())}  # fmt: skip


def draw(seen: Seen) -> Iterator[Figure]:
    """The input, then a sheet for each layer."""
    if INPUT in seen.arrays:
        yield Figure("The input", tile([seen.arrays[INPUT]], least=128, gap=0), seen.values["sample"])
    for layer in seen.values["layers"]:
        value = seen.arrays[layer["layer"]]
        count = min(len(value), seen.values["count"])
        shape = " x ".join(map(str, layer["shape"]))
        left = when(count < len(value) and value.ndim > 1, f", the first {count} channels")
        told = f"{layer['least']:.3g} to {layer['greatest']:.3g}, {layer['zeros']:.0%} are 0{left}"
        yield Figure(f"{layer['layer']}: {shape}", picture(value, count, seen.values["unit"]), told)


def picture(value: Array, count: int, unit: int | None) -> Array:
    """The channels of a layer."""
    value = value.astype(np.float64)
    low, high = float(value.min()), float(value.max())
    if value.size == max(value.shape):  # a vector, a long one row below row
        return thicken(enlarge(heat(wrap(value.ravel(), low), low, high), WIDE), TALL)
    if value.ndim == 2:  # steps and what is there at each
        return thicken(enlarge(heat(value, low, high), WIDE // 2), 2 * TALL)
    planes = value.reshape(len(value), -1, value.shape[-1])
    chosen = range(count) if unit is None else [unit]
    least, most = (LEAST, MOST_SIDE // int(np.ceil(np.sqrt(count)))) if unit is None else (256, MOST_SIDE)
    return tile([gray(shrink(planes[i], most), low, high) for i in chosen], least=least)


def wrap(values: Array, fill: float) -> Array:
    """A vector as rows of MOST_ROW numbers, the last one filled."""
    if len(values) <= MOST_ROW:
        return values.reshape(1, -1)
    rows = -(-len(values) // MOST_ROW)
    made = np.full(rows * MOST_ROW, fill)
    made[: len(values)] = values
    return made.reshape(rows, MOST_ROW)


def shrink(plane: Array, most: int) -> Array:
    """A map with `most` places along its longer side at most."""
    h, w = plane.shape
    if max(h, w) <= most:
        return plane
    return fit(plane, max(1, h * most // max(h, w)), max(1, w * most // max(h, w)))
