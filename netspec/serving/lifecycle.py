"""How a server lives: in, a repository, limits and a bound socket; it answers until a signal, then is
not ready, goes on for the delay, ends each connection with its next answer, and is gone.
"""

import asyncio
import gc
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from netspec.serving.connection import Connection
from netspec.serving.doorkeeper import Doorkeeper
from netspec.serving.exchange import Request, Response
from netspec.serving.gate import Gate
from netspec.serving.http import Service
from netspec.serving.limits import Limits
from netspec.serving.memory import keep_little
from netspec.serving.repository import Repository
from netspec.serving.rpc.server import Address, Rpc

__all__ = ["Site", "Ways", "run_loop", "run_server"]

BACKLOG = 2048
# Connections that a loop takes at a time. One that makes room is closed some five rounds later, so the
# gate keeps more handles spare than five times these.
BURST = 4
DRAIN = 30.0
"""Seconds that accepted requests have after a signal; Kubernetes ends a process by force after 30."""


class Ways(NamedTuple):
    """How a server goes about it, beside its limits.

    delay: seconds between the signal and the end; control: clients may load and unload; reload:
    seconds between two looks for new files, 0 for none; door: who may ask; secure: for HTTPS; grpc:
    where it answers over gRPC too.
    """

    delay: float = 0.0
    control: bool = False
    reload: float = 0.0
    door: Doorkeeper | None = None
    secure: ssl.SSLContext | None = None
    grpc: Address | None = None


class Site:
    """The service behind one socket. Use it within a running loop: `open`, `leave`."""

    def __init__(self, repository: Repository, limits: Limits, ways: Ways | None = None) -> None:
        self.gate = Gate(limits)
        self.ways = ways or Ways()
        self.service = Service(repository, self.gate, self.ways.control)
        self.rpc: Rpc | None = None
        self.tasks: list[asyncio.Task[None]] = []

    def connect(self) -> Connection:
        return Connection(self.gate, self.respond, self.look)

    def look(self, request: Request) -> Response | None:
        """A refusal that needs neither a body nor a turn of the loop; none where the door has a word to say."""
        if self.ways.door is not None and self.ways.door.concerns(request):
            return None
        return self.service.turn_away(request)

    def respond(self, request: Request) -> Awaitable[Response]:
        if self.ways.door is None:
            return self.service.respond(request)
        return self.ways.door.respond(request, self.service.respond)

    async def open(self, listener: socket.socket) -> None:
        self.service.start()
        self.again = listener.dup()  # what waits on it when the loop lets it go is not lost
        loop = self.gate.loop
        secure = self.ways.secure
        more: Any = {"ssl_handshake_timeout": self.gate.limits.head_seconds} if secure else {}
        self.server = await loop.create_server(self.connect, sock=listener, backlog=BURST, ssl=secure, **more)
        self.again.listen(BACKLOG)
        if self.ways.grpc is not None:
            self.rpc = Rpc(self.service, self.ways.door)
            await self.rpc.open(self.ways.grpc)
        self.tasks = [loop.create_task(self.gate.watch())]
        if self.ways.reload:
            self.tasks.append(loop.create_task(self.service.repository.watch(self.ways.reload)))

    async def leave(self) -> None:
        """Answer all that was accepted, for 30 seconds at most."""
        self.gate.leave()
        self.server.close()
        await self.accept_rest()
        end = self.gate.loop.time() + DRAIN
        ending = [self.rpc.leave(DRAIN)] if self.rpc else []
        await asyncio.gather(self.await_rest(end), *ending)
        for connection in tuple(self.gate.open):
            connection.drop()
        for task in self.tasks:
            task.cancel()
        await self.service.stop()

    async def await_rest(self, end: float) -> None:
        while self.gate.open and self.gate.loop.time() < end:
            await asyncio.sleep(0.02)

    async def accept_rest(self) -> None:
        """Take the connections that were made before the server ceased to listen."""
        self.again.setblocking(False)
        with self.again, suppress(BlockingIOError):
            while True:
                client, _ = self.again.accept()
                await self.gate.loop.connect_accepted_socket(self.connect, client, ssl=self.ways.secure)


def run_loop(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """asyncio.run, on uvloop where it is installed."""
    factory = None
    with suppress(ImportError):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


async def run_server(
    repository: Repository, limits: Limits, listener: socket.socket, announce: Callable[[], None], ways: Ways
) -> None:
    """Answer until a signal; a second one ends the delay. `announce` is called when it answers."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(Reporter().report)
    site = Site(repository, limits, ways)
    await site.open(listener)
    freeze_garbage()
    keep_little()
    with await_signals(loop) as stopped:
        announce()
        await stopped.wait()
        site.service.ready = False
        stopped.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), ways.delay)
        await site.leave()


def freeze_garbage() -> None:
    """What is alive now stays alive: the collector need not look at it again, nor often at the
    little that a request makes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


class Reporter:
    """What goes wrong in the loop, as one line for each kind a minute: no client can fill the log."""

    def __init__(self) -> None:
        self.said: dict[str, float] = {}

    def report(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        words = f"{context.get('message')}: {context.get('exception')}"[:300]
        kind = str(context.get("message"))
        if loop.time() - self.said.get(kind, -60.0) >= 60.0:
            self.said[kind] = loop.time()
            print(f"netspec serve: {words}", file=sys.stderr, flush=True)


@contextmanager
def await_signals(loop: asyncio.AbstractEventLoop) -> Iterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set; in another thread than the main one nothing does."""
    event = asyncio.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def note(*_: object) -> None:
        loop.call_soon_threadsafe(event.set)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
