"""What the connections of a server share: its limits, who is there, how many bytes of bodies are in
flight, and whether it is leaving. Once in half a second it looks for those who took too long.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from netspec.serving.limits import Limits
from netspec.serving.tensors import RequestError

__all__ = ["Gate"]

TICK = 0.5
# Handles that are no connection: the model, its folder, pipes, and one burst of the accepting loop.
SPARE = 32
# While a server leaves, a connection that was silent for so long is taken to have nothing on its way.
QUIET = 1.0


class Client(Protocol):
    """What a gate asks of a connection. since: the time of its last sign of life."""

    since: float
    answered: int

    @property
    def silent(self) -> bool: ...

    def drop(self) -> None: ...

    def check_time(self, now: float) -> None: ...


class Gate:
    """One for each server. Use it within a running loop."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.loop = asyncio.get_running_loop()
        self.open: set[Client] = set()
        self.bodies = 0
        self.leaving = False
        self.left_at = 0.0
        self.most = min(limits.connections, count_handles())

    def admit(self, connection: Client) -> bool:
        """Take a connection in; where there is no place, the one longest silent makes room."""
        if len(self.open) >= self.most:
            silent = [c for c in self.open if c.silent]
            if not silent:
                return False
            min(silent, key=lambda c: (c.answered > 0, c.since)).drop()
        self.open.add(connection)
        return True

    def reserve(self, size: int) -> bool:
        """Room for so many more bytes of bodies, if there is."""
        if self.bodies + size > self.limits.max_bodies:
            return False
        self.bodies += size
        return True

    def release(self, size: int) -> None:
        self.bodies -= size

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Count so many bytes among the bodies in flight. Raises RequestError (503)."""
        if not self.reserve(size):
            raise self.refusal()
        try:
            yield
        finally:
            self.release(size)

    def refusal(self) -> RequestError:
        words = f"the bodies in flight may have {self.limits.max_bodies} bytes together"
        return RequestError(f"{words}; try again later", 503)

    def leave(self) -> None:
        """From now on every answer ends its connection, and silent ones are closed."""
        self.leaving = True
        self.left_at = self.loop.time()

    async def watch(self) -> None:
        """Close whatever took too long, until cancelled."""
        while True:
            await asyncio.sleep(TICK)
            now = self.loop.time()
            for connection in tuple(self.open):
                connection.check_time(now)
                if self.leaving and connection.silent and now - max(connection.since, self.left_at) > QUIET:
                    connection.drop()


def count_handles() -> int:
    """How many connections this process may have open by the system's word."""
    try:
        import resource

        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        used = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 32
    except ImportError:
        return 1 << 30
    if most == resource.RLIM_INFINITY:
        return 1 << 30
    return max(4, most - used - SPARE)
