"""The life of a server at the size that it is for: hundreds of connections at its end, a hundred reloads, ten times its load."""

import asyncio
import http.client
import os
import signal
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from serving_parts import Halting, Inside, Server, infer, pack, random, save

from netspec.serving.engine import open_model
from netspec.serving.lifecycle import Ways
from netspec.serving.limits import Limits
from netspec.serving.repository import Repository, find_files
from netspec.serving.server import make_batching

pytestmark = [pytest.mark.onnx, pytest.mark.slow]
CONNECTIONS, RELOADS = 300, 100


async def ask_until_closed(server: Server, data: np.ndarray, expected: np.ndarray) -> tuple[int, int]:
    """Ask on one connection until it is said to be the last answer: how many were answered and refused. Every request that was
    sent must be answered whole."""
    body, length = pack({"data": data})
    head = f"POST /v2/models/lenet/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nInference-Header-Content-Length: {length}\r\n\r\n"
    reader, writer = await asyncio.open_connection(server.host, server.port)
    answered = refused = 0
    while True:
        writer.write(head.encode() + body)
        said = (
            (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        )  # IncompleteReadError: a request was lost
        fields = dict(line.split(": ", 1) for line in said.splitlines()[1:] if line)
        content = await reader.readexactly(int(fields["content-length"]))
        if said.startswith("http/1.1 200 "):
            found = np.frombuffer(content[int(fields["inference-header-content-length"]) :], np.float32)
            np.testing.assert_allclose(found[:10], expected, rtol=1e-4, atol=1e-5)
            answered += 1
        else:
            assert said.startswith("http/1.1 503 "), said
            refused += 1
        if fields.get("connection") == "close":
            writer.close()
            return answered, refused


def test_300_connections_at_overload_and_a_signal(models: Path, direct) -> None:
    server = Server([str(models / "lenet.onnx"), "--device", "cpu", "--queue", "32", "--threads", "1"])
    rows = [random(i, 1, 1, 28, 28) for i in range(CONNECTIONS)]
    expected = direct("lenet", data=np.concatenate(rows))["prob"]

    async def all_of_them() -> list[tuple[int, int]]:
        clients = [
            asyncio.ensure_future(ask_until_closed(server, *each))
            for each in zip(rows, expected, strict=True)
        ]
        await asyncio.sleep(3)
        server.process.send_signal(signal.SIGTERM)
        return await asyncio.gather(*clients)

    found = asyncio.run(all_of_them())
    assert server.process.wait(60) == 0
    assert sum(refused for _, refused in found) > 0
    assert sum(answered for answered, _ in found) > 50


def times(path: Path, factor: float) -> None:
    """A model y = factor * factor * x, put in its place at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nodes = [helper.make_node("Mul", ["x", "f"], ["m"]), helper.make_node("Mul", ["m", "f"], ["y"])]
    sides = [("x", TensorProto.FLOAT, ["N", 3])], [("y", TensorProto.FLOAT, ["N", 3])]
    save(path.with_name("draft"), nodes, *sides, {"f": np.float32(factor)}, {"netspec.rows": "apart"})
    os.replace(path.with_name("draft"), path)


def test_100_reloads_under_load(tmp_path: Path) -> None:
    """No request fails, no answer is of two models, what was loaded before is not kept."""
    path = tmp_path / "a" / "1" / "model.onnx"
    times(path, 1)
    opener = partial(open_model, device="cpu", threads=1, allow_uncertified=True)
    repository = Repository(lambda: find_files(tmp_path), opener, make_batching(Limits(), False))
    repository.load_all()
    ended, seen, memory = threading.Event(), set(), []
    with (
        Inside(path, Limits(), "a", repository=repository, ways=Ways(control=True)) as server,
        ThreadPoolExecutor(6) as pool,
    ):

        def work() -> int:
            count = 0
            while not ended.is_set():
                status, found = infer(server, "a", x=np.ones((5, 3), np.float32))
                assert status == 200, found
                (factor,) = set(found["y"].ravel().tolist())
                assert factor**0.5 == round(factor**0.5)
                seen.add(factor)
                count += 1
            return count

        clients = [pool.submit(work) for _ in range(6)]
        try:
            for number in range(RELOADS):
                times(path, number + 2)
                server.call(repository.load("a"))
                memory.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4096)
        finally:
            ended.set()
        assert sum(client.result() for client in clients) > RELOADS
        assert infer(server, "a", x=np.ones((1, 3), np.float32))[1]["y"][0, 0] == (RELOADS + 1) ** 2
        server.wait_for(lambda: not repository.leaving)
    assert len(seen) > RELOADS / 2
    assert statistics.median(memory[-10:]) - statistics.median(memory[20:30]) < 30 << 20


def test_at_ten_times_its_load_refusals_come_as_fast_as_health(models: Path) -> None:
    """80 requests for 8 places while the model is held: all but those are refused, each about as soon as health is told on the
    same loaded machine; those that were accepted are answered."""
    with (
        Inside(models / "lenet.onnx", Limits(queue=8)) as server,
        Halting(server) as model,
        ThreadPoolExecutor(9) as pool,
    ):
        data = random(0, 1, 1, 28, 28)
        first = pool.submit(infer, server, "lenet", data=data)
        server.wait_for(lambda: model.runs == 1)
        accepted = [pool.submit(infer, server, "lenet", data=data) for _ in range(8)]
        server.wait_for(lambda: len(server.entry.batcher.queue) == 8)
        body, length = pack({"data": data})
        connection, took = http.client.HTTPConnection(server.host, server.port), {}
        for _ in range(80):
            for target, more, status in (
                ("/v2/models/lenet/infer", ("POST", body, {"Inference-Header-Content-Length": str(length)}), 503), ("/v2/health/live", ("GET", None, {}), 200)
            ):  # fmt: skip
                begun = time.perf_counter()
                connection.request(more[0], target, more[1], more[2])
                answer = connection.getresponse()
                answer.read()
                took.setdefault(target, []).append(time.perf_counter() - begun)
                assert answer.status == status
        model.go.set()
        assert all(each.result()[0] == 200 for each in (first, *accepted))
    refusal, health = (statistics.median(each) for each in took.values())
    assert refusal < max(0.010, 5 * health), (refusal, health)
