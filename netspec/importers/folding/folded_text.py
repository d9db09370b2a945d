"""Parts, layers and uses of blocks -> the layers of a spec and the names that are new in it. In and
out: plain values.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from netspec.importers.folding.block_names import beginning
from netspec.importers.folding.parts import CONDITIONAL, Block, Entry, Part, Use, layers_in
from netspec.importers.layer_types import definition
from netspec.importers.names import find_free_name
from netspec.ir.traits import ASIDE

__all__ = ["Folded", "Writing"]


class Folded(NamedTuple):
    """The folded net: blocks by name, entries of layers and uses, and the flat name of each layer
    inside a block by its full name.
    """

    blocks: dict[str, Any]
    layers: list[Entry]
    names: dict[str, str]


class Writing:
    """Writes a folded net. blob: the name in the file of each value."""

    def __init__(self, blob: dict[int, str], parts: Sequence[Part], inputs: Iterable[str]) -> None:
        self.parts = parts
        self.reference = dict(blob)
        self.names: dict[str, str] = {}
        self.uses: dict[int, str] = {}
        """The name of each use, by its place in the list."""
        plain = [part for part in parts if part.use is None]
        self.taken = {
            *inputs,
            *(part.name for part in plain),
            *(blob[value] for part in plain for value in part.item.makes),
        }
        for at, part in enumerate(parts):
            if part.use is not None:
                self.uses[at] = self.name_use(part, part.use)

    def name_use(self, part: Part, use: Use) -> str:
        """A name for a use that nothing has, with which no layer inside it takes another's name;
        its outputs are called by it.
        """
        wish, count = use_name(use.places, use.block.name), len(use.copies)
        clashing = self.taken
        while True:
            name = find_free_name(wish, clashing)
            inside = dict(layers_in(part, name, count > 1))
            full = {name, *inside, *(f"{name}.{copy}" for copy in range(count if count > 1 else 0))}
            if self.taken.isdisjoint(full):
                break
            clashing = clashing | {name}
        self.taken |= full
        self.names |= inside
        self.reference.update(
            zip(part.item.makes, (name, *(f"{name}.{copy}" for copy in use.read)), strict=True)
        )
        return name

    def write(self, blocks: Sequence[Block]) -> Folded:
        layers: list[Entry] = []
        last = -1
        """The value that a bottom left out means; -1 where that is not simple to say."""
        for at, part in enumerate(self.parts):
            layers.append(self.entry(part) if part.use is None else self.use_entry(part, self.uses[at], last))
            last = follow(part, last)
        return Folded({block.name: block.text for block in blocks}, layers, self.names)

    def use_entry(self, part: Part, name: str, last: int) -> Entry:
        """`{name, block, bottom, repeat, vars}`, each where it must be said."""
        assert part.use is not None
        entry: Entry = {"name": name, "block": part.entry["block"]}
        if part.item.reads and part.item.reads != (last,):
            entry["bottom"] = self.bottom(part)
        return {**entry, **part.use.block.list_said(part.entry)}

    def entry(self, part: Part) -> Entry:
        """A layer that stands by itself, with the new names of what it reads."""
        if "bottom" in part.entry:
            return {**part.entry, "bottom": self.bottom(part)}
        return part.entry

    def bottom(self, part: Part) -> str | list[str]:
        bottoms = [self.reference[value] for value in part.item.reads]
        if len(bottoms) == 1:
            return bottoms[0]
        return bottoms


def follow(part: Part, last: int) -> int:
    """The value that a bottom left out means behind a part."""
    if part.use is not None:
        return part.item.makes[0]
    cls = definition(str(part.entry["type"]))
    if cls is None or not CONDITIONAL.isdisjoint(part.entry) or (cls.traits & ASIDE and last == -1):
        return -1
    if cls.traits & ASIDE or not part.item.makes:
        return last
    return part.item.makes[0]


def use_name(places: Sequence[str], block: str) -> str:
    """A name for a use: its own; of a chain, what the names in it begin with."""
    if len(places) == 1 or not places[0]:
        return places[0] or block
    return beginning(places).strip("/_-.") or places[0]
