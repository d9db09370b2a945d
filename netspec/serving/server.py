"""A model's HTTP server as a process: in, an ONNX file and an address; it runs until SIGINT or
SIGTERM, then finishes what it accepted.
"""

import errno
import gc
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from netspec.diagnostics import fail
from netspec.seal import check_allowed
from netspec.serving.engine import open_model
from netspec.serving.http import create_app

__all__ = ["serve"]

KEEP_ALIVE = 75
GRACE = 60


def serve(  # noqa: PLR0913 - the command's options
    path: str | os.PathLike[str],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    device: str = "auto",
    name: str | None = None,
    max_batch: int = 64,
    queue: int = 256,
    threads: int = 0,
    join: bool = False,
    allow_uncertified: bool = False,
) -> None:
    """Serve an ONNX file until SIGINT or SIGTERM; prints `serving NAME on http://host:port` once it
    answers.

    `port` 0 takes a free one; `name` defaults to the file's stem; a joined run has at most
    `max_batch` rows; above `queue` waiting requests the answer is 503; `threads` as in open_model;
    join: run requests together though the file does not say that rows stay apart;
    allow_uncertified: whatever its certificate says. Requests in flight when the signal comes are
    answered (within 60 s). Raises SpecError: NS712, NS713, NS715 as `seal.check_allowed`, NS720 to
    NS723 as open_model, NS724 (the address cannot be had), NS725 (the name cannot stand in a URL).
    """
    check_allowed(path, allow_uncertified)
    name = Path(path).stem if name is None else name
    if not name or "/" in name:
        raise fail("NS725", f"a model's name must be non-empty and without '/': got {name!r}")
    with _bind(host, port) as listener:
        model = open_model(
            path, device, threads, allow_uncertified=True
        )  # the certificate was looked at above
        config = uvicorn.Config(
            create_app(model, name, max_batch=max_batch, queue=queue, join=join), ws="none", lifespan="on",
            access_log=False, log_level="error",
            server_header=False, timeout_keep_alive=KEEP_ALIVE, timeout_graceful_shutdown=GRACE,
        )  # fmt: skip
        shown = f"[{host}]" if ":" in host else host
        with _signals_absorbed():
            _Server(config, f"serving {name} on http://{shown}:{listener.getsockname()[1]}").run(
                sockets=[listener]
            )


class _Server(uvicorn.Server):
    """uvicorn's server, which says that it is up, and where."""

    def __init__(self, config: uvicorn.Config, announcement: str) -> None:
        super().__init__(config)
        self.announcement = announcement

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What is alive now stays alive: the collector need not look at it again, nor often at the
        # little that a request makes.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        print(self.announcement, flush=True)


def _bind(host: str, port: int) -> socket.socket:
    """A socket bound to the address, not yet listening: who connects before the model is loaded is
    refused, not left waiting.
    """
    if not 0 <= port <= 65535:  # getaddrinfo would take it modulo 65536
        raise fail("NS724", f"a port must be from 0 to 65535: got {port}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise fail("NS724", f"{host}:{port}: {error}") from error
    try:
        if os.name == "posix":  # elsewhere the option would let two servers share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            reason = "the port is in use"
        else:
            reason = error.strerror or str(error)
        raise fail("NS724", f"{host}:{port}: {reason}") from error
    return listener


@contextmanager
def _signals_absorbed() -> Iterator[None]:
    """uvicorn raises a signal again after its graceful end; here that end is the whole answer, and
    the exit status is 0.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
