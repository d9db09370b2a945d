"""One HTTP/1.1 connection: in, bytes; out, the answers to its requests, in order.

It holds requests against the limits before anything of them is read further. Knows no model.
"""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable
from functools import lru_cache
from http import HTTPStatus
from typing import Any, cast

from netspec.serving.exchange import Request, Response, make_error
from netspec.serving.framing import Parser, choose_parser
from netspec.serving.gate import Gate

__all__ = ["Connection"]

HEAD = 16 * 1024
# How long to go on reading what has been refused: a client that is still sending would not see why.
LINGER = 2.0
# So many requests may be sent ahead of their answers.
AHEAD = 16
LENGTH = re.compile(rb"[0-9]{1,18}")

# A refused body of more bytes than these is not waited for: that ends the connection, which costs a client more.
SMALL = 64 * 1024

Answer = Callable[[Request], Awaitable[Response]]
Look = Callable[[Request], Response | None]


class Connection(asyncio.Protocol):
    """What a loop makes for each client. `answer` makes a Response of a Request, `look` a refusal of those
    that are known by their head to be refused; neither raises.
    """

    make, faults, upgrades = choose_parser()

    def __init__(self, gate: Gate, answer: Answer, look: Look) -> None:
        self.gate = gate
        self.answer = answer
        self.look = look
        self.parser: Parser = type(self).make(self)
        self.waiting: deque[tuple[Request, bool]] = deque()
        self.task: asyncio.Task[None] | None = None
        self.refusal: Response | None = None
        self.since = gate.loop.time()
        self.peer = ""
        self.answered = 0
        self.head = 0  # bytes of a head that is not whole
        self.partial: Request | None = None  # a request whose body is still coming
        self.lingering = False  # what comes is read and dropped
        self.writing = False  # the client does not read as fast as it is answered
        self.held = 0  # bytes of bodies that the gate counts for this connection
        self.start_request()

    def start_request(self) -> None:
        self.url = b""
        self.headers: dict[bytes, bytes] = {}
        self.parts: list[bytes] = []
        self.length = 0

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one by its methods alone
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self.peer = f"{peer[0]}:{peer[1]}"
        if not self.gate.admit(self):
            self.write(make_error("too many connections; try again later", 503), True)
            self.end()

    def data_received(self, data: bytes) -> None:
        if self.lingering:
            return
        if self.partial is None:
            if not self.head:
                self.since = self.gate.loop.time()
            self.head += len(data)
        try:
            self.parser.feed_data(data)
        except self.upgrades:
            return  # to another protocol, which nobody has to follow: the answer is in HTTP/1.1
        except self.faults as error:
            self.refuse(make_error(f"the request must be HTTP/1.1: {error}", 400))
            return
        if self.head > HEAD and not self.lingering:
            self.refuse(make_error(f"the head of a request must have at most {HEAD} bytes", 431))

    def eof_received(self) -> bool:
        return False  # who sends no more is taken to be gone

    def connection_lost(self, error: Exception | None) -> None:
        self.gate.open.discard(self)
        self.free(self.held)
        self.waiting.clear()
        self.partial = None
        self.start_request()
        # Both hold this connection in turn: all that came would wait for the collector.
        del self.parser
        task, self.task = self.task, None
        if task is not None:
            task.cancel()

    def pause_writing(self) -> None:
        self.writing, self.since = True, self.gate.loop.time()

    def resume_writing(self) -> None:
        self.writing = False

    # What the parser calls.

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in self.headers:  # as RFC 9110, 5.3, joins them
            value = self.headers[name] + b", " + value
        self.headers[name] = value

    def on_headers_complete(self) -> None:
        if self.lingering:
            return
        self.head = 0
        self.since = self.gate.loop.time()
        self.partial = Request(self.parser.get_method(), self.url, self.headers, b"", self.peer)
        announced = self.headers.get(b"content-length", b"0")
        if not LENGTH.fullmatch(announced):
            self.refuse(make_error("Content-Length must be a number of bytes", 400))
            return
        if int(announced) > SMALL and (refusal := self.look(self.partial)) is not None:
            self.refuse(refusal)
            return
        self.hold(int(announced), int(announced))
        if not self.lingering and self.headers.get(b"expect", b"").lower() == b"100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if self.lingering:
            return
        self.length += len(body)
        self.parts.append(body)
        if b"content-length" not in self.headers:
            self.hold(len(body), self.length)

    def on_message_complete(self) -> None:
        if self.lingering or self.partial is None:
            return
        request, self.partial = self.partial, None
        if self.parts:
            request.body = self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)
        ends = b"close" in self.headers.get(b"connection", b"").lower() or b"upgrade" in self.headers
        last = ends or self.parser.get_http_version() == "1.0"
        self.start_request()
        if self.task is None and (refusal := self.look(request)) is not None:
            self.tell(request, refusal, last)
            return
        self.waiting.append((request, last))
        if len(self.waiting) > AHEAD:
            self.transport.pause_reading()
        if self.task is None:
            self.task = self.gate.loop.create_task(self.work())

    # What it does.

    def hold(self, size: int, total: int) -> None:
        """Count the bytes of a body before they are kept; refuse what the limits do not take."""
        limits = self.gate.limits
        if total > limits.max_body:
            self.refuse(make_error(f"the body must have at most {limits.max_body} bytes", 413))
        elif size and not self.gate.reserve(size):
            words = f"the bodies in flight may have {limits.max_bodies} bytes together; try again later"
            self.refuse(make_error(words, 503))
        else:
            self.held += size

    def free(self, size: int) -> None:
        self.gate.release(size)
        self.held -= size

    async def work(self) -> None:
        """Answer what waits, one after the other."""
        while self.waiting:
            request, last = self.waiting.popleft()
            if self.tell(request, await self.answer(request), last):
                break
            if len(self.waiting) == AHEAD:
                self.transport.resume_reading()
        self.task = None
        if self.refusal is not None:
            self.refuse(self.refusal)

    def tell(self, request: Request, response: Response, last: bool) -> bool:
        """Answer a request; whether that was the last answer."""
        last = last or self.gate.leaving
        self.write(response, last, request.method == b"HEAD")
        self.free(len(request.body))
        if last:
            self.end()
        return last

    def write(self, response: Response, last: bool, headless: bool = False) -> None:
        self.answered += 1
        self.since = self.gate.loop.time()
        head = make_head(response.status, response.kind, len(response.body), last)
        more = b"".join(b"%b: %b\r\n" % header for header in response.headers)
        self.transport.write(b"".join((head, more, b"\r\n", b"" if headless else response.body)))

    def refuse(self, response: Response) -> None:
        """Take nothing more from this client and tell it why, once it has the answers to what it
        sent before.
        """
        self.lingering = True
        self.partial = None
        self.parts.clear()
        if self.task is not None:
            self.refusal = response
            return
        self.write(response, True)
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def end(self) -> None:
        self.lingering = True
        self.transport.close()

    def drop(self) -> None:
        """Close a connection on which nothing is under way."""
        self.gate.open.discard(self)
        self.transport.abort()

    @property
    def silent(self) -> bool:
        """Whether nothing that could be answered is under way."""
        return self.task is None and self.partial is None and not self.writing

    def check_time(self, now: float) -> None:
        """Close where the client took too long."""
        passed = now - self.since
        if self.partial is not None:
            if passed > self.gate.limits.body_seconds:
                words = f"the body must arrive within {self.gate.limits.body_seconds:g} seconds"
                self.refuse(make_error(words, 408))
        elif self.task is None and passed > self.patience():
            self.drop()

    def patience(self) -> float:
        limits = self.gate.limits
        if self.writing:
            return limits.body_seconds
        if self.lingering:
            return LINGER
        if self.answered and not self.head:
            return limits.idle_seconds
        return limits.head_seconds


@lru_cache(maxsize=512)
def make_head(status: int, kind: bytes, length: int, last: bool) -> bytes:
    """A head without its empty line."""
    words: Any = HTTPStatus(status).phrase
    ends = b"connection: close\r\n" if last else b""
    head = b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n"
    return head % (status, words.encode(), kind, length) + ends
