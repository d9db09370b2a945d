"""A spec after expansion: sections as located trees, and a tree of layer entries and block
instances. Knows no layer type.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Union

from netspec.frozen_classes import fresh, frozen
from netspec.source import Source, Span
from netspec.syntax.located import Located

__all__ = ["Blocks", "Cut", "Entry", "Instance", "Item", "Spec"]


@frozen
class Entry:
    """One layer: full name (`res2.0.a`), mapping with variables put in, and the defaults of the
    blocks it stands in, innermost first.
    """

    name: str
    body: Located
    defaults: tuple[Located, ...] = ()


@frozen
class Instance:
    """One use of a block.

    bottom: what the use lists, or None for the ordinary rule; chained: a later copy of a repeat,
    reading all tops of the copy before. inputs, outputs: the block's own names for its bottoms and
    tops; places: where it names its tops, if it does. template: the block's name; variables: its
    vars, resolved. share: the full name of the first copy whose weights this copy uses. alias: the
    name of the whole repeat, on its last copy.
    """

    name: str
    template: str
    body: Located
    bottom: Located | None
    chained: bool
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    places: tuple[Span | None, ...]
    items: "tuple[Item, ...]"
    variables: Mapping[str, Any] = fresh(default_factory=dict)
    share: str | None = None
    alias: str | None = None
    span: Span | None = None


Item = Union[Entry, Instance]


@frozen
class Blocks:
    """The blocks that a spec may use, its own and imported ones, as written; `seen` are those that
    it uses.

    complete: no file that may hold further ones was left unread.
    """

    section: Located = fresh(default_factory=lambda: Located({}))
    seen: frozenset[str] = frozenset()
    complete: bool = True

    @property
    def unseen(self) -> "dict[str, Located]":
        """Blocks that no layer comes from."""
        return {name: block for name, block in self.section.mapping.items() if name not in self.seen}


class Cut(NamedTuple):
    """A repeat of which a glimpse keeps the first copies: its full name, the place of its use, how many it keeps;
    alike: each copy that is left out has the values of the copy before it; ends: the copies behind which some are
    left out.
    """

    name: str
    use: Span
    kept: int
    alike: bool
    ends: tuple[int, ...]


@frozen
class Spec:
    """A whole spec: `root` holds every section but the layers as written; `folder` is where its
    relative paths start. cut: of a glimpse, the repeats of whose copies only some are among the items.
    """

    source: Source
    root: Located
    items: tuple[Item, ...]
    folder: str = "."
    blocks: Blocks = Blocks()
    cut: tuple[Cut, ...] = ()

    def section(self, name: str) -> Located | None:
        return self.root.get(name)
