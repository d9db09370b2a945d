"""Nets with an eighth of their channels: the same layers, wires and windows for a fiftieth of the work. Knows no net by name."""

from typing import Any

from netspec.analysis.infer import infer
from netspec.diagnostics.model import Diagnostics
from netspec.frozen_classes import replace_fields
from netspec.ir.graph import Graph, Node, TypedGraph, Value
from netspec.ir.layer import Layer

__all__ = ["thinned", "width"]

LEAST = 16


def width(count: int) -> int:
    """An eighth of a number of channels; few, or such as eight does not divide, stay."""
    return count // 8 if count >= LEAST and count % 8 == 0 else count


def thinned(typed: TypedGraph) -> TypedGraph | None:
    """The net with thin layers; None where its layers refuse that: a number of channels stands in a shape, say."""
    graph, layers = typed.graph, dict[int, Layer]()
    values: dict[Value, Value] = {given.value: given.value for given in graph.inputs}
    nodes: dict[Node, Node] = {}
    for node in graph.nodes:
        layer = layers.setdefault(id(node.layer), thin(node.layer))  # copies of a block share one
        nodes[node] = copy_of(node, layer, tuple(values[v] for v in node.bottoms), nodes)
        values.update(zip(node.tops, nodes[node].tops, strict=True))
    made: Graph = replace_fields(
        graph,
        nodes=tuple(nodes.values()),
        outputs=tuple(values[v] for v in graph.outputs),
        blobs={name: values.get(v, v) for name, v in graph.blobs.items()},
    )
    found = Diagnostics()
    narrow = infer(made, found)
    return None if found.failed else narrow


def thin(layer: Layer) -> Layer:
    given: Any = layer
    if not isinstance(getattr(given, "num_output", None), int):
        return layer
    by_channel = {"group": width(given.group)} if getattr(given, "group", 1) == given.num_output else {}
    return replace_fields(layer, num_output=width(given.num_output), **by_channel)


def copy_of(node: Node, layer: Layer, bottoms: tuple[Value, ...], nodes: dict[Node, Node]) -> Node:
    return Node(
        node.name,
        layer,
        bottoms,
        tuple(top.name for top in node.tops),
        params=node.params,
        loss_weights=node.loss_weights,
        places=node.places,
        blocks=node.blocks,
        same_as=nodes[node.same_as] if node.same_as is not None else None,
        stopped=node.stopped,
        mode=node.mode,
    )
