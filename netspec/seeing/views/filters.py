"""The filters of layers: in colour where they read a picture, deeper ones channel by channel.

Each filter of a first layer is stretched to its own range, w -> (w - min w) / (max w - min w), as in
Krizhevsky, Sutskever, Hinton 2012, figure 3; deeper ones are blue below 0 and red above, all channels
of a layer on one scale. First filters of five rows or more are held against Gabor functions
(seeing/gabor.py), and those that are explained by one get its name. Dense layers that read a picture
have filters as large as it.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from netspec.diagnostics import fail
from netspec.diagnostics.words import count_of
from netspec.pictures.colors import blue_red, stretch
from netspec.pictures.figure import Figure, Table
from netspec.pictures.tiles import enlarge, tile
from netspec.pictures.words import only, when
from netspec.seeing.filters import Filters
from netspec.seeing.gabor import fit_gabors
from netspec.seeing.seen import Array, Asked, Seen
from netspec.seeing.subject import Subject

__all__ = ["TAKES", "WHOLE", "draw", "see"]

WHOLE = True
TAKES = ("layer", "unit", "count")
MOST_LAYERS = 24
"""Layers that are shown where none is named."""
MOST_FILTERS, MOST_CHANNELS = 64, 32
"""Of a layer: those with the largest weights."""
TILE, SMALL = 40, 12
"""Pixels of a filter's side: 40 for a first layer, which is looked at, 12 for deeper ones, of which there
are thousands.
"""
ALONE = 256
"""Pixels along one filter that was asked for."""


def see(subject: Subject, asked: Asked) -> Seen:
    """Arrays (filters, channels, h, w) by layer. count: how many filters of a layer; unit: one filter."""
    name = subject.layer(asked.layer) if asked.layer is not None else None
    every = [each for each in subject.filters() if name in (None, each.layer)]
    if not every:
        why = f"{name} has no filters" if name else "no layer slides a window or reads a picture with weights"
        raise fail("NS750", why, path=subject.path)
    if asked.unit is not None:
        every = pick(every, asked.unit, subject)
    shown = every[:MOST_LAYERS]
    layers = [describe(each) for each in shown]
    named = sum(bool(fit["name"]) for layer in layers for fit in layer["gabor"])
    told = [tell(each, asked.unit) for each in layers[:8]]
    told += only(len(every) > 8, f"and {count_of(len(every) - 8, 'more layer')}")
    told += only(named, f"{count_of(named, 'Gabor function')} among the filters of the first layer")
    return Seen(
        "filters",
        f"Filters of {subject.name}",
        told,
        {"layers": layers, "count": asked.count or MOST_FILTERS, "unit": asked.unit},
        {each.layer: each.weight for each in shown},
    )


def pick(every: list[Filters], unit: int, subject: Subject) -> list[Filters]:
    """One filter of each layer that has so many. Raises SpecError NS757."""
    found = [each._replace(weight=each.weight[unit : unit + 1]) for each in every if unit < len(each.weight)]
    if not found:
        most = max(len(each.weight) for each in every)
        raise fail("NS757", f"unit {unit}; there are {most}", path=subject.path)
    return found


def tell(layer: dict[str, Any], unit: int | None) -> str:
    """A layer in words."""
    if unit is not None:
        return f"{layer['layer']}: filter {unit}, {layer['shape']}"
    return f"{layer['layer']}: {count_of(layer['filters'], 'filter')} of {layer['shape']}"


def describe(each: Filters) -> dict[str, Any]:
    """A layer as plain values."""
    weight = each.weight
    fits = fit_gabors(weight.mean(1)) if each.first and weight.ndim == 4 else []
    return {
        "layer": each.layer,
        "filters": len(weight),
        "shape": "x".join(map(str, weight.shape[1:])),
        "first": each.first,
        "color": when(weight.shape[1] == 3, each.color),
        "gabor": [fit._asdict() for fit in fits],
    }


def draw(seen: Seen) -> Iterator[Figure]:
    """A sheet for each layer; a table of the fits that have a name."""
    unit = seen.values["unit"]
    for layer in seen.values["layers"]:
        weight = seen.arrays[layer["layer"]]
        order = loudest(weight, seen.values["count"])
        left = when(len(order) < len(weight), f", the {len(order)} with the largest weights")
        made = sheet(weight[order], layer)
        if unit is not None:
            made = enlarge(made, ALONE)
        yield Figure(tell(layer, unit), made, f"{scale_of(layer, weight)}{left}")
        named = [(i, fit) for i, fit in enumerate(layer["gabor"]) if fit["name"]]
        if named:
            rows = [
                (str(i if unit is None else unit), fit["name"], f"{fit['explained']:.0%}") for i, fit in named
            ]
            heads = ("filter", "Gabor function", "of its variance")
            yield Figure(f"{layer['layer']}: named filters", Table(heads, rows, frozenset((2,))))


def loudest(weight: Array, most: int) -> Array:
    """Numbers of the filters with the largest norms, in their own order."""
    if len(weight) <= most:
        return np.arange(len(weight))
    norms = np.linalg.norm(weight.reshape(len(weight), -1), axis=1)
    return np.sort(np.argsort(-norms, kind="stable")[:most])


def scale_of(layer: Any, weight: Array) -> str:
    if is_flat(layer, weight):
        return "each stretched from its least to its greatest weight"
    most = float(np.abs(weight).max(initial=0))
    way = {1: "a tile a filter"}.get(weight.shape[1], "a row a filter, a column a channel")
    if weight.ndim == 5:
        way = "a row a filter, a column a slice of a channel"
    return f"{way}; blue -{most:.3g}, white 0, red {most:.3g}"


def is_flat(layer: Any, weight: Array) -> bool:
    """Whether a filter is one tile: of a first layer with colours or one channel."""
    return bool(layer["first"]) and weight.ndim == 4 and weight.shape[1] in (1, 3)


def sheet(weight: Array, layer: Any) -> Array:
    """Filters as tiles."""
    if weight.ndim == 3:  # along a sequence: a tile a filter, channels down
        most = float(np.abs(weight).max(initial=0))
        return tile([blue_red(each, most) for each in weight], least=TILE)
    if is_flat(layer, weight):
        return tile([first_filter(each, layer["color"]) for each in weight], least=TILE)
    if weight.ndim == 5:  # slices of a volume stand side by side
        weight = weight.reshape(len(weight), -1, *weight.shape[3:])
    most, channels = float(np.abs(weight).max(initial=0)), loudest(weight.swapaxes(0, 1), MOST_CHANNELS)
    tiles = blue_red(weight[:, channels], most).reshape(-1, *weight.shape[2:], 3)
    columns = len(channels) * (len(channels) > 1)  # of one channel each: a sheet, no strip
    across = columns or int(np.ceil(np.sqrt(len(tiles))))
    return tile(tiles, columns, max(SMALL, min(TILE, ALONE // across)), gap=1)


def first_filter(weight: Array, color: str) -> Array:
    """A filter (1 or 3, h, w) as a picture."""
    planes = weight[::-1] if color == "bgr" else weight
    picture = (stretch(planes) * 255).round().astype(np.uint8)
    return np.repeat(picture, 3 // len(picture), 0).transpose(1, 2, 0)
