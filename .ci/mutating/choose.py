"""Which tests belong to a place of the code: those that ran its block while the map was made, the closest and fastest first."""

import ast
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from mutating.draw import Mutant
from mutating.instrument import block_of, blocks

__all__ = ["Map", "Test", "read_map"]

FIRST = 40
"""Tests of the first round: those that run little else."""
FILES, EACH = 8, 4
"""Files of the second round, more where there is time, and the tests of each that come first: a file costs more than most tests do."""


@dataclass(frozen=True)
class Test:
    """One test: its node id, the seconds it took, the blocks that it ran, and those of other modules."""

    name: str
    seconds: float
    blocks: frozenset[str]
    modules: dict[str, int] = field(hash=False, compare=False, default_factory=dict)

    @property
    def file(self) -> str:
        return self.name.partition("::")[0]

    def closeness(self, module: str) -> float:
        """The share of a module in what a test runs."""
        return self.modules.get(module, 0) / (len(self.blocks) or 1)


class Map:
    """Every test that passed."""

    def __init__(self, tests: Iterable[Test], shared: dict[str, frozenset[str]], package: Path) -> None:
        self.tests = list(tests)
        self.package = package
        self.names = {test.name for test in self.tests}
        self.by_block: defaultdict[str, list[Test]] = defaultdict(list)
        self.by_file: defaultdict[str, list[Test]] = defaultdict(list)
        for test in self.tests:
            self.by_file[test.file].append(test)
            for block in test.blocks:
                self.by_block[block].append(test)
        for file, found in shared.items():
            for block in found:
                for test in self.by_file[file]:
                    if block not in test.blocks:
                        self.by_block[block].append(test)

    def rounds(self, mutant: Mutant, text: str, seconds: float) -> list[list[str]]:
        """Tests for a mutant: the closest, then some of each of the closest files and what else there is time for in these."""
        found = self.reaching(mutant, text)
        module = mutant.module
        close = sorted(found, key=lambda t: (-round(t.closeness(module), 2), t.seconds))
        files = list(dict.fromkeys(t.file for t in close))[: max(FILES, int(seconds / 2))]
        each: list[Test] = []
        for file in files:
            of_file = [t for t in close if t.file == file]
            each += [*of_file[: EACH // 2], *sorted(of_file, key=lambda t: t.seconds)[: EACH // 2]]
        rest = sorted(
            (t for t in found if t.file in files),
            key=lambda t: (t.seconds > 1, -t.modules.get(module, 0), t.seconds),
        )
        first = affordable(close[:FIRST], seconds / 4)
        second = affordable((t for t in dict.fromkeys([*each, *rest]) if t not in first), seconds)
        made = [[t.name for t in tests] for tests in (first, second) if tests]
        return made or [[t.name] for t in sorted(found, key=lambda t: t.seconds)[:1]]

    def may_notice(self, names: Sequence[str], mutant: Mutant, text: str) -> bool:
        """Whether one of these tests runs a mutant's block, or is not known; what is declared where modules are imported is read by any."""
        if block_of(mutant.module, ast.parse(text), mutant.line) is None:
            return True
        reaching = {test.name for test in self.reaching(mutant, text)}
        return any(name in reaching or name not in self.names for name in names)

    def reaching(self, mutant: Mutant, text: str) -> list[Test]:
        """The tests that run a mutant's block; what runs at import is reached by what reads it."""
        tree = ast.parse(text)
        block = block_of(mutant.module, tree, mutant.line)
        wanted = [block] if block is not None else readers(mutant.module, tree, mutant.line, self.package)
        found = dict.fromkeys(t for each in wanted for t in self.by_block.get(each, ()))
        if not found:
            found = dict.fromkeys(t for t in self.tests if mutant.module in t.modules)
        return list(found)


def affordable(tests: Iterable[Test], seconds: float) -> list[Test]:
    """Tests as long as the time lasts."""
    found: list[Test] = []
    for test in tests:
        if test.seconds <= seconds:
            found.append(test)
            seconds -= test.seconds + 0.005
    return found


def defined(tree: ast.Module, line: int) -> tuple[set[str], str]:
    """The names that a line outside of functions defines, and the class in which it stands."""
    top = next((n for n in tree.body if n.lineno <= line <= (n.end_lineno or 0)), None)
    inside: list[ast.stmt] = [top] if top is not None else []
    if isinstance(top, ast.ClassDef):
        inside = [
            n
            for n in top.body
            if n.lineno <= line <= (n.end_lineno or 0) and not isinstance(n, ast.FunctionDef)
        ]
    names = {
        t.id for n in inside for t in ast.walk(n) if isinstance(t, ast.Name) and isinstance(t.ctx, ast.Store)
    }
    return names, top.name if isinstance(top, ast.ClassDef) else ""


def readers(module: str, tree: ast.Module, line: int, package: Path) -> Sequence[str]:
    """The blocks that read what a line outside of functions defines, in its module, else anywhere; else the methods of its class."""
    names, owner = defined(tree, line)
    here = [block for name in sorted(names) for block in reading(package).get(name, ())]
    own = [block for block in here if block.startswith(module + ":")]
    return (
        own
        or here
        or [f"{module}:{name}:{number}" for name, number, _ in blocks(tree) if name.startswith(owner + ".")]
    )


@cache
def reading(package: Path) -> dict[str, list[str]]:
    """For each name the blocks of a package that read it, as a name or as an attribute."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted(package.rglob("*.py")):
        module = path.relative_to(package.parent).as_posix()
        for name, number, statements in blocks(ast.parse(path.read_text(encoding="utf-8"))):
            inner = (n for s in statements for n in ast.walk(s))
            for word in {
                n.id if isinstance(n, ast.Name) else n.attr
                for n in inner
                if isinstance(n, ast.Name | ast.Attribute)
            }:
                found[word].append(f"{module}:{name}:{number}")
    return found


def read_map(folder: Path, package: Path) -> Map:
    tests: list[Test] = []
    shared: dict[str, frozenset[str]] = {}
    known: dict[str, str] = {}
    for path in sorted(folder.glob("*.json")):
        written = json.loads(path.read_text() or "{}")
        for name, (seconds, listed) in written.items():
            found = frozenset(known.setdefault(b, b) for b in listed)
            if name == "":
                shared[path.stem.replace("__", "/") + ".py"] = found
                continue
            modules: dict[str, int] = {}
            for block in found:
                module = block.partition(":")[0]
                modules[module] = modules.get(module, 0) + 1
            tests.append(Test(name, seconds, found, modules))
    return Map(tests, shared, package)
