"""The gRPC server: in, the service behind HTTP, and an address; out, the calls of
GRPCInferenceService, answered by it. A refusal is a status with the sentence that HTTP would have.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from secrets import token_hex
from typing import Any, NamedTuple

import orjson

from netspec.diagnostics import fail
from netspec.serving.doorkeeper import Doorkeeper
from netspec.serving.exchange import Request, Response, make_json
from netspec.serving.http import Service, report_bug
from netspec.serving.repository import Asked
from netspec.serving.rpc.messages import SERVICE, message_class
from netspec.serving.rpc.tensors import read_message, read_tensors, write_message
from netspec.serving.tensors import RequestError

__all__ = ["Address", "Rpc", "check_installed"]

STATUSES = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED", 413: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 500: "INTERNAL",
    501: "UNIMPLEMENTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip
REFUSED = {
    **{
        f"{kind}SharedMemory{what}": "shared memory: tensors go in the message"
        for kind in ("System", "Cuda")
        for what in ("Status", "Register", "Unregister")
    },
    "TraceSetting": "traces: see /metrics and the statistics",
    "LogSettings": "settings of its log: see `netspec serve --access-log`",
}
# Calls whose message is empty: it is not even read, so that a probe is answered whatever else is under way.
EMPTY = ("ServerLive", "ServerReady", "ServerMetadata")
# So many requests of one stream are under way at a time.
AHEAD = 16
# Bytes that gRPC takes of a message before it is asked for it.
UNASKED = 64 * 1024
METADATA = 16 * 1024
# Calls at a time of one connection; what RFC 9113, 6.5.2, calls the least that does not slow a client.
STREAMS = 100
"""Bytes of a call's metadata, gRPC's own bound where none is given."""


class Address(NamedTuple):
    """Where it listens; pem: a private key and its certificate, for TLS."""

    host: str
    port: int
    pem: tuple[bytes, bytes] | None = None


class Call(NamedTuple):
    """A call that HTTP has too: the handler there, and the field of the answer that holds all of it."""

    handler: Callable[[Request, dict[str, str]], Awaitable[Response]]
    under: str = ""


class Rpc:
    """One server. Use it within a running loop: `open`, `leave`."""

    def __init__(self, service: Service, door: Doorkeeper | None = None) -> None:
        self.service = service
        self.door = door or Doorkeeper()
        self.readers: set[asyncio.Task[None]] = set()
        self.reading = 0
        self.room = asyncio.Condition()
        self.calls = {
            "ServerLive": Call(service.show_live),
            "ServerReady": Call(service.show_ready),
            "ModelReady": Call(self.show_model_ready),
            "ServerMetadata": Call(service.show_server),
            "ModelMetadata": Call(service.show_model),
            "ModelConfig": Call(service.show_config, "config"),
            "ModelStatistics": Call(service.show_statistics),
            "RepositoryIndex": Call(service.show_index, "models"),
            "RepositoryModelLoad": Call(service.load),
            "RepositoryModelUnload": Call(service.unload),
        }

    async def open(self, address: Address) -> None:
        import grpc

        limits = self.service.gate.limits
        options = {
            "grpc.max_receive_message_length": limits.max_message,
            "grpc.max_send_message_length": -1,
            "grpc.max_concurrent_streams": STREAMS,
            "grpc.http2.lookahead_bytes": UNASKED,
            "grpc.http2.bdp_probe": 0,  # it would widen that by itself
            "grpc.max_metadata_size": METADATA,
            "grpc.server_handshake_timeout_ms": round(limits.head_seconds * 1000),
            "grpc.max_connection_idle_ms": round(limits.idle_seconds * 1000),
            "grpc.so_reuseport": 1,  # whose port it is has been settled before
        }
        self.server = grpc.aio.server(
            options=list(options.items()), maximum_concurrent_rpcs=limits.connections
        )
        handler = grpc.method_handlers_generic_handler(SERVICE, self.make_handlers())
        self.server.add_generic_rpc_handlers((handler,))
        shown = f"[{address.host}]" if ":" in address.host else address.host
        at = f"{shown}:{address.port}"
        if address.pem is None:
            self.port = self.server.add_insecure_port(at)
        else:
            self.port = self.server.add_secure_port(at, grpc.ssl_server_credentials([address.pem]))
        await self.server.start()

    async def leave(self, seconds: float) -> None:
        """Answer what was accepted, for so long at most. Streams end with what they were asked."""
        for reader in tuple(self.readers):
            reader.cancel()
        await self.server.stop(seconds)

    def make_handlers(self) -> dict[str, Any]:
        """Every message passes as bytes, and is read here: then it is held against the limits first.
        A call of one message is taken as a stream, so that waiting for it has an end.
        """
        import grpc

        one = grpc.stream_unary_rpc_method_handler
        found = {name: one(partial(self.respond, name, partial(self.ask, name))) for name in self.calls}
        for name in REFUSED:
            found[name] = one(partial(self.respond, name, partial(self.refuse, name)))
        found["ModelInfer"] = one(partial(self.respond, "ModelInfer", self.infer))
        found["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(self.stream)
        return found

    async def respond(
        self, name: str, call: Callable[[bytes, Any], Awaitable[bytes]], _requests: Any, context: Any
    ) -> bytes:
        """The answer of a call that takes one message, noted in the log; or a status."""
        request, begun = make_request(name, context), time.perf_counter()
        response = Response(499)  # the client went away
        try:
            self.admit(request)
            request.body = b"" if name in EMPTY else await self.read(context)
            response = Response(200, await call(request.body, context))
            return response.body
        # What is raised holds its frames, and so the body: only its words outlive this.
        except RequestError as error:
            refusal = RequestError(str(error), error.status, error.details)
            response = Response(error.status)
        except Exception as error:
            refusal, response = report_bug(error), Response(500)
        finally:
            self.note(request, response, begun)
        request.body = b""
        await abort(context, refusal)
        raise refusal

    def admit(self, request: Request) -> None:
        if not self.door.admit(request):
            raise RequestError("this server wants a key: metadata authorization: Bearer KEY", 401)

    def check_streams(self) -> None:
        """A stream is always about to read a message of any size: all of them together may be as large as
        bodies may. Raises RequestError (503).
        """
        limits = self.service.gate.limits
        most = max(1, limits.max_bodies // limits.max_message)
        if len(self.readers) >= most:
            raise RequestError(
                f"{most} streams may be open, which is max_bodies / max_message; try again later", 503
            )

    def note(self, request: Request, response: Response, begun: float) -> None:
        if self.door.log:
            name = request.headers.get(b"x-request-id", b"") or token_hex(8).encode()
            self.door.note(request, response, name, time.perf_counter() - begun)

    async def read(self, context: Any) -> bytes:
        """The message of a call, from its context: the iterator that gRPC hands over beside it stands in
        a cycle, and so keeps what it gave until the collector comes.
        """
        import grpc

        seconds = self.service.gate.limits.body_seconds
        try:
            async with asyncio.timeout(seconds):
                body: bytes = await self.take(context)
        except TimeoutError:
            raise RequestError(f"the message must arrive within {seconds:g} seconds", 408) from None
        if body is grpc.aio.EOF:
            raise RequestError("a call of one message must have one")
        return body

    async def take(self, context: Any) -> Any:
        """The next message. Its size is known once it is here: until then it counts, among the bodies in
        flight, as twice the largest that it may be, for gRPC has it in pieces too as it hands it over, and
        waits where others that are being read leave no room.
        Raises RequestError (503) where those that were read leave none.
        """
        gate = self.service.gate
        most = min(2 * gate.limits.max_message, gate.limits.max_bodies)
        async with self.room:
            while not gate.reserve(most):
                if not self.reading:
                    raise gate.refusal()
                await self.room.wait()
            self.reading += 1
        try:
            return await context.read()
        finally:
            gate.release(most)
            self.reading -= 1
            async with self.room:
                self.room.notify()

    async def refuse(self, name: str, _body: bytes, _context: Any) -> bytes:
        raise RequestError(f"{name}: this server has no {REFUSED[name]}", 501)

    async def ask(self, name: str, body: bytes, _context: Any) -> bytes:
        """What HTTP would answer, as the message of this call."""
        from google.protobuf import json_format

        call, asked = self.calls[name], read_plain(f"{name}Request", body)
        response = await call.handler(*translate(asked))
        found = orjson.loads(response.body)
        if call.under:
            found = {call.under: found}
        answer = message_class(f"{name}Response")()
        json_format.ParseDict(found, answer, ignore_unknown_fields=True)
        made: bytes = answer.SerializeToString()
        return made

    async def show_model_ready(self, request: Request, names: dict[str, str]) -> Response:
        """A model that is not there is not ready."""
        try:
            return await self.service.show_model_ready(request, names)
        except RequestError:
            return make_json({"ready": False})

    async def infer(self, body: bytes, context: Any) -> bytes:
        return await self.run(body, context.time_remaining(), lambda answer: answer)

    async def run(self, body: bytes, patience: float | None, wrap: Callable[[Any], Any]) -> bytes:
        """The answer to a ModelInferRequest, counted among the bodies in flight. Raises RequestError."""
        service = self.service
        with service.gate.hold(len(body)):
            most = service.gate.limits.max_json
            message, raw = await service.work(len(body), lambda: read_message(body, most))
            entry = service.repository.find(message.model_name, message.model_version or None)
            with Asked(entry):
                entry.batcher.check_room()
                return await service.infer_with(
                    entry, len(body), lambda: read_tensors(message, raw, entry.model),
                    lambda asked, outputs: wrap(
                        write_message(entry.name, entry.version, asked, outputs, entry.model)
                    ).SerializeToString(),
                    patience,
                )  # fmt: skip

    async def stream(self, _requests: Any, context: Any) -> AsyncIterator[bytes]:
        """Answers in the order of their requests; one that is refused is told so in its place."""
        request, begun = make_request("ModelStreamInfer", context), time.perf_counter()
        try:
            self.admit(request)
            self.check_streams()
        except RequestError as error:
            await abort(context, error)
        queue: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue(AHEAD)
        reader = asyncio.get_running_loop().create_task(self.read_ahead(context, queue))
        self.readers.add(reader)
        reader.add_done_callback(self.readers.discard)
        status = 499
        try:
            while (answer := await queue.get()) is not None:
                yield await answer
            status = 200
        finally:
            reader.cancel()
            while not queue.empty():
                left = queue.get_nowait()
                if left is not None:
                    left.cancel()
            self.note(request, Response(status), begun)

    async def read_ahead(self, context: Any, queue: "asyncio.Queue[asyncio.Task[bytes] | None]") -> None:
        import grpc

        loop = asyncio.get_running_loop()
        try:
            while (body := await context.read()) is not grpc.aio.EOF:
                await queue.put(loop.create_task(self.answer(body)))
                del body
        finally:
            await queue.put(None)

    async def answer(self, body: bytes) -> bytes:
        """One answer in a stream."""
        make = message_class("ModelStreamInferResponse")
        try:
            return await self.run(body, None, lambda answer: make(infer_response=answer))
        except RequestError as error:
            words = str(error)  # the error holds its frames, and so the message: it must not outlive this
        except Exception as error:
            words = str(report_bug(error))
        made: bytes = make(error_message=words).SerializeToString()
        return made


def make_request(name: str, context: Any) -> Request:
    """A call as the door and the log see requests."""
    headers = {
        key.encode(): value.encode("utf-8", "replace") if isinstance(value, str) else bytes(value)
        for key, value in context.invocation_metadata()
    }
    return Request(b"gRPC", f"/{SERVICE}/{name}".encode(), headers, b"", context.peer())


def read_plain(name: str, body: bytes) -> Any:
    """A message of a few words. Raises RequestError."""
    from google.protobuf.message import DecodeError

    if len(body) > METADATA:
        raise RequestError(f"a {name} must have at most {METADATA} bytes", 413)
    try:
        return message_class(name).FromString(body)
    except DecodeError as error:
        raise RequestError(f"the message must be a {name}: it cannot be decoded") from error


def translate(asked: Any) -> tuple[Request, dict[str, str]]:
    """A message as the request that HTTP would have: a body, and the names in its path."""
    if getattr(asked, "repository_name", ""):
        raise RequestError("this server has one repository, without a name")
    given = {field.name: value for field, value in asked.ListFields()}
    names = {"name": str(given.get("name", given.get("model_name", "")))}
    if given.get("version"):
        names["version"] = given["version"]
    if not names["name"] and asked.DESCRIPTOR.name == "ModelStatisticsRequest":
        names = {}
    body: dict[str, Any] = {"parameters": dict.fromkeys(given.get("parameters", ()))}
    if "ready" in given:
        body = {"ready": True}
    return Request(b"POST", b"", {}, orjson.dumps(body)), names


async def abort(context: Any, error: RequestError) -> None:
    """End a call with a status; details for a program go as trailing metadata, in JSON."""
    import grpc

    more: tuple[tuple[str, bytes], ...] = ()
    if error.details:
        more = (("netspec-details-bin", orjson.dumps(error.details)),)
    code = getattr(grpc.StatusCode, STATUSES.get(error.status, "UNKNOWN"))
    await context.abort(code, str(error), more)


def check_installed() -> None:
    """Called before all else that has to do with gRPC. Raises SpecError NS747 where the extra is missing."""
    # Its library notes every handshake that fails: any stranger could fill the log.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    try:
        import google.protobuf  # noqa: F401
        import grpc  # noqa: F401 - what is asked is whether they are there
    except ImportError as error:
        raise fail(
            "NS747", f"{error.name} is not installed", notes=('`pip install "netspec[grpc]"`',)
        ) from error
