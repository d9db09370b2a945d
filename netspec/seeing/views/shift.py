"""Whether the net moves with its input: f(g(x)) beside g(f(x)), g a shift along the last axis.

Equal away from the border where a layer is equivariant by what `expect: equivariant` proves: shifts
by its stride shift it by one. --window: another shift, in places of the input.
"""

from collections.abc import Iterator

import numpy as np

from netspec.analysis.field.receptive_field import explain_unshifted, fields
from netspec.diagnostics import fail
from netspec.diagnostics.words import count_of
from netspec.pictures.colors import blue_red, gray
from netspec.pictures.figure import Figure
from netspec.pictures.tiles import enlarge, thicken, tile
from netspec.seeing.samples import samples_of
from netspec.seeing.seen import SAMPLE, Array, Asked, Seen
from netspec.seeing.subject import Subject
from netspec.seeing.tensors import picture_input
from netspec.seeing.views.field import extents_of, last_windowed

__all__ = ["TAKES", "WHOLE", "draw", "see"]

WHOLE = True
TAKES = (*SAMPLE, "layer", "unit", "window")
LEAST, BAND = 160, 24
"""Pixels of a side: three pictures stand side by side on a telephone held across; and down of what has
one row.
"""


def see(subject: Subject, asked: Asked) -> Seen:
    """Both sides for one channel, and the largest difference away from the border."""
    net, name = subject.need_net("shift"), picture_input(subject, "shift")
    sample = samples_of(subject, asked)[0]
    layer = subject.layer(asked.layer) if asked.layer is not None else last_windowed(net, name)
    extent = extents_of(net, layer, name)[-1]
    stride = extent.stride
    by = asked.window or max(1, int(np.ceil(stride)))
    moved = by / stride
    x = sample.arrays[name]
    if by >= x.shape[-1]:
        raise fail("NS752", f"a shift by {by} of {count_of(x.shape[-1], 'place')}", path=subject.path)
    plain = subject.activations(sample.arrays, [layer])[layer][0]
    after = subject.activations({**sample.arrays, name: np.roll(x, by, -1)}, [layer])[layer][0]
    net.check_finite({layer: plain}, sample.arrays)
    steps = round(moved)
    before = np.roll(plain, steps, -1)
    edge = int(np.ceil((extent.size + by) / stride)) + 1
    inside = slice(edge + steps, plain.shape[-1] - edge)
    difference = np.abs(after - before)[..., inside]
    apart = float(difference.max(initial=0))
    value = net.nodes[layer].tops[0]
    why = explain_unshifted(net.typed, value, fields(net.typed))
    proven = why is None and moved == steps
    there = difference.shape[-1]
    far = f"away from the border, over {count_of(there, 'place')}, the two differ by {apart:.3g} at most"
    told = [f"{layer}, a shift by {by}: {far if there else 'every place sees the border, none is compared'}"]
    if proven:
        told.append("equivariance is proven")
    else:
        told.append(f"not proven: {why or f'{by} is no multiple of the stride {stride:g}'}")
    unit = asked.unit or 0
    if unit >= len(plain):
        raise fail("NS757", f"unit {unit}; {layer} has {len(plain)}", path=subject.path)
    arrays = {"f(g(x))": after[unit], "g(f(x))": before[unit]}
    values = {
        "layer": layer,
        "shift": by,
        "difference": apart,
        "compared": difference.size,
        "proven": proven,
        "why": why,
    }
    return Seen("shift", f"Shifts of {subject.name}", told, values, arrays)


def draw(seen: Seen) -> Iterator[Figure]:
    """The two, and their difference."""
    left, right = (rows_of(seen.arrays[name]) for name in ("f(g(x))", "g(f(x))"))
    low, high = float(min(left.min(), right.min())), float(max(left.max(), right.max()))
    pictures = [
        thicken(enlarge(each, LEAST), BAND)
        for each in (gray(left, low, high), gray(right, low, high), blue_red(left - right))
    ]
    columns = 3 if len(left) > 1 else 1
    most = float(np.abs(left - right).max(initial=0))
    told = f"f(g(x)), g(f(x)), and the first without the second, darkest {most:.3g}"
    yield Figure(f"{seen.values['layer']}, shifted by {seen.values['shift']}", tile(pictures, columns), told)


def rows_of(values: Array) -> Array:
    made: Array = values.reshape(-1, values.shape[-1]).astype(np.float64)
    return made
