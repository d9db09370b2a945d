"""Which number of a text may be wrong where sizes do not agree: changes to try, the likeliest first. In: nodes and places; tries none.

A number is likelier the nearer its layer, the less it looks like others of its name, and the plainer the slip that would have made it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from math import log2
from typing import NamedTuple

from netspec.diagnostics.model import Edit, Suspect
from netspec.ir.graph import Graph, Node, Unknown, Value
from netspec.ir.types import TensorType
from netspec.source import Source, Span

__all__ = ["sizes_of", "suspects", "upward"]

FARTHEST = 300
"""Layers that are looked at on the way up from an error."""
MOST, WORK = 64, 15_000
"""Changes that are tried for a small net, and layers that trying all of them may visit: none in a net of more."""
NUMBER = re.compile(r"(?<![\w.$])\d+(?![\w.])")
KEY = re.compile(r"([A-Za-z_]\w*):\s*\[?[\w,\s]*$")
SHAPE = re.compile(r"[\"']?\s*:\s*(?:\{?\s*shape\s*:\s*)?(\[[^\[\]]*\])")
STEP = 0.4
"""What twice the distance costs, where a number that looks like others of its name costs 2."""


class Written(NamedTuple):
    """A number in the text, and the size that it is."""

    span: Span
    value: int


def suspects(graph: Graph, nodes: Sequence[Node], targets: Iterable[int]) -> tuple[Suspect, ...]:
    """Changes of one number each that may mend an error; `nodes`, nearest first, may be its cause, `targets` are sizes that disagree."""
    wanted = sorted(set(targets))
    ranked: dict[Suspect, float] = {}
    for i, (written, conventional) in enumerate(numbers(graph, nodes)):
        distance = log2(1 + i)
        for value, cost in values(written, conventional, wanted):
            plain = value == conventional or (written.value in wanted and value in wanted)
            suspect = Suspect(Edit(written.span, str(value)), plain)
            ranked[suspect] = min(cost + STEP * distance, ranked.get(suspect, cost + STEP * distance))
    affordable = WORK // (len(graph.nodes) + 1)
    most = min(MOST, affordable)
    return tuple(sorted(ranked, key=lambda suspect: ranked[suspect])[:most])


def upward(node: Node) -> Iterator[Node]:
    """The node, then those that it depends on, level by level: both branches of a join are walked together."""
    level, seen = [node], {node}
    while level and len(seen) < FARTHEST:
        yield from level
        above = [v.node for each in level for v in each.bottoms if v.node is not None]
        level = [each for each in dict.fromkeys(above) if each not in seen]
        seen.update(level)


def numbers(graph: Graph, nodes: Sequence[Node]) -> Iterator[tuple[Written, int | None]]:
    """Each number that makes a whole-number parameter, once, with what is usual for it beside the layer's other parameters."""
    seen: set[Span] = set()
    for node in nodes:
        for name in node.layer.params:
            value = node.layer.__dict__.get(name)
            if type(value) is not int and not (isinstance(value, tuple) and value and all(type(v) is int for v in value)):
                continue
            for span in node.places.sources.get(name) or ((node.places.spans[name],) if name in node.places.spans else ()):
                for written in within(span):
                    if written.span not in seen:
                        seen.add(written.span)
                        yield written, usual(node, name) if written.value == value else None
    read = {v for node in nodes for v in node.bottoms}
    for given in graph.inputs:
        if given.value in read and given.span is not None:
            yield from ((written, None) for written in within(shape_of(given.span)) if written.span not in seen)


def within(span: Span) -> Iterator[Written]:
    """The numbers in a stretch of text."""
    for match in NUMBER.finditer(span.text):
        yield Written(Span(span.source, span.start + match.start(), span.start + match.end()), int(match[0]))


def shape_of(key: Span) -> Span:
    """The list of sizes behind an input's name, as it is or under `shape:`; nothing where there is none."""
    found = SHAPE.match(key.source.text, key.end)
    return Span(key.source, found.start(1), found.end(1)) if found else Span(key.source, key.end, key.end)


def usual(node: Node, name: str) -> int | None:
    """A window that keeps its input's size: kernel = 2 pad + 1."""
    own = node.layer.__dict__
    kernel, pad, dilation = own.get("kernel_size"), own.get("pad"), own.get("dilation", 1)
    if type(kernel) is not int or type(pad) is not int or type(dilation) is not int:
        return None
    if name == "kernel_size" and pad:
        return 2 * pad // dilation + 1
    return dilation * (kernel - 1) // 2 if name == "pad" else None


def values(written: Written, conventional: int | None, targets: list[int]) -> Iterator[tuple[int, float]]:
    """What a number may have been meant as, with what it costs to believe so."""
    value = written.value
    peers = peers_of(written.span)
    odd = 2.0 if value in peers else 0.0 if peers else 0.4
    if value in targets:
        yield from ((target, odd) for target in targets if target != value)
    if conventional is not None and conventional != value:
        yield conventional, odd
    for i, peer in enumerate([peer for peer, _ in peers.most_common(4) if peer != value]):
        yield peer, odd + 0.5 + 0.3 * i
    for i, other in enumerate(slips(value)):
        if other > 0 or value > 0:
            yield other, odd + 0.8 + 0.15 * i


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


def sizes_of(values: Iterable[Value], types: Mapping[Value, TensorType | Unknown]) -> list[int]:
    """Numbers among the sizes of values."""
    return [size for value in values if isinstance(t := types.get(value), TensorType) for size in t.shape if type(size) is int]
