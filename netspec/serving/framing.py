"""Bytes of HTTP/1.1 to calls: in, what a socket gave; out, `on_url`, `on_header`,
`on_headers_complete`, `on_body`, `on_message_complete` of a listener.

httptools where it is installed (extra `serve`), else h11 behind the same calls.
"""

from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["FramingError", "Listener", "Parser", "choose_parser"]

# h11 keeps no more of a head that is not whole; the bound that clients meet is the connection's.
LONGEST = 1 << 20


class FramingError(Exception):
    """What came is not HTTP/1.1."""


class Listener(Protocol):
    """What a parser calls."""

    def on_url(self, url: bytes) -> None: ...
    def on_header(self, name: bytes, value: bytes) -> None: ...
    def on_headers_complete(self) -> None: ...
    def on_body(self, body: bytes) -> None: ...
    def on_message_complete(self) -> None: ...


class Parser(Protocol):
    """What a connection asks."""

    def feed_data(self, data: bytes) -> None: ...
    def get_method(self) -> bytes: ...
    def get_http_version(self) -> str: ...


Faults = tuple[type[Exception], ...]


def choose_parser() -> tuple[Callable[[Listener], Parser], Faults, Faults]:
    """The parser at hand, what it raises for bytes that are not HTTP, and for a wish to change to
    another protocol.
    """
    try:
        import httptools
    except ImportError:
        import h11  # noqa: F401 - one of the two must be there, and it is told now if none is

        return H11Parser, (FramingError,), ()
    return httptools.HttpRequestParser, (httptools.HttpParserError,), (httptools.HttpParserUpgrade,)


class H11Parser:
    """h11 as a parser alone: each request counts as answered as soon as it has come whole, since who
    listens keeps the order of answers itself.
    """

    def __init__(self, listener: Listener) -> None:
        import h11

        self.listener = listener
        self.connection = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST)
        self.request: Any = None

    def get_method(self) -> bytes:
        method: bytes = self.request.method
        return method

    def get_http_version(self) -> str:
        version: bytes = self.request.http_version
        return version.decode("ascii")

    def feed_data(self, data: bytes) -> None:
        """Raises FramingError."""
        import h11

        try:
            self.connection.receive_data(data)
            while self.pass_event(self.connection.next_event()):
                pass
        except h11.RemoteProtocolError as error:
            raise FramingError(str(error)) from error

    def pass_event(self, event: Any) -> bool:
        """Call the listener; False where more bytes are needed, or none will be understood."""
        import h11

        if isinstance(event, h11.Request):
            self.request = event
            self.listener.on_url(event.target)
            for name, value in event.headers:
                self.listener.on_header(name, value)
            self.listener.on_headers_complete()
        elif isinstance(event, h11.Data):
            self.listener.on_body(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            return self.end_message()
        else:
            return False
        return True

    def end_message(self) -> bool:
        import h11

        self.listener.on_message_complete()
        self.connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
        self.connection.send(h11.EndOfMessage())
        if self.connection.our_state is not h11.DONE:
            return False  # the client said that this was its last
        self.connection.start_next_cycle()
        return True
