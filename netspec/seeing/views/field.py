"""What a unit sees of the input: the receptive field by the layers' windows, and what of it counts.

Theoretical: size s and stride t by axis, s' = s + (k - 1) t, t' = t stride, of `netspec show --field`.
Effective: |d y_u / d x| of the layer's middle unit, mean over inputs of normal noise (Luo et al. 2016,
arXiv:1701.04128): mostly a bell far smaller than the window.
"""

from collections.abc import Iterator
from math import ceil, floor, inf
from typing import Any

import numpy as np

from netspec.analysis.field.receptive_field import Extent, as_json, fields, fields_of
from netspec.diagnostics import fail
from netspec.diagnostics.words import count_of
from netspec.pictures.colors import heat
from netspec.pictures.figure import Figure
from netspec.pictures.tiles import enlarge, thicken
from netspec.seeing.finite import check_finite
from netspec.seeing.samples import samples_of
from netspec.seeing.seen import SAMPLE, Array, Asked, Seen
from netspec.seeing.subject import NetSubject, Subject
from netspec.seeing.tensors import picture_input

__all__ = ["TAKES", "WHOLE", "draw", "see"]

WHOLE = True
TAKES = (*SAMPLE, "layer", "unit", "count")
DRAWS, HELD = 8, 0.95
FRAME, SIDE, BAND = (80, 200, 255), 320, 32


def see(subject: Subject, asked: Asked) -> Seen:
    """The mean gradient (h, w), or (steps,), and the window's frame (first, last) by axis."""
    net, name = subject.need_net("field"), picture_input(subject, "field")
    sample = samples_of(subject, asked)[0]
    layer = subject.layer(asked.layer) if asked.layer is not None else last_windowed(net, name)
    extents = extents_of(net, layer, name)
    x, rng = sample.arrays[name], np.random.default_rng(asked.seed)
    total: Array = np.zeros(x.shape[2:])
    place: tuple[int, ...] = ()
    for _ in range(asked.count or DRAWS):
        noise = rng.standard_normal(x.shape).astype(np.float32)
        gradient, place = unit_gradient(net, {**sample.arrays, name: noise}, name, layer, asked.unit)
        total += np.abs(gradient[0]).sum(0)
    found = total / (asked.count or DRAWS)
    window = [span(extent, at, n) for extent, at, n in zip(extents, place, found.shape, strict=True)]
    held = smallest_half(found, HELD)
    size = "x".join(str(last - first + 1) for first, last in window)
    seen = "place" if size == "1" else "places"
    told = [
        f"the unit of {layer} at {', '.join(map(str, place))} sees {size} {seen} of the input",
        f"{HELD:.0%} of its gradient lies in {count_of(held, 'place')}",
    ]
    frames = [{"size": each.size, "stride": each.stride, "begin": each.begin} for each in extents]
    values = {"layer": layer, "unit": list(place), "window": window, "fields": frames, "held": held}
    return Seen("field", f"Receptive field in {subject.name}", told, values, {"gradient": found})


def last_windowed(net: NetSubject, name: str) -> str:
    """The last layer whose units still have a place in the input."""
    known = as_json(net.typed)
    for node in reversed(net.typed.graph.nodes):
        axes = known.get(node.tops[0].name, {}).get(name, {}) if node.tops else {}
        if axes and all(axes.values()) and all(axis["size"] for axis in axes.values() if axis):
            return node.name
    raise fail("NS750", f"no layer has units with places along the axes of {name}", path=net.path)


def extents_of(net: NetSubject, layer: str, name: str) -> list[Extent]:
    """By axis of the input, over the widest branch."""
    top = net.nodes[layer].tops[0]
    axes = fields_of(net.typed, top, fields(net.typed)).get(name, {})
    extents = [axis.wide for axis in axes.values() if axis is not None and axis.wide.size != inf]
    if not axes or len(extents) < len(axes):
        raise fail("NS750", f"units of {layer} have no place along every axis of {name}", path=net.path)
    return extents


def span(extent: Extent, at: int, length: int) -> list[int]:
    """First and last place of the input that a unit reads, inside the input."""
    first, last = extent.span(at)
    return [max(0, floor(first)), min(length - 1, ceil(last))]


def unit_gradient(
    net: NetSubject, arrays: Any, name: str, layer: str, channel: int | None
) -> tuple[Array, tuple[int, ...]]:
    """The gradient of a layer's middle unit, over all its channels or of one, to the input."""
    import torch

    with torch.enable_grad(), net.fitting(arrays):
        feed = {key: torch.from_numpy(value.copy()) for key, value in arrays.items()}
        feed[name].requires_grad_(True)
        made = net.watch(feed, [layer], lambda value: value)[layer]
        place = tuple(n // 2 for n in made.shape[2:])
        units = made[(0, slice(None), *place)]
        if channel is not None:
            if channel >= len(units):
                raise fail("NS757", f"unit {channel}; {layer} has {len(units)}", path=net.path)
            units = units[channel]
        (found,) = torch.autograd.grad(units.abs().sum(), feed[name], allow_unused=True)
    if found is None:
        raise fail("NS750", f"{layer} does not read {name}", path=net.path)
    gradient: Array = found.cpu().numpy()
    check_finite({f"the gradient to {name}": gradient}, net.path, untrained=net.weights is None)
    return gradient, place


def smallest_half(values: Array, share: float) -> int:
    """How many places, the largest first, hold a share of the whole."""
    ranked = np.sort(values.ravel())[::-1].cumsum()
    return int(np.searchsorted(ranked, share * ranked[-1]) + 1)


def draw(seen: Seen) -> Iterator[Figure]:
    """The gradient, and the window's frame around it."""
    values = seen.arrays["gradient"]
    window = seen.values["window"]
    rows = values.reshape(-1, values.shape[-1])
    made = thicken(enlarge(heat(np.sqrt(rows)), SIDE), BAND)
    spans = [[0, len(rows) - 1], *window][-2:]
    (top, bottom), (left, right) = (
        (first * size // count, (last + 1) * size // count - 1)
        for (first, last), size, count in zip(spans, made.shape, rows.shape, strict=False)
    )
    for at in (top, bottom):
        made[at, left : right + 1] = FRAME
    for at in (left, right):
        made[top : bottom + 1, at] = FRAME
    told = "frame: what it can see; bright: what counts (root of the mean gradient)"
    yield Figure(f"A unit of {seen.values['layer']}", made, told)
