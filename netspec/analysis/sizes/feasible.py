"""Finds nets whose open sizes have no number that suits every layer. In: a typed graph with its
facts; out: a finding for each such symbol.

Requirements that hold several symbols are left out: what is reported is proven for one of them
alone.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from math import lcm
from typing import NamedTuple

from netspec.analysis.evidence import Disagreement
from netspec.analysis.sizes.legal import LIMIT, compile_count, show_side
from netspec.analysis.sizes.progressions import compress
from netspec.diagnostics.evidence import About
from netspec.diagnostics.model import Diagnostic, Diagnostics, Label, uses_of
from netspec.ir.dims import Extremum, Quotient, Size, symbols
from netspec.ir.graph import Node, TypedGraph
from netspec.ir.polynomial import Atom
from netspec.ir.rule import WORDS, Fact

__all__ = ["feasible"]

FARTHEST = 1 << 14
"""All sizes up to here are tried. Of requirements that take longer to repeat nothing is said."""
FURTHER = (20, 30)
"""Powers of 2 from which on a stretch of sizes is tried: as long as the requirements take to
repeat, and LIMIT more.
"""
GREATEST = 40
"""A requirement may come to hold, or end, up to this power of 2: such a stretch is tried there,
too.
"""
USUAL = 64
"""A size to show the arithmetic with, if the layers before take it; else the next that they
take.
"""
NAMED = 3
"""Runs of sizes that are named of those that the layers before take."""

Demand = tuple[Node, Fact]


class Conflict(NamedTuple):
    """The number of the first requirement that no size meets together with those before it, some of
    which are enough for that.

    size: one that meets all before it.
    """

    reached: int
    enough: tuple[Fact, ...]
    size: int


def feasible(typed: TypedGraph, diagnostics: Diagnostics) -> None:
    """Report NS308 for each open size of the inputs that no number suits, at the first layer with
    which that is so.
    """
    for name, demands in alone(typed.facts).items():
        found = conflict([fact for _, fact in demands], name)
        if found is not None:
            diagnostics.add(unmet(typed, name, demands, found))


def alone(facts: Iterable[Demand]) -> dict[str, list[Demand]]:
    """The requirements on one symbol each, by symbol, in the net's order, once each."""
    found: dict[str, dict[Fact, Demand]] = {}
    for node, fact in facts:
        names = symbols(fact.left) | symbols(fact.right)
        if len(names) == 1:
            found.setdefault(next(iter(names)), {}).setdefault(fact, (node, fact))
    return {name: list(demands.values()) for name, demands in found.items()}


def conflict(facts: Sequence[Fact], name: str) -> Conflict | None:
    """Where requirements cannot be met any more; None where they can, or where the sizes tried do
    not tell.

    Few of them decide: those that refused a size so far are asked first, and all only of a size
    that these take.
    """
    every, asked = compile_count(facts, name), list[int]()
    while True:
        met = compile_count([facts[i] for i in asked], name)
        few, size = furthest(met, len(asked), sizes_to_try([facts[i] for i in asked], name))
        index = asked[few] if few < len(asked) else len(facts)
        reached = every(size)
        if reached < index:
            asked = sorted([*asked, reached])
            continue
        if index == len(facts):
            return None
        enough = find_conflict([facts[i] for i in asked[: few + 1]], name)
        # all remainders were seen only where they repeat within the sizes tried
        if period_of(enough) <= FARTHEST:
            return Conflict(index, enough, size)
        return None


def find_conflict(facts: Sequence[Fact], name: str) -> tuple[Fact, ...]:
    """Requirements that cannot be met together, without those that are not needed for that; the
    last one is.
    """
    kept = list(facts)
    for fact in facts[:-1]:
        fewer = [other for other in kept if other is not fact]
        if furthest(compile_count(fewer, name), len(fewer), sizes_to_try(fewer, name))[0] < len(fewer):
            kept = fewer
    return tuple(kept)


def furthest(met: Callable[[int], int], count: int, sizes: Iterable[int]) -> tuple[int, int]:
    """The most requirements, in order, that one size meets, and the first such size; it ends where
    all are met.
    """
    most, best = -1, 1
    for n in sizes:
        found = met(n)
        if found > most:
            most, best = found, n
            if found == count:
                break
    return most, best


def sizes_to_try(facts: Sequence[Fact], name: str) -> Iterator[int]:
    """Sizes to try: powers of two, all up to FARTHEST, stretches further up and about where a
    requirement comes to hold or ends.

    The greatest come first: most requirements ask for enough room.
    """
    yield from (1 << power for power in reversed(range(FURTHER[-1] + 1)))
    yield from range(FARTHEST, 0, -1)
    repeats = min(period_of(facts), FARTHEST)
    for end in dict.fromkeys(
        [
            *(1 << power for power in FURTHER),
            *chain.from_iterable(turns(fact, name) for fact in facts),
        ]
    ):
        yield from range(end - LIMIT, end + repeats)


def turns(fact: Fact, name: str) -> Iterator[int]:
    """The least sizes above FARTHEST at which the sides of a requirement change their order,
    between powers of two.
    """
    above = compile_count([fact._replace(kind="at_least")], name)
    for power in range(FARTHEST.bit_length() - 1, GREATEST):
        low, high = 1 << power, 2 << power
        first = above(low)
        while high - low > 1 and above(high) != first:
            middle = (low + high) // 2
            low, high = (middle, high) if above(middle) == first else (low, middle)
        if high - low == 1:
            yield high


def period_of(facts: Iterable[Fact]) -> int:
    """A number of steps after which what is left over by every division of requirements repeats."""
    return lcm(
        *(
            lcm(period(f.left), period(f.right))
            * (f.left if f.kind == "divides" and isinstance(f.left, int) else 1)
            for f in facts
        )
    )


def period(size: Size) -> int:
    """The same of one size: a quotient's is its numerator's, as often as the denominator says."""
    if isinstance(size, int):
        return 1
    return lcm(*(repeating(atom) for monomial in size.terms for atom, _ in monomial))


def repeating(atom: Atom) -> int:
    if isinstance(atom, Extremum):
        return lcm(*map(period, atom.arguments))
    if isinstance(atom, Quotient) and isinstance(atom.denominator, int):
        return period(atom.numerator) * abs(atom.denominator)
    return 1


def unmet(typed: TypedGraph, name: str, demands: Sequence[Demand], found: Conflict) -> Diagnostic:
    """The finding on the requirement that no size meets together with those before it."""
    node, fact = demands[found.reached]
    takes = taking([f for _, f in demands[: found.reached]], found.enough[:-1], name)
    example = next((n for n in (*range(USUAL, LIMIT), *range(1, USUAL)) if takes(n)), found.size)
    wanted = f"{fact.left} {WORDS[fact.kind]} {fact.right}"
    if len(found.enough) > 1:
        own = any(each is node for each, _ in demands[: found.reached])
        who = (
            f"none of the {name} that the layers before{' and its own other rules' * own} take"
            f" ({show_taken_sizes(takes, name, found.size)})"
        )
    else:
        who = f"no {name}"
    values = " and ".join(
        f"{show_side(side, {name: example})}" for side in (fact.left, fact.right) if not isinstance(side, int)
    )
    joined = len(node.bottoms) > 1 and "bottom" in node.places
    return Diagnostic(
        "NS308",
        f"{node.layer.type} {node.name}: {fact.because}: {who} gives {wanted}",
        node.places["bottom" if joined else "name"],
        f"{who} gives {wanted}",
        others=(
            *label_bottoms(typed, node),
            *asking([d for d in demands[: found.reached] if d[1] in found.enough and d[0] is not node]),
        ),
        notes=(f"{name} = {example}: {values}",),
        about=About(node.name, key=name),
        evidence=Disagreement(typed.graph, node),
    )


def taking(facts: Sequence[Fact], few: Sequence[Fact], name: str) -> Callable[[int], bool]:
    """Whether a size meets requirements, of which a few are asked first."""
    some, every = compile_count(few, name), compile_count(facts, name)
    return lambda n: some(n) == len(few) and every(n) == len(facts)


def show_taken_sizes(takes: Callable[[int], bool], name: str, size: int) -> str:
    """The sizes that are taken, briefly; one of them where they are no few runs, or those without
    an end have one further up.
    """
    runs = compress([takes(n) for n in range(1, LIMIT + 1)])
    endless = [p for p in runs if p.last is None]
    further = (
        p.start + p.step * ((1 << power) // p.step)
        for p in endless
        for power in range(LIMIT.bit_length(), FURTHER[-1])
    )
    if not runs or any(p.last == LIMIT for p in runs) or not all(map(takes, further)):
        return f"such as {name} = {next((n for n in range(USUAL, LIMIT) if takes(n)), size)}"
    return " or ".join(p.text(name) for p in runs[-NAMED:]) + (" or others" if len(runs) > NAMED else "")


def asking(demands: Iterable[Demand]) -> Iterator[Label]:
    """The layers above that leave no size, with what they ask for."""
    for node, fact in demands:
        if (span := node.places["name"]) is not None:
            yield Label(span, f"requires {fact.left} {WORDS[fact.kind]} {fact.right}")


def label_bottoms(typed: TypedGraph, node: Node) -> tuple[Label, ...]:
    """Where the bottoms were made, with their shapes, and the uses of blocks that the layer comes
    from.
    """
    places = ((v, v.node.places["name"]) for v in node.bottoms if v.node is not None)
    given = [Label(place, f"gives {typed.types[v]}", "origin") for v, place in places if place is not None]
    return tuple(dict.fromkeys([*given, *uses_of(node.name, node.places.used[:2])]))
