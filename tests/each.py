"""Thousands of rows, few tests: `@each("row", ROWS)` is `pytest.mark.parametrize` whose rows run in one test, forty at a time.

Every row runs, and the message names each that failed. Asked for some (`-k Convolution`, or a test's name with its row in brackets), pytest
makes a test of every row. Rows may be given as a function, which is called as late as can be.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pytest

__all__ = ["Rows", "each", "run_rows", "spread"]

CHUNK = 40
"""Rows in one test: few enough that several processes share the work evenly."""
SHOWN = 5
"""How many failures are shown with their traces."""

Name = Callable[[Any], str]
Given = Sequence[Any] | Callable[[], Iterable[Any]]


class Rows:
    """Some rows that one test runs through: of those given every `step`-th, or the `[start:stop]`."""

    def __init__(self, given: Given, name: Name, part: slice = slice(None)) -> None:
        self.given, self.name, self.part = given, name, part

    def __iter__(self) -> Iterator[Any]:
        return iter(listed(self.given)[self.part])

    def __str__(self) -> str:
        if callable(self.given):
            return f"{self.part.start}::{self.part.step}"
        rows = list(self)
        return f"{self.name(rows[0])}..{self.name(rows[-1])}"


def listed(given: Given) -> list[Any]:
    return list(given() if callable(given) else given)


def each(argument: str, rows: Given, name: Name = str, parts: int = 1) -> pytest.MarkDecorator:
    """The mark; fixtures of the function are shared among its rows. Of rows given as a function, `parts` tests are made."""
    return pytest.mark.each(argument, rows, name, parts)


def spread(metafunc: pytest.Metafunc) -> None:
    """Make the tests of a function that is so marked."""
    mark = metafunc.definition.get_closest_marker("each")
    if mark is None:
        return
    argument, given, name, parts = mark.args
    config = metafunc.config
    if config.option.keyword or any("[" in word for word in config.args):
        rows = listed(given)
        metafunc.parametrize(argument, rows, ids=[name(row) for row in rows])
    elif callable(given):
        metafunc.parametrize(
            argument, [Rows(given, name, slice(at, None, parts)) for at in range(parts)], ids=str
        )
    else:
        starts = range(0, len(listed(given)), CHUNK)
        metafunc.parametrize(argument, [Rows(given, name, slice(at, at + CHUNK)) for at in starts], ids=str)


def run_rows(function: Callable[..., None], arguments: dict[str, Any]) -> bool:
    """Call a test once for each row of an argument that is Rows; False where there is none."""
    argument = next((key for key, value in arguments.items() if isinstance(value, Rows)), None)
    if argument is None:
        return False
    group: Rows = arguments[argument]
    rows, failed, skipped = list(group), {}, []
    for row in rows:
        try:
            function(**{**arguments, argument: row})
        except pytest.skip.Exception as skip:
            skipped.append(str(skip))
        except (Exception, pytest.fail.Exception) as error:
            failed[group.name(row)] = error
    if failed:
        pytest.fail(tell(failed, len(rows)), pytrace=False)
    if len(skipped) == len(rows):
        pytest.skip(skipped[0])
    return True


def tell(failed: dict[str, BaseException], count: int) -> str:
    """The names of all rows that failed, a line of each, and the traces of the first."""
    lines = [f"{len(failed)} of {count} rows failed: {', '.join(failed)}"]
    for at, (name, error) in enumerate(failed.items()):
        shown = pytest.ExceptionInfo.from_exception(error).getrepr(style="short")
        first = (str(error).splitlines() or [""])[0]
        lines += [f"--- {name}: {type(error).__name__}: {first}", *([str(shown)] if at < SHOWN else [])]
    return "\n".join(lines)
