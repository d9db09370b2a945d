"""Which requests share a run, and that each gets its own rows of it: against a model of numpy, no server."""

import asyncio
import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from netspec.serving.batcher import Batcher, Batching
from netspec.serving.pace import STALL, Pace
from netspec.serving.runs import Runner, Waiting, run_group
from netspec.serving.tensors import RequestError

LOOP = asyncio.new_event_loop()


class Doubling:
    """y = 2 x and z = -x; remembers the rows and outputs of each run. broken: a row on which a run fails."""

    inputs = (SimpleNamespace(name="x"),)
    outputs = (SimpleNamespace(name="y"), SimpleNamespace(name="z"))

    def __init__(self, broken: float | None = None, short: bool = False) -> None:
        self.broken, self.short = broken, short
        self.runs: list[tuple[int, list[str]]] = []

    batch = "N"
    alone: "Doubling | None" = None

    def joins(self, asked: bool) -> bool:
        return True

    def run(self, inputs: Any, outputs: Sequence[str]) -> dict[str, Any]:
        x = inputs["x"]
        self.runs.append((len(x), list(outputs)))
        if self.broken in x:
            raise RequestError("broken")
        made = {"y": 2 * x, "z": -x}
        return {name: made[name][:1] if self.short else made[name] for name in outputs}


def waiting(values: list[float], outputs: Sequence[str] = ("y",), key: object = "k") -> Waiting:
    return Waiting({"x": np.array(values)}, outputs, key, len(values), asyncio.Future(loop=LOOP))


def answers(model: Doubling, *group: Waiting) -> list[Any]:
    told, _ = run_group(Runner(model), group)  # type: ignore[arg-type]
    return [t if isinstance(t, BaseException) else {n: v.tolist() for n, v in t.items()} for t in told]


def test_a_group_is_one_run_and_each_has_its_own_rows() -> None:
    model = Doubling()
    group = (waiting([1.0, 2.0]), waiting([3.0], ("z", "y")), waiting([4.0, 5.0, 6.0], ("z",)))
    assert answers(model, *group) == [
        {"y": [2, 4]},
        {"z": [-3], "y": [6]},
        {"z": [-4, -5, -6]},
    ]
    assert model.runs == [(6, ["y", "z"])]


def test_only_what_somebody_asked_for_is_computed() -> None:
    model = Doubling()
    answers(model, waiting([1.0], ("z",)), waiting([2.0], ("z",)))
    assert model.runs == [(2, ["z"])]


def test_one_at_fault_fails_alone() -> None:
    model = Doubling(broken=3.0)
    first, second, third = answers(model, waiting([1.0]), waiting([3.0]), waiting([4.0]))
    assert (first, third) == ({"y": [2]}, {"y": [8]}) and isinstance(second, RequestError)
    assert [rows for rows, _ in model.runs] == [3, 1, 1, 1]


def test_outputs_without_a_row_for_each_are_nobody_s() -> None:
    """A file that says its rows stay apart and gives one for all: each is run by itself."""
    model = Doubling(short=True)
    assert answers(model, waiting([1.0]), waiting([2.0])) == [{"y": [2]}, {"y": [4]}]
    assert [rows for rows, _ in model.runs] == [2, 1, 1]


@pytest.mark.parametrize(
    ("queued", "runs"),
    [
        ("a1 a1 a1", ["a1 a1 a1"]),
        ("a1 b2 a1 b2", ["a1 a1", "b2 b2"]),  # those of another key keep their places
        ("a3 b2 a1 b1 -1", ["a3 a1", "b2 b1", "-1"]),
        ("a2 a2 a1", ["a2 a2", "a1"]),  # full to the last row
        ("a2 a3 a2", ["a2 a2", "a3"]),
        ("a3 a2 a1", ["a3 a1", "a2"]),
        ("-1 -1 a1", ["-1", "-1", "a1"]),  # nothing joins these
    ],
)
def test_who_is_taken_together(queued: str, runs: list[str]) -> None:
    """A word of the queue: its key (-: None) and its rows; a run holds four."""

    async def taken() -> list[str]:
        batcher = Batcher(Doubling(), Batching(4, 10), lambda *run: None)  # type: ignore[arg-type]
        for key, rows in queued.split():
            batcher.queue.append(waiting([1.0] * int(rows), key={"-": None}.get(key, key)))
        found = []
        while batcher.queue:
            found.append(" ".join(f"{w.key or '-'}{w.rows}" for w in batcher._take()))
        return found

    assert asyncio.run(taken()) == runs


@pytest.mark.parametrize("limit", [1, 3])
def test_no_more_wait_than_the_limit(limit: int) -> None:
    async def refused() -> int:
        seen: list[int] = []
        batcher = Batcher(Doubling(), Batching(64, limit), lambda rows, *_: seen.append(rows))  # type: ignore[arg-type]

        async def ask() -> Any:
            return await batcher.submit({"x": np.ones(2)}, ["y"])

        asked = [asyncio.ensure_future(ask()) for _ in range(5)]
        await asyncio.sleep(0)
        batcher.start()
        told = await asyncio.gather(*asked, return_exceptions=True)
        await batcher.stop()
        assert seen == [2 * limit]
        return sum(isinstance(t, RequestError) for t in told)

    assert asyncio.run(refused()) == 5 - limit


def test_a_run_that_is_known_to_be_short_needs_no_thread() -> None:
    """The first of a shape, and any while a run took long, is handed to the model's thread."""

    class Noting(Doubling):
        def __init__(self) -> None:
            super().__init__()
            self.pause, self.threads = 0.0, list[str]()

        def run(self, inputs: Any, outputs: Sequence[str]) -> dict[str, Any]:
            self.threads.append(threading.current_thread().name.split("_")[0])
            time.sleep(self.pause)
            return super().run(inputs, outputs)

    async def work(model: Noting) -> None:
        batcher = Batcher(model, Batching(64, 9), lambda *run: None)  # type: ignore[arg-type]
        batcher._pace = Pace(quick=0.1)  # however busy this machine is
        batcher.start()

        async def ask(rows: int, pause: float = 0.0) -> None:
            model.pause = pause
            assert (await batcher.submit({"x": np.ones(rows)}, ["y"]))["y"].tolist() == [2] * rows

        for rows in (1, 1, 40, 33):
            await ask(rows)
        await ask(1, STALL + 0.05)
        await ask(1)
        await batcher.stop()

    asyncio.run(work(model := Noting()))
    away, here = "netspec-model", "MainThread"
    assert model.threads == [away, here, away, here, here, away]


def test_the_usual_seconds_of_a_run() -> None:
    pace = Pace(quick=0.01)
    assert not pace.is_short("key", 4)
    pace.note("key", 4, 0.002)
    assert pace.is_short("key", 4)
    pace.note("key", 4, 0.05)  # one that is late by chance
    assert pace.is_short("key", 4)
    pace.note("key", 4, 0.05)
    assert not pace.is_short("key", 4)
    for _ in range(9):
        pace.note("key", 4, 0.002)
    assert pace.is_short("key", 4)
    assert pace.is_short("key", 8) and not pace.is_short("key", 16)  # twice as many rows are known by these


@pytest.mark.parametrize(
    ("each", "rows"),
    [
        ((0.003, 0.003, 0.003, 0.003), 1),  # joining makes nothing cheaper
        ((0.0006, 0.0006, 0.0006, 0.0006), 3),  # runs of some 2 ms are joined all the same
        ((0.00006,) * 7, 31),  # 64 rows take 3.8 ms, and no row less
        ((0.004, 0.002, 0.001, 0.001), 7),
        ((0.004, 0.002, 0.001, 0.0005), 64),
        ((0.0001, 0.0001, 0.0001, 0.0001), 64),
        ((0.003,), 64),  # more was never tried
    ],
)
def test_rows_that_make_no_row_cheaper_are_not_joined(each: Sequence[float], rows: int) -> None:
    """each: seconds of a row in runs of 1, 2, 4, 8 and so on rows."""
    pace = Pace()
    for size, seconds in enumerate(each):
        pace.note("key", 1 << size, seconds * (1 << size))
    assert pace.rows_worth_joining("key", 64) == rows
    assert pace.rows_worth_joining("key", 2) == min(rows, 2)
    assert pace.rows_worth_joining("other", 64) == 64
    others = {min(64, rows * 2 + 1), rows // 2 or 1} if rows < 64 else set()
    assert {pace.rows_worth_joining("key", 64) for _ in range(64)} == {
        rows,
        *others,
    }  # a measurement can be wrong


@pytest.mark.parametrize(
    ("together", "alone", "one"),
    [
        (None, None, False),  # the first of a shape may take any time
        (0.0001, None, True),  # short enough to be tried
        (0.002, None, False),
        (0.0001, 0.00014, True),
        (0.0001, 0.00016, False),  # the others do more than they cost
    ],
)
def test_short_runs_that_all_threads_do_no_sooner_are_one_s(
    together: float | None, alone: float | None, one: bool
) -> None:
    pace = Pace()
    for seconds, by_one in ((together, False), (alone, True)):
        if seconds is not None:
            pace.note("key", 1, seconds, by_one)
    assert pace.suits_one("key", 1) is one and not pace.suits_one("other", 1)
    assert pace.is_short("key", 1, alone=True) is (alone is not None)


@pytest.mark.parametrize(
    ("waiting", "rows"),
    [
        (31, 31),
        (32, 63),  # 64 rows at 0.06 ms take less than the 5 ms of a short run: the queue is caught up with
    ],
)
def test_more_are_joined_where_a_queue_grows(waiting: int, rows: int) -> None:
    pace = Pace()
    for size in range(7):
        pace.note("key", 1 << size, 0.00006 * (1 << size))
    pace.asked = 1  # not the turn at which another size is tried
    assert pace.rows_worth_joining("key", 64, waiting) == rows
    # of a slow model, a longer run would only make all of them wait for it
    for size in range(7):
        pace.note("slow", 1 << size, 0.003 * (1 << size))
    assert pace.rows_worth_joining("slow", 64, 200) == 1


def test_all_threads_count_where_others_wait() -> None:
    pace = Pace()
    pace.note("key", 1, 0.0001)
    pace.note("key", 1, 0.00014, alone=True)
    assert pace.suits_one("key", 1) and not pace.suits_one("key", 1, pressed=True)


def test_rows_are_joined_by_the_better_way() -> None:
    pace = Pace()
    for rows in (1, 16):
        pace.note("key", rows, 0.003 * rows)
    assert pace.rows_worth_joining("key", 64) == 1
    pace.note("key", 16, 0.00005 * 16, alone=True)
    assert pace.rows_worth_joining("key", 64) == 64


def test_a_model_that_is_loaded_twice_does_its_short_runs_on_one_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By a clock on which all threads take a tenth of a millisecond for a row, and one twice the time for more than one row."""
    time_ = [0.0]
    for name in ("batcher", "runs", "pace"):
        monkeypatch.setattr(f"netspec.serving.{name}.now", lambda: time_[0])

    class Clocked(Doubling):
        def run(self, inputs: Any, outputs: Sequence[str]) -> dict[str, Any]:
            time_[0] += 0.0001 * len(inputs["x"]) * (2 if self is model.alone and len(inputs["x"]) > 1 else 1)
            return super().run(inputs, outputs)

    model = Clocked()
    model.alone = Clocked()

    async def work() -> None:
        batcher = Batcher(model, Batching(64, 9), lambda *run: None)  # type: ignore[arg-type]
        batcher.start()
        for rows in (1, 1, 1, 4, 4, 4, 1, 40, 40):
            found = await batcher.submit({"x": np.ones(rows)}, ["y"])
            assert found["y"].tolist() == [2] * rows
        await batcher.stop()

    asyncio.run(work())
    assert [rows for rows, _ in model.runs] == [1, 4, 4, 40, 40]
    assert [rows for rows, _ in model.alone.runs] == [1, 1, 4, 1]


def test_a_smaller_run_is_tried_where_a_larger_one_is_long() -> None:
    """Where all come in runs of 16, it would never be seen that they need not."""
    pace, seen = Pace(), list[int]()
    pace.note("key", 1, 0.01)  # the first, which is slow
    pace.note("key", 16, 0.048)
    for _ in range(400):
        seen.append(pace.rows_worth_joining("key", 64))
        pace.note("key", min(seen[-1], 16), 0.003 * min(seen[-1], 16))
    assert seen[:3] == [3, 3, 3] and seen[-1] == 1


class Timed(Doubling):
    """Each row takes ten milliseconds of a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.time = 0.0
        for name in ("batcher", "runs", "pace"):
            monkeypatch.setattr(f"netspec.serving.{name}.now", lambda: self.time)

    def run(self, inputs: Any, outputs: Sequence[str]) -> dict[str, Any]:
        self.time += 0.01 * len(inputs["x"])
        return super().run(inputs, outputs)


@pytest.mark.parametrize(("batch", "patience", "bound"), [(4, 0.2, 0.24), (1, 0.2, 0.21), (4, 0.1, 0.14)])
def test_at_ten_times_its_load_nobody_waits_longer_than_he_may(
    monkeypatch: pytest.MonkeyPatch, batch: int, patience: float, bound: float
) -> None:
    """Ten requests come while one is run. Who is taken has his answer within his patience and a run; who would not, is told as soon
    as he asks, and hardly anybody only after he has waited."""
    model = Timed(monkeypatch)
    told: dict[int, list[float]] = {200: [], 503: [], 504: []}

    async def ask(batcher: Batcher) -> None:
        begun = model.time
        try:
            await batcher.submit({"x": np.ones(1)}, ["y"])
            status = 200
        except RequestError as error:
            status = error.status
        told[status].append(model.time - begun)

    async def work() -> None:
        batcher = Batcher(model, Batching(batch, 1000, seconds=patience), lambda *run: None)  # type: ignore[arg-type]
        batcher._pace = Pace(quick=10.0)
        batcher.start()
        asked = []
        for _ in range(300):
            before = model.time
            asked += [asyncio.ensure_future(ask(batcher)) for _ in range(10 * batch)]
            while model.time == before:
                await asyncio.sleep(0)
        await asyncio.gather(*asked)
        await batcher.stop()

    asyncio.run(work())
    assert len(told[200]) > 250
    assert max(told[200]) <= bound + 1e-9
    assert max(told[503]) <= 0.01 * batch + 1e-9  # the run that was under way
    assert len(told[504]) < len(told[503]) / 20


def test_the_loop_has_its_turn_between_short_runs() -> None:
    """Requests that cannot be joined are run one after the other; who else has the loop is not kept from it."""

    async def work() -> list[int]:
        model, seen = Doubling(), list[int]()
        batcher = Batcher(model, Batching(64, 99), lambda *run: None)  # type: ignore[arg-type]
        batcher._pace, batcher._joins = Pace(quick=0.1), False
        batcher.start()
        await batcher.submit({"x": np.ones(1)}, ["y"])
        asked = [batcher.submit({"x": np.ones(1)}, ["y"]) for _ in range(20)]
        before = len(model.runs)
        while not all(one.done() for one in asked):  # type: ignore[attr-defined]
            await asyncio.sleep(0)
            seen.append(len(model.runs) - before)
        await batcher.stop()
        return seen

    seen = asyncio.run(work())
    assert max(b - a for a, b in pairwise([0, *seen])) == 1 and seen[-1] == 20
