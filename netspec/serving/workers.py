"""A server in several processes: in, their number and what each does; it returns when all have ended
after a signal. Knows neither models nor HTTP.

A worker that ends by itself ends the others too: nothing is started again in silence.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any

from netspec.diagnostics import SpecError, fail

__all__ = ["run_workers"]

Say = Callable[[str], None]
# Asked to end, a worker ends so; killed by the signal where it was still loading.
ASKED = (0, -signal.SIGTERM)


def run_workers(count: int, work: Callable[[Say], None]) -> None:
    """Do `work`, which must be picklable, in so many processes; each calls what it is given once it
    answers. When all have, prints what the first one said.

    SIGINT and SIGTERM are handed on. Raises SpecError: that of a worker, or NS733.
    """
    crew = Crew()
    try:
        with crew.hand_on_signals():
            crew.start(count, work)
            said = [crew.hear(number) for number in range(count)]
            if all(said):
                print(said[0], flush=True)
            ended = wait([worker.sentinel for worker in crew.workers])
            for worker in crew.workers:
                if worker.sentinel in ended:  # its pipe ends a moment before its status can be had
                    worker.join()
            crew.check()
            for worker in crew.workers:  # what was accepted is answered
                worker.join()
            crew.check()
    finally:
        crew.end()
        for worker in crew.workers:
            worker.join()


class Crew:
    """The workers of one server, with the pipes on which they tell that they answer."""

    def __init__(self) -> None:
        self.workers: list[Any] = []
        self.ears: list[Connection] = []
        self.asked = False  # to end, by a signal

    def start(self, count: int, work: Callable[[Say], None]) -> None:
        # Not forked: threads of this process, and what a GPU's library keeps, do not survive that.
        context = multiprocessing.get_context("spawn")
        for _ in range(count):
            ear, mouth = context.Pipe(duplex=False)
            worker = context.Process(target=run_worker, args=(mouth, work), daemon=True)
            worker.start()
            mouth.close()  # else the pipe would not end with the worker
            self.ears.append(ear)
            self.workers.append(worker)
        if self.asked:  # before all were there
            self.end()

    def hear(self, number: int) -> str:
        """What a worker says; nothing where it was asked to end before. Raises SpecError."""
        try:
            found = self.ears[number].recv()
        except EOFError:
            self.workers[number].join()
            self.check()
            return ""
        if isinstance(found, str):
            return found
        raise SpecError(found)

    def check(self) -> None:
        """Raises SpecError NS733 of a worker that ended, but not as it was asked to."""
        for number, worker in enumerate(self.workers, 1):
            status = worker.exitcode
            if status is not None and not (self.asked and status in ASKED):
                how = f"with exit status {status}" if status >= 0 else f"by signal {-status}"
                raise fail("NS733", f"worker {number} of {len(self.workers)} ended {how}; so do the others")

    @contextmanager
    def hand_on_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def note(self, *_: object) -> None:
        self.asked = True
        self.end()

    def end(self) -> None:
        for worker in self.workers:
            worker.terminate()


def run_worker(mouth: Connection, work: Callable[[Say], None]) -> None:
    """The life of one worker: Ctrl-C in a terminal reaches it through its parent alone, and it does
    not outlive that one.
    """
    os.setpgid(0, 0)
    threading.Thread(target=follow_parent, daemon=True).start()
    try:
        work(mouth.send)
    except SpecError as error:
        mouth.send(error.diagnostics)
        sys.exit(1)


def follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
