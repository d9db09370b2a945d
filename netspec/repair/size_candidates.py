"""Which number of a text may be wrong where sizes do not agree: changes to try, the likeliest
first. In: what disagrees; tries none.

A number is likelier the nearer its layer, the less it looks like others of its name, and the
plainer the slip that would have made it.
"""

import re
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from math import log2
from typing import NamedTuple

from netspec.analysis.evidence import CHANNELS, Disagreement
from netspec.analysis.number_places import Written, axes, within
from netspec.diagnostics.model import Edit, Insertion
from netspec.ir.graph import Input, Node
from netspec.repair.size_literals import find_missing_pad, uses
from netspec.source import Source, Span

__all__ = ["Suspect", "suspects"]


MOST = 4000
"""Changes that are named for one error."""


KEY = re.compile(r"([A-Za-z_]\w*):\s*\[?[\w,\s]*$")


STEP = 0.4
"""What twice the distance costs, where a number that looks like others of its name costs 2."""


WINDOWED = ("kernel_size", "stride", "pad", "dilation")
"""Parameters that are no count of anything: they are not meant to equal a size."""


COMMON: Mapping[str, tuple[int, ...]] = {"kernel_size": (1, 3, 5, 7), "stride": (1, 2)}


ROUND = 0.5
"""What one step of roundness counts: from 31 to 32 is likelier than back."""


LEFT_OUT = 0.3
"""What it costs to believe that a pad was left out."""


GAPS = 12
"""Differences of sizes that a number is tried with, the least first."""


class Suspect(NamedTuple):
    """A change of one number that may be what was meant. plain: it makes sizes agree that stand
    beside each other in the finding.

    cost: how unlikely it is; the smaller, the likelier.
    """

    edit: Edit
    plain: bool = False
    cost: float = 0.0


def suspects(evidence: Disagreement, nodes: Iterable[Node]) -> tuple[Suspect, ...]:
    """Changes of one number each that may mend a disagreement. `nodes`, nearest first, may be its
    cause.

    A parameter that stands in the text is more likely wrong than left without a pad, and no size
    beside it says what was meant.
    """
    beside = set(evidence.sizes)
    wanted = sorted(beside.union(evidence.others))
    gaps = sorted({a - b for a in wanted for b in wanted} - {0}, key=abs)[:GAPS]
    ranked: dict[Edit, Suspect] = {}
    near = list(nodes)
    for i, node in enumerate(near):
        for suspect in pads(node, STEP * log2(1 + i)):
            ranked.setdefault(suspect.edit, suspect)
    for i, (written, ordinary, factor) in enumerate(numbers(near, evidence.graph.inputs)):
        distance = log2(1 + i)
        for value, base in values(written, ordinary, Targets(wanted, gaps, factor)):
            cost = base + (ROUND * (roundness(written.value) - roundness(value)) if factor else 0.0)
            plain = value == ordinary.plain or (written.value in beside and value in beside)
            suspect = Suspect(Edit(written.span, str(value)), plain, cost + STEP * distance)
            if suspect.edit not in ranked or suspect.cost < ranked[suspect.edit].cost:
                ranked[suspect.edit] = suspect
    found = tuple(sorted(ranked.values(), key=lambda suspect: suspect.cost)[:MOST])
    if evidence.given:
        return tuple(each._replace(plain=False) for each in found if each.edit.adds is None)
    return found


def pads(node: Node, distance: float) -> Iterator[Suspect]:
    """A pad that is left out and may be meant: the one that keeps the size, or that gives a whole
    multiple or part of it.
    """
    kernel = find_missing_pad(node)
    stride, dilation = (node.layer.__dict__.get(word, 1) for word in ("stride", "dilation"))
    if kernel is not None and type(stride) is int and type(dilation) is int:
        for pad in dict.fromkeys((dilation * (kernel.value - 1) // 2, (kernel.value - stride) // 2)):
            if pad > 0:
                yield Suspect(
                    Edit(kernel.span, f"{kernel.value}, pad: {pad}", Insertion("pad", pad)),
                    False,
                    LEFT_OUT + distance,
                )


class Usual(NamedTuple):
    """Sizes that are usual for a parameter beside its layer's others: the plain one, if there is
    one, and all of them.

    common: whether the number as it stands is nothing odd; None: as others of its name tell.
    """

    plain: int | None = None
    ways: tuple[int, ...] = ()
    common: bool | None = None


def numbers(nodes: Sequence[Node], inputs: Iterable[Input]) -> Iterator[tuple[Written, Usual, int]]:
    """Each number that makes a whole-number parameter, once, with what is usual for it, and its
    factor in a count (0: in none).
    """
    seen: set[Span] = set()
    for node in nodes:
        for written, use in uses(node):
            if written.span not in seen:
                seen.add(written.span)
                if written.value == node.layer.__dict__[use.name]:
                    ordinary = usual(node, use.name)
                else:
                    ordinary = Usual()
                yield written, ordinary, 0 if use.name in WINDOWED else use.factor
    read = {v for node in nodes for v in node.bottoms}
    for given in inputs:
        found = [
            (written, made.axis)
            for written, made in axes(given)
            if given.value in read and written.span not in seen
        ]
        space = tuple(dict.fromkeys(written.value for written, axis in found if axis > 1))
        yield from (
            (
                written,
                Usual(ways=space, common=len(space) == 1) if axis > 1 else Usual(common=True),
                int(axis < 2),
            )
            for written, axis in found
        )


def usual(node: Node, name: str) -> Usual:
    """Windows that keep their input's size (plain: kernel = 2 pad + 1), that lie side by side, or
    that overlap by half.
    """
    own = node.layer.__dict__
    kernel, pad, stride, dilation = (
        own.get(word, 1) for word in ("kernel_size", "pad", "stride", "dilation")
    )
    if any(type(size) is not int for size in (kernel, pad, stride, dilation)) or dilation < 1:
        return Usual()
    keeping = {
        # pad = dilation * (kernel - 1) / 2, solved for the kernel
        "kernel_size": 2 * pad // dilation + 1 if pad else None,
        "pad": dilation * (kernel - 1) // 2,
    }.get(name)
    ways = {
        "kernel_size": (stride, 2 * stride, stride + 2 * pad) if stride > 1 else (),
        "pad": ((kernel - stride) // 2,),
        "stride": (kernel, kernel // 2, kernel - 2 * pad),
    }.get(name, ())
    kept = (keeping,) if keeping is not None else ()
    found = tuple(dict.fromkeys(way for way in (*kept, *ways) if way >= (name != "pad")))
    return Usual(keeping, found, own[name] in (*found, *COMMON.get(name, ())) or None)


class Targets(NamedTuple):
    """Sizes that disagree, by how much they do, and the factor that leads from a number to its size
    (0: not known).
    """

    sizes: Sequence[int]
    gaps: Sequence[int]
    factor: int


def values(written: Written, ordinary: Usual, targets: Targets) -> Iterator[tuple[int, float]]:
    """What a number may have been meant as, with what it costs to believe so."""
    value, factor = written.value, targets.factor
    peers = peers_of(written.span)
    if ordinary.common or (ordinary.common is None and value in peers):
        # like its peers, it is held for right; odd among them, for wrong; alone, nothing tells
        odd = 2.0
    elif peers:
        odd = 0.0
    else:
        odd = 0.4
    # costs set the order: a size beside it, a usual window, peers, a gap, a slip of the hand
    if factor and value * factor in targets.sizes:
        yield from (
            (size // factor, odd) for size in targets.sizes if size != value * factor and size % factor == 0
        )
        yield from (
            (value + gap // factor, odd + 0.6)
            for gap in targets.gaps
            if gap % factor == 0 and value * factor + gap > 0
        )
    yield from ((way, odd if way == ordinary.plain else odd + 0.3) for way in ordinary.ways if way != value)
    for i, peer in enumerate([peer for peer, _ in peers.most_common(4) if peer != value]):
        yield peer, odd + 0.5 + 0.3 * i
    for i, other in enumerate(slips(value)):
        if other > 0 or value > 0:
            yield other, odd + 0.8 + 0.15 * i
    if factor and value * factor not in targets.sizes:
        yield from (
            (value + gap // factor, odd + 2.5)
            for gap in targets.gaps
            if gap % factor == 0 and value * factor + gap > 0
        )


def roundness(value: int) -> int:
    """0 for most numbers, 1 for multiples of 8 and of 10, 2 for powers of two from 8 on; small
    numbers are all alike.
    """
    if value < CHANNELS:
        return 1
    if value & (value - 1) == 0:
        return 2
    return int(value % 8 == 0 or value % 10 == 0)


def slips(value: int) -> Iterator[int]:
    """Numbers that may have become this one: by a digit too many, by one, by two, doubled, halved,
    two digits swapped.
    """
    digits = str(value)
    if len(digits) > 1:
        yield from dict.fromkeys(int(digits[:i] + digits[i + 1 :]) for i in range(len(digits) - 1, -1, -1))
    if value % 2 == 0:
        yield value // 2
    yield from (value - 1, value + 1, 2 * value, value - 2, value + 2)
    if len(digits) > 1:
        yield int(digits[:-2] + digits[-1] + digits[-2])


def peers_of(span: Span) -> Counter[int]:
    """Numbers under the same key elsewhere in the text, with how often; those of the lines beside
    and of its own list count more.
    """
    line_start = span.source.text.rfind("\n", 0, span.start) + 1
    key = KEY.search(span.source.text[line_start : span.start])
    if key is None:
        return Counter()
    # its own list's numbers weigh 4 more, those of the lines beside 2 more
    found = Counter(dict.fromkeys(beside(span), 4))
    places, counts = list_said(span.source, key[1])
    found.update(counts)
    found[int(span.text)] -= 1
    for at, number in places[slice(*(bisect(places, (edge, -1)) for edge in lines_beside(span)))]:
        found[number] += 2 * (at != span.start)
    return +found


def lines_beside(span: Span) -> tuple[int, int]:
    """Where the line before that of a span begins, and where the line after it ends."""
    text = span.source.text
    before, after = text.rfind("\n", 0, span.start), text.find("\n", span.start)
    return text.rfind("\n", 0, max(before, 0)) + 1, len(text) if after < 0 else (
        text.find("\n", after + 1) + 1 or len(text) + 1
    )


def beside(span: Span) -> Iterator[int]:
    """The other numbers of the list that a number stands in."""
    text = span.source.text
    start, end = text.rfind("[", 0, span.start), text.find("]", span.end)
    if 0 <= start < end and set("[]{}:\n").isdisjoint(text[start + 1 : end]):
        yield from (each.value for each in within(Span(span.source, start, end)) if each.span != span)


@lru_cache(64)
def list_said(source: Source, key: str) -> tuple[Sequence[tuple[int, int]], Counter[int]]:
    """Where a number stands under a key, in the text's order, and the number; and how often each
    number does.
    """
    found = re.finditer(rf"(?<!\w){re.escape(key)}:\s*(\d+)(?![\w.])", source.text)
    # ten digits are no size, and int() takes long over endless ones
    places = tuple((match.start(1), int(match[1])) for match in found if len(match[1]) < 10)
    return places, Counter(number for _, number in places)
