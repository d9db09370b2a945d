"""Which bottoms a layer means that leaves them out. In: the inputs and the layers of one list; out:
help that findings print. Imported on errors only.
"""

from collections.abc import Iterable, Sequence

from netspec.diagnostics.model import Edit, Fix
from netspec.source import Span
from netspec.syntax.spec import Item

__all__ = ["find_unread", "write_bottoms"]


def find_unread(inputs: Iterable[str], items: Iterable[Item]) -> list[str]:
    """The inputs that no layer and no use of a block names as its bottom."""
    lists = (item.body.get("bottom") for item in items)
    named = {each.text for bottoms in lists if bottoms is not None for each in bottoms.items}
    return [name for name in inputs if name not in named]


def write_bottoms(names: Sequence[str], kind: Span | None, safe: bool = False) -> tuple[Fix, ...]:
    """The fix that writes `bottom:` behind a layer's type, which stands at `kind`: in the same line
    in brackets, else in a line of its own; in words where the text has no such place, none where
    there is no name.
    """
    if not names:
        return ()
    said = f"bottom: {names[0]}" if len(names) == 1 else f"bottom: [{', '.join(names)}]"
    return (Fix(f"write {said}", insert_key(said, kind), safe),)


def insert_key(said: str, kind: Span | None) -> tuple[Edit, ...]:
    if kind is None:
        return ()
    number, column = kind.source.position(kind.start)
    line = kind.source.line(number)
    before, _, key = line[: column - 1].rpartition("type:")
    rest = line[column - 1 + len(kind.text) :].lstrip()
    # anything else than `type: Word` by itself is left to the reader
    if key.strip() or "type:" not in line or "\n" in kind.text:
        return ()
    end = Span(kind.source, kind.end, kind.end)
    if rest.startswith((",", "}")):
        return (Edit(end, f", {said}"),)
    if not before.strip(" -") and not rest:
        return (Edit(end, f"\n{' ' * len(before)}{said}"),)
    return ()
