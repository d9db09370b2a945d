"""The samples of the test, laid out so that what the net takes for alike lies together.

t-SNE (van der Maaten, Hinton 2008) of a layer's values, first brought to 30 numbers by PCA; --method
pca: the two directions of largest variance. Beside it how many of a sample's K nearest have its class,
by the layer itself and by the picture.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from netspec.diagnostics import fail
from netspec.diagnostics.words import count_of
from netspec.pictures.colors import SERIES
from netspec.pictures.figure import Figure
from netspec.pictures.shapes import Drawing, Image, Rect, Shape, Text
from netspec.seeing.finite import check_finite
from netspec.seeing.onnx_filters import restore
from netspec.seeing.samples import samples_of, show_pixels
from netspec.seeing.seen import SAMPLE, Array, Asked, Seen
from netspec.seeing.subject import ModelSubject, Subject

__all__ = ["MANY", "TAKES", "WHOLE", "draw", "see"]

WHOLE = MANY = True
TAKES = (*SAMPLE, "layer", "count", "method")
MOST, BATCH, K, KEPT, LEAST = 360, 64, 5, 30, 12
"""Samples: t-SNE's time grows with their square. PCA keeps KEPT directions before it, as its authors do
(van der Maaten & Hinton 2008, section 4.2); fewer than LEAST samples have no layout.
"""
SIDE, TILE = 640, 18
COLORS = (*SERIES, "#a50026", "#7fbc41", "#e6ab02", "#35978f")
"""Of classes: ten digits are to be told apart, not eight."""
METHODS = ("tsne", "pca")


def see(subject: Subject, asked: Asked) -> Seen:
    """Places (n, 2) in 0 to 1. layer: by default what the last layer with weights reads."""
    method = asked.method or METHODS[0]
    if method not in METHODS:
        raise fail("NS757", f"method {method}; there are {', '.join(METHODS)}", path=subject.path)
    samples = samples_of(subject, asked, asked.count or MOST)
    if len(samples) < LEAST:
        there = count_of(len(samples), "sample")
        fact = f"{there}: a layout needs {LEAST} of the net's own data or --data"
        raise fail("NS750", fact, path=subject.path)
    layer = subject.layer(asked.layer) if asked.layer is not None else before_last(subject)
    parts = []
    for at in range(0, len(samples), BATCH):
        chosen = samples[at : at + BATCH]
        feed = {name: np.concatenate([each.arrays[name] for each in chosen]) for name in subject.taken}
        made = subject.activations(feed, [layer])[layer]
        if made.ndim == 0 or len(made) != len(chosen):
            raise fail(
                "NS750",
                f"{layer} does not keep samples apart: its top is {list(made.shape)}",
                path=subject.path,
            )
        parts.append(made.reshape(len(chosen), -1))
    values = np.concatenate(parts).astype(np.float64)
    check_finite({layer: values}, subject.path)
    labels = [each.label for each in samples]
    places = lay_out(values, method, asked.seed, subject)
    near = {"layer": neighbours(values, labels), "picture": neighbours(places, labels)}
    arrays: dict[str, Array] = {"places": places}
    if subject.picture:
        contract = subject.contract(subject.picture)
        arrays["thumbnails"] = np.stack(
            [show_pixels(each.arrays[subject.picture][0], contract) for each in samples]
        )
    told = [f"{count_of(len(samples), 'sample')} by {layer}, {count_of(values.shape[1], 'number')} each"]
    if any(label is not None for label in labels):
        told.append(
            f"{near['layer']:.1%} of the {K} nearest have the class, {near['picture']:.1%} in the picture"
        )
    found = {"layer": layer, "method": method, "labels": labels, "nearest": near, "samples": len(samples)}
    return Seen("embed", f"Layout of {subject.name}", told, found, arrays)


def before_last(subject: Subject) -> str:
    """The layer that the last one with weights reads."""
    if isinstance(subject, ModelSubject):
        return before_last_node(subject)
    typed = subject.need_net("embed").typed
    last = [node for node in typed.graph.nodes if typed.weights[node]]
    source = last[-1].bottoms[0].node if last else typed.graph.nodes[-1]
    return source.name if source is not None else last[-1].name


def before_last_node(subject: ModelSubject) -> str:
    """The same of an ONNX graph: weights have two axes or more; steps, scales and shapes have fewer."""
    nodes = subject.proto.graph.node
    makers = {top: node.name or node.output[0] for node in nodes for top in node.output}
    known = {**subject.weights, **restore(nodes, subject.weights)}
    wide = {name for name, value in known.items() if value.ndim > 1}
    reading = [node for node in nodes if wide & {*node.input} and not known.keys() >= {*node.input}]
    if not reading:
        return subject.layers[-1]
    source = next((makers[name] for name in reading[-1].input if name in makers and name not in known), "")
    return source or reading[-1].name or str(reading[-1].output[0])


def lay_out(values: Array, method: str, seed: int, subject: Subject) -> Array:
    """Two numbers for each row, in 0 to 1."""
    centred = values - values.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    made = (u * s)[:, : min(KEPT, u.shape[1])]
    if method == "pca":
        made = np.pad(made, ((0, 0), (0, 2)))[:, :2]
    else:
        try:
            from sklearn.manifold import TSNE
        except ImportError as error:
            raise fail(
                "NS754", "t-SNE needs scikit-learn: pip install 'netspec[see]'", path=subject.path
            ) from error
        made = TSNE(2, perplexity=min(30, len(values) / 4), init="pca", random_state=seed).fit_transform(made)
    low, high = made.min(0), made.max(0)
    return np.asarray((made - low) / np.where(high > low, high - low, 1), np.float64)


def neighbours(values: Array, labels: Sequence[Any]) -> float:
    """Share of the samples that most of their K nearest, themselves apart, have the class of."""
    square = (values**2).sum(1)
    apart = square[:, None] + square[None] - 2 * values @ values.T
    np.fill_diagonal(apart, np.inf)
    near = apart.argsort(1)[:, :K]
    right = [
        Counter(labels[j] for j in row).most_common(1)[0][0] == labels[i]
        for i, row in enumerate(near.tolist())
    ]
    return float(np.mean(right))


def draw(seen: Seen) -> Iterator[Figure]:
    """A dot, or a thumbnail in a frame of its class's colour, for each sample."""
    labels = seen.values["labels"]
    names = sorted({str(label) for label in labels if label is not None})
    shapes: list[Shape] = []
    for i, (x, y) in enumerate(seen.arrays["places"].tolist()):
        color = COLORS[names.index(str(labels[i])) % len(COLORS) if names else 0]
        left, top = 4 + x * (SIDE - TILE - 8), 24 + y * (SIDE - TILE - 8)
        shapes.append(Rect(left, top, TILE, TILE, color, title=str(labels[i] or "")))
        if "thumbnails" in seen.arrays:
            shapes.append(Image(left + 2, top + 2, TILE - 4, TILE - 4, seen.arrays["thumbnails"][i]))
    for i, name in enumerate(names[:20]):
        shapes.append(Text(8 + 32 * i, 16, name[:4], 12, fill=COLORS[i % len(COLORS)], bold=True))
    yield Figure(
        "Layout",
        Drawing(SIDE, SIDE + 20, tuple(shapes)),
        f"{seen.values['method']} of {seen.values['layer']}",
    )
