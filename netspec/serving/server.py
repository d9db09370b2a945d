"""A model's HTTP server as a process: in, an ONNX file and an address; it runs until SIGINT or
SIGTERM, then finishes what it accepted.
"""

import errno
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from netspec.diagnostics import fail
from netspec.diagnostics.snippet import clean
from netspec.file_reading import read_bytes, real_file
from netspec.serving.batcher import Batching
from netspec.serving.doorkeeper import Doorkeeper, read_keys
from netspec.serving.engine import Model, open_model
from netspec.serving.lifecycle import Ways, run_loop, run_server
from netspec.serving.limits import Limits, limits_text
from netspec.serving.repository import Files, Repository, find_files
from netspec.serving.rpc.server import Address, check_installed
from netspec.serving.trial import try_apart
from netspec.serving.workers import run_workers

__all__ = ["make_batching", "serve"]

Pathlike = str | os.PathLike[str]
PEM = 1 << 20
"""Bytes of a file of certificates; a chain takes some thousands."""


def serve(  # noqa: PLR0913 - the command's options
    path: Pathlike,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    device: str = "auto",
    name: str | None = None,
    limits: Limits | None = None,
    threads: int = 0,
    workers: int = 1,
    join: bool = False,
    drain_delay: float = 0.0,
    control: bool = False,
    reload: float = 0.0,
    api_keys: Pathlike | None = None,
    cors: Sequence[str] = (),
    access_log: bool = False,
    tls_cert: Pathlike | None = None,
    tls_key: Pathlike | None = None,
    grpc_port: int | None = None,
    allow_uncertified: bool = False,
) -> None:
    """Serve an ONNX file, or all of a folder (NAME/VERSION/model.onnx), until SIGINT or SIGTERM;
    prints `serving NAME on http://host:port` once it answers, and the limits.

    `port` 0 takes a free one; `name` defaults to the file's stem; `threads` as in open_model;
    workers: so many processes share the port, each with its own models, limits and statistics, and by
    `threads` 0 with its share of the cores; join: run requests together though the file does not say that rows stay apart; drain_delay: for
    so many seconds after the signal it says that it is not ready and goes on; control: clients may
    load and unload, where one process answers; reload: seconds between two looks for new files, 0 for none; api_keys: a
    file of keys, one of which a client must give; cors: origins whose pages may ask; access_log: a
    line of JSON for each answer on standard error; tls_cert, tls_key: PEM files, for HTTPS; grpc_port:
    answer over gRPC too, on this port;
    allow_uncertified: whatever a certificate says. What was accepted when the signal came is answered (within 30 s).

    Raises SpecError: NS712, NS713, NS715 as `seal.check_allowed`, NS720 to NS723 as open_model,
    NS724 (the address cannot be had), NS725 (the name cannot stand in a URL), NS730 (a folder
    without models), NS731 (no keys), NS732 (no certificate for HTTPS), NS733 (a worker ended),
    NS747 (gRPC is not installed), NS761 (onnxruntime does not survive the model).
    """
    if workers > 1 and control:
        raise ValueError("control needs one worker: a request to load a model reaches one of them only")
    if grpc_port is not None:
        check_installed()
    if workers > 1 and not threads:
        threads = max(1, (os.cpu_count() or 1) // workers)
    work = partial(
        _work, Path(path), name, host=host, device=device, threads=threads, limits=limits or Limits(),
        join=join, ways=(drain_delay, control, reload), api_keys=api_keys, cors=tuple(cors),
        access_log=access_log, tls=(tls_cert, tls_key), allow_uncertified=allow_uncertified,
    )  # fmt: skip
    with ExitStack() as held:
        if grpc_port is not None:
            grpc_port = held.enter_context(_hold(host, grpc_port)).getsockname()[1]
        work = partial(work, grpc_port=grpc_port)
        if workers == 1:
            work(partial(print, flush=True), port=port)
            return
        port = held.enter_context(_hold(host, port)).getsockname()[1]
        run_workers(workers, partial(work, port=port, shared=True))


def _work(  # noqa: PLR0913 - the command's options
    path: Path, name: str | None, say: Callable[[str], None], *, host: str, port: int, device: str,
    threads: int, limits: Limits, join: bool, ways: tuple[float, bool, float], api_keys: Pathlike | None,
    cors: tuple[str, ...], access_log: bool, tls: tuple[Pathlike | None, Pathlike | None],
    allow_uncertified: bool, grpc_port: int | None = None, shared: bool = False,
) -> None:  # fmt: skip
    """What one process does; it calls `say` once it answers. shared: others have the port too."""
    files = choose_files(path, name)
    keys = read_keys(Path(api_keys)) if api_keys is not None else ()
    door = Doorkeeper(keys, cors, access_log)
    secure = make_secure(*tls)
    scheme = "https" if secure else "http"
    rpc = None if grpc_port is None else Address(host, grpc_port, read_pem(*tls))

    def open_file(file: Path) -> Model:
        if path.is_dir() and name is None:
            keep_inside(file, path)
        if allow_uncertified:
            try_apart(file, device, threads)
        return open_model(file, device, threads, allow_uncertified=allow_uncertified, alone=True)

    with _bind(host, port, shared) as listener:
        repository = Repository(files, open_file, make_batching(limits, join))
        repository.load_all()
        shown = f"[{host}]" if ":" in host else host
        models = clean(", ".join(repository.models))
        announcement = f"serving {models} on {scheme}://{shown}:{listener.getsockname()[1]}"
        if rpc is not None:
            announcement += f" and {scheme.replace('http', 'grpc')}://{shown}:{grpc_port}"
        words = f"{announcement}\n{limits_text(limits)}"
        kept = Ways(*ways, door, secure, rpc)
        run_loop(lambda: run_server(repository, limits, listener, lambda: say(words), kept))


def keep_inside(file: Path, folder: Path) -> None:
    """Raises SpecError NS720 where a model of a folder is a link out of it, or no file."""
    try:
        real_file(file, [folder])
    except OSError as error:
        raise fail("NS720", error.strerror or str(error), path=str(file)) from error


def make_secure(cert: Pathlike | None, key: Pathlike | None) -> ssl.SSLContext | None:
    """What HTTPS needs; nothing without a certificate. Raises SpecError NS732."""
    if cert is None and key is None:
        return None
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(cert or "", key)
    except (OSError, ValueError) as error:
        raise fail("NS732", str(error), path=os.fspath(cert or key or "")) from error
    return context


def read_pem(cert: Pathlike | None, key: Pathlike | None) -> tuple[bytes, bytes] | None:
    """A private key and its certificate, which were found to fit; a certificate may hold its key."""
    if cert is None:
        return None
    return read_bytes(key or cert, None, PEM), read_bytes(cert, None, PEM)


def choose_files(path: Path, name: str | None) -> Callable[[], Files]:
    """What finds the files of a server: those of a folder now, or the one file. Raises SpecError."""
    if path.is_dir() and name is None:
        find_files(path)
        return lambda: find_files(path)
    name = path.stem if name is None else name
    if not name or "/" in name:
        raise fail("NS725", f"a model's name must be non-empty and without '/': got {name!r}")
    return lambda: {name: {"1": path}}


def make_batching(limits: Limits, join: bool) -> Batching:
    return Batching(
        limits.max_batch, limits.queue, join, limits.max_elements, limits.queue_seconds, limits.max_answer
    )


def _hold(host: str, port: int) -> socket.socket:
    """A socket that keeps a port, which nobody had, for the workers; it never listens."""
    if not hasattr(socket, "SO_REUSEPORT"):
        raise fail("NS724", f"{host}:{port}: several workers need SO_REUSEPORT, which this system lacks")
    with _bind(host, port) as alone:  # shared at once, it would also join the workers of another server
        port = alone.getsockname()[1]
    return _bind(host, port, shared=True)


def _bind(host: str, port: int, shared: bool = False) -> socket.socket:
    """A socket bound to the address, not yet listening: who connects before the model is loaded is
    refused, not left waiting. shared: with other processes that share it.
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
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            reason = "the port is in use"
        else:
            reason = error.strerror or str(error)
        raise fail("NS724", f"{host}:{port}: {reason}") from error
    return listener
