"""Inputs written height, width, channels, where layers take channels, height, width. In: a graph; out: the shape turned round."""

from collections.abc import Iterator

from netspec.analysis.numbers import SHAPE
from netspec.diagnostics.model import Edit, Fix
from netspec.ir.dims import Size
from netspec.ir.graph import Graph, Input, Value
from netspec.ir.types import shown
from netspec.source import Span

__all__ = ["turned", "turned_inputs"]

COLORS = (1, 3, 4)
"""Channels of a picture: gray, colours, colours with transparency."""
LEAST = 8
"""Pixels from which on an axis may be a side of a picture that stands in the place of the channels."""


def turned_inputs(graph: Graph) -> list[Input]:
    """The inputs of pictures, read by windows, whose last axis holds a picture's channels and whose second one does not."""
    return [i for i in graph.inputs if i.type is not None and looks_turned(i.type.shape) and slid_over(graph, i.value)]


def looks_turned(shape: tuple[Size, ...]) -> bool:
    sides = shape[1:-1]
    return len(shape) in (4, 5) and shape[-1] in COLORS and all(not isinstance(size, int) or size >= LEAST for size in sides)


def slid_over(graph: Graph, value: Value) -> bool:
    """Whether a window slides over a value, layers apart that take each number by itself."""
    values = {value}
    for node in graph.nodes:
        if values.intersection(node.bottoms[:1]):
            if "windowed" in node.layer.traits:
                return True
            if "elementwise" in node.layer.traits:
                values.update(node.tops)
    return False


def turned(given: Input) -> Iterator[Fix]:
    """The shape with its last axis behind the first."""
    if given.type is None:
        return
    first, *sides, channels = given.type.shape
    words = f"write {shown((first, channels, *sides))}, the channels before the height and the width"
    text = given.span and SHAPE.match(given.span.source.text, given.span.end)
    parts = text[1][1:-1].split(",") if text else []
    if text and given.span is not None and len(parts) == given.type.rank:
        made = ", ".join(part.strip() for part in (parts[0], parts[-1], *parts[1:-1]))
        yield Fix(words, (Edit(Span(given.span.source, text.start(1), text.end(1)), f"[{made}]"),))
    else:
        yield Fix(words)
