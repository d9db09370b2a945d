"""Open sizes of the inputs that one number alone meets, though the letter promises more. In: a
typed graph; out: what fixes which.

Requirements that hold several symbols are left out, as in `feasible`: what is told is proven for
one of them alone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from netspec.analysis.infer import Pass
from netspec.analysis.sizes.feasible import FARTHEST, FURTHER, Demand, alone
from netspec.analysis.sizes.legal import LIMIT, compile_count
from netspec.ir.dims import symbol, symbols
from netspec.ir.graph import Graph, Node, TypedGraph
from netspec.ir.rule import WORDS, Change, Fact, is_same
from netspec.ir.types import TensorType

__all__ = ["Fixed", "find_fixed_sizes", "reopen_size"]

STEPS = 50
"""Layers that one fix may change."""


class Fixed(NamedTuple):
    """The one number that suits a symbol, and the requirement that leaves no other."""

    name: str
    number: int
    node: Node
    fact: Fact

    @property
    def text(self) -> str:
        return (
            f"{self.fact.because}: {self.fact.left} {WORDS[self.fact.kind]} {self.fact.right} holds for"
            f" {self.name} = {self.number} alone"
        )


def find_fixed_sizes(typed: TypedGraph) -> list[Fixed]:
    """The open sizes of the inputs that only one number meets, each with the layer behind which
    none but it is left.
    """
    given = frozenset[str]().union(
        *(symbols(size) for i in typed.graph.inputs for size in typed.types[i.value].shape)
    )
    found = (
        (name, only(demands, name))
        for name, demands in alone(cancel_common_symbols(typed.facts)).items()
        if name in given
    )
    return [
        Fixed(name, number, *demand) for name, one in found if one is not None for number, demand in [one]
    ]


def cancel_common_symbols(facts: Iterable[Demand]) -> Iterator[Demand]:
    """Requirements that two sizes be equal without the symbols that both are multiples of: no size
    is 0.
    """
    for node, fact in facts:
        left, right = fact.left, fact.right
        both = (
            sorted(symbols(left) & symbols(right))
            if fact.kind == "same" and len(symbols(left) | symbols(right)) > 1
            else ()
        )
        for size in map(symbol, both):
            if is_same(left // size * size, left) and is_same(right // size * size, right):
                left, right = left // size, right // size
        yield node, fact._replace(left=left, right=right)


def only(demands: Sequence[Demand], name: str) -> tuple[int, Demand] | None:
    """The only number that meets requirements on one symbol, and the requirement with which it
    became so.
    """
    kept = compile_count([fact for _, fact in demands], name)
    number, most = None, 0
    # a second size is mostly small or a power of two: either ends the search early
    for n in chain(
        range(1, LIMIT + 1),
        (1 << power for power in range(LIMIT.bit_length(), FURTHER[-1] + 1)),
        range(LIMIT, FARTHEST),
    ):
        met = kept(n)
        if met < len(demands):
            most = max(most, met)
        elif number is not None:
            return None
        else:
            number = n
    if number is not None:
        return (number, demands[most])
    return None


def reopen_size(graph: Graph, fixed: Fixed) -> dict[Node, Change] | None:
    """Changes by which the layers that fix a symbol, one behind the other, take other numbers too;
    None where none of theirs does.
    """
    made: dict[Node, Change] = {}
    at: Node | None = fixed.node
    while at is not None and at not in made and len(made) < STEPS:
        found = step(graph, at, made)
        if found is None:
            return None
        made[at], facts = found
        at = next(fixing(facts, fixed.name), None)
    if at is None:
        return made
    return None


def step(graph: Graph, node: Node, made: Mapping[Node, Change]) -> tuple[Change, list[Demand]] | None:
    """The first change of a layer with which the net, others changed before, has no error, and what
    it then demands.
    """
    layers = {n: n.layer.replace(**change.parameters) for n, change in made.items()}
    types = Pass(graph, layers).run().types
    bottoms = [t for v in node.bottoms if isinstance(t := types.get(v), TensorType)]
    for change in node.layer.reopen(*bottoms) if len(bottoms) == len(node.bottoms) else ():
        then = Pass(graph, {**layers, node: node.layer.replace(**change.parameters)}).run()
        if not then.errors:
            return change, then.facts
    return None


def fixing(facts: Iterable[Demand], name: str) -> Iterator[Node]:
    demands = alone(cancel_common_symbols(facts)).get(name, ())
    one = only(demands, name) if demands else None
    if one is not None:
        yield one[1][0]
