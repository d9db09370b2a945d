"""Which number of a text may be wrong where sizes do not agree: changes to try, the likeliest first. In: nodes and places; tries none.

A number is likelier the nearer its layer, the less it looks like others of its name, and the plainer the slip that would have made it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from math import log2
from typing import NamedTuple

from netspec.analysis.numbers import Written, axes, uses, within
from netspec.diagnostics.model import Edit, Suspect
from netspec.ir.graph import Graph, Input, Node, Unknown, Value
from netspec.ir.layer import Layer
from netspec.ir.types import TensorType
from netspec.source import Source, Span

__all__ = ["numbers_of", "sizes_of", "suspects", "upward"]

FARTHEST = 300
"""Layers that are looked at on the way up from an error."""
MOST = 4000
"""Changes that are named for one error."""
LARGEST = 6000
"""Layers of a net in which changes are tried."""
KEY = re.compile(r"([A-Za-z_]\w*):\s*\[?[\w,\s]*$")
STEP = 0.4
"""What twice the distance costs, where a number that looks like others of its name costs 2."""
GAPS = 12
"""Differences of sizes that a number is tried with, the least first."""


def suspects(graph: Graph, nodes: Iterable[Node], sizes: Iterable[int] = (), others: Iterable[int] = ()) -> tuple[Suspect, ...]:
    """Changes of one number each that may mend an error; none in a net too large to try them. `nodes`, nearest first, may be its cause.

    sizes: what disagrees; others: further numbers that one may have been meant as.
    """
    if len(graph.nodes) > LARGEST:
        return ()
    beside = set(sizes)
    wanted = sorted(beside.union(others))
    gaps = sorted({a - b for a in wanted for b in wanted} - {0}, key=abs)[:GAPS]
    ranked: dict[Suspect, float] = {}
    for i, (written, ordinary, factor) in enumerate(numbers(list(nodes), graph.inputs)):
        distance = log2(1 + i)
        for value, cost in values(written, ordinary, Targets(wanted, gaps, factor)):
            plain = value == ordinary.plain or (written.value in beside and value in beside)
            suspect = Suspect(Edit(written.span, str(value)), plain)
            ranked[suspect] = min(cost + STEP * distance, ranked.get(suspect, cost + STEP * distance))
    return tuple(sorted(ranked, key=lambda suspect: ranked[suspect])[:MOST])


def upward(node: Node) -> Iterator[Node]:
    """The node, then those that it depends on, level by level: both branches of a join are walked together."""
    level, seen = [node], {node}
    while level and len(seen) < FARTHEST:
        yield from level
        above = [v.node for each in level for v in each.bottoms if v.node is not None]
        level = [each for each in dict.fromkeys(above) if each not in seen]
        seen.update(level)


class Usual(NamedTuple):
    """Sizes that are usual for a parameter beside its layer's others: the plain one, if there is one, and all of them."""

    plain: int | None = None
    ways: tuple[int, ...] = ()


def numbers(nodes: Sequence[Node], inputs: Iterable[Input]) -> Iterator[tuple[Written, Usual, int]]:
    """Each number that makes a whole-number parameter, once, with what is usual for it and its factor there."""
    seen: set[Span] = set()
    for node in nodes:
        for written, use in uses(node):
            if written.span not in seen:
                seen.add(written.span)
                yield written, usual(node, use.name) if written.value == node.layer.__dict__[use.name] else Usual(), use.factor
    read = {v for node in nodes for v in node.bottoms}
    for given in inputs:
        if given.value in read:
            yield from ((written, Usual(), 1) for written, _ in axes(given) if written.span not in seen)


def usual(node: Node, name: str) -> Usual:
    """Windows that keep their input's size (plain: kernel = 2 pad + 1), that lie side by side, or that overlap by half."""
    own = node.layer.__dict__
    kernel, pad, stride, dilation = (own.get(word, 1) for word in ("kernel_size", "pad", "stride", "dilation"))
    if any(type(size) is not int for size in (kernel, pad, stride, dilation)) or dilation < 1:
        return Usual()
    keeping = {"kernel_size": 2 * pad // dilation + 1 if pad else None, "pad": dilation * (kernel - 1) // 2}.get(name)
    ways = {
        "kernel_size": (stride, 2 * stride, stride + 2 * pad),
        "pad": ((kernel - stride) // 2,),
        "stride": (kernel, kernel // 2, kernel - 2 * pad),
    }.get(name, ())
    kept = (keeping,) if keeping is not None else ()
    return Usual(keeping, tuple(dict.fromkeys(way for way in (*kept, *ways) if way >= (name != "pad"))))


class Targets(NamedTuple):
    """Sizes that disagree, by how much they do, and the factor that leads from a number to its size (0: not known)."""

    sizes: Sequence[int]
    gaps: Sequence[int]
    factor: int


def values(written: Written, ordinary: Usual, targets: Targets) -> Iterator[tuple[int, float]]:
    """What a number may have been meant as, with what it costs to believe so."""
    value, factor = written.value, targets.factor
    peers = peers_of(written.span)
    odd = 2.0 if value in peers or value in ordinary.ways else 0.0 if peers else 0.4
    if factor and value * factor in targets.sizes:
        yield from ((size // factor, odd) for size in targets.sizes if size != value * factor and size % factor == 0)
        yield from ((value + gap // factor, odd + 0.6) for gap in targets.gaps if gap % factor == 0 and value * factor + gap > 0)
    yield from ((way, odd if way == ordinary.plain else odd + 0.3) for way in ordinary.ways if way != value)
    for i, peer in enumerate([peer for peer, _ in peers.most_common(4) if peer != value]):
        yield peer, odd + 0.5 + 0.3 * i
    for i, other in enumerate(slips(value)):
        if other > 0 or value > 0:
            yield other, odd + 0.8 + 0.15 * i
    if factor and value * factor not in targets.sizes:
        yield from ((value + gap // factor, odd + 2.5) for gap in targets.gaps if gap % factor == 0 and value * factor + gap > 0)


def slips(value: int) -> Iterator[int]:
    """Numbers that may have become this one: by a digit too many, by one, by two, doubled, halved, two digits swapped."""
    digits = str(value)
    if len(digits) > 1:
        yield from dict.fromkeys(int(digits[:i] + digits[i + 1 :]) for i in range(len(digits) - 1, -1, -1))
    if value % 2 == 0:
        yield value // 2
    yield from (value - 1, value + 1, 2 * value, value - 2, value + 2)
    if len(digits) > 1:
        yield int(digits[:-2] + digits[-1] + digits[-2])


def peers_of(span: Span) -> Counter[int]:
    """Numbers under the same key elsewhere in the text, with how often; those of the lines beside and of its own list count more."""
    line_start = span.source.text.rfind("\n", 0, span.start) + 1
    key = KEY.search(span.source.text[line_start : span.start])
    if key is None:
        return Counter()
    found = Counter(dict.fromkeys(beside(span), 4))
    here = span.begin[0]
    for at, number in said(span.source, key[1]):
        if at != span.start:
            found[number] += 3 if abs(span.source.position(at)[0] - here) <= 1 else 1
    return found


def beside(span: Span) -> Iterator[int]:
    """The other numbers of the list that a number stands in."""
    text = span.source.text
    start, end = text.rfind("[", 0, span.start), text.find("]", span.end)
    if 0 <= start < end and set("[]{}:\n").isdisjoint(text[start + 1 : end]):
        yield from (each.value for each in within(Span(span.source, start, end)) if each.span != span)


@lru_cache(64)
def said(source: Source, key: str) -> tuple[tuple[int, int], ...]:
    """Where a number stands under a key, and the number."""
    found = re.finditer(rf"(?<!\w){re.escape(key)}:\s*(\d+)(?![\w.])", source.text)
    return tuple((match.start(1), int(match[1])) for match in found if len(match[1]) < 10)


def numbers_of(layer: Layer) -> list[int]:
    """Whole numbers among a layer's parameters."""
    return [value for name in layer.params if type(value := layer.__dict__.get(name)) is int]


def sizes_of(values: Iterable[Value], types: Mapping[Value, TensorType | Unknown]) -> list[int]:
    """Numbers among the sizes of values."""
    return [size for value in values if isinstance(t := types.get(value), TensorType) for size in t.shape if type(size) is int]
