"""A flat list of layers -> the same net with its repeats as blocks. In and out: layer entries as plain values, and how they are wired.

Layers of a block have new names, `res2.0.conv`; the map back to the names in the file goes with them.
"""

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from netspec.importers.block_names import Naming, beginning, naming, systematic, unused
from netspec.importers.block_text import Body, Template
from netspec.importers.layer_types import definition
from netspec.importers.names import CONDITIONS
from netspec.importers.repeats import SHORTEST, Item, Occurrence, Sequenced, best_repeat
from netspec.importers.spec_layers import PASSED_OVER, Wires

__all__ = ["Folded", "fold"]

MOST_BLOCKS = 24
WORTH = 4
"""Least number of lines that a block must save; of one that is used only twice, half as many again."""
SHORTER = 0.2
"""Least share of its lines that a net must lose, or it stays as it is: its names are worth more."""
Entry = dict[str, Any]


class Folded(NamedTuple):
    """The folded net: blocks by name, entries of layers and uses, and the flat name of each layer inside a block by its full name."""

    blocks: dict[str, Any]
    layers: list[Entry]
    names: dict[str, str]


class Use(NamedTuple):
    """A place where a block stands, for one occurrence or for several in a chain."""

    block: str
    name: str
    occurrences: tuple[int, ...]


class Fold(NamedTuple):
    """A block and where it occurs."""

    name: str
    body: Body
    occurrences: tuple[Occurrence, ...]
    length: int
    local: tuple[str, ...]
    saved: int


def fold(entries: Sequence[Entry], wires: Sequence[Wires], inputs: Sequence[str]) -> Folded:
    """Fold what repeats; a net in which nothing is worth it comes back as it was."""
    folding = Folding(entries, wires, inputs)
    folds: list[Fold] = []
    while len(folds) < MOST_BLOCKS and (found := folding.next_fold(folds)) is not None:
        folds.append(found)
    worth = sum(fold_.saved for fold_ in folds) >= SHORTER * folding.lines(0, len(entries))
    return Writing(folding, folds if worth else []).folded()


class Folding:
    """Works on one net."""

    def __init__(self, entries: Sequence[Entry], wires: Sequence[Wires], inputs: Sequence[str]) -> None:
        self.entries = entries
        self.names = [str(entry["name"]) for entry in entries]
        self.numbers: list[tuple[float, ...]] = []
        self.items: list[Item] = []
        self.shapes: dict[Hashable, int] = {}
        """A number for each form of a layer: a tuple would be hashed anew at each comparison."""
        self.blob: dict[int, str] = {}
        """Name of each value in the file."""
        current: dict[str, int] = {}
        for name in inputs:
            self.value(name, current)
        for entry, wire in zip(entries, wires, strict=True):
            self.items.append(self.item(entry, wire, current))
        self.places: dict[int, str] = {}
        """A name for each occurrence, by where it begins."""
        self.inputs = set(inputs)

    def value(self, name: str, current: dict[str, int]) -> int:
        """A new value of that name."""
        number = len(self.blob)
        self.blob[number] = name
        current[name] = number
        return number

    def item(self, entry: Entry, wire: Wires, current: dict[str, int]) -> Item:
        """A layer as what it reads and makes."""
        reads = tuple(current[name] if name in current else self.value(name, current) for name in wire.bottoms)
        replaces = tuple(current[name] for name in wire.tops if name in wire.bottoms)
        numbers: list[float] = []
        form = abstract({key: value for key, value in entry.items() if key not in ("name", "bottom", "top")}, numbers)
        shape = self.shapes.setdefault(form, len(self.shapes))
        self.numbers.append(tuple(numbers))
        makes = tuple(self.value(name, current) for name in wire.tops)
        return Item(shape if movable(entry, wire) else None, reads, makes, replaces)

    def names_at(self, at: int) -> set[str]:
        """Names that a layer by itself takes up: its own and its blobs'."""
        return {self.names[at], *(self.blob[value] for value in self.items[at].makes)}

    def next_fold(self, folds: list[Fold]) -> Fold | None:
        """The block that saves most, taken out of the list; None where none is worth it."""
        if sum(item.shape is not None for item in self.items) < 2 * SHORTEST:
            return None
        found = best_repeat(Sequenced(self.items), self)
        if found is None or found.saved < WORTH * (3 if len(found.occurrences) == 2 else 2) // 2:
            return None
        starts = [occurrence.start for occurrence in found.occurrences]
        named = naming([tuple(self.names[start + k] for start in starts) for k in range(found.length)])
        template = Template(
            [self.entries[starts[0] + k] for k in range(found.length)],
            [[self.numbers[start + k] for start in starts] for k in range(found.length)],
            self.items[starts[0] : starts[0] + found.length],
            found.occurrences[0].inputs,
            named.local,
        )
        name = block_name(named, {fold.name for fold in folds})
        made = Fold(name, template.body(), found.occurrences, found.length, named.local, found.saved)
        self.places.update(zip(starts, named.places, strict=True))
        for start in starts:
            end = start + found.length
            self.items[start:end] = [item._replace(shape=None) for item in self.items[start:end]]
        return made

    def systematic(self, first: int, other: int, length: int) -> bool:
        return systematic(self.names[first : first + length], self.names[other : other + length])

    def saved(self, occurrences: tuple[Occurrence, ...], length: int) -> int:
        """A block has two lines of its own, and each use of it one."""
        return self.lines(occurrences[0].start, length) * (len(occurrences) - 1) - 2 - len(self.runs(occurrences, length))

    def runs(self, occurrences: Sequence[Occurrence], length: int) -> list[list[int]]:
        """Occurrences, by number, grouped where each reads the one before it and has the same numbers."""
        found: list[list[int]] = []
        for number, occurrence in enumerate(occurrences):
            before = occurrences[number - 1] if number else None
            if before is not None and self.chained(before, occurrence, length):
                found[-1].append(number)
            else:
                found.append([number])
        return found

    def chained(self, before: Occurrence, after: Occurrence, length: int) -> bool:
        end = before.start + length
        return (
            end == after.start
            and after.inputs == self.items[end - 1].makes
            and self.numbers[before.start : end] == self.numbers[end : end + length]
        )

    def lines(self, start: int, length: int) -> int:
        """How long layers are, about: a line each, and another for each twelve numbers."""
        return sum(1 + len(numbers) // 12 for numbers in self.numbers[start : start + length])


class Writing:
    """Writes a folded net."""

    def __init__(self, folding: Folding, folds: list[Fold]) -> None:
        self.folding = folding
        self.folds = folds
        self.uses: dict[int, tuple[Fold, Use]] = {}
        self.names: dict[str, str] = {}
        self.reference: dict[int, str] = dict(folding.blob)
        inside = {o.start + k for fold_ in folds for o in fold_.occurrences for k in range(fold_.length)}
        taken = folding.inputs | {name for at in range(len(folding.items)) if at not in inside for name in folding.names_at(at)}
        for fold_ in folds:
            for run in folding.runs(fold_.occurrences, fold_.length):
                self.use(fold_, run, taken)

    def use(self, fold_: Fold, run: list[int], taken: set[str]) -> None:
        """Name one use, its layers and its output."""
        places = [self.folding.places[fold_.occurrences[number].start] for number in run]
        name = self.free(use_name(places, fold_.name), fold_, len(run), taken)
        taken.add(name)
        self.uses[fold_.occurrences[run[0]].start] = fold_, Use(fold_.name, name, tuple(run))
        taken.update(copies(name, len(run)))
        for number, full in zip(run, copies(name, len(run)), strict=True):
            start = fold_.occurrences[number].start
            named = {f"{full}.{local}": self.folding.names[start + k] for k, local in enumerate(fold_.local)}
            taken.update(named)
            self.names |= named
            output = self.folding.items[start + fold_.length - 1].makes[0]
            self.reference[output] = name if number == run[-1] else full

    def free(self, wish: str, fold_: Fold, count: int, taken: set[str]) -> str:
        """A name for a use that nothing has, with which no layer inside it takes another's name."""
        clashing = taken.copy()
        while True:
            name = unused(wish, clashing)
            full = copies(name, count)
            if taken.isdisjoint((*full, *(f"{copy}.{local}" for copy in full for local in fold_.local))):
                return name
            clashing.add(name)

    def folded(self) -> Folded:
        layers: list[Entry] = []
        at, last = 0, -1
        """The value that a bottom left out means; -1 where that is not simple to say."""
        while at < len(self.folding.items):
            if at in self.uses:
                fold_, use = self.uses[at]
                layers.append(self.use_entry(fold_, use, last))
                at = fold_.occurrences[use.occurrences[-1]].start + fold_.length
                last = self.folding.items[at - 1].makes[0]
            else:
                layers.append(self.entry(at))
                last = self.follow(at, last)
                at += 1
        return Folded({fold_.name: fold_.body.block for fold_ in self.folds}, layers, self.names)

    def use_entry(self, fold_: Fold, use: Use, last: int) -> Entry:
        """`{name, block, bottom, repeat, vars}`, each where it must be said."""
        first = use.occurrences[0]
        inputs = fold_.occurrences[first].inputs
        entry: Entry = {"name": use.name, "block": use.block}
        if inputs and inputs != (last,):
            bottoms = [self.reference[value] for value in inputs]
            entry["bottom"] = bottoms[0] if len(bottoms) == 1 else bottoms
        if len(use.occurrences) > 1:
            entry["repeat"] = len(use.occurrences)
        if fold_.body.values[first]:
            entry["vars"] = fold_.body.values[first]
        return entry

    def entry(self, at: int) -> Entry:
        """A layer that stands by itself, with the new names of what it reads."""
        entry = self.folding.entries[at]
        if "bottom" not in entry:
            return entry
        bottoms = [self.reference[value] for value in self.folding.items[at].reads]
        return {**entry, "bottom": bottoms[0] if len(bottoms) == 1 else bottoms}

    def follow(self, at: int, last: int) -> int:
        cls = definition(str(self.folding.entries[at]["type"]))
        if cls is None or any(key in self.folding.entries[at] for key in CONDITIONS) or (cls.traits & PASSED_OVER and last == -1):
            return -1
        return last if cls.traits & PASSED_OVER or not self.folding.items[at].makes else self.folding.items[at].makes[0]


def copies(name: str, count: int) -> list[str]:
    """The full names of the copies that a use makes."""
    return [name] if count == 1 else [f"{name}.{copy}" for copy in range(count)]


def abstract(value: Any, numbers: list[float]) -> Hashable:
    """A value with its numbers taken out, into `numbers`, in the order in which they stand."""
    kind = type(value)
    if kind is str or kind is bool:
        return value  # type: ignore[no-any-return]
    if kind is int or kind is float:
        numbers.append(value)
        return float
    if isinstance(value, dict):
        return tuple([(key, abstract(item, numbers)) for key, item in value.items()])
    if isinstance(value, list):
        return (list, *[abstract(item, numbers) for item in value])
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        numbers.append(value)
        return float
    return value  # type: ignore[no-any-return]


def movable(entry: Entry, wire: Wires) -> bool:
    """Whether a layer may go into a block: it is in every phase, shares nothing by name, and a bottom left out does not pass it over."""
    cls = definition(str(entry["type"]))
    if cls is None or cls.traits & PASSED_OVER or any(key in entry for key in CONDITIONS) or not wire.tops or not wire.bottoms:
        return False
    if "$" in str(entry["name"]) or any("$" in name for name in (*wire.bottoms, *wire.tops)):
        return False
    params = entry.get("param", ())
    return not any("name" in param for param in (params if isinstance(params, list) else [params]))


def block_name(named: Naming, taken: set[str]) -> str:
    """A name for a block: that of its uses without numbers, or what these names begin with."""
    words = [letters(place) for place in named.places]
    word = words[0] if len(set(words)) == 1 else letters(beginning(named.places))
    return unused(word if len(word) > 1 else "unit", taken)


def letters(text: str) -> str:
    return "".join(c for c in text if c.isalpha() or c in "_-").strip("_-")


def use_name(places: list[str], block: str) -> str:
    """A name for a use: its own; of a chain, what the names in it begin with."""
    if len(places) == 1 or not places[0]:
        return places[0] or block
    return beginning(places).strip("/_-.") or places[0]
