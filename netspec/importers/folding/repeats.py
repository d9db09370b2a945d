"""Stretches of a layer list that are alike but for numbers and names. In: layers as values read and
made; out: the best such stretch.

A stretch is fit to be a block if all that is read of it from outside is the first top of its last
layer. Knows no spec.
"""

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

__all__ = ["SHORTEST", "Item", "Occurrence", "Sequenced", "best_repeat"]

SHORTEST, LONGEST = 3, 64
"""Layers of a block: two are no shorter as one, and what repeats at more than 64 holds repeats itself."""
BUDGET = 600_000
"""Steps of one search: positions times lengths. A longer list is searched for shorter stretches."""
MOST_GROUPS = 16
FAR = 0


class Item(NamedTuple):
    """A layer: the values it reads and makes, and which of the read ones it changes in place.

    shape: what it must share with another to be like it; None for a layer that stays where it is.
    """

    shape: Hashable | None
    reads: tuple[int, ...]
    makes: tuple[int, ...]
    replaces: tuple[int, ...] = ()


class Occurrence(NamedTuple):
    """A stretch: where it begins, and the values that it reads from outside, each once, in the
    order in which they are read.
    """

    start: int
    inputs: tuple[int, ...]


class Found(NamedTuple):
    """A stretch that could be folded: its length, its occurrences, and how many lines that
    saves.
    """

    length: int
    occurrences: tuple[Occurrence, ...]
    saved: int

    @property
    def rank(self) -> int:
        """Of two stretches the one is better that saves more; but what a long block holds can no
        more be folded itself.
        """
        return self.saved - self.length


class Gain(Protocol):
    """What folding is worth, and which stretches may share a block."""

    def systematic(self, first: int, other: int, length: int) -> bool:
        """Whether the names in two stretches differ in a way that a rule can say."""

    def count_saved(self, occurrences: tuple[Occurrence, ...], length: int) -> int:
        """Lines that folding saves."""


@dataclass(eq=False)
class Sequenced:
    """A list of items, and for each where its values are made, last read, and replaced."""

    items: Sequence[Item]
    maker: dict[int, tuple[int, int]] = field(default_factory=dict)
    reach: list[int] = field(default_factory=list)
    """Per item, the last place that reads or replaces a value of it; past the end for one that
    nothing reads.
    """
    origin: list[int] = field(default_factory=list)
    """Per item, the earliest place that made a value which it replaces; its own where it replaces
    none.
    """
    tokens: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reach = [-1] * len(self.items)
        known: dict[Hashable, int] = {}
        for at, item in enumerate(self.items):
            places = [self.maker.get(value, (-1, 0)) for value in item.reads]
            for place, _ in places:
                if place >= 0:
                    self.reach[place] = at
            self.origin.append(min([at, *(self.maker.get(value, (-1, 0))[0] for value in item.replaces)]))
            self.maker.update((value, (at, index)) for index, value in enumerate(item.makes))
            self.tokens.append(known.setdefault(self.token(at, item, places), len(known)))
        read = {value for item in self.items for value in item.reads}
        for at, item in enumerate(self.items):
            if any(value not in read for value in item.makes):
                self.reach[at] = len(self.items)
        self.replaced = {value for item in self.items for value in item.replaces}

    def token(self, at: int, item: Item, places: list[tuple[int, int]]) -> Hashable:
        """What makes two items alike: shape, and how far back each bottom was made."""
        if item.shape is None:
            return at
        # an input of the net is like a layer just before the first one; from further on it is far
        near = tuple(
            (at - place, index) if (place >= 0 and at - place < LONGEST) or at == 0 else FAR
            for place, index in places
        )
        return (
            item.shape,
            near,
            tuple(item.reads.index(value) for value in item.replaces),
            len(item.makes),
        )

    def occurrence(self, start: int, length: int) -> tuple[Occurrence, tuple[int, ...]]:
        """The stretch from `start` on; and which of its inputs each read from outside is."""
        inputs: dict[int, int] = {}
        for item in self.items[start : start + length]:
            for value in item.reads:
                if self.maker.get(value, (-1, 0))[0] < start:
                    inputs.setdefault(value, len(inputs))
        pattern = tuple(
            inputs[value]
            for item in self.items[start : start + length]
            for value in item.reads
            if value in inputs
        )
        return Occurrence(start, tuple(inputs)), pattern

    def is_closed(self, start: int, length: int) -> bool:
        """Whether the last layer's first top is all that is read of a stretch, and nothing outside
        changes it in place.
        """
        makes = self.items[start + length - 1].makes
        return len(makes) == 1 and makes[0] not in self.replaced


def candidates(sequence: Sequenced, least: int) -> Iterator[tuple[int, list[int]]]:
    """Lengths, and places at which stretches of that length are alike and closed, for each kind
    that has at least `least` of them.
    """
    tokens, reach, origin, count = (
        sequence.tokens,
        sequence.reach,
        sequence.origin,
        len(sequence.tokens),
    )
    often = Counter(tokens)
    alive: list[tuple[int, Hashable, int]] = [
        (at, tokens[at], -1) for at in range(count) if origin[at] >= at and often[tokens[at]] >= least
    ]
    spent = 0
    for length in range(2, LONGEST):
        spent += len(alive)
        if not alive or spent > BUDGET:
            return
        groups: dict[tuple[Hashable, int], list[tuple[int, int]]] = {}
        for at, kind, last in alive:
            end = at + length - 1
            if end < count and origin[end] >= at:
                groups.setdefault((kind, tokens[end]), []).append((at, max(last, reach[end - 1])))
        alive = []
        for number, places in enumerate(groups.values()):
            if len(places) >= least:
                alive += [(at, number, last) for at, last in places]
                fit = [at for at, last in places if last < at + length and sequence.is_closed(at, length)]
                if length >= SHORTEST and len(fit) >= least:
                    yield length, fit


def best_repeat(sequence: Sequenced, gain: Gain, least: int = 2) -> Found | None:
    """The stretch that folding saves most by, in the eyes of `gain`; None if none saves
    anything.
    """
    # by about the most that rank can be, at a line for each layer: the best comes early
    ranked = sorted(
        ((apart(length, places) - 2) * length, length, places)
        for length, places in candidates(sequence, least)
    )
    best: Found | None = None
    for most, length, places in reversed(ranked):
        if best is not None and most <= best.rank:
            break
        for found in group_occurrences(sequence, length, places, gain, least):
            if found.saved > 0 and (best is None or found.rank > best.rank):
                best = found
    return best


def apart(length: int, places: list[int]) -> int:
    """How many stretches of that length, at some of these places, do not overlap."""
    count = end = 0
    for start in places:
        if start >= end:
            count, end = count + 1, start + length
    return count


def group_occurrences(
    sequence: Sequenced, length: int, places: list[int], gain: Gain, least: int
) -> Iterator[Found]:
    """Occurrences that do not overlap, read alike from outside and are named systematically, in
    groups.
    """
    groups: dict[tuple[int, ...], list[list[Occurrence]]] = {}
    end: dict[int, int] = {}
    for start in places:
        occurrence, pattern = sequence.occurrence(start, length)
        known = groups.setdefault(pattern, [])
        for group in known:
            if start >= end[id(group)] and gain.systematic(group[0].start, start, length):
                group.append(occurrence)
                end[id(group)] = start + length
                break
        else:
            if len(known) < MOST_GROUPS:
                known.append([occurrence])
                end[id(known[-1])] = start + length
    for found in (tuple(group) for kinds in groups.values() for group in kinds if len(group) >= least):
        yield Found(length, found, gain.count_saved(found, length))
