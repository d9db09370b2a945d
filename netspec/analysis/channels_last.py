"""Inputs written height, width, channels, where layers take channels, height, width. In: a graph;
out: such inputs.
"""

from netspec.ir.dims import Size
from netspec.ir.graph import Graph, Input, Value

__all__ = ["find_turned_inputs"]

COLORS = (1, 3, 4)
"""Channels of a picture: gray, colours, colours with transparency."""
LEAST = 8
"""Pixels from which on an axis may be a side of a picture that stands in the place of the
channels.
"""


def find_turned_inputs(graph: Graph) -> list[Input]:
    """The inputs of pictures, read by windows, whose last axis holds a picture's channels and whose
    second one does not.
    """
    return [
        i
        for i in graph.inputs
        if i.type is not None and looks_turned(i.type.shape) and slid_over(graph, i.value)
    ]


def looks_turned(shape: tuple[Size, ...]) -> bool:
    sides = shape[1:-1]
    return (
        # pictures and volumes, with their batch
        len(shape) in (4, 5)
        and shape[-1] in COLORS
        and all(not isinstance(size, int) or size >= LEAST for size in sides)
    )


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
