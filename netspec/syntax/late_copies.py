"""Which copies of a long repeat stand for all: where what is written in a block has other values than in the
copy before. In: the values of copies by number; out: numbers. Knows nothing of layers.

Copies in a row that have the same values are a run. Of a few runs the first copies of each say all; where
almost every copy has its own values, those stand for the others whose values are the first of a kind (zero,
below zero, a fraction, a text, none at all), the least or the greatest.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

from netspec.diagnostics.model import Diagnostics
from netspec.syntax.expression import NO_VALUE, ExpressionError, extent, substitute, variables_in
from netspec.syntax.located import Located, plain
from netspec.syntax.variables import MOST_ADDED, Variables

__all__ = ["Late", "Values", "find_late"]

RUNS, OF_EACH = 16, 3
"""Runs that are few; copies of each that are kept: the types of the last two say whether more would differ."""
TEXTS = 16
"""Different texts of one value that are looked at."""
WORK = 8_000_000
"""Characters of expressions worked out, a second or two."""
COPY = "i"


class Late(NamedTuple):
    """The copies to keep behind the first ones; ends: those, the first ones' last among them, behind which copies
    are left out; alike: each that is left out has the values of the copy before it.
    """

    numbers: tuple[int, ...]
    ends: tuple[int, ...]
    alike: bool


class Values:
    """What the copies of a use are given where it may differ: variables of the block, and its texts."""

    def __init__(
        self, block: Located, body: Located, texts: Iterable[str], outer: Variables, inner: Variables
    ) -> None:
        declared, given = ((part.get("vars") or Located({})).mapping for part in (block, body))
        self.outer = outer.values
        self.inner = {name: value for name, value in inner.values.items() if name != COPY}
        self.changing: list[tuple[str, Located, bool]] = []
        names = {COPY}
        for name, default in {**declared, **given}.items():  # what is not declared may fail, too
            value, is_given = given.get(name, default), name in given
            if asks(value, {COPY} if is_given else names):
                names.add(name)
                self.changing.append((name, value, is_given))
            else:
                names.discard(name)
                self.inner[name] = value_in(value, self.outer if is_given else self.inner)
        self.texts = [text for text in dict.fromkeys(texts) if not names.isdisjoint(variables_in(text))]
        walked = (part.value for _, value, _ in self.changing for part in value.walk())
        self.cost = sum(len(text) for text in (*self.texts, *walked) if isinstance(text, str))
        """Of one copy, in characters to be worked out."""

    def of(self, number: int) -> tuple[Any, ...]:
        """One copy's; NO_VALUE where an expression fails."""
        outer, own = {**self.outer, COPY: number}, {COPY: number, **self.inner}
        for name, value, is_given in self.changing:
            own[name] = value_in(value, outer if is_given else own)
        return (*(own[name] for name, _, _ in self.changing), *(filled(text, own) for text in self.texts))


def asks(body: Located, names: Container[str]) -> bool:
    """Whether a value asks for one of some variables."""
    texts = (part.value for part in body.walk() if isinstance(part.value, str))
    return any(name in names for text in texts for name in variables_in(text))


def value_in(body: Located, values: Mapping[str, Any]) -> Any:
    if isinstance(body.value, str):
        return filled(body.value, values)
    if not isinstance(body.value, (list, dict)):
        return body.value
    return plain(Variables(values).fill(body, Diagnostics(bare=True)))


def filled(text: str, values: Mapping[str, Any]) -> Any:
    if "$" not in text:
        return text
    try:
        return substitute(text, values)
    except ExpressionError:
        return NO_VALUE


def find_late(first: int, end: int, values: Values) -> Late:
    """What stands for the copies from `first`, the last that is kept anyway, to before `end`: nothing where to
    find it would cost too much.
    """
    if (end - first) * values.cost > WORK:
        return Late((), (first,), not values.cost)
    return find_apart(first, end, values.of)


def find_apart(first: int, end: int, values_of: Callable[[int], tuple[Any, ...]]) -> Late:
    starts, before, size = [first], values_of(first), 0
    kinds = {(at, kind_of(value)) for at, value in enumerate(before)}
    texts = [0] * len(before)
    least, greatest = [[(value, first) for value in before] for _ in range(2)]
    apart: set[int] = set()
    for number in range(first + 1, end):
        values = values_of(number)
        if all(map(is_same, values, before)):
            continue
        size += sum(extent(value) for value in values if isinstance(value, (str, list)))
        if size > MOST_ADDED:
            return Late((), (first,), False)
        starts.append(number)
        for at, value in enumerate(values):
            kind = kind_of(value)
            if (at, kind) not in kinds and texts[at] < TEXTS:
                kinds.add((at, kind))
                apart.add(number)
                texts[at] += isinstance(kind, str)
            if is_number(value) and is_number(least[at][0]):
                least[at] = min(least[at], (value, number))
                greatest[at] = max(greatest[at], (value, number), key=lambda one: one[0])
        before = values
    if len(starts) <= RUNS:
        return of_runs(starts, end)
    apart |= {number for _, number in (*least, *greatest)}
    numbers = sorted({n for n in apart if n > first} | {end - 1})
    ends = (first, *numbers)
    return Late(tuple(numbers), tuple(n for n in ends if n + 1 not in numbers and n + 1 < end), False)


def of_runs(starts: Sequence[int], end: int) -> Late:
    """The first copies of each run."""
    kept: list[int] = []
    ends: list[int] = []
    for start, stop in zip(starts, [*starts[1:], end], strict=True):
        kept += range(start, min(start + OF_EACH, stop))
        if stop > start + OF_EACH:
            ends.append(start + OF_EACH - 1)
    return Late(tuple(kept[1:]), tuple(ends), True)


def is_same(a: object, b: object) -> bool:
    """Also in a text: 1 is not True there."""
    if a is b:
        return True
    return type(a) is type(b) and (repr(a) == repr(b) if isinstance(a, (list, dict)) else a == b)


def is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def kind_of(value: Any) -> object:
    """What may be right or wrong alike: a text is itself, of a number its sign and whether it is whole count."""
    if isinstance(value, str):
        return value
    if is_number(value):
        return (value > 0) - (value < 0), isinstance(value, int)
    return type(value), isinstance(value, bool) and value
