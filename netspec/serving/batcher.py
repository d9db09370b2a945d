"""Dynamic batching: requests in, each its own outputs out; what queued up while the model ran is
joined into the next run.

It never waits for a batch to fill: an idle model runs at once. Requests are joined along the batch
symbol if all else is equal and the model's rows are known to stay apart: then an answer does not
depend on what else arrives.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from netspec.serving.engine import Model
from netspec.serving.tensors import RequestError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Batcher", "Batching"]

Arrays = Mapping[str, "np.ndarray"]


@dataclass(frozen=True, eq=False, slots=True)
class Waiting:
    """A request in the queue. Requests of the same key may be joined; None is never joined."""

    inputs: Arrays
    outputs: Sequence[str]
    key: object
    rows: int
    future: "asyncio.Future[Arrays]"


class Batching(NamedTuple):
    """How requests are joined: the most rows of a joined run, the most that wait, and whether also
    where the file is silent.
    """

    max_batch: int
    limit: int
    join: bool = False


class Batcher:
    """One thread that runs the model, and the bounded queue before it.

    `max_batch` bounds the rows of a joined run (a single larger request still runs, alone); `limit`
    bounds the waiting requests. `observe` is told the rows of every run. Use it within a running
    event loop: `start`, `submit`, `stop`.
    """

    def __init__(self, model: Model, batching: Batching, observe: Callable[[int], None]) -> None:
        self.model = model
        self.max_batch = batching.max_batch
        self.limit = batching.limit
        self.observe = observe
        self.queue: deque[Waiting] = deque()
        self._joins = model.joins(batching.join)
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "netspec-model")

    def start(self) -> None:
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """End the thread once its run is over. Whoever calls this has no request waiting any
        more.
        """
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown()

    async def submit(self, inputs: Arrays, outputs: Sequence[str]) -> Arrays:
        """The named outputs for checked inputs. Raises RequestError: 503 if the queue is full, else
        what the run raised.
        """
        if len(self.queue) >= self.limit:
            raise RequestError(f"the queue is full: {self.limit} requests are waiting; try again later", 503)
        key, rows = None, 1
        if self._joins:
            rows = len(inputs[self.model.inputs[0].name])
            key = tuple((inputs[t.name].dtype, inputs[t.name].shape[1:]) for t in self.model.inputs)
        future: asyncio.Future[Arrays] = asyncio.get_running_loop().create_future()
        self.queue.append(Waiting(inputs, outputs, key, rows, future))
        self._arrived.set()
        return await future

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            group = self._take()
            if not self.queue:
                self._arrived.clear()
            answers = await loop.run_in_executor(self._thread, run_group, self.model, group)
            self.observe(sum(w.rows for w in group))
            for waiting, answer in zip(group, answers, strict=True):
                if waiting.future.cancelled():
                    continue
                if isinstance(answer, BaseException):
                    waiting.future.set_exception(answer)
                else:
                    waiting.future.set_result(answer)

    def _take(self) -> list[Waiting]:
        """The request that waited longest and, in order, those that can join it; the others keep
        their places.
        """
        head = self.queue.popleft()
        if head.key is None or not self.queue:
            return [head]
        group, rows, rest = [head], head.rows, deque[Waiting]()
        for waiting in self.queue:
            if waiting.key == head.key and rows + waiting.rows <= self.max_batch:
                group.append(waiting)
                rows += waiting.rows
            else:
                rest.append(waiting)
        self.queue = rest
        return group


def run_group(model: Model, group: Sequence[Waiting]) -> list[Arrays | BaseException]:
    """The answer to each request of a group: outputs, or what its run raised. A failing request
    does not fail its neighbours.
    """
    if len(group) > 1:
        with suppress(Exception):  # where one is at fault, each is run alone and meets its own fate
            return list(_run_joined(model, group))
    answers: list[Arrays | BaseException] = []
    for waiting in group:
        try:
            answers.append(model.run(waiting.inputs, waiting.outputs))
        except Exception as error:
            answers.append(error)
    return answers


def _run_joined(model: Model, group: Sequence[Waiting]) -> list[Arrays]:
    import numpy as np

    joined = {t.name: np.concatenate([w.inputs[t.name] for w in group]) for t in model.inputs}
    wanted = {name for w in group for name in w.outputs}
    outputs = model.run(joined, [t.name for t in model.outputs if t.name in wanted])
    ends = np.cumsum([w.rows for w in group]).tolist()
    if any(len(array) != ends[-1] for array in outputs.values()):
        raise RequestError("the outputs do not have the rows that the model declares", 500)
    starts = [0, *ends[:-1]]
    return [
        {name: outputs[name][a:b] for name in w.outputs} for w, a, b in zip(group, starts, ends, strict=True)
    ]
