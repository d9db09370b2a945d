"""A flat list of layers -> parts: what can be a piece of a block, a layer or a use of one, as
values read and made. Knows no text.
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

from netspec.importers.folding.repeats import Item
from netspec.importers.layer_types import definition
from netspec.importers.names import CONDITIONS
from netspec.importers.spec_layers import Wires
from netspec.ir.traits import ASIDE

__all__ = ["Block", "Entry", "Numbers", "Part", "Parts", "Use", "layers_in"]

CONDITIONAL = frozenset(CONDITIONS)
Entry = dict[str, Any]
Numbers = tuple[float, ...]


class Block(NamedTuple):
    """A block as a spec writes it. local: the names of its parts; repeated: which of them are uses
    that say `repeat`.
    """

    name: str
    text: dict[str, Any]
    local: tuple[str, ...]
    repeated: tuple[bool, ...]

    def list_said(self, entry: Entry) -> Entry:
        """Of a use's `repeat` and `vars` what must be said."""
        usual = self.text.get("vars", {})
        given = {name: value for name, value in entry["vars"].items() if value != usual[name]}
        return {
            **({"repeat": entry["repeat"]} if entry["repeat"] != 1 else {}),
            **({"vars": given} if given else {}),
        }


class Use(NamedTuple):
    """One use of a block: the parts of each copy, the name of each copy's place, and copies within
    that something else reads.
    """

    block: Block
    copies: tuple[tuple["Part", ...], ...]
    places: tuple[str, ...]
    read: tuple[int, ...]


class Part(NamedTuple):
    """A layer, or a use of a block with all its values: its entry, how it is wired, and the numbers
    in the entry in order.
    """

    name: str
    entry: Entry
    item: Item
    numbers: Numbers
    use: Use | None = None


class Parts:
    """The layers of a net as parts; blob: the name in the file of each value."""

    def __init__(self, entries: Sequence[Entry], wires: Sequence[Wires], inputs: Sequence[str]) -> None:
        self.blob: dict[int, str] = {}
        self.shapes: dict[Hashable, int] = {}
        """A number for each form of a layer: a tuple would be hashed anew at each comparison."""
        current: dict[str, int] = {}
        for name in inputs:
            self.value(name, current)
        self.list = [self.part(entry, wire, current) for entry, wire in zip(entries, wires, strict=True)]

    def value(self, name: str, current: dict[str, int]) -> int:
        """A new value of that name."""
        number = len(self.blob)
        self.blob[number] = name
        current[name] = number
        return number

    def part(self, entry: Entry, wire: Wires, current: dict[str, int]) -> Part:
        """A layer as what it reads and makes."""
        bottoms, tops = wire
        reads = tuple([current[name] if name in current else self.value(name, current) for name in bottoms])
        replaces = tuple([current[name] for name in tops if name in bottoms])
        makes = tuple([self.value(name, current) for name in tops])
        numbers: list[float] = []
        form = tuple(
            [
                (key, abstract(value, numbers))
                for key, value in entry.items()
                if key not in ("name", "bottom", "top")
            ]
        )
        shape = self.shape(form) if movable(entry, wire) else None
        return Part(str(entry["name"]), entry, Item(shape, reads, makes, replaces), tuple(numbers))

    def shape(self, form: Hashable) -> int:
        """The number of a form."""
        return self.shapes.setdefault(form, len(self.shapes))


def layers_in(part: Part, full: str, repeated: bool) -> Iterator[tuple[str, str]]:
    """The full name in the spec of each layer of a part, and its name in the file. repeated: the
    part's entry says `repeat`.
    """
    if part.use is None:
        yield full, part.name
        return
    block = part.use.block
    for number, copy in enumerate(part.use.copies):
        inside = f"{full}.{number}" if repeated else full
        for child, local, more in zip(copy, block.local, block.repeated, strict=True):
            yield from layers_in(child, f"{inside}.{local}", more)


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
    return value  # type: ignore[no-any-return]


def movable(entry: Entry, wire: Wires) -> bool:
    """Whether a layer may go into a block: it is in every phase, and a bottom left out does not
    pass it over.
    """
    cls = definition(entry["type"])
    if cls is None or not cls.traits.isdisjoint(ASIDE) or not wire.tops or not wire.bottoms:
        return False
    if not CONDITIONAL.isdisjoint(entry):
        return False
    return "$" not in entry["name"] and not any("$" in name for names in wire for name in names)
