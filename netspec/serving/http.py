"""The Open Inference Protocol v2 over HTTP: in, a repository of models and the limits; out, a Service
that makes an answer of each request.

Every answer is JSON (or JSON and binary tensors), errors as {"error": sentence}, some with a code
and details. Knows no sockets.
"""

import asyncio
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from netspec.serving import memory
from netspec.serving.answers import encode
from netspec.serving.body import inflate
from netspec.serving.config import describe_config, describe_statistics
from netspec.serving.exchange import JSON, Request, Response, make_error, make_json
from netspec.serving.gate import Gate
from netspec.serving.metrics import show_metrics
from netspec.serving.openapi import describe_routes
from netspec.serving.page import POLICY, read_page
from netspec.serving.pictures import describe_pictures
from netspec.serving.protocol import Inference, parse
from netspec.serving.repository import Asked, Entry, Repository
from netspec.serving.routes import Routes
from netspec.serving.tensors import RequestError
from netspec.serving.values import load_json
from netspec.version import __version__

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Service", "report_bug"]

LENGTH = b"inference-header-content-length"
BINARY = b"application/octet-stream"
HTML = b"text/html; charset=utf-8"
EXTENSIONS = ["binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics"]
# Above this many bytes a body is read and made in a thread, since other requests would wait for it.
LARGE = 1024**2

T = TypeVar("T")
Names = dict[str, str]
Handler = Callable[[Request, Names], Awaitable[Response]]


class Service:
    """The endpoints, with what they share. Use it within a running loop: `start`, `respond`, `stop`."""

    def __init__(self, repository: Repository, gate: Gate, control: bool = False) -> None:
        self.repository = repository
        self.gate = gate
        self.control = control
        self.ready = False
        self.aside = asyncio.Lock()
        model = "/v2/models/{name}"
        self.routes: Routes[Handler] = Routes()
        # Before the models: it is no model of this name.
        self.routes.add("GET", "/v2/models/stats", self.show_statistics)
        for at in (model, f"{model}/versions/{{version}}"):
            self.routes.add("POST", f"{at}/infer", self.infer)
            self.routes.add("GET", f"{at}/ready", self.show_model_ready)
            self.routes.add("GET", f"{at}/config", self.show_config)
            self.routes.add("GET", f"{at}/stats", self.show_statistics)
            self.routes.add("GET", at, self.show_model)
        stored = "/v2/repository/models/{name}"
        self.routes.add("POST", "/v2/repository/index", self.show_index)
        self.routes.add("POST", f"{stored}/load", self.load)
        self.routes.add("POST", f"{stored}/unload", self.unload)
        self.routes.add("GET", "/v2", self.show_server)
        self.routes.add("GET", "/v2/health/live", self.show_live)
        self.routes.add("GET", "/v2/health/ready", self.show_ready)
        self.routes.add("GET", "/metrics", self.show_metrics)
        self.routes.add("GET", "/openapi.json", self.show_routes)
        self.routes.add("GET", "/", self.show_page)

    def start(self) -> None:
        self.repository.start()
        self.ready = True

    async def stop(self) -> None:
        await self.repository.stop()

    async def respond(self, request: Request) -> Response:
        """The answer to a request, whatever it is."""
        try:
            handler, names = self.routes.find(request.method, request.target)
            return await handler(request, names)
        # What is raised holds its frames, and so the body: no name that outlives this may hold it in turn.
        except RequestError as error:
            return make_refusal(error)
        except Exception as error:
            return make_refusal(report_bug(error))

    async def show_server(self, _request: Request, _names: Names) -> Response:
        return make_json({"name": "netspec", "version": __version__, "extensions": EXTENSIONS})

    async def show_live(self, _request: Request, _names: Names) -> Response:
        return make_json({"live": True})

    async def show_ready(self, _request: Request, _names: Names) -> Response:
        return show_readiness({}, self.ready and self.repository.sound)

    async def show_model_ready(self, _request: Request, names: Names) -> Response:
        entry = self.find(names)
        return show_readiness({"name": entry.name}, self.ready and entry.batcher.alive)

    async def show_index(self, request: Request, _names: Names) -> Response:
        """All models, or, by {"ready": true}, those that answer."""
        found = self.repository.index()
        if read_body(request).get("ready") is True:
            found = [each for each in found if each["state"] == "READY"]
        return make_json(found)

    async def load(self, request: Request, names: Names) -> Response:
        self.check_control(request)
        await self.repository.load(names["name"])
        return make_json({})

    async def unload(self, request: Request, names: Names) -> Response:
        self.check_control(request)
        await self.repository.unload(names["name"])
        return make_json({})

    def check_control(self, request: Request) -> None:
        """Raises RequestError: 403 where clients may not, 400 for parameters, of which none is
        understood but the one that unloads what depends on a model: nothing does.
        """
        if not self.control:
            raise RequestError("loading and unloading need `netspec serve --control`", 403)
        given = read_body(request).get("parameters", {})
        unknown = set(given) - {"unload_dependents"} if isinstance(given, dict) else {"parameters"}
        if unknown:
            raise RequestError(
                f"unknown parameter {min(unknown)[:100]!r}: a model is loaded as its folder has it"
            )

    async def show_model(self, _request: Request, names: Names) -> Response:
        entry = self.find(names)
        described: dict[str, object] = {
            "name": entry.name,
            "versions": sorted(self.repository.models[entry.name], key=int),
            "platform": "onnxruntime_onnx",
            "inputs": [t.metadata() for t in entry.model.inputs],
            "outputs": [t.metadata() for t in entry.model.outputs],
        }
        said = {**entry.model.metadata, **describe_pictures(entry.model.pictures)}
        return make_json(described | ({"parameters": said} if said else {}))

    async def show_config(self, _request: Request, names: Names) -> Response:
        return make_json(describe_config(self.find(names), self.gate.limits))

    async def show_statistics(self, _request: Request, names: Names) -> Response:
        if "name" in names:
            entries = [self.find(names)]
        else:
            entries = list(self.repository.entries())
        return make_json({"model_stats": [describe_statistics(entry) for entry in entries]})

    async def show_metrics(self, _request: Request, _names: Names) -> Response:
        return Response(200, *show_metrics(self.repository.entries))

    async def show_page(self, _request: Request, _names: Names) -> Response:
        page, policy = read_page()
        return Response(200, page, HTML, ((POLICY, policy), (b"x-content-type-options", b"nosniff")))

    async def show_routes(self, _request: Request, _names: Names) -> Response:
        routes = ((m, p, handler.__name__.replace("_", " ")) for m, p, handler in self.routes.added)
        return make_json(describe_routes(routes, self.gate.limits))

    def find(self, names: Names) -> Entry:
        return self.repository.find(names["name"], names.get("version"))

    def turn_away(self, request: Request) -> Response | None:
        """What a request for a model is told that has no room for it, by its head alone; else nothing."""
        try:
            handler, names = self.routes.find(request.method, request.target)
            if handler != self.infer:
                return None
            entry = self.find(names)
        except RequestError:
            return None
        try:
            entry.batcher.check_room()
        except RequestError as error:
            entry.statistics.count_answer(error.status, 0.0)
            return make_refusal(error)
        return None

    async def infer(self, request: Request, names: Names) -> Response:
        entry = self.repository.find(names["name"], names.get("version"))
        with Asked(entry):
            entry.batcher.check_room()
            encoding = request.headers.get(b"content-encoding")
            if encoding is None:
                return await self.run(request.body, request, entry)
            most = self.gate.limits.max_body
            with self.gate.hold(most):
                word = encoding.decode("latin-1").strip().lower()
                body = request.body
                if word != "identity":
                    body = await self.work(LARGE + 1, lambda: inflate(request.body, word, most))
                return await self.run(body, request, entry)

    async def run(self, body: bytes, request: Request, entry: Entry) -> Response:
        length = request.headers.get(LENGTH)
        said = None if length is None else length.decode("latin-1")
        most = self.gate.limits.max_json
        content, told = await self.infer_with(
            entry, len(body), lambda: parse(body, said, entry.model, most),
            lambda asked, outputs: encode(entry.name, entry.version, asked, outputs, entry.model),
        )  # fmt: skip
        if told is None:
            return Response(200, content, JSON)
        return Response(200, content, BINARY, ((LENGTH, b"%d" % told),))

    async def infer_with(
        self, entry: Entry, size: int, read: Callable[[], Inference],
        write: "Callable[[Inference, Mapping[str, np.ndarray]], T]", patience: float | None = None,
    ) -> T:  # fmt: skip
        """Run one request of `size` bytes. patience: seconds that its client waits, where it says so.
        Raises RequestError.
        """
        begun = time.perf_counter()
        # The way of a small request has no coroutine that it can do without: each costs a microsecond.
        if size <= LARGE:
            asked = read()
        else:
            asked = await self.work(size, read)
        inputs = asked.inputs
        if asked.decode is not None:
            decode, most = asked.decode, self.gate.limits.max_pixels
            inputs = await self.work(LARGE + 1, lambda: decode(most))
        asking = time.perf_counter()
        if patience is None or (asked.patience is not None and asked.patience < patience):
            patience = asked.patience
        outputs = await entry.batcher.submit(inputs, [output.name for output in asked.outputs], patience)
        told = time.perf_counter()
        size = sum([array.nbytes for array in outputs.values()])
        if size <= LARGE:
            content = write(asked, outputs)
        else:
            content = await self.work(size, lambda: write(asked, outputs))
        entry.statistics.input_seconds += asking - begun
        entry.statistics.output_seconds += time.perf_counter() - told
        return content

    async def work(self, size: int, work: Callable[[], T]) -> T:
        """Small work at once; large in a thread, one at a time, so that its memory is paid once."""
        if size <= LARGE:
            return work()
        async with self.aside:
            done = await asyncio.to_thread(work)
        memory.give_back()
        return done


def make_refusal(error: RequestError) -> Response:
    return make_error(str(error), error.status, error.details)


def show_readiness(names: Names, ready: bool) -> Response:
    return make_json({**names, "ready": ready}, 200 if ready else 503)


def read_body(request: Request) -> dict[str, Any]:
    """The JSON object that a body holds; an empty one where it is empty. Raises RequestError."""
    if not request.body:
        return {}
    try:
        found = load_json(request.body[:4096])
    except ValueError as error:
        raise RequestError(f"the request must be JSON: {error}") from error
    if not isinstance(found, dict):
        raise RequestError("the request must be a JSON object")
    return found


def report_bug(error: Exception) -> RequestError:
    """What a client is told of a bug of ours; the log has the rest."""
    traceback.print_exception(error, file=sys.stderr)
    return RequestError("internal error: a bug in netspec, see the server's log", 500)
