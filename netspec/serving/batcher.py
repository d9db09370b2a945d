"""Dynamic batching: requests in, each its own outputs out; what queued up while the model ran is
joined into the next run, and what is too large for one run is split into several.

It never waits for a batch to fill: an idle model runs at once. Requests are joined and split along
the batch symbol if all else is equal and the model's rows are known to stay apart: then an answer
depends neither on what else arrives nor on how it was cut.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from netspec.serving.engine import LARGE, Model
from netspec.serving.tensors import RequestError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Batcher", "Batching"]

Arrays = Mapping[str, "np.ndarray"]
Observe = Callable[[int, float, Sequence[float]], None]
TICK = 0.25


@dataclass(eq=False, slots=True)  # not frozen: that would cost as much as all the rest of making one
class Waiting:
    """A request in the queue. Requests of the same key may be joined; None is never joined."""

    inputs: Arrays
    outputs: Sequence[str]
    key: object
    rows: int
    future: "asyncio.Future[Arrays]"
    queued: float = 0.0
    patience: float = float("inf")

    def expire(self, now: float) -> bool:
        """Whether it need not run: its client went away, or it waited too long, which it is told."""
        if self.future.done():
            return True
        if now - self.queued <= self.patience:
            return False
        words = f"the model was not free within {self.patience:g} seconds; try again later"
        self.future.set_exception(RequestError(words, 504))
        return True


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
    """One thread that runs the model, and the bounded queue before it.

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
        self._tasks: list[asyncio.Task[None]] = []

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
        self._thread.shutdown()

    async def submit(self, inputs: Arrays, outputs: Sequence[str], patience: float | None = None) -> Arrays:
        """The named outputs for checked inputs; `patience`: seconds that the request may wait.

        Raises RequestError: 400 and 413 for more than a run or an answer may hold, 503 if the queue
        is full, 504 if it waited too long, else what the run raised.
        """
        if len(self.queue) >= self.batching.limit:
            words = f"the queue is full: {self.batching.limit} requests are waiting; try again later"
            raise RequestError(words, 503)
        patience = min(self.batching.seconds, self.batching.seconds if patience is None else patience)
        if not self._joins:
            self.check_whole(inputs)
            return await self._enqueue(Waiting(inputs, outputs, None, 1, new_future(), now(), patience))
        rows = len(inputs[self._names[0]])
        key = tuple((inputs[name].dtype, inputs[name].shape[1:]) for name in self._names)
        most = self.rows_of_a_run(inputs, rows)
        if rows <= most:
            return await self._enqueue(Waiting(inputs, outputs, key, rows, new_future(), now(), patience))
        parts = (
            Waiting(part, outputs, key, size, new_future(), now(), patience)
            for part, size in split_rows(inputs, rows, most)
        )
        return await self._gather(parts, rows)

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
        while True:
            await self._arrived.wait()
            group = self._take()
            if not self.queue:
                self._arrived.clear()
            if not group:
                continue
            begun = now()
            answers = await loop.run_in_executor(self._thread, run_group, self._runner, group)
            self.observe(sum(w.rows for w in group), now() - begun, [begun - w.queued for w in group])
            for waiting, answer in zip(group, answers, strict=True):
                if waiting.future.done():
                    continue
                if isinstance(answer, BaseException):
                    waiting.future.set_exception(answer)
                else:
                    waiting.future.set_result(answer)

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
        late = now()
        group: list[Waiting] = []
        rest = deque[Waiting]()
        rows, most = 0, self.batching.max_batch
        for waiting in self.queue:
            if waiting.expire(late):
                continue
            if not group:
                group.append(waiting)
                rows = waiting.rows
                if waiting.key is not None:
                    most = self.rows_of_a_run(waiting.inputs, waiting.rows)
            elif waiting.key is not None and waiting.key == group[0].key and rows + waiting.rows <= most:
                group.append(waiting)
                rows += waiting.rows
            else:
                rest.append(waiting)
        self.queue = rest
        return group


def now() -> float:
    return time.perf_counter()


def new_future() -> "asyncio.Future[Arrays]":
    return asyncio.get_running_loop().create_future()


def split_rows(inputs: Arrays, rows: int, most: int) -> Iterator[tuple[Arrays, int]]:
    """Inputs of at most so many rows each, as views."""
    for start in range(0, rows, most):
        stop = min(start + most, rows)
        yield {name: array[start:stop] for name, array in inputs.items()}, stop - start


def check_rows(array: "np.ndarray", rows: int) -> None:
    if len(array) != rows:
        raise RequestError("the outputs do not have the rows that the model declares", 500)


class Runner:
    """A model, with the arrays into which the inputs of a joined run are written: they are made once
    for each kind of run, since fresh memory costs more than the copy.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.key: object = None
        self.buffers: dict[str, np.ndarray] = {}

    def join(self, group: Sequence[Waiting]) -> "dict[str, np.ndarray]":
        import numpy as np

        rows = sum(w.rows for w in group)
        joined = {}
        for tensor in self.model.inputs:
            first = group[0].inputs[tensor.name]
            buffer = self.buffers.get(tensor.name)
            if (
                buffer is None
                or len(buffer) < rows
                or (buffer.dtype, buffer.shape[1:]) != (first.dtype, first.shape[1:])
            ):
                buffer = self.buffers[tensor.name] = np.empty((rows, *first.shape[1:]), first.dtype)
            np.concatenate([w.inputs[tensor.name] for w in group], out=buffer[:rows])
            joined[tensor.name] = buffer[:rows]
        if sum(buffer.nbytes for buffer in self.buffers.values()) > LARGE:
            self.buffers = {}
        return joined


def run_group(runner: Runner, group: Sequence[Waiting]) -> list[Arrays | BaseException]:
    """The answer to each request of a group: outputs, or what its run raised. A failing request
    does not fail its neighbours.
    """
    if len(group) > 1:
        with suppress(Exception):  # where one is at fault, each is run alone and meets its own fate
            return list(_run_joined(runner, group))
    answers: list[Arrays | BaseException] = []
    for waiting in group:
        try:
            answers.append(runner.model.run(waiting.inputs, waiting.outputs))
        except Exception as error:
            answers.append(error)
    return answers


def _run_joined(runner: Runner, group: Sequence[Waiting]) -> list[Arrays]:
    wanted = {name for w in group for name in w.outputs}
    outputs = runner.model.run(runner.join(group), [t.name for t in runner.model.outputs if t.name in wanted])
    rows = sum(w.rows for w in group)
    for array in outputs.values():
        check_rows(array, rows)
    answers: list[Arrays] = []
    at = 0
    for w in group:
        answers.append({name: outputs[name][at : at + w.rows] for name in w.outputs})
        at += w.rows
    return answers
