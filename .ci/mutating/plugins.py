"""Two plug-ins of pytest: one writes down which blocks each test runs, one runs chosen tests in a given order."""

import json
import os
import random
import re
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from types import FrameType

import pytest
from _pytest.runner import runtestprotocol

from mutating.instrument import HITS, collected

__all__ = ["Chosen", "Recorder", "map_name"]


MANY = 50
DIGITS = re.compile(r"\d+")


def spent() -> float:
    """Processor time so far, that of children that ended included: on a busy machine seconds of the clock say little."""
    return sum(os.times()[:4])


class TooSlow(BaseException):
    """A test that takes longer than the map has time for."""


def stop(number: int, frame: FrameType | None) -> None:
    raise TooSlow


class Recorder:
    """For each file the name, seconds and count of blocks of its tests that passed, and of each block which of them ran it: bits of a
    number; apart from these the blocks of what several tests share.

    A file ends after `most` seconds of processor time and `row` for each test: of a long one, which is shuffled, a sample is known. What
    functions keep of earlier calls is forgotten where a file begins, lest the blocks behind it be noted for another file alone.
    """

    def __init__(self, folder: Path, most: float, longest: float, row: float) -> None:
        self.folder, self.most, self.longest, self.row = folder, most, longest, row
        self.counts: Counter[str] = Counter()
        self.tests: defaultdict[str, list[tuple[str, float, int]]] = defaultdict(list)
        self.blocks: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.collected: dict[str, list[str]] = {}
        self.spent: dict[str, float] = {}
        self.shared: set[str] = set()
        self.passed = True
        signal.signal(signal.SIGALRM, stop)
        signal.signal(signal.SIGPROF, stop)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Iterator[None]:
        HITS.clear()
        made = yield
        if isinstance(collector, pytest.Module):
            self.collected[collector.nodeid] = list(HITS)
        return made

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        of_file: dict[str, list[pytest.Item]] = {}
        for item in items:
            of_file.setdefault(file_of(item), []).append(item)
        for listed in of_file.values():
            if len(listed) > MANY:
                random.Random(0).shuffle(listed)
        self.counts = Counter({file: len(listed) for file, listed in of_file.items()})
        items[:] = [item for listed in of_file.values() for item in listed]

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Iterator[None]:
        before = set(HITS)
        made = yield
        if fixturedef.scope != "function":
            self.shared |= HITS - before
        return made

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        file = file_of(item)
        if file not in self.spent:
            forget()
        if self.spent.get(file, 0.0) < self.most + self.row * self.counts[file]:
            self.noted(item, nextitem, file)
        else:  # the one before was torn down for this one to come
            item.session._setupstate.teardown_exact(nextitem)
        if nextitem is None or file_of(nextitem) != file:
            self.write(file)
        return True

    def noted(self, item: pytest.Item, nextitem: pytest.Item | None, file: str) -> None:
        HITS.clear()
        self.passed = True
        begun = spent()
        signal.setitimer(signal.ITIMER_PROF, self.longest)
        signal.setitimer(signal.ITIMER_REAL, 10 * self.longest)  # it may wait for another process
        try:
            runtestprotocol(item, nextitem=nextitem)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
        took = spent() - begun
        self.spent[file] = self.spent.get(file, 0.0) + took
        if self.passed:
            ran, bit = HITS | collected(), 1 << len(self.tests[file])
            self.tests[file].append((item.nodeid, round(took, 3), len(ran)))
            blocks = self.blocks[file]
            for block in ran:
                blocks[block] |= bit

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.passed &= report.passed

    def write(self, file: str) -> None:
        found = {
            "tests": self.tests.pop(file, []),
            "blocks": {
                block: f"{bits:x}" for block, bits in sorted(self.blocks.pop(file, Counter()).items())
            },
            "shared": sorted({*self.collected.get(file, ()), *self.shared}),
        }
        self.shared.clear()
        path = self.folder / map_name(file)
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(found))
        draft.rename(path)


def forget() -> None:
    """Empty the caches of functions of the tree, those of the tests included."""
    for module in [
        m for m in sys.modules.values() if (getattr(m, "__file__", None) or "").startswith(os.getcwd())
    ]:
        for each in list(vars(module).values()):
            if callable(clear := getattr(each, "cache_clear", None)):
                clear()


def map_name(file: str) -> str:
    """The name of a test file's part of the map."""
    return file.removesuffix(".py").replace("/", "__") + ".json"


def file_of(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


class Chosen:
    """Of what is collected, the chosen tests in their order, then some that the map does not know and that differ from these in numbers
    alone: other rows of a table. The first that failed is `failed`."""

    def __init__(self, names: Sequence[str], known: Container[str], more: int) -> None:
        self.order = {name: i for i, name in enumerate(names)}
        self.alike = {DIGITS.sub("0", name) for name in names}
        self.known, self.more = known, more
        self.failed = ""
        self.count = 0

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        chosen = sorted((i for i in items if i.nodeid in self.order), key=lambda i: self.order[i.nodeid])
        others = [i for i in items if i.nodeid not in self.known and DIGITS.sub("0", i.nodeid) in self.alike]
        items[:] = [*chosen, *others[: self.more]]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.count += report.when == "call"
        if report.failed:
            self.failed = self.failed or report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed = self.failed or report.nodeid or "collection"
