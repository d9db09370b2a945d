"""What an output is, and how it is shown: scores, a picture, classes of places, a sound, numbers.
In: values of one sample, and what is known of them; out: plain values, then a figure.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec.diagnostics.words import count_of
from netspec.pictures.charts import line_chart
from netspec.pictures.colors import SERIES, gray
from netspec.pictures.figure import Figure
from netspec.pictures.matrices import cut
from netspec.pictures.shapes import Drawing, Image, Line, Rect, Shape, Text, text_width
from netspec.pictures.tiles import fit, tile
from netspec.pictures.words import name_at, when
from netspec.seeing.seen import Array

__all__ = ["class_color", "describe_boxes", "describe_output", "draw_output"]

MOST_CLASSES = 256
TOP = 10
"""Classes in the list: ImageNet's top five twice. What follows is hardly ever above a hundredth."""
TINT = 0.55
"""Of a class's colour over the picture: enough to tell classes, and what lies below."""
LEAST = 32
"""Steps from which on numbers along an axis are a wave."""
POINTS, SIDE = 2000, 256
"""Points of a waveform, some four for each pixel of its width: more of them only make the file larger."""
TOLD = 24
"""Numbers that are told one by one."""
DRAWN, FRAME = 20, 384
"""Boxes that are drawn, the surest; pixels along the picture below them."""


def describe_output(
    values: Array, labels: Sequence[str] = (), sorts: bool = False, like: Sequence[int | None] = ()
) -> dict[str, Any]:
    """What the values of one sample are. labels: names of classes; sorts: whether they are shares
    of classes; like: the shape of the picture that the net was given.
    """
    shape = tuple(int(n) for n in values.shape)
    found: dict[str, Any] = {"shape": list(shape), "labels": list(labels)}
    if len(shape) == 3 and min(shape[1:]) > 1:
        many = 1 < shape[0] <= MOST_CLASSES
        if many and (labels or sorts or shape[0] != 3):
            return {**found, "kind": "places", "counts": count_places(values)}
        return {**found, "kind": "picture"}
    sides = [int(n) for n in like if n is not None]
    if len(sides) == 3 and values.size == int(np.prod(sides)) and min(sides[1:]) > 1 and not labels:
        return {**found, "kind": "picture", "shape": sides}
    if values.size == max(shape, default=1) and values.size > 1 and (labels or sorts):
        order = np.argsort(-values.reshape(-1).astype(np.float64), kind="stable")[:TOP]
        top = [(name_at(labels, int(i)), float(values.reshape(-1)[i])) for i in order]
        return {**found, "kind": "scores", "top": top}
    if len(shape) == 2 and min(shape) > 1 and (labels or sorts):
        return {**found, "kind": "steps", "likeliest": values.argmax(0).tolist()}
    if len(shape) == 2 and shape[-1] >= LEAST and shape[0] <= len(SERIES):
        return {**found, "kind": "wave"}
    found |= {"kind": "numbers", "least": float(values.min()), "greatest": float(values.max())}
    if values.size <= TOLD:
        names = [name_at(labels, i) for i in range(values.size)] if values.size > 1 else ["value"]
        return {**found, "top": list(zip(names, map(float, values.reshape(-1)), strict=True))}
    return found


def describe_boxes(values: Array, labels: Sequence[str] = ()) -> dict[str, Any]:
    """What a detector lists: rows (image, class, score, corners in shares of what it saw), best first."""
    rows = np.asarray(values, np.float64).reshape(-1, 7)
    rows = rows[rows[:, 1] >= 0]
    rows = rows[np.argsort(-rows[:, 2], kind="stable")]
    boxes = [
        {"class": name_at(labels, int(row[1])), "number": int(row[1]), "score": float(row[2]),
         "box": row[3:].clip(0, 1).tolist()}
        for row in rows
    ]  # fmt: skip
    return {"shape": list(values.shape), "labels": list(labels), "kind": "boxes", "boxes": boxes}


def count_places(values: Array) -> dict[str, int]:
    """Places by the class of the best score."""
    found, counts = np.unique(values.argmax(0), return_counts=True)
    return {str(i): int(n) for i, n in zip(found, counts, strict=True)}


def draw_output(name: str, values: Array, said: dict[str, Any], given: Array | None) -> Figure:
    """The figure. given: the picture (h, w, 3) that the net was given, if it was one."""
    kind, shape = said["kind"], " x ".join(map(str, said["shape"]))
    title = f"{name}: {shape}"
    if kind == "picture":
        return Figure(title, picture(values.reshape(said["shape"])), range_of(values))
    if kind == "places":
        return Figure(title, places(values, given), tell_places(said))
    if kind == "boxes":
        count = count_of(len(said["boxes"]), "box", "boxes")
        told = count + when(len(said["boxes"]) > DRAWN, f", the {DRAWN} surest are drawn")
        return Figure(title, draw_boxes(said["boxes"], given), told)
    if "top" in said:
        return Figure(title, bars(said["top"], name), "")
    if kind == "steps" and said["labels"] and all(len(each) == 1 for each in said["labels"]):
        text = "".join(said["labels"][k] for k in said["likeliest"])
        return Figure(title, text, "the likeliest letter after each that was read")
    if kind == "steps":
        points = [(float(t), float(k)) for t, k in enumerate(said["likeliest"])]
        told = f"the likeliest of {count_of(len(values), 'class', 'classes')} at each step"
        return Figure(title, line_chart(name, {"likeliest class": points}, "step"), told)
    if kind == "wave":
        step = max(1, values.shape[-1] // POINTS)
        lines = {f"channel {i}": [(float(t), float(row[t])) for t in range(0, len(row), step)]
                 for i, row in enumerate(values.astype(np.float64))}  # fmt: skip
        return Figure(title, line_chart(name, lines, "step"), range_of(values))
    rows = values.reshape(-1, values.shape[-1]) if values.ndim > 1 else values.reshape(1, -1)
    side = max(rows.shape)
    least = max(24 * min(side, 24), SIDE)
    return Figure(title, tile([gray(rows[:1024, :1024])], least=least, gap=0), range_of(values))


def range_of(values: Array) -> str:
    return f"black {float(values.min()):.4g}, white {float(values.max()):.4g}"


def picture(values: Array) -> Array:
    """Values (1 or 3, h, w), from their least to their greatest."""
    plain = gray(values.astype(np.float64))[..., 0]
    if len(plain) == 1:
        plain = np.repeat(plain, 3, 0)
    made: Array = np.ascontiguousarray(plain.transpose(1, 2, 0))
    return made


def class_color(label: int) -> tuple[int, int, int]:
    """As PASCAL VOC's masks have it."""
    red = green = blue = 0
    for bit in range(8):
        red |= (label >> 3 * bit & 1) << (7 - bit)
        green |= (label >> 3 * bit + 1 & 1) << (7 - bit)
        blue |= (label >> 3 * bit + 2 & 1) << (7 - bit)
    return red, green, blue


def places(values: Array, given: Array | None) -> Array:
    """The class of each place as a colour, over the picture where there is one."""
    palette = np.array([class_color(i) for i in range(len(values))], np.uint8)
    colors: Array = palette[values.argmax(0)]
    if given is None:
        return colors
    if given.shape != colors.shape:
        colors = fit(colors, given.shape[0], given.shape[1], smooth=False)
    mixed = (1 - TINT) * given + TINT * colors
    made = np.where(colors.any(-1, keepdims=True), mixed, given)
    return np.asarray(made.round(), np.uint8)


def tell_places(said: dict[str, Any]) -> str:
    total = sum(said["counts"].values())
    most = sorted(said["counts"].items(), key=lambda each: -each[1])
    return ", ".join(f"{name_at(said['labels'], int(i))} {n / total:.0%}" for i, n in most[:6])


def draw_boxes(boxes: Sequence[dict[str, Any]], given: Array | None) -> Drawing:
    """Boxes over the picture that the net was given, each in its class's colour with its score."""
    if given is None:
        given = np.full((1, 1, 3), 255, np.uint8)
    scale = FRAME / max(given.shape[:2])
    h, w = given.shape[0] * scale, given.shape[1] * scale
    shapes: list[Shape] = [Image(0, 0, w, h, given)]
    for each in boxes[:DRAWN][::-1]:
        left, top, right, bottom = (n * side for n, side in zip(each["box"], (w, h, w, h), strict=True))
        color = SERIES[each["number"] % len(SERIES)]
        corners = ((left, top), (right, top), (right, bottom), (left, bottom), (left, top))
        words = f"{cut(each['class'])} {each['score']:.0%}"
        wide = text_width(words, 11) + 4
        x, y = max(0.0, min(left, w - wide)), max(0.0, top - 15)
        shapes += [
            Line(corners, color, 2),
            Rect(x, y, wide, 15, color),
            Text(x + 2, y + 11, words, 11, fill="#ffffff"),
        ]
    return Drawing(w, h, tuple(shapes))


def bars(top: Sequence[tuple[str, float]], name: str) -> Drawing:
    """The best classes, longest bar first."""
    shapes: list[Shape] = [Text(4, 18, name, 15, bold=True)]
    most = max(abs(score) for _, score in top) or 1.0
    for i, (word, score) in enumerate(top):
        y = 30 + 22 * i
        shapes.append(Text(150, y + 13, cut(word, 22), 12, "end"))
        shapes.append(
            Rect(158, y, max(1.0, 240 * abs(score) / most), 17, SERIES[0] if score >= 0 else SERIES[1])
        )
        shapes.append(Text(410, y + 13, f"{score:.4g}", 12, fill="soft"))
    return Drawing(480, 34 + 22 * len(top), tuple(shapes))
