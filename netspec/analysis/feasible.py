"""Finds nets whose open sizes have no number that suits every layer. In: a typed graph with its facts; out: a finding for each such symbol.

Requirements that hold several symbols are left out: what is reported is proven for one of them alone.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain

from netspec.analysis.legal_sizes import LIMIT, counted, shown
from netspec.analysis.progressions import compressed
from netspec.analysis.suspects import suspects, upward
from netspec.diagnostics.model import COMES_FROM, Diagnostic, Diagnostics, Label
from netspec.ir.dims import symbols
from netspec.ir.graph import Node, TypedGraph
from netspec.ir.rule import WORDS, Fact

__all__ = ["feasible"]

FARTHEST = 1 << 17
FURTHER = range(18, 31)
"""Sizes that are tried before a net counts as one that takes none: all up to FARTHEST, then LIMIT from each of these powers of 2 on."""
USUAL = 64
"""A size to show the arithmetic with, if the layers before take it; else the next that they take."""

Demand = tuple[Node, Fact]


def feasible(typed: TypedGraph, diagnostics: Diagnostics) -> None:
    """Report NS308 for each open size of the inputs that no number suits, at the first layer with which that is so."""
    for name, demands in alone(typed.facts).items():
        met = counted([fact for _, fact in demands], name)
        if not fits(met, len(demands)):
            diagnostics.add(unmet(typed, name, demands, max(map(met, range(1, FARTHEST + 1)))))


def alone(facts: Iterable[Demand]) -> dict[str, list[Demand]]:
    """The requirements on one symbol each, by symbol, in the net's order, once each."""
    found: dict[str, dict[Fact, Demand]] = {}
    for node, fact in facts:
        names = symbols(fact.left) | symbols(fact.right)
        if len(names) == 1:
            found.setdefault(next(iter(names)), {}).setdefault(fact, (node, fact))
    return {name: list(demands.values()) for name, demands in found.items()}


def fits(met: Callable[[int], int], count: int) -> bool:
    """Whether some size meets all `count` requirements: a power of two, one up to FARTHEST, or one in a stretch behind a greater power."""
    powers = (1 << power for power in range(FURTHER.stop))
    stretches = (range(1 << power, (1 << power) + LIMIT) for power in FURTHER)
    return any(met(n) == count for n in chain(powers, range(1, FARTHEST + 1), *stretches))


def unmet(typed: TypedGraph, name: str, demands: Sequence[Demand], index: int) -> Diagnostic:
    """The finding on the requirement that no size meets together with those before it."""
    node, fact = demands[index]
    before = demands[:index]
    met = counted([f for _, f in demands], name)
    example = next((n for n in (*range(USUAL, LIMIT), *range(1, FARTHEST + 1)) if met(n) == index), 1)
    wanted = f"{fact.left} {WORDS[fact.kind]} {fact.right}"
    if fits(counted([fact], name), 1):
        who = f"none of the {name} that the layers before take ({taken(before, name)})"
    else:
        who = f"no {name} from 1 to {FARTHEST:,}"
    values = " and ".join(f"{shown(side, {name: example})}" for side in (fact.left, fact.right) if not isinstance(side, int))
    joined = len(node.bottoms) > 1 and "bottom" in node.places
    return Diagnostic(
        "NS308",
        f"{node.layer.type} {node.name}: {fact.because}: {who} gives {wanted}",
        node.places["bottom" if joined else "name"],
        f"{who} gives {wanted}",
        others=made(typed, node),
        notes=(f"{name} = {example}: {values}",),
        suspects=suspects(typed.graph, upward(node)),
    )


def taken(demands: Sequence[Demand], name: str) -> str:
    met = counted([fact for _, fact in demands], name)
    return " or ".join(p.text(name) for p in compressed([met(n) == len(demands) for n in range(1, LIMIT + 1)])[-3:])


def made(typed: TypedGraph, node: Node) -> tuple[Label, ...]:
    """Where the bottoms were made, with their shapes, and the uses of blocks that the layer comes from."""
    places = ((v, v.node.places["name"]) for v in node.bottoms if v.node is not None)
    given = [Label(place, f"gives {typed.types[v]}") for v, place in places if place is not None]
    return tuple(dict.fromkeys([*given, *(Label(span, f"{node.name} {COMES_FROM}") for span in node.places.used[:2])]))
