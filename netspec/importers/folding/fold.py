"""A flat list of layers -> the same net with its repeats as blocks. In and out: layer entries as
plain values, and how they are wired.

The stretch that saves most becomes a block, and each use of it one part of a shorter list; that
list is folded again, so blocks hold uses of blocks. Layers of a block have new names,
`res2.0.conv`; the map back to the names in the file goes with them.
"""

from collections.abc import Sequence
from itertools import pairwise

from netspec.importers.folding.block_names import Naming, beginning, naming, systematic
from netspec.importers.folding.block_text import Template
from netspec.importers.folding.folded_text import Folded, Writing
from netspec.importers.folding.parts import Block, Entry, Part, Parts, Use
from netspec.importers.folding.repeats import (
    SHORTEST,
    Found,
    Item,
    Occurrence,
    Sequenced,
    best_repeat,
)
from netspec.importers.names import find_free_name
from netspec.importers.spec_layers import Wires

__all__ = ["Folded", "fold"]

MOST_BLOCKS = 24
"""A spec of more blocks than this is no easier to read than its layers are."""
WORTH = 4
"""Least number of lines that a block must save; of one that is used only twice, half as many
again.
"""
SHORTER = 0.2
"""Least share of its lines that a net must lose, or it stays as it is: its names are worth more."""


def fold(entries: Sequence[Entry], wires: Sequence[Wires], inputs: Sequence[str]) -> Folded:
    """Fold what repeats; a net in which nothing is worth it comes back as it was."""
    net = Parts(entries, wires, inputs)
    folding = Folding(net)
    before = folding.lines(0, len(folding.parts))
    while len(folding.blocks) < MOST_BLOCKS and folding.fold_best():
        pass
    if sum(folding.saved_by) < SHORTER * before:
        return Folded({}, list(entries), {})
    return Writing(net.blob, folding.parts, inputs).write(folding.blocks)


class Folding:
    """Works on one net: `parts` grows shorter with each block."""

    def __init__(self, net: Parts) -> None:
        self.net = net
        self.parts = net.list
        self.blocks: list[Block] = []
        self.saved_by: list[int] = []
        """Lines that each block saved."""

    def fold_best(self) -> bool:
        """Fold the stretch that saves most; False where none is worth it."""
        # fewer cannot hold a stretch twice
        if sum(part.item.shape is not None for part in self.parts) < 2 * SHORTEST:
            return False
        sequence = Sequenced([part.item for part in self.parts])
        found = best_repeat(sequence, self)
        if found is None or found.saved < WORTH * (3 if len(found.occurrences) == 2 else 2) // 2:
            return False
        starts = [occurrence.start for occurrence in found.occurrences]
        named = naming([tuple(self.parts[start + k].name for start in starts) for k in range(found.length)])
        stretches = [self.parts[start : start + found.length] for start in starts]
        template = Template(stretches, found.occurrences[0].inputs, named.local)
        block, values = (
            template.block(block_name(named, {block.name for block in self.blocks})),
            template.values(),
        )
        self.blocks.append(block)
        self.saved_by.append(found.saved)
        self.put(block, values, found, named.places, sequence)
        return True

    def put(
        self,
        block: Block,
        values: list[dict[str, float]],
        found: Found,
        places: Sequence[str],
        sequence: Sequenced,
    ) -> None:
        """One part for each run of occurrences."""
        parts: list[Part] = []
        done = 0
        for run in self.runs(found.occurrences, found.length):
            at = found.occurrences[run[0]].start
            parts += self.parts[done:at]
            done = found.occurrences[run[-1]].start + found.length
            copies = tuple(
                tuple(self.parts[start : start + found.length]) for start in range(at, done, found.length)
            )
            ends = range(at + found.length, done, found.length)
            read = tuple(n for n, end in enumerate(ends) if sequence.reach[end - 1] >= end + found.length)
            use = Use(block, copies, tuple(places[number] for number in run), read)
            parts.append(self.part(use, values[run[0]], found.occurrences[run[0]].inputs))
        self.parts = [*parts, *self.parts[done:]]

    def part(self, use: Use, values: dict[str, float], inputs: tuple[int, ...]) -> Part:
        """A use as a part. Where something reads a copy in the middle of a chain the use stays in
        the outermost list, which can name it.
        """
        entry = {"block": use.block.name, "repeat": len(use.copies), "vars": values}
        makes = tuple(
            copy[-1].item.makes[0] for copy in (use.copies[-1], *(use.copies[number] for number in use.read))
        )
        shape = None if use.read else self.net.shape(use.block.name)
        return Part(
            use.places[0] or use.copies[0][0].name,
            entry,
            Item(shape, inputs, makes),
            (len(use.copies), *values.values()),
            use,
        )

    def systematic(self, first: int, other: int, length: int) -> bool:
        one, two = ([part.name for part in self.parts[start : start + length]] for start in (first, other))
        return systematic(one, two)

    def count_saved(self, occurrences: tuple[Occurrence, ...], length: int) -> int:
        """A block has two lines of its own, and each use of it one."""
        return (
            self.lines(occurrences[0].start, length) * (len(occurrences) - 1)
            - 2
            - len(self.runs(occurrences, length))
        )

    def runs(self, occurrences: Sequence[Occurrence], length: int) -> list[list[int]]:
        """Occurrences, by number, grouped where each reads the one before it and has the same
        numbers.
        """
        found = [[0]]
        for number, (before, occurrence) in enumerate(pairwise(occurrences), 1):
            if self.is_chained(before, occurrence, length):
                found[-1].append(number)
            else:
                found.append([number])
        return found

    def is_chained(self, before: Occurrence, after: Occurrence, length: int) -> bool:
        end = before.start + length
        return (
            end == after.start
            and after.inputs == self.parts[end - 1].item.makes
            and all(
                self.parts[at].numbers == self.parts[at + length].numbers for at in range(before.start, end)
            )
        )

    def lines(self, start: int, length: int) -> int:
        """How long parts are, about: a line each, and another for each twelve numbers."""
        return sum([1 + len(part.numbers) // 12 for part in self.parts[start : start + length]])


def block_name(named: Naming, taken: set[str]) -> str:
    """A name for a block: that of its uses without numbers, or what these names begin with."""
    words = [letters(place) for place in named.places]
    if len(set(words)) == 1:
        word = words[0]
    else:
        word = letters(beginning(named.places))
    return find_free_name(word if len(word) > 1 else "unit", taken)


def letters(text: str) -> str:
    return "".join(c for c in text if c.isalpha() or c in "_-").strip("_-")
