"""A net in parts that fit on a page: copies of a block as one, layers without weights with the
layer before. Also as a flow chart.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from netspec.analysis.cost import LayerCost, cost
from netspec.ir.dims import Size, total
from netspec.ir.graph import Block, Node, TypedGraph, Value
from netspec.ir.types import show_shape

__all__ = ["Part", "draw_chart", "ends", "inside", "parts_of", "templates"]


class Part(NamedTuple):
    """A layer, or all copies of a block that follow one another, with what passes its values on in
    the same shape.

    types: the block's name or the layer's type, then the types of what passes on.
    """

    name: str
    types: list[str]
    nodes: list[Node]
    layers: list[LayerCost]
    copies: list[str]

    @property
    def weights(self) -> int:
        return sum(layer.parameters + layer.fixed for layer in self.layers)

    @property
    def macs(self) -> Size:
        return total(layer.macs for layer in self.layers)

    @property
    def kind(self) -> str:
        """`Convolution, ReLU`; `3 x bottleneck`."""
        if len(self.copies) < 2:
            first = self.types[0]
        else:
            first = f"{len(self.copies)} x {self.types[0]}"
        return ", ".join([first, *self.types[1:]])


def parts_of(typed: TypedGraph, nodes: Sequence[Node] | None = None, depth: int = 0) -> list[Part]:
    """The parts of a net in order, or of some of its nodes that stand `depth` blocks deep."""
    spent = dict(zip(typed.graph.nodes, cost(typed).layers, strict=True))
    parts: list[Part] = []
    for node in typed.graph.nodes if nodes is None else nodes:
        name, what, copy = belongs(node, depth)
        if parts and parts[-1].name == name and parts[-1].types == [what]:
            parts[-1].nodes.append(node)
            parts[-1].layers.append(spent[node])
            if copy not in parts[-1].copies:
                parts[-1].copies.append(copy)
        else:
            parts.append(Part(name, [what], [node], [spent[node]], [copy]))
    merged: list[Part] = []
    for part in parts:
        if merged and passes_on(part, merged[-1], typed):
            merged[-1].types.extend(part.types)
            merged[-1].nodes.extend(part.nodes)
            merged[-1].layers.extend(part.layers)
        else:
            merged.append(part)
    return merged


def belongs(node: Node, depth: int) -> tuple[str, str, str]:
    """The name of its part, the part's type, and the copy of it that the node belongs to; names are
    those inside the outer block.
    """
    prefix = f"{node.blocks[depth - 1].name}." if depth else ""
    if len(node.blocks) <= depth:
        return node.name.removeprefix(prefix), node.layer.type, node.name
    block = node.blocks[depth]
    stem, _, index = block.name.removeprefix(prefix).rpartition(".")
    return (
        (stem if stem and index.isdigit() else block.name.removeprefix(prefix)),
        block.template,
        block.name,
    )


def passes_on(part: Part, before: Part, typed: TypedGraph) -> bool:
    """Whether a part has no weights and only gives what the part before it makes, in the same
    shape.
    """
    read, made = list_given(part), ends(part, typed)
    if (
        part.weights
        or len(read) != 1
        or len(made) != 1
        or read[0].node not in before.nodes
        or len(ends(before, typed)) != 1
    ):
        return False
    return typed.types[read[0]].shape == typed.types[made[0]].shape


def list_given(part: Part) -> list[Value]:
    own = {v for node in part.nodes for v in node.tops}
    return list(dict.fromkeys(v for node in part.nodes for v in node.bottoms if v not in own))


def ends(part: Part, typed: TypedGraph) -> list[Value]:
    """What a part makes for others."""
    inner = set(part.nodes)
    users = {v for node in typed.graph.nodes if node not in inner for v in node.bottoms} | set(
        typed.graph.outputs
    )
    return [v for node in part.nodes for v in node.tops if v in users] or list(part.nodes[-1].tops[:1])


def templates(typed: TypedGraph) -> list[tuple[Block, list[Node]]]:
    """The first instance of each outermost block, with its nodes, in order."""
    first: dict[str, tuple[Block, list[Node]]] = {}
    for node in typed.graph.nodes:
        if node.blocks:
            block, nodes = first.setdefault(node.blocks[0].template, (node.blocks[0], []))
            if block.name == node.blocks[0].name:
                nodes.append(node)
    return list(first.values())


def inside(nodes: Iterable[Node]) -> dict[str, str]:
    """Of each block inside a block, by name: the types of its layers, `Convolution, BatchNorm,
    Scale, ReLU`.
    """
    found: dict[str, tuple[str, list[str]]] = {}
    for node in nodes:
        for block in node.blocks[1:]:
            name, types = found.setdefault(block.template, (block.name, []))
            if name == block.name:
                types.append(node.layer.type)
    return {template: ", ".join(types) for template, (_, types) in found.items()}


def draw_chart(typed: TypedGraph, parts: Sequence[Part]) -> str:
    """The parts as a flow chart in Mermaid's notation, with what they read from elsewhere."""
    places: dict[Value, str] = {}
    own = {v for part in parts for node in part.nodes for v in node.tops}
    lines = ["flowchart TD"]
    for i, value in enumerate(dict.fromkeys(v for part in parts for v in list_given(part) if v not in own)):
        places[value] = f"i{i}"
        lines.append(f'  i{i}(["{value.name}<br/>{show_shape(typed.types[value].shape)}"])')
    for i, part in enumerate(parts):
        lines.append(
            f'  p{i}["{part.name}<br/>{part.kind}<br/>{show_shape(typed.types[ends(part, typed)[0]].shape)}"]'
        )
        lines += [f"  {source} --> p{i}" for source in dict.fromkeys(places[v] for v in list_given(part))]
        places.update({v: f"p{i}" for node in part.nodes for v in node.tops})
    return "\n".join(lines)
