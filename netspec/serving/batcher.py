"""Dynamic batching: requests in, each its own outputs out; what queued up while the model ran is
joined into the next run, and what is too large for one run is split into several.

It never waits for a batch to fill: an idle model runs at once, and joins no more than makes a row cheaper.
A request that would wait longer than it may, by how fast the queue went of late, is refused at once. Requests are joined and split along
the batch symbol if all else is equal and the model's rows are known to stay apart: then an answer
depends neither on what else arrives nor on how it was cut.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from netspec.serving.engine import Model
from netspec.serving.heads import remember
from netspec.serving.pace import RECENT, Pace
from netspec.serving.runs import Arrays, Runner, Waiting, check_rows, now, run_group
from netspec.serving.tensors import RequestError

__all__ = ["Batcher", "Batching"]

Observe = Callable[[int, float, Sequence[float]], None]
TICK = 0.25
"""Seconds between two looks for what has waited too long: a bound of 1 s is kept to a quarter."""


class Batching(NamedTuple):
    """How requests are joined and split: the most rows and numbers of a run, the most requests that
    wait, and how long; whether rows are taken to stay apart where the file is silent; the most bytes
    of an answer.
    """

    max_batch: int
    limit: int
    join: bool = False
    elements: int = 1 << 62
    seconds: float = float("inf")
    answer: int = 1 << 62


class Batcher:
    """What runs the model, and the bounded queue before it. Runs are done in a thread of their own, but
    for those that are known to be so short that the way there and back would take longer.

    `observe` is told of every run: its rows, its seconds, how long each request in it had waited.
    Use it within a running event loop: `start`, `submit`, `stop`.
    """

    def __init__(self, model: Model, batching: Batching, observe: Observe) -> None:
        self.model = model
        self.batching = batching
        self.observe = observe
        self.queue: deque[Waiting] = deque()
        self._names = tuple(t.name for t in model.inputs)
        self._joins = model.joins(batching.join)
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "netspec-model")
        self._runner = Runner(model)
        self._alone = None if model.alone is None else Runner(model.alone)
        self._pace = Pace()
        self._tasks: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._most: dict[object, int] = {}  # rows of a run, by key
        self._each = 0.0  # seconds that the queue took of late for each request in it

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._work()), loop.create_task(self._expire())]

    @property
    def alive(self) -> bool:
        """Whether its loop still takes requests."""
        return not any(task.done() for task in self._tasks)

    async def stop(self) -> None:
        """End the thread once its run is over. Whoever calls this has no request waiting any
        more.
        """
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()  # they hold this, and so a model that was replaced, until a collector comes
        self._thread.shutdown()

    def submit(
        self, inputs: Arrays, outputs: Sequence[str], patience: float | None = None
    ) -> Awaitable[Arrays]:
        """The named outputs for checked inputs, to be awaited; `patience`: seconds that the request may
        wait.

        Raises RequestError, at once or when awaited: 400 and 413 for more than a run or an answer may
        hold, 503 if the queue is full, 504 if it waited too long, else what the run raised.
        """
        longest = self.batching.seconds
        if patience is None or patience > longest:
            patience = longest
        self.check_room(patience)
        if not self._joins:
            self.check_whole(inputs)
            return self._enqueue(Waiting(inputs, outputs, None, 1, self._future(), now(), patience))
        rows = len(inputs[self._names[0]])
        key = tuple([(inputs[name].dtype, inputs[name].shape[1:]) for name in self._names])
        most = self._most.get(key)
        if most is None:
            most = self.rows_of_a_run(inputs, rows)
            remember(self._most, key, most)
        if rows <= most:
            return self._enqueue(Waiting(inputs, outputs, key, rows, self._future(), now(), patience, most))
        parts = (
            Waiting(part, outputs, key, size, self._future(), now(), patience, most)
            for part, size in split_rows(inputs, rows, most)
        )
        return self._gather(parts, rows)

    def check_room(self, patience: float | None = None) -> None:
        """Raises RequestError where the queue is full, or so slow that a request would wait longer than
        its patience, or the longest that any may: then it need not even be read.
        """
        ahead = len(self.queue)
        if ahead >= self.batching.limit:
            words = f"the queue is full: {self.batching.limit} requests are waiting; try again later"
            raise RequestError(words, 503)
        longest = self.batching.seconds if patience is None else patience
        if ahead * self._each > longest:
            words = f"{ahead} requests are waiting, which takes about {ahead * self._each:.2g} seconds"
            raise RequestError(f"{words}; this one may wait {longest:g}; try again later", 503)

    def check_whole(self, inputs: Arrays) -> None:
        """A request that cannot be split must be one run. Raises RequestError."""
        rows = len(inputs[self._names[0]]) if self.model.batch is not None and self._names else 1
        if rows > self.batching.max_batch:
            raise RequestError(
                f"a request must have at most {self.batching.max_batch} rows: got {rows}, and this file does"
                " not say that its rows may be run apart",
                413,
            )
        self.check_elements(sum(array.size for array in inputs.values()))

    def check_elements(self, count: int) -> None:
        if count > self.batching.elements:
            words = f"a run may have {self.batching.elements} numbers: this request needs {count} for one"
            raise RequestError(words, 413)

    def rows_of_a_run(self, inputs: Arrays, rows: int) -> int:
        each = sum(array.size for array in inputs.values()) // rows
        self.check_elements(each)
        return max(1, min(self.batching.max_batch, self.batching.elements // max(1, each)))

    def _future(self) -> "asyncio.Future[Arrays]":
        if self._loop is None:  # asked for once: it costs a call of the system
            self._loop = asyncio.get_running_loop()
        return self._loop.create_future()

    def _enqueue(self, waiting: Waiting) -> "asyncio.Future[Arrays]":
        self.queue.append(waiting)
        self._arrived.set()
        return waiting.future

    async def _gather(self, parts: Iterator[Waiting], rows: int) -> Arrays:
        """The answer of parts that run one after the other, others between them: written into one
        array for each output, which is made once the first part has told its size.
        """
        import numpy as np

        whole: dict[str, np.ndarray] = {}
        at = 0
        for part in parts:
            answer = await self._enqueue(part)
            if not whole:
                size = sum(array.nbytes for array in answer.values()) * rows // part.rows
                if size > self.batching.answer:
                    words = f"an answer may have {self.batching.answer} bytes: this one would have {size}"
                    raise RequestError(f"{words}; ask for fewer rows", 413)
                whole = {name: np.empty((rows, *a.shape[1:]), a.dtype) for name, a in answer.items()}
            for name, array in answer.items():
                check_rows(array, part.rows)
                whole[name][at : at + part.rows] = array
            at += part.rows
        return whole

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        busy = False
        before, count = now(), 0
        while True:
            await self._arrived.wait()
            if busy and count:
                self._each += ((now() - before) / count - self._each) / RECENT
            before, group = now(), self._take()
            busy, count = bool(self.queue), len(group)
            if not self.queue:
                self._arrived.clear()
            if not group:
                continue
            begun, (key, rows) = now(), shape_of(group)
            runner = self._runner
            if self._alone is not None and self._pace.suits_one(key, rows, bool(self.queue)):
                runner = self._alone
            alone = runner is self._alone
            if self._pace.is_short(key, rows, alone):
                answers, seconds = run_group(runner, group)
            else:
                answers, seconds = await loop.run_in_executor(self._thread, run_group, runner, group)
            self._pace.note(key, rows, seconds, alone)
            self.observe(sum(w.rows for w in group), now() - begun, [begun - w.queued for w in group])
            tell(group, answers)
            del group, answers  # else they would be kept until the next run
            await asyncio.sleep(0)  # the loop has its turn, also where no run leaves it one

    async def _expire(self) -> None:
        """Tell those that waited too long while a run takes its time."""
        while True:
            await asyncio.sleep(TICK)
            late = now()
            self.queue = deque(waiting for waiting in self.queue if not waiting.expire(late))

    def _take(self) -> list[Waiting]:
        """The request that waited longest and, in order, those that can join it; the others keep
        their places. Those that need not run any more are dropped.
        """
        late, queue = now(), self.queue
        group: list[Waiting] = []
        others: list[Waiting] = []
        rows, most = 0, 1
        while queue and rows < most:
            waiting = queue.popleft()
            if waiting.expire(late):
                continue
            if not group:
                group.append(waiting)
                rows = waiting.rows
                most = min(waiting.most, self.batching.max_batch)
                if waiting.key is None:
                    break
                most = self._pace.rows_worth_joining(waiting.key, most, len(queue) + 1)
            elif waiting.key == group[0].key and rows + waiting.rows <= most:
                group.append(waiting)
                rows += waiting.rows
            else:
                others.append(waiting)
        queue.extendleft(reversed(others))
        return group


def tell(group: Sequence[Waiting], answers: Sequence[Arrays | BaseException]) -> None:
    """Give each request of a run its answer, but for those that went away meanwhile."""
    for waiting, answer in zip(group, answers, strict=True):
        if waiting.future.done():
            continue
        if isinstance(answer, BaseException):
            waiting.future.set_exception(answer)
        else:
            waiting.future.set_result(answer)


def split_rows(inputs: Arrays, rows: int, most: int) -> Iterator[tuple[Arrays, int]]:
    """Inputs of at most so many rows each, as views."""
    for start in range(0, rows, most):
        stop = min(start + most, rows)
        yield {name: array[start:stop] for name, array in inputs.items()}, stop - start


def shape_of(group: Sequence[Waiting]) -> tuple[object, int]:
    """What the time of a run goes by, and its rows."""
    first = group[0]
    if first.key is None:
        return tuple(array.shape for array in first.inputs.values()), 1
    return first.key, sum(w.rows for w in group)
