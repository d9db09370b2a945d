"""Mutants of functions, asked in children of one process that has imported the package and collected the tests.

A child puts the changed code into the functions that there are, and the changed text into the copy for the processes that tests start.
What ran while modules were imported and tests collected cannot be changed so: `may_ask` says no.
"""

import ast
import contextlib
import functools
import gc
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from mutating import instrument
from mutating.draw import Mutant, stripped
from mutating.plugins import spent
from mutating.workshop import MARGIN, Workshop

__all__ = ["Warm"]

CACHE = type(functools.cache(lambda: None))


class Warm:
    """A plug-in that runs `work(self)` in place of the tests."""

    def __init__(self, workshop: Workshop, package: str, work: Callable[["Warm"], None]) -> None:
        self.workshop, self.package, self.work = workshop, package, work
        self.items: dict[str, pytest.Item] = {}
        self.ran: frozenset[str] = frozenset()
        self.sound: dict[str, bool] = {}
        """Of tests that failed, whether they pass without a mutant."""
        self.functions: dict[str, list[FunctionType]] = {}
        self.caches: list[Any] = []

    def pytest_sessionstart(self) -> None:
        """Import all of the package: what a function imports when it runs would come from the copy."""
        for path in sorted((self.workshop.tree / self.package).rglob("[!_]*.py")):
            name = ".".join(path.relative_to(self.workshop.tree).with_suffix("").parts)
            with contextlib.suppress(Exception):
                importlib.import_module(name)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items = {item.nodeid: item for item in session.items}
        self.ran = frozenset(instrument.HITS)
        instrument.uninstall()
        gc.unfreeze()  # else functions are not found: the tests' conftest freezes what there is
        self.functions, self.caches = found_below(self.workshop.tree)
        gc.freeze()
        self.work(self)
        return True

    def may_ask(self, mutant: Mutant, text: str) -> bool:
        """Whether a mutant stands in a function that has not run yet."""
        block = instrument.block_of(mutant.module, ast.parse(text), mutant.line)
        return block is not None and block not in self.ran

    def caught_by(
        self, mutant: Mutant, text: str, names: Sequence[str], seconds: float
    ) -> tuple[str | None, int]:
        """The first test that fails with a mutant and passes without it, and how many ran: 0 where no function holds its code."""
        names = [n for n in names if n in self.items and self.sound.get(n, True)]
        while True:
            with self.workshop.changed(mutant.module, mutant.put_in(text)):
                failed, ran = self.ask(names, seconds, mutant, text)
            if failed not in (*names, "nowhere"):  # none, or the process ended
                return failed, ran
            if failed == "nowhere":
                return None, 0
            if failed not in self.sound:
                self.sound[failed] = self.ask([failed], 10 * seconds)[0] is None
            if self.sound[failed]:
                return failed, ran
            names = [n for n in names if n != failed]

    def ask(
        self, names: Sequence[str], seconds: float, mutant: Mutant | None = None, text: str = ""
    ) -> tuple[str | None, int]:
        said = self.workshop.folder / "said"
        said.unlink(missing_ok=True)

        def work() -> int:
            for each in self.caches:  # what was read of a module's text may be of before its change
                each.cache_clear()
            if mutant is not None and not put_in(
                self.functions, self.workshop.tree / mutant.module, text, mutant.put_in(text)
            ):
                said.write_text("nowhere\n0")
                return 1
            said.write_text("the process ended\n0")
            begun = spent()
            items = [self.items[name] for name in names]
            for i, item in enumerate(items):
                last = i + 1 == len(items) or spent() - begun > seconds
                said.write_text(f"{item.nodeid}\n{i + 1}")
                reports = runtestprotocol(item, log=False, nextitem=None if last else items[i + 1])
                if any(report.failed for report in reports):
                    return 1
                if last:
                    break
            return 0

        status = self.workshop.forked(work, seconds + MARGIN, {}, bare=True)
        name, _, ran = said.read_text().partition("\n") if said.exists() else ("", "", "0")
        if status is None:
            return "time", int(ran)
        return (None if status == 0 else name or f"status {status}"), int(ran or 0)


def found_below(root: Path) -> tuple[dict[str, list[FunctionType]], list[Any]]:
    """The functions of the modules below a folder, by module, and the caches of functions there."""
    functions: dict[str, list[FunctionType]] = {}
    caches = []
    for each in gc.get_objects():
        made = each.__wrapped__ if type(each) is CACHE else each
        if type(made) is not FunctionType or not made.__code__.co_filename.startswith(f"{root}/"):
            continue
        if made is each:
            functions.setdefault(made.__code__.co_filename, []).append(made)
        else:
            caches.append(each)
    return functions, caches


def put_in(functions: Mapping[str, Sequence[FunctionType]], path: Path, before: str, after: str) -> int:
    """Give functions that exist the code of another text of their module; how many there were."""
    old, new = (
        {(f.co_qualname, f.co_firstlineno): f for f in codes(compile(text, str(path), "exec"))}
        for text in (before, after)
    )
    changed = {key: f for key, f in new.items() if key in old and stripped(f) != stripped(old[key])}
    found = 0
    for each in functions.get(str(path), ()):
        code = changed.get((each.__code__.co_qualname, each.__code__.co_firstlineno))
        if code is not None and code.co_freevars == each.__code__.co_freevars:
            each.__code__ = code
            found += 1
    return found


def codes(code: CodeType) -> Iterator[CodeType]:
    """All code below a module's, in order."""
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each
            yield from codes(each)
