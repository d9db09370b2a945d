"""An order of the vertices of a labelled graph that does not depend on how they were given: equal
graphs read the same in it.

In: labels, and what each vertex refers to, in order; out: ranks. Classes of vertices that look
alike are split by what surrounds them (colour refinement); where that ends, one of a class is
marked and splitting goes on. Knows nothing of nets.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any

__all__ = ["Choice", "Things", "rank_vertices"]

Pick = tuple[int, Any]
"""Another vertex and how it is meant: which of its parts."""
Choice = Callable[[Sequence[int]], int]
"""Which one to mark of a class of vertices that nothing tells apart."""
TRIES = 500_000
"""Vertices that may be looked at to find whether those of a class are alike indeed. Beyond that
they are held to be: then two spellings of one graph might be told apart, but never two graphs
held for one.
"""


class Things:
    """Vertices 0, 1, ...: a label each, and what each refers to, in order: to vertices before
    it.
    """

    def __init__(self, labels: Sequence[str], reads: Sequence[Sequence[Pick]]) -> None:
        self.labels = labels
        self.reads = reads
        self.readers: list[list[Pick]] = [[] for _ in labels]
        for vertex, picks in enumerate(reads):
            for slot, (other, part) in enumerate(picks):
                self.readers[other].append((vertex, (slot, part)))


class Partition:
    """Vertices in classes, numbered alike however the vertices were given."""

    def __init__(self, things: Things) -> None:
        self.things = things
        groups: dict[str, list[int]] = {}
        above: list[
            str
        ] = []  # all that a vertex refers to, to the first: a long chain would be split one by one
        for vertex, label in enumerate(things.labels):
            above.append(
                sha256(
                    repr((label, [(above[other], part) for other, part in things.reads[vertex]])).encode()
                ).hexdigest()
            )
            groups.setdefault(above[-1], []).append(vertex)
        self.members = dict(enumerate(groups[label] for label in sorted(groups)))
        self.of = [0] * len(things.labels)
        for number, vertices in self.members.items():
            for vertex in vertices:
                self.of[vertex] = number

    def copy(self) -> "Partition":
        other = Partition.__new__(Partition)
        other.things, other.members, other.of = self.things, dict(self.members), list(self.of)
        return other

    @property
    def undecided(self) -> list[int]:
        return [number for number, vertices in self.members.items() if len(vertices) > 1]

    def surroundings(self, vertex: int) -> tuple[Any, ...]:
        """The classes of what a vertex refers to, in order, and of what refers to it."""
        reads = tuple((self.of[other], part) for other, part in self.things.reads[vertex])
        # readers sorted: in which order they were given must not count
        return reads, tuple(sorted((self.of[other], part) for other, part in self.things.readers[vertex]))

    def refine(self, changed: Iterable[int] | None = None) -> "Partition":
        """Split classes until all of one have the same surroundings. changed: vertices whose class
        is new; all by default.
        """
        moved = list(range(len(self.of)) if changed is None else changed)
        while moved:
            around = (other for v in moved for other, _ in (*self.things.reads[v], *self.things.readers[v]))
            moved = [v for number in sorted({self.of[v] for v in around}) for v in self.split(number)]
        return self

    def split(self, number: int) -> list[int]:
        """Part a class by surroundings; the vertices that come into classes of their own. The most
        stay.
        """
        if len(self.members[number]) == 1:
            return []
        groups: dict[tuple[Any, ...], list[int]] = {}
        for vertex in self.members[number]:
            groups.setdefault(self.surroundings(vertex), []).append(vertex)
        # the largest part keeps its number (Hopcroft 1971): a vertex moves log n times at most
        first, *rest = sorted(groups, key=lambda key: (-len(groups[key]), key))
        self.members[number] = groups[first]
        for key in rest:
            self.add_class(groups[key])
        return [vertex for key in rest for vertex in groups[key]]

    def add_class(self, vertices: list[int]) -> None:
        """A new class."""
        number = len(self.members)
        self.members[number] = vertices
        for vertex in vertices:
            self.of[vertex] = number

    def mark(self, vertex: int) -> "Partition":
        """One vertex in a class of its own, and what follows."""
        number = self.of[vertex]
        self.members[number] = [other for other in self.members[number] if other != vertex]
        self.add_class([vertex])
        return self.refine([vertex, *self.members[number]])

    def shape(self) -> tuple[Any, ...]:
        """What the classes look like, whatever the vertices: equal for two marks that an
        automorphism leads from one to the other.
        """
        rows = (
            (number, len(vertices), self.surroundings(vertices[0]))
            for number, vertices in self.members.items()
        )
        return tuple(sorted(rows))


def rank_vertices(things: Things, choose: Choice = min) -> list[int]:
    """The vertices in an order that depends on the graph alone, up to automorphism."""
    found, tries = Partition(things).refine(), TRIES
    while undecided := found.undecided:
        # the smallest class first: the fewest marks to try
        number = min(undecided, key=lambda n: (len(found.members[n]), n))
        alike = found.members[number]
        tries -= len(alike) * len(things.labels)
        if tries >= 0:
            shapes = {vertex: found.copy().mark(vertex).shape() for vertex in alike}
            least = min(shapes.values())
            alike = [vertex for vertex in alike if shapes[vertex] == least]
        found = found.mark(choose(alike))
    return [found.members[number][0] for number in sorted(found.members)]
