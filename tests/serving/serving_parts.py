"""How the tests make small ONNX models, and a server: in a process of its own, or within this one."""

import asyncio
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from netspec.serving.engine import open_model
from netspec.serving.lifecycle import Site, Ways
from netspec.serving.limits import Limits
from netspec.serving.pace import Pace
from netspec.serving.repository import Entry, Repository
from netspec.serving.server import make_batching

PROGRAM = ("-m", "netspec")


def save(path: Path, nodes, inputs, outputs, weights=None, metadata=None) -> Path:
    """Write a model; inputs and outputs are (name, type, shape), weights arrays by name."""
    tensors = [helper.make_tensor_value_info(*t) for t in (*inputs, *outputs)]
    constants = [numpy_helper.from_array(np.asarray(array), name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(nodes, "g", tensors[: len(inputs)], tensors[len(inputs) :], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    helper.set_model_props(model, metadata or {})
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


def random(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


class Server:
    """A running server: its address, and how to end it."""

    def __init__(self, arguments: list[str], program: Sequence[str] = PROGRAM) -> None:
        command = [sys.executable, *program, "serve", *arguments, "--port", "0", "--allow-uncertified"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        watchdog = threading.Timer(60, self.process.kill)
        watchdog.start()
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        self.limits = self.process.stdout.readline()
        watchdog.cancel()
        found = re.fullmatch(r"serving (.+) on https?://(\S+):(\d+)(?: and grpcs?://(\S+))?\n", self.line)
        assert found, f"{self.line!r} {self.process.communicate()[1]}"
        self.name, self.host, self.port = found[1], found[2], int(found[3])
        self.address, self.grpc = f"{self.host}:{self.port}", found[4]

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Exit status and what was printed."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


class Inside:
    """A server of one model in a thread of this process, for what needs no process of its own."""

    def __init__(
        self,
        path: Path,
        limits: Limits,
        name: str | None = None,
        join: bool = True,
        repository: Repository | None = None,
        ways: Ways | None = None,
    ) -> None:
        self.name = name or path.stem
        self.limits, self.ways = limits, ways
        model = open_model(path, "cpu", 1, allow_uncertified=True)
        self.repository = repository
        if repository is None:
            self.repository = Repository()
            self.repository.add(Entry(self.name, "1", model, make_batching(limits, join)))
        self.entry = self.repository.find(self.name)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)

    def __enter__(self) -> "Inside":
        self.thread.start()
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.at = self.host, self.port = listener.getsockname()
        self.address = f"{self.host}:{self.port}"
        self.call(self.open(listener))
        return self

    async def open(self, listener: socket.socket) -> None:
        self.site = Site(self.repository, self.limits, self.ways)
        await self.site.open(listener)

    def call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def __exit__(self, *_: object) -> None:
        self.call(self.site.leave())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(60)
        self.loop.close()

    def wait_for(self, true) -> None:
        end = time.monotonic() + 20
        while not true():
            assert time.monotonic() < end
            time.sleep(0.005)

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer, content

    def get(self, path):
        answer, content = self.ask("GET", path)
        return answer.status, json.loads(content)

    def post(self, path, body, headers=None):
        """Status, and the error or the answer."""
        answer, content = self.ask("POST", path, body, headers)
        found = json.loads(content)
        if isinstance(found, dict):
            return answer.status, found.get("error", found)
        return answer.status, found

    def wrong(self, model, **changes):
        """A request without sense but for the changes."""
        return self.post(f"/v2/models/{model}/infer", json.dumps({"inputs": []} | changes).encode())

    def request(self, model, **inputs):
        """The bytes of a whole request."""
        body, length = pack(inputs)
        head = f"POST /v2/models/{model}/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        return f"{head}Inference-Header-Content-Length: {length}\r\n\r\n".encode() + body


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """PEM files of a certificate for this machine's own address, and of its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
               "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("openssl makes no certificate here")
    return cert, key


class Halting:
    """A server whose model waits, from the first run on, until it is told to go on."""

    def __init__(self, server: Inside) -> None:
        self.server, self.go, self.runs = server, threading.Event(), 0
        self.runner = server.entry.batcher._runner
        self.model = self.runner.model

    def __enter__(self) -> "Halting":
        self.runner.model = self
        self.pace, self.server.entry.batcher._pace = self.server.entry.batcher._pace, Pace(quick=0.0)
        self.inputs, self.outputs = self.model.inputs, self.model.outputs
        return self

    def run(self, inputs: dict, outputs: list) -> dict:
        self.runs += 1
        self.go.wait(20)
        return self.model.run(inputs, outputs)

    def __exit__(self, *_: object) -> None:
        self.go.set()
        self.runner.model = self.model
        self.server.entry.batcher._pace = self.pace


def pack(inputs, **more):
    """A body with binary tensors, and the length of its JSON."""
    tensors = [
        {
            "name": name,
            "datatype": "FP32",
            "shape": array.shape,
            "parameters": {"binary_data_size": array.nbytes},
        }
        for name, array in inputs.items()
    ]
    header = json.dumps({"inputs": tensors, "parameters": {"binary_data_output": True} | more}).encode()
    return header + b"".join(array.tobytes() for array in inputs.values()), len(header)


def infer(server, model, **inputs):
    """Status, and arrays by name or the error."""
    body, length = pack(inputs)
    headers = {"Inference-Header-Content-Length": str(length)}
    answer, content = server.ask("POST", f"/v2/models/{model}/infer", body, headers)
    if answer.status != 200:
        return answer.status, json.loads(content)["error"]
    at = int(answer.headers["Inference-Header-Content-Length"])
    found = {}
    for tensor in json.loads(content[:at])["outputs"]:
        size = tensor["parameters"]["binary_data_size"]
        found[tensor["name"]] = np.frombuffer(content[at : at + size], np.float32).reshape(tensor["shape"])
        at += size
    return 200, found
