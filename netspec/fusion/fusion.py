"""What it is that runs as one, and the search for it: a Pass finds Fusions in a graph. Knows no
layer and no emitter.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from netspec.ir.graph import Node, TypedGraph, Value

__all__ = ["Chains", "Example", "Fusion", "Pass", "find_all"]


class Fusion(NamedTuple):
    """Layers that run as one where the last of them stands.

    function: of torch_modules/fused.py, called with the values that are read, then the layers'
    modules, then `arguments`; empty where it is for a model's file alone.
    is_view: whether its top lies in the memory of what it reads. keeps: whether it keeps for the
    backward pass what its layers would.
    """

    name: str
    nodes: tuple[Node, ...]
    reads: tuple[Value, ...]
    function: str
    arguments: tuple[Any, ...] = ()
    is_view: bool = False
    keeps: bool = True

    @property
    def last(self) -> Node:
        return self.nodes[-1]

    @property
    def between(self) -> tuple[Value, ...]:
        """What the layers before the last would make one by one, and is never made."""
        return tuple(top for node in self.nodes[:-1] for top in node.tops)


class Example(NamedTuple):
    """A row of a pass: layers on an input, and which of them run as one, by their names; none where
    something stands in the way.
    """

    layers: str
    fused: tuple[str, ...] = ()
    shape: str = "N,4,6,6"
    phase: str = "train"


class Pass(NamedTuple):
    """says: what runs as one. examples: rows that are the tests too."""

    name: str
    says: str
    find: "Callable[[Chains], Iterator[Fusion]]"
    examples: tuple[Example, ...]


class Chains:
    """A graph, and who alone reads what of it. blocks: layers of two blocks do not run as one,
    since a block is a class.
    """

    def __init__(self, typed: TypedGraph, blocks: bool = True) -> None:
        self.typed, self.blocks = typed, blocks
        self.nodes = typed.graph.nodes
        self.uses = typed.graph.uses()
        self.kept = set(typed.graph.outputs)
        self.taken: set[Node] = set()

    def free(self, node: Node | None) -> bool:
        """Whether a layer may run with others: it is in no Fusion yet, passes its gradients on, and
        weighs in no loss.
        """
        if node is None or node in self.taken:
            return False
        plain = not (node.stopped or any(node.loss_weights) or self.typed.find_converted(node))
        return plain and bool(node.bottoms) and len(node.tops) >= 1

    def next(self, node: Node) -> Node | None:
        """The layer behind a layer, where nobody else reads what it makes."""
        (top, *others) = node.tops
        if others or top in self.kept:
            return None
        readers = self.uses.get(top, [])
        if len(readers) != 1 or readers[0].bottoms.count(top) != 1:
            return None
        (after,) = readers
        if (self.blocks and after.blocks != node.blocks) or not self.free(after):
            return None
        return after


def find_all(typed: TypedGraph, passes: Iterable[Pass], *, blocks: bool = True) -> tuple[Fusion, ...]:
    """What the passes find, one after the other; a layer runs in one Fusion at most."""
    chains, found = Chains(typed, blocks), list[Fusion]()
    for each in passes:
        for fusion in each.find(chains):
            chains.taken.update(fusion.nodes)
            found.append(fusion)
    order = {node: i for i, node in enumerate(typed.graph.nodes)}
    return tuple(sorted(found, key=lambda fusion: order[fusion.last]))
