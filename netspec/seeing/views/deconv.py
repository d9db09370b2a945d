"""What made a unit answer: its nine strongest answers to the data, each taken back to the pixels.

From one unit of the layer, the rest set to 0, back through the net: rectifiers rectify what comes
back, maxima go where they came from, convolutions by their transposes (seeing/backward.py). DeConvNet,
Zeiler, Fergus 2014 (arXiv:1311.2901), figure 2.
"""

from collections.abc import Iterator

import numpy as np

from netspec.analysis.field.receptive_field import Extent
from netspec.data.samples import Sample
from netspec.diagnostics import SpecError, fail
from netspec.diagnostics.words import count_of
from netspec.pictures.colors import stretch
from netspec.pictures.figure import Figure
from netspec.pictures.tiles import tile
from netspec.seeing.backward import rectifying_back
from netspec.seeing.finite import check_finite
from netspec.seeing.samples import samples_of, show_pixels
from netspec.seeing.seen import SAMPLE, Array, Asked, Seen
from netspec.seeing.subject import NetSubject, Subject
from netspec.seeing.views.field import extents_of, span

__all__ = ["MANY", "TAKES", "WHOLE", "draw", "see"]

WHOLE = MANY = True
TAKES = (*SAMPLE, "layer", "unit", "count")
TOP, LOOKED = 9, 200
"""The nine strongest patches of a unit, as in Zeiler & Fergus 2014, figure 2, out of LOOKED samples."""
UNITS = 6
"""Where none is named, those that answer most strongly: a page of six sheets can be looked through."""
LEAST = 72


def see(subject: Subject, asked: Asked) -> Seen:
    """By unit, back-projected patches and the pixels there. count: of how many samples; unit: of
    one channel, by default of those that answer most.
    """
    net, name = subject.need_net("deconv"), subject.picture
    if not name:
        raise fail("NS750", "deconv goes back to a picture, and no input takes one", path=subject.path)
    layer = subject.layer(asked.layer) if asked.layer is not None else last_sliding(net)
    samples = samples_of(subject, asked, asked.count or LOOKED)
    answers = [net.activations(sample.arrays, [layer])[layer][0] for sample in samples]
    if answers[0].ndim != 3:
        raise fail("NS750", f"{layer} has no maps", path=subject.path)
    for sample, answer in zip(samples, answers, strict=True):
        net.check_finite({layer: answer}, sample.arrays)
    best = np.stack([each.reshape(len(each), -1).max(1) for each in answers])
    if asked.unit is not None and asked.unit >= best.shape[1]:
        raise fail("NS757", f"unit {asked.unit}; {layer} has {best.shape[1]}", path=subject.path)
    strong = np.sort(np.argsort(-best.max(0), kind="stable")[:UNITS]).tolist()
    units = [asked.unit] if asked.unit is not None else strong
    extents = find_extents(net, layer, name)
    arrays, rows = {}, []
    with rectifying_back(net):
        for unit in units:
            chosen = np.argsort(-best[:, unit], kind="stable")[:TOP].tolist()
            found = [patch(net, samples[i], name, layer, unit, extents) for i in chosen]
            arrays[f"{unit}/back"] = np.stack([back for back, _, _ in found])
            arrays[f"{unit}/pixels"] = np.stack([pixels for _, pixels, _ in found])
            rows.append({"unit": unit, "samples": [samples[i].name for i in chosen],
                         "answers": [float(best[i, unit]) for i in chosen],
                         "places": [list(place) for _, _, place in found]})  # fmt: skip
    told = [
        f"{layer}: {len(units)} of {count_of(best.shape[1], 'unit')}, over {count_of(len(samples), 'sample')}"
    ]
    values = {"layer": layer, "samples": len(samples), "units": rows}
    return Seen("deconv", f"What units of {subject.name} answer to", told, values, arrays)


def last_sliding(net: NetSubject) -> str:
    """The last layer with weights whose windows slide, and what rectifies it."""
    found = ""
    for name, node in net.nodes.items():
        behind = bool(node.bottoms) and node.bottoms[0].node is net.nodes.get(found)
        sliding = "windowed" in node.layer.traits and bool(net.typed.weights[node])
        if sliding or (found and node.layer.rectifies and behind):
            found = name
    if not found:
        raise fail("NS750", "no layer with weights slides a window", path=net.path)
    return found


def find_extents(net: NetSubject, layer: str, name: str) -> list[Extent]:
    """The window of a unit; none where it sees all."""
    try:
        return extents_of(net, layer, name)
    except SpecError:
        return []


def patch(
    net: NetSubject, sample: Sample, name: str, layer: str, unit: int, extents: list[Extent]
) -> tuple[Array, Array, tuple[int, ...]]:
    """What goes back from a channel's strongest place, the pixels there, and the place; both cut to
    the unit's window, borders padded so that all are of one size.
    """
    import torch

    with torch.enable_grad():
        feed = {key: torch.from_numpy(value.copy()) for key, value in sample.arrays.items()}
        feed[name].requires_grad_(True)
        made = net.watch(feed, [layer], lambda value: value)[layer][0, unit]
        place = tuple(int(i) for i in np.unravel_index(int(made.argmax()), made.shape))
        strength = made[place]
        (back,) = torch.autograd.grad(strength, feed[name], allow_unused=True)
    gradient = np.zeros_like(sample.arrays[name]) if back is None else back.cpu().numpy()
    check_finite({f"the gradient to {name}": gradient}, net.path, untrained=net.weights is None)
    gradient = gradient[0].astype(np.float64) * max(
        float(strength.detach()), 0.0
    )  # of float32 it may be too much
    pixels = show_pixels(sample.arrays[name][0], net.contract(name))
    if not extents:
        return gradient, pixels, place
    spans = [span(each, at, n) for each, at, n in zip(extents, place, gradient.shape[1:], strict=True)]
    size = [min(int(each.size), n) for each, n in zip(extents, gradient.shape[1:], strict=True)]
    starts = [min(first, n - s) for (first, _), s, n in zip(spans, size, gradient.shape[1:], strict=True)]
    (y, x), (h, w) = starts, size
    return gradient[:, y : y + h, x : x + w], pixels[y : y + h, x : x + w], place


def draw(seen: Seen) -> Iterator[Figure]:
    """For each unit: what goes back, beside the pixels."""
    for row in seen.values["units"]:
        unit = row["unit"]
        backs, pixels = seen.arrays[f"{unit}/back"], seen.arrays[f"{unit}/pixels"]
        shown = [color_of(back) for back in backs]
        left, right = tile(shown, 3, LEAST), tile(pixels, 3, LEAST)
        told = f"answers {row['answers'][0]:.3g} to {row['answers'][-1]:.3g}; left what goes back, right the pixels"
        yield Figure(f"{seen.values['layer']}, unit {unit}", tile([left, right], 2, gap=4), told)


def color_of(back: Array) -> Array:
    """A gradient (1 or 3, h, w) as a picture around gray."""
    most = float(np.abs(back).max(initial=0)) or 1.0
    picture = (stretch(back, -most, most) * 255).round().astype(np.uint8)
    return np.repeat(picture, 3 // len(picture), 0).transpose(1, 2, 0)
