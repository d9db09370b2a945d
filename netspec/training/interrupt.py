"""Ctrl-C as a request. In: signals; out: which one came, for the loop to look at between
iterations.
"""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Interrupt", "exit_code_of"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def exit_code_of(number: int | None) -> int:
    """0, or 128 + the number of the signal that asked for the stop, as a shell has it."""
    if number is None:
        return 0
    return 128 + number


class Interrupt:
    """While entered, the first SIGINT or SIGTERM is noted in `signal`; a second one stops at once.
    Does nothing outside the main thread.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self.before = {number: signal.signal(number, self.note) for number in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number
