"""Names of layers that differ by a rule -> one name inside a block, and one for each place that
uses it. Knows no layer.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from keyword import kwlist
from typing import NamedTuple

from netspec.importers.names import find_free_name
from netspec.syntax.expression import CALLS, CONSTANTS

__all__ = ["Naming", "beginning", "identifier", "naming", "systematic"]

RESERVED = frozenset((*kwlist, *CALLS, *CONSTANTS, "i"))  # i counts the copies of a repeat
SEPARATORS = "/_-."
DIGITS_AT_END, DIGITS_AT_START = re.compile(r"\d*\Z"), re.compile(r"\d*")


class Naming(NamedTuple):
    """local: the layers' names inside the block. places: a name for each use."""

    local: tuple[str, ...]
    places: tuple[str, ...]


class Parts(NamedTuple):
    """Names as one beginning, one end, and what differs between."""

    head: str
    tags: tuple[str, ...]
    tail: str


def beginning(names: Sequence[str]) -> str:
    """The longest text that all names begin with."""
    first, last = min(names), max(names)
    return next((first[:at] for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), first)


@lru_cache(maxsize=1 << 16)
def split_names(names: tuple[str, ...]) -> Parts:
    """The longest common beginning and end of some names; a number is never cut."""
    head = beginning(names)
    rest = [name[len(head) :] for name in names]
    tail = beginning([name[::-1] for name in rest])[::-1]
    head = head[: DIGITS_AT_END.search(head).start()]  # type: ignore[union-attr]
    tail = tail[DIGITS_AT_START.match(tail).end() :]  # type: ignore[union-attr]
    return Parts(head, tuple(name[len(head) : len(name) - len(tail)] for name in names), tail)


def systematic(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two lists of names differ by the same part everywhere (res2b..., res3a...), or each
    by its number (conv5, conv8).
    """
    (old, new) = first = split_names((one[0], other[0])).tags
    if old and all(a.replace(old, new, 1) == b for a, b in zip(one, other, strict=True)):
        return True
    same = numbered = True
    for pair in zip(one, other, strict=True):
        tags = split_names(pair).tags
        same = same and tags == first
        numbered = numbered and tags[0].isdecimal() and tags[1].isdecimal()
        if not (same or numbered):
            return False
    return True


def naming(columns: Sequence[tuple[str, ...]]) -> Naming:
    """Names for a block whose layers are called columns[layer][use] in the net."""
    parts = [split_names(column) for column in columns]
    by_tag = len({part.tags for part in parts}) == 1
    if by_tag:
        parts = whole_words(parts)
    heads = {part.head for part in parts}
    locals_ = [inside(part, len(heads) == 1) for part in parts]
    first = parts[0]
    if by_tag:
        places = [f"{first.head}{tag}".strip(SEPARATORS) for tag in first.tags]
    else:
        places = [""] * len(first.tags)
    return Naming(tuple(distinct(locals_)), tuple(places))


def whole_words(parts: Sequence[Parts]) -> list[Parts]:
    """Letters and digits that all layers have beside the part that differs belong to it: 2 with an
    `a` behind it everywhere is 2a.
    """
    parts = list(parts)
    while (letter := common({part.tail[:1] for part in parts})) is not None:
        parts = [Parts(part.head, tuple(tag + letter for tag in part.tags), part.tail[1:]) for part in parts]
    while (letter := common({part.head[-1:] for part in parts})) is not None:
        parts = [Parts(part.head[:-1], tuple(letter + tag for tag in part.tags), part.tail) for part in parts]
    return parts


def common(letters: set[str]) -> str | None:
    """The one letter or digit of a set."""
    (letter, *more) = letters
    if not more and letter.isalnum():
        return letter
    return None


def inside(part: Parts, same_head: bool) -> str:
    """A layer's name in the block: what is left without the part that differs, and without a
    beginning that all layers have.
    """
    head, tail = ("" if same_head else part.head).strip(SEPARATORS), part.tail.strip(SEPARATORS)
    if head and tail:
        return f"{head}_{tail}"
    return head or tail


def distinct(names: Iterable[str]) -> list[str]:
    """The names, each with a number where it is taken or empty."""
    taken: set[str] = {"x"}  # a block's input
    found = []
    for name in names:
        name = find_free_name(name or "layer", taken)
        taken.add(name)
        found.append(name)
    return found


def identifier(name: str) -> str:
    """A name that a variable may have."""
    text = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "n"
    text = f"n{text}" if text[0].isdigit() else text
    if text in RESERVED:
        return f"{text}_"
    return text
