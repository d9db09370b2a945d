"""Which tests belong to a place of the code: those that ran its block while the map was made, the closest and fastest first."""

import ast
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
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
    """One test: its node id, the seconds it took, how many blocks it ran."""

    name: str
    seconds: float
    count: int

    @property
    def file(self) -> str:
        return self.name.partition("::")[0]


class Map:
    """Every test that passed, and of each block which of them ran it, as bits of a number; `shared`: what the tests of a file share."""

    def __init__(self, package: Path) -> None:
        self.package = package
        self.tests: list[Test] = []
        self.by_block: defaultdict[str, int] = defaultdict(int)
        self.by_module: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, tests: Iterable[Test], blocks: Mapping[str, int], shared: Collection[str]) -> None:
        """The tests of one file, in the order of the bits in `blocks`."""
        at = len(self.tests)
        self.tests += tests
        every = (1 << (len(self.tests) - at)) - 1
        for block in {*blocks, *shared}:
            bits = every if block in shared else blocks[block]
            if bits:
                if block not in self.by_block:
                    self.by_module[block.partition(":")[0]].append(block)
                self.by_block[block] |= bits << at

    @cached_property
    def names(self) -> set[str]:
        return {test.name for test in self.tests}

    def run_of(self, module: str) -> Counter[Test]:
        """How many blocks of a module each test ran."""
        return Counter(t for block in self.by_module.get(module, ()) for t in self.running(block))

    def running(self, block: str) -> list[Test]:
        bits = self.by_block.get(block, 0)
        return [self.tests[i] for i in range(bits.bit_length()) if bits >> i & 1]

    def rounds(self, mutant: Mutant, text: str, seconds: float) -> list[list[str]]:
        """Tests for a mutant: the closest, then some of each of the closest files and what else there is time for in these."""
        found = self.reaching(mutant, text)
        ran = self.run_of(mutant.module)
        close = sorted(found, key=lambda t: (-round(ran[t] / (t.count or 1), 2), t.seconds))
        files = list(dict.fromkeys(t.file for t in close))[: max(FILES, int(seconds / 2))]
        each: list[Test] = []
        for file in files:
            of_file = [t for t in close if t.file == file]
            each += [*of_file[: EACH // 2], *sorted(of_file, key=lambda t: t.seconds)[: EACH // 2]]
        rest = sorted(
            (t for t in found if t.file in files),
            key=lambda t: (t.seconds > 1, -ran[t], t.seconds),
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
        found = dict.fromkeys(t for each in wanted for t in self.running(each))
        return list(found or self.run_of(mutant.module))


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
    made = Map(package)
    for path in sorted(folder.glob("*.json")):
        written = json.loads(path.read_text() or "null")
        if written:
            blocks = {block: int(bits, 16) for block, bits in written["blocks"].items()}
            made.add([Test(*test) for test in written["tests"]], blocks, frozenset(written["shared"]))
    return made
