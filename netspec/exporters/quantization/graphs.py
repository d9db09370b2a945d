"""Changes of ONNX graphs after a tool has been at them. In: messages; out: the same, changed."""

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

__all__ = ["make_light", "restore_inputs", "sort_nodes"]


def restore_inputs(made: "ModelProto", whole: "ModelProto", names: Collection[str]) -> None:
    """Let nodes read what they read in the whole model, by its names: not its rounded form.

    A value is taken only where the node that made it there still makes it: a tool may have put two
    nodes into one, whose value is then another.
    """
    makers = {top: node.name for node in made.graph.node for top in node.output}
    before = {top: node.name for node in whole.graph.node for top in node.output}
    weights = {tensor.name: tensor for tensor in whole.graph.initializer}
    held = {tensor.name for tensor in made.graph.initializer}
    wanted = {node.name: list(node.input) for node in whole.graph.node if node.name in names}
    makes_weights = {top for top, name in makers.items() if top in weights}
    for node in made.graph.node:
        for i, name in enumerate(wanted.get(node.name, ())):
            if name in weights:
                if name in makes_weights:  # a tool made it anew under its own name
                    fresh = f"{name}/float"
                else:
                    fresh = name
                if fresh not in held:
                    made.graph.initializer.add().CopyFrom(weights[name])
                    made.graph.initializer[-1].name = fresh
                    held.add(fresh)
                node.input[i] = fresh
            elif name not in before or makers.get(name) == before[name]:
                node.input[i] = name


def make_light(model: "ModelProto") -> "ModelProto":
    """Take away nodes whose values nobody reads, and weights that no node reads."""
    graph = model.graph
    ends = {output.name for output in graph.output}
    while True:
        read = ends | {name for node in graph.node for name in inner_reads(node)}
        idle = [node for node in graph.node if not read & set(node.output)]
        if not idle:
            break
        for node in idle:
            graph.node.remove(node)
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    return model


def inner_reads(node: "object") -> set[str]:
    """What a node reads, and what graphs in it do."""
    found = set(node.input)  # type: ignore[attr-defined]
    for attribute in node.attribute:  # type: ignore[attr-defined]
        if attribute.HasField("g"):
            found |= {name for inner in attribute.g.node for name in inner_reads(inner)}
    return found


def sort_nodes(graph: "GraphProto") -> None:
    """Put each node behind those whose values it reads, otherwise in their order."""
    made = {top for node in graph.node for top in node.output}
    ready, waiting, done = list(graph.node)[:0], list(graph.node), set[str]()
    while waiting:
        first = next(
            (node for node in waiting if not (inner_reads(node) & made) - done - set(node.output)), None
        )
        if first is None:
            return
        waiting.remove(first)
        ready.append(first)
        done.update(first.output)
    del graph.node[:]
    graph.node.extend(ready)
