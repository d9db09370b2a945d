"""A name for what a network computes: two specs with the same hash are the same network, however
they are written.

Left out: the order of layers where it does not matter, names of layers, blocks, anchors, variables,
values that equal what is filled in. Kept: names and shapes of inputs, types and parameters, wiring,
sharing, fillers, learning rates, loss weights, gradients that are stopped, a layer's own phase;
what each phase runs. Every layer is an individual, and so is every weight tensor: of two that are
equal it counts which one a third reads.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from netspec.analysis.canonical_order import Choice, Things, rank_vertices
from netspec.ir.dims import Dim
from netspec.ir.graph import Input, Node, ParamSpec, TypedGraph, Value
from netspec.syntax.located import Located, plain

__all__ = ["counterparts", "graph_hash", "network_hash", "node_hashes"]

Hashes = dict[Value, str]
Tensor = tuple[str, int]
"""A weight of a layer, by the layer's name: the same in every phase."""


def network_hash(graphs: Iterable[TypedGraph]) -> str:
    """64 hexadecimal digits for a net given by the graphs of its phases."""
    every = sorted(graphs, key=lambda typed: typed.graph.phase)
    alike = len({digest(by_name(typed)) for typed in every}) == 1
    # phases that run the same are one net: `phase` words that change nothing do not count
    return Individuals(every[:1] if alike else every, phased=not alike).hash()


def graph_hash(typed: TypedGraph) -> str:
    """The same of one phase by itself."""
    return Individuals([typed]).hash()


def counterparts(a: TypedGraph, b: TypedGraph) -> dict[Node, Node]:
    """The nodes of b with those of a that stand for them, where the graphs have one hash. Of twins
    those of one name are paired.
    """
    first, second = Individuals([a]), Individuals([b])
    marked: list[str] = []

    def mark(alike: Sequence[int]) -> int:
        marked.append(first.names[min(alike)])
        return min(alike)

    def mark_likewise(alike: Sequence[int]) -> int:
        """The one of the name that was marked in the first graph, or else one whose name that graph
        does not have.
        """
        wanted = marked.pop(0) if marked else ""
        return min(alike, key=lambda v: (second.names[v] != wanted, second.names[v] in first.names, v))

    order = first.order(mark)
    pairs = [
        (first.things[v], second.things[w]) for v, w in zip(order, second.order(mark_likewise), strict=True)
    ]
    return {y: x for x, y in pairs if isinstance(x, Node) and isinstance(y, Node)}


class Individuals:
    """The inputs and layers of a net in one or several phases, and its weight tensors, as vertices
    of a labelled graph.
    """

    def __init__(self, graphs: Sequence[TypedGraph], phased: bool = False) -> None:
        self.things: list[Value | Node | Tensor] = []
        self.labels: list[str] = []
        self.reads: list[list[tuple[int, Any]]] = []
        for typed in graphs:
            self.add(typed, owners(graphs), typed.graph.phase if phased else "")
        self.names = [thing[0] if isinstance(thing, tuple) else thing.name for thing in self.things]

    def add(self, typed: TypedGraph, owner: Mapping[Tensor, Tensor], phase: str) -> None:
        at: dict[Value, tuple[int, int]] = {}
        tensors = {thing: i for i, thing in enumerate(self.things) if isinstance(thing, tuple)}
        for given in typed.graph.inputs:
            at[given.value] = (
                self.vertex(
                    given.value,
                    digest(phase, input_hash(typed, given), outside(typed, [given.value])),
                    [],
                ),
                0,
            )
        labels = node_labels(typed)
        for node in typed.graph.nodes:
            reads: list[tuple[int, Any]] = [at[v] for v in node.bottoms]
            for index in range(len(typed.weights[node])):
                tensor = owner.get((node.name, index), (node.name, index))
                if tensor not in tensors:
                    tensors[tensor] = self.vertex(tensor, "tensor", [])
                reads.append((tensors[tensor], -1))
            here = self.vertex(node, digest(phase, labels[node], outside(typed, node.tops)), reads)
            at.update((top, (here, i)) for i, top in enumerate(node.tops))

    def vertex(self, thing: Value | Node | Tensor, label: str, reads: list[tuple[int, Any]]) -> int:
        self.things.append(thing)
        self.labels.append(label)
        self.reads.append(reads)
        return len(self.things) - 1

    def order(self, choose: Choice = min) -> list[int]:
        """Numbers of the vertices in an order that names and spelling do not change."""
        return rank_vertices(Things(self.labels, self.reads), choose)

    def hash(self) -> str:
        order = self.order()
        rank = {vertex: i for i, vertex in enumerate(order)}
        return digest(
            # the second way of counting: hashes of different ways must not meet
            "netspec 2",
            [(self.labels[v], [(rank[other], part) for other, part in self.reads[v]]) for v in order],
        )


def owners(graphs: Sequence[TypedGraph]) -> dict[Tensor, Tensor]:
    """Which weights are one tensor, in any phase: each that is not its own owner leads to the first
    that has it.
    """
    found: dict[Tensor, Tensor] = {}

    def root(tensor: Tensor) -> Tensor:
        while tensor in found:
            tensor = found[tensor]
        return tensor

    for typed in graphs:
        for (node, index), (first, at) in typed.shared.items():
            one, other = root((node.name, index)), root((first.name, at))
            if one != other:
                found[one] = other
    return {tensor: root(tensor) for tensor in found}


def by_name(typed: TypedGraph) -> list[Any]:
    """All that a hash tells of, with the layers' names: equal for phases that run the same."""
    labels = node_labels(typed)
    given = [(i.value.name, input_hash(typed, i), outside(typed, [i.value])) for i in typed.graph.inputs]
    return [
        given,
        owners([typed]),
        [
            (n.name, labels[n], [source(v) for v in n.bottoms], outside(typed, n.tops))
            for n in typed.graph.nodes
        ],
    ]


def source(value: Value) -> tuple[str, int]:
    return (value.node.name if value.node is not None else f"input {value.name}", value.index)


def outside(typed: TypedGraph, values: Sequence[Value]) -> list[int]:
    """Which of some values the net gives, and how often."""
    return [typed.graph.outputs.count(value) for value in values]


def node_labels(typed: TypedGraph) -> dict[Node, str]:
    """Of each node, what it is by itself."""
    found: dict[Node, str] = {}
    learning: set[Value] = set()
    for node in typed.graph.nodes:
        found[node] = digest(
            content(typed, node),
            len(node.tops),
            node.loss_weights,
            list_stopped(typed, node, learning),
            node.mode,
        )
        if not learning.isdisjoint(node.bottoms) or any(
            weight.kind == "parameter" for weight in typed.weights[node]
        ):
            learning.update(node.tops)
    return found


def node_hashes(typed: TypedGraph) -> dict[Node, str]:
    """Of each node, what it is and what it reads, all the way to the inputs. Twins have one."""
    values: Hashes = {i.value: input_hash(typed, i) for i in typed.graph.inputs}
    found: dict[Node, str] = {}
    for node, label in node_labels(typed).items():
        found[node] = digest(label, [values[v] for v in node.bottoms])
        values.update((top, digest(found[node], i)) for i, top in enumerate(node.tops))
    return found


def list_stopped(typed: TypedGraph, node: Node, learning: set[Value]) -> list[int]:
    """Bottoms that `propagate_down: false` keeps a gradient from: not those that have nothing to
    learn, nor those that get none anyway.
    """
    if not node.stopped:
        return []
    blind = node.layer.indices(*typed.bottoms(node))
    stops = node.layer.stops_gradient
    return [
        i for i in sorted(node.stopped) if node.bottoms[i] in learning and i not in blind and not stops(i)
    ]


def input_hash(typed: TypedGraph, given: Input) -> str:
    if isinstance(given.contract, Located):
        contract = plain(given.contract)
    else:
        contract = given.contract
    source = (given.node.layer.type, parameters(given.node)) if given.node is not None else ()
    return digest("input", given.value.name, typed.types[given.value], contract, source)


def content(typed: TypedGraph, node: Node) -> Any:
    """What a node does, in the form its module is built from, where spellings of one thing have
    become one.
    """
    try:
        made: Any = node.layer.torch(*typed.bottoms(node))
    # a module is built of numbers: where a size is open the parameters speak
    except Exception:
        made = parameters(node)
    weights = [(w.name, w.shape, w.kind, w.drawn) for w in typed.weights[node]]
    settings = [
        # lr_mult and decay_mult; whose tensor it is the vertices tell, its name does not count
        node.params[i][1:3] if i < len(node.params) else ParamSpec()[1:3]
        for i in range(len(weights))
    ]
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
    # before numbers: True == 1 in Python, and true is no number here
    if isinstance(part, (bool, Dim)) or part is None:
        return str(part)
    if isinstance(part, (int, float)):
        # 1 and 1.0 are one value, however it is written
        if float(part) == part:
            return repr(float(part))
        return repr(part)
    return repr(part)
