"""A bounded queue filled by one thread: work is done ahead of its use, exceptions reach the user,
and closing ends the thread.
"""

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Prefetch"]

T = TypeVar("T")


class Prefetch(Generic[T]):
    """`produce(0)`, `produce(1)`, ... made at most `depth` ahead; it returns None after the last
    one, and then no more is asked for.
    """

    def __init__(self, produce: Callable[[int], T | None], depth: int) -> None:
        self.ready: queue.Queue[T | BaseException | None] = queue.Queue(depth)
        self.stop = threading.Event()
        self.thread = threading.Thread(
            target=work, args=(produce, self.ready, self.stop), name="netspec-prefetch", daemon=True
        )
        self.thread.start()

    def next(self) -> T | None:
        """The next product, or None past the last; raises what its making raised."""
        made = self.ready.get()
        if isinstance(made, BaseException):
            raise made
        return made

    def close(self) -> None:
        """End the thread and wait for it; the product under way is dropped."""
        self.stop.set()
        self.thread.join()

    def __del__(self) -> None:
        self.stop.set()


def work(
    produce: Callable[[int], T | None],
    ready: "queue.Queue[T | BaseException | None]",
    stop: threading.Event,
) -> None:
    number = 0
    while not stop.is_set():
        try:
            made: T | BaseException | None = produce(number)
        except BaseException as error:
            made = error
        while not stop.is_set():
            try:
                ready.put(made, timeout=0.05)
                break
            except queue.Full:
                continue
        if made is None or isinstance(made, BaseException):
            return
        number += 1
