"""A name for what a network computes: two specs with the same hash are the same network, however they are written.

Left out: the order of layers where it does not matter, names of layers, blocks, anchors, variables, values that equal what is filled in.
Kept: names and shapes of inputs, types and parameters, wiring, sharing, fillers, learning rates, loss weights, gradients that are stopped,
a layer's own phase; what each phase runs.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from netspec.ir.dims import Dim
from netspec.ir.graph import Node, ParamSpec, TypedGraph, Value
from netspec.syntax.located import Located, plain

__all__ = ["network_hash", "node_hashes"]

Hashes = dict[Value, str]


def network_hash(graphs: Iterable[TypedGraph]) -> str:
    """64 hexadecimal digits for a net given by the graphs of its phases."""
    found = sorted({(typed.graph.phase, graph_hash(typed)) for typed in graphs})
    alike = len({each for _, each in found}) == 1
    return digest("netspec 1", [each for _, each in found[:1]] if alike else found)


def graph_hash(typed: TypedGraph) -> str:
    nodes = node_hashes(typed)
    values = value_hashes(typed, nodes)
    groups: dict[tuple[Node, int], list[tuple[str, int]]] = {}
    for (node, index), owner in typed.shared.items():
        groups.setdefault(owner, [(nodes[owner[0]], owner[1])]).append((nodes[node], index))
    outputs = sorted(values[v] for v in typed.graph.outputs)
    return digest(
        sorted(values[i.value] for i in typed.graph.inputs), sorted(nodes.values()), outputs, sorted(map(sorted, groups.values()))
    )


def node_hashes(typed: TypedGraph) -> dict[Node, str]:
    """Of each node, what it is and what it reads, all the way to the inputs."""
    values: Hashes = {i.value: input_hash(typed, i.value) for i in typed.graph.inputs}
    found: dict[Node, str] = {}
    learning: set[Value] = set()
    for node in typed.graph.nodes:
        shut = stopped(typed, node, learning)
        found[node] = digest(content(typed, node), [values[v] for v in node.bottoms], len(node.tops), node.loss_weights, shut, node.mode)
        if not learning.isdisjoint(node.bottoms) or any(weight.kind == "parameter" for weight in typed.weights[node]):
            learning.update(node.tops)
        values.update((top, digest(found[node], i)) for i, top in enumerate(node.tops))
    return found


def stopped(typed: TypedGraph, node: Node, learning: set[Value]) -> list[int]:
    """Bottoms that `propagate_down: false` keeps a gradient from: not those that have nothing to learn, nor those that get none anyway."""
    if not node.stopped:
        return []
    blind = node.layer.indices(*typed.bottoms(node))
    return [
        i for i in sorted(node.stopped) if node.bottoms[i] in learning and i not in blind and f"no_gradient.{i}" not in node.layer.traits
    ]


def value_hashes(typed: TypedGraph, nodes: dict[Node, str]) -> Hashes:
    values = {i.value: input_hash(typed, i.value) for i in typed.graph.inputs}
    values.update((top, digest(nodes[node], i)) for node in typed.graph.nodes for i, top in enumerate(node.tops))
    return values


def input_hash(typed: TypedGraph, value: Value) -> str:
    given = next(i for i in typed.graph.inputs if i.value is value)
    contract = plain(given.contract) if isinstance(given.contract, Located) else given.contract
    source = (given.node.layer.type, parameters(given.node)) if given.node is not None else ()
    return digest("input", value.name, typed.types[value], contract, source)


def content(typed: TypedGraph, node: Node) -> Any:
    """What a node does, in the form its module is built from, where spellings of one thing have become one."""
    try:
        made: Any = node.layer.torch(*typed.bottoms(node))
    except Exception:
        made = parameters(node)
    weights = [(w.name, w.shape, w.kind, w.filler) for w in typed.weights[node]]
    settings = [node.params[i][1:3] if i < len(node.params) else ParamSpec()[1:3] for i in range(len(weights))]
    return node.layer.type, made, weights, settings


def parameters(node: Node) -> list[tuple[str, Any]]:
    return sorted((name, node.layer.__dict__[name]) for name in node.layer.params)


def digest(*parts: Any) -> str:
    return sha256(text_of(parts).encode()).hexdigest()


def text_of(part: Any) -> str:
    """A text that is the same for equal values, whatever the order of their keys."""
    if isinstance(part, dict):
        return "{" + ",".join(f"{key}:{text_of(part[key])}" for key in sorted(part)) + "}"
    if isinstance(part, (list, tuple)):
        return "(" + ",".join(map(text_of, part)) + ")"
    if isinstance(part, (bool, Dim)) or part is None:
        return str(part)
    if isinstance(part, (int, float)):
        return repr(float(part)) if float(part) == part else repr(part)
    return repr(part)
