"""One run of the model for several requests: in, a group of them; out, the answer to each, from its own
rows. Knows no queue.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netspec.serving.engine import LARGE, Model
from netspec.serving.tensors import RequestError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Arrays", "Runner", "Waiting", "check_rows", "now", "run_group"]

Arrays = Mapping[str, "np.ndarray"]


def now() -> float:
    return time.perf_counter()


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
    most: int = 1 << 62
    """Rows of a run that it is in."""

    def expire(self, now: float) -> bool:
        """Whether it need not run: its client went away, or it waited too long, which it is told."""
        if self.future.done():
            return True
        if now - self.queued <= self.patience:
            return False
        words = f"the model was not free within {self.patience:g} seconds; try again later"
        self.future.set_exception(RequestError(words, 504))
        return True


def check_rows(array: "np.ndarray", rows: int) -> None:
    if len(array) != rows:
        raise RequestError("the outputs do not have the rows that the model declares", 500)


class Runner:
    """A model, with the arrays into which the inputs of a joined run are written: they are made once
    for each kind of run, since fresh memory costs more than the copy.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
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


def run_group(runner: Runner, group: Sequence[Waiting]) -> tuple[list[Arrays | BaseException], float]:
    """The answer to each request of a group: outputs, or what its run raised; and the seconds that it
    took.
    """
    begun = now()
    return run_each(runner, group), now() - begun


def run_each(runner: Runner, group: Sequence[Waiting]) -> list[Arrays | BaseException]:
    """A failing request does not fail its neighbours."""
    if len(group) > 1:
        with suppress(Exception):  # where one is at fault, each is run alone and meets its own fate
            return list(run_joined(runner, group))
    answers: list[Arrays | BaseException] = []
    for waiting in group:
        try:
            answers.append(runner.model.run(waiting.inputs, waiting.outputs))
        except Exception as error:
            answers.append(error.with_traceback(None))  # it would hold this frame, and that the answers
    return answers


def run_joined(runner: Runner, group: Sequence[Waiting]) -> list[Arrays]:
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
