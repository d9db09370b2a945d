"""Of two layers that have one name, the one that it does not suit. In: a list of layers; out:
which. Knows no graph and no layer type.
"""

import re
from collections.abc import Sequence

from netspec.syntax.spec import Instance, Item

__all__ = ["earlier_is_odd"]

ALIKE = 4
"""Letters that the names of layers beside each other begin with alike: `conv1` and `conv1_relu`."""
STEM = re.compile(r"[A-Za-z_]*[A-Za-z]")
PARTS = re.compile(r"\d+|[A-Za-z]+")


def earlier_is_odd(items: Sequence[Item], name: str, prefix: str) -> bool:
    """Whether the first of two layers of one name suits it less than the second: by the kind of
    layers called alike, and by the count.
    """
    names = tuple(
        dict.fromkeys((id(item.body), name_of(item).removeprefix(prefix), kind_of(item)) for item in items)
    )
    own = name.removeprefix(prefix)
    at = [i for i, (_, other, _) in enumerate(names) if other == own]
    # of three or more it is not clear which two to compare
    if len(at) != 2:
        return False
    named = [(other, kind) for _, other, kind in names]
    first, second = (suits(named, i, at) for i in at)
    return first < second


def suits(named: Sequence[tuple[str, str]], i: int, at: Sequence[int]) -> int:
    """How well a name suits the layer at a place: 1 for a kind that its stem goes with, 1 or 2 for
    a number in order, less for a clash.
    """
    name, kind = named[i]
    stem, own = stem_of(name), count(name)
    alike = [
        other_kind
        for j, (other, other_kind) in enumerate(named)
        if j not in at and stem and stem_of(other) == stem
    ]
    if alike:
        if kind in alike:
            found = 1
        else:
            found = -1
    else:
        # stems are mostly the beginning of a type: conv, pool, drop
        found = int(bool(stem) and stem[:4] in kind.lower())
    found += any(
        j not in at and name[:ALIKE] == named[j][0][:ALIKE] for j in (i - 1, i + 1) if 0 <= j < len(named)
    )
    before = next((n for j in range(i - 1, -1, -1) if j not in at and (n := count(named[j][0]))), None)
    after = next((n for j in range(i + 1, len(named)) if j not in at and (n := count(named[j][0]))), None)
    if own:
        found += (
            1 if (before is None or before[0] <= own[0]) and (after is None or own[0] <= after[0]) else -1
        )
        found += int((before is None or before <= own) and (after is None or own <= after))
    return found


def name_of(item: Item) -> str:
    """The name as it is written: the copies of a repeat have one."""
    if isinstance(item, Instance) and item.body.get("repeat") is not None:
        return item.name.rpartition(".")[0]
    return item.name


def kind_of(item: Item) -> str:
    """The block that an item uses, or its layer type, as written."""
    if isinstance(item, Instance):
        return item.template
    kind = item.body.get("type")
    if kind is not None:
        return kind.text
    return ""


def stem_of(name: str) -> str:
    found = STEM.match(name)
    if found:
        return found[0].lower().rstrip("_")
    return ""


def count(name: str) -> tuple[tuple[int, str], ...]:
    """The parts of a name from its first number on, to be compared: `inception_3a` is 3, a."""
    start = re.search(r"\d", name)
    if start:
        return tuple(
            (int(part), "") if part.isdigit() else (0, part) for part in PARTS.findall(name[start.start() :])
        )
    return ()
