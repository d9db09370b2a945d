"""The Open Inference Protocol v2 over HTTP, for one model: in, a Model and its limits; out, a
Starlette application.

Every answer is JSON (or JSON and binary tensors), errors as {"error": sentence}, some with a code
and details. Knows no sockets.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

import orjson
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from netspec.serving.batcher import Batcher, Batching
from netspec.serving.body import read_body
from netspec.serving.engine import Model
from netspec.serving.metrics import Metrics
from netspec.serving.protocol import encode, parse
from netspec.serving.tensors import RequestError
from netspec.version import __version__

__all__ = ["MAX_BODY", "create_app"]

MAX_BODY = 256 * 1024**2
VERSION = "1"
LENGTH = "inference-header-content-length"
# Above this many bytes a body is read and made in a thread, since other requests would wait for it.
LARGE = 1024**2

T = TypeVar("T")


def create_app(
    model: Model,
    name: str,
    *,
    max_batch: int,
    queue: int,
    max_body: int = MAX_BODY,
    join: bool = False,
) -> Starlette:
    """An ASGI application that serves `model` as `name`: joined runs of at most `max_batch` rows,
    at most `queue` waiting requests.
    """
    service = Service(model, name, Batching(max_batch, queue, join), max_body)
    routes = []
    for at in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        routes += [
            Route(f"{at}/infer", service.infer, methods=["POST"]),
            Route(f"{at}/ready", service.model_ready),
            Route(at, service.metadata),
        ]
    routes += [
        Route("/v2", service.server),
        Route("/v2/health/live", service.live),
        Route("/v2/health/ready", service.ready),
    ]
    routes += [Route("/metrics", service.show_metrics)]
    return Starlette(
        routes=routes,
        exception_handlers={
            HTTPException: _http_error,
            RequestError: _request_error,
            Exception: _bug,
        },
        lifespan=service.lifespan,
    )


class Service:
    """The endpoints, with what they share."""

    def __init__(self, model: Model, name: str, batching: Batching, max_body: int) -> None:
        self.model = model
        self.name = name
        self.max_body = max_body
        self.metrics = Metrics(name)
        self.batcher = Batcher(model, batching, self.metrics.rows.observe)
        self.metrics.watch_queue(lambda: len(self.batcher.queue))

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self.batcher.start()
        yield
        await self.batcher.stop()

    async def server(self, _request: Request) -> Response:
        extensions = ["binary_tensor_data", "classification"]
        return _json({"name": "netspec", "version": __version__, "extensions": extensions})

    async def live(self, _request: Request) -> Response:
        return _json({"live": True})

    async def ready(self, _request: Request) -> Response:
        return _json({"ready": True})

    async def model_ready(self, request: Request) -> Response:
        self.check_name(request)
        return _json({"name": self.name, "ready": True})

    async def metadata(self, request: Request) -> Response:
        self.check_name(request)
        described: dict[str, object] = {
            "name": self.name,
            "versions": [VERSION],
            "platform": "onnxruntime_onnx",
        }
        described |= {
            "inputs": [t.metadata() for t in self.model.inputs],
            "outputs": [t.metadata() for t in self.model.outputs],
        }
        return _json(described | ({"parameters": self.model.metadata} if self.model.metadata else {}))

    async def show_metrics(self, _request: Request) -> Response:
        return Response(self.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    async def infer(self, request: Request) -> Response:
        begun = time.perf_counter()
        with self.metrics.in_progress.track_inprogress():
            try:
                response = await self.answer(request)
            except RequestError as error:
                response = _error(str(error), error.status, error.details)
            except ClientDisconnect:
                response = _error("the client went away before its request was complete", 400)
        self.metrics.count_answer(response.status_code, time.perf_counter() - begun)
        return response

    async def answer(self, request: Request) -> Response:
        body = await read_body(request, self.max_body)
        self.check_name(request)
        inference = await _aside(len(body), lambda: parse(body, request.headers.get(LENGTH), self.model))
        outputs = await self.batcher.submit(inference.inputs, [wanted.name for wanted in inference.outputs])
        size = sum(array.nbytes for array in outputs.values())
        content, length = await _aside(
            size, lambda: encode(self.name, VERSION, inference, outputs, self.model)
        )
        if length is None:
            return Response(content, media_type="application/json")
        return Response(content, media_type="application/octet-stream", headers={LENGTH: str(length)})

    def check_name(self, request: Request) -> None:
        name, at = request.path_params["name"], request.path_params.get("version", VERSION)
        if name != self.name:
            raise RequestError(f"unknown model {name!r}: this server has {self.name!r}", 404)
        if at != VERSION:
            raise RequestError(f"unknown version {at!r} of model {name!r}: it has {VERSION!r}", 404)


async def _aside(size: int, work: Callable[[], T]) -> T:
    if size <= LARGE:
        return work()
    return await asyncio.to_thread(work)


def _json(value: object, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


def _error(message: str, status: int, details: Mapping[str, object] | None = None) -> Response:
    return _json({"error": message, **(details or {})}, status)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(f"{error.detail.lower()}: {request.method} {request.url.path}", error.status_code)


async def _request_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return _error(str(error), error.status, error.details)


async def _bug(_request: Request, _error_: Exception) -> Response:
    return _error("internal error: a bug in netspec, see the server's log", 500)
