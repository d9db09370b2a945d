"""Who may ask, from which pages, and what is noted of it: in, a request and its answer; out, a refusal,
headers, a line of the log. Knows no models.
"""

import hmac
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from netspec.diagnostics import fail
from netspec.file_reading import open_file
from netspec.serving.exchange import Request, Response, make_error

__all__ = ["Doorkeeper", "read_keys"]

Answer = Callable[[Request], Awaitable[Response]]
ID = b"x-request-id"
LONGEST = 128
# What is asked before anybody has a key.
OPEN = (
    *(b"/v2/health/live", b"/v2/health/ready", b"/"),
    *(b"/inference.GRPCInferenceService/ServerLive", b"/inference.GRPCInferenceService/ServerReady"),
)
PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"*, authorization"),
    (b"access-control-max-age", b"600"),
)
KEYS = 1 << 20
"""Bytes of a file of keys: ten thousand and more, and no mistaken model is read as one."""


@dataclass(frozen=True)
class Doorkeeper:
    """keys: one of them must be given, if there are any; origins: pages of these may ask (`*`: of
    all); log: whether each answer is noted on standard error as a line of JSON.
    """

    keys: tuple[bytes, ...] = ()
    origins: tuple[str, ...] = ()
    log: bool = False

    def respond(self, request: Request, answer: Answer) -> Awaitable[Response]:
        """The answer, or a refusal; with the id of the request, and what a browser wants to know."""
        if self.concerns(request):
            return self.watch(request, answer)
        return answer(request)

    def concerns(self, request: Request) -> bool:
        return bool(self.keys or self.origins or self.log or ID in request.headers)

    async def watch(self, request: Request, answer: Answer) -> Response:
        begun = time.perf_counter()
        headers = self.allow_origin(request)
        if headers and request.method == b"OPTIONS":
            response = Response(204, headers=PREFLIGHT)
        elif self.admit(request):
            response = await answer(request)
        else:
            response = make_error("this server wants a key: Authorization: Bearer KEY", 401)
            headers += ((b"www-authenticate", b"Bearer"),)
        name = request.headers.get(ID, b"")[:LONGEST]
        if self.log and not name:
            name = token_hex(8).encode()
        if name:
            headers += ((ID, name),)
        if self.log:
            self.note(request, response, name, time.perf_counter() - begun)
        if headers:
            return response._replace(headers=response.headers + headers)
        return response

    def admit(self, request: Request) -> bool:
        if not self.keys or request.target.partition(b"?")[0] in OPEN:
            return True
        given = request.headers.get(b"authorization", b"").partition(b" ")
        key = given[2].strip() if given[0].lower() == b"bearer" else request.headers.get(b"x-api-key", b"")
        # All are compared, so that time tells nothing.
        return sum(hmac.compare_digest(key, known) for known in self.keys) > 0

    def allow_origin(self, request: Request) -> tuple[tuple[bytes, bytes], ...]:
        origin = request.headers.get(b"origin")
        if origin is None or not self.origins:
            return ()
        if "*" in self.origins:
            return ((b"access-control-allow-origin", b"*"),)
        if origin.decode("latin-1") in self.origins:
            return ((b"access-control-allow-origin", origin), (b"vary", b"origin"))
        return ()

    def note(self, request: Request, response: Response, name: bytes, seconds: float) -> None:
        line = {
            "time": round(time.time(), 3),
            "peer": request.peer,
            "method": request.method.decode("latin-1"),
            "target": request.target.decode("latin-1")[:500],
            "status": response.status,
            "bytes_in": len(request.body),
            "bytes_out": len(response.body),
            "ms": round(seconds * 1000, 3),
            "id": name.decode("latin-1"),
        }
        print(json.dumps(line), file=sys.stderr, flush=True)


def read_keys(path: Path) -> tuple[bytes, ...]:
    """A key on each line; empty lines and those that begin with # are none. Raises SpecError NS731."""
    try:
        with open_file(path) as file:
            lines = [line.strip() for line in file.read(KEYS).splitlines()]
    except OSError as error:
        raise fail("NS731", error.strerror or str(error), path=str(path)) from error
    keys = tuple(line for line in lines if line and not line.startswith(b"#"))
    if not keys:
        raise fail("NS731", "it holds no key", path=str(path))
    return keys
