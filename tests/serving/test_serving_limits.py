"""Every bound of a server, each met and seen to hold: servers within this process, of small models and smaller limits."""

import asyncio
import contextlib
import gc
import gzip
import http.client
import json
import platform
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from serving_parts import Halting, Inside, Server, infer, random

from netspec.serving.batcher import Batcher, Batching
from netspec.serving.config import describe_statistics
from netspec.serving.connection import Connection
from netspec.serving.engine import open_model
from netspec.serving.exchange import Request
from netspec.serving.limits import Limits, limits_text
from netspec.serving.protocol import check_values
from netspec.serving.runs import Waiting
from netspec.serving.tensors import RequestError

pytestmark = pytest.mark.onnx
SMALL = Limits(
    max_batch=4, max_elements=8000, max_body=1 << 18, max_bodies=1 << 19, max_answer=4000, connections=12,
    head_seconds=0.6, body_seconds=0.9, idle_seconds=20.0, queue=6, queue_seconds=20.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def small(models: Path) -> Iterator[Inside]:
    with Inside(models / "lenet.onnx", SMALL) as server:
        yield server


def alive(server: Inside) -> bool:
    return server.get("/v2/health/live")[0] == 200


def test_rows_beyond_a_run_are_split_and_joined_again(small: Inside, direct: Callable) -> None:
    data = random(0, 11, 1, 28, 28)
    before = small.entry.statistics.rows.total
    status, found = infer(small, "lenet", data=data)
    assert status == 200
    for name, expected in direct("lenet", data=data).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-5)
    assert small.entry.statistics.rows.total - before == 3
    assert max(small.entry.statistics.batches) <= 4


def test_rows_that_may_depend_on_each_other_are_not_split(models: Path) -> None:
    batcher = Batcher(open_model(models / "two.onnx", "cpu", allow_uncertified=True), Batching(4, 9), print)
    with pytest.raises(
        RequestError, match="a request must have at most 4 rows: got 5, and this file"
    ) as error:
        asyncio.run(batcher.submit({"a": np.zeros((5, 3)), "b": np.zeros((5, 1))}, ["c"]))
    assert error.value.status == 413


def test_numbers_of_a_run(models: Path) -> None:
    model = open_model(models / "lenet.onnx", "cpu", allow_uncertified=True)
    batcher = Batcher(model, Batching(64, 9, elements=2000), print)
    assert batcher.rows_of_a_run({"data": np.zeros((9, 1, 28, 28))}, 9) == 2
    batcher = Batcher(model, Batching(64, 9, elements=700), print)
    with pytest.raises(
        RequestError, match="a run may have 700 numbers: this request needs 784 for one"
    ) as error:
        asyncio.run(batcher.submit({"data": np.zeros((9, 1, 28, 28))}, ["prob"]))
    assert error.value.status == 413


def test_size_of_an_answer(small: Inside) -> None:
    status, found = infer(small, "lenet", data=random(0, 60, 1, 28, 28))
    assert (status, found) == (
        413,
        "an answer may have 4000 bytes: this one would have 4800; ask for fewer rows",
    )


def test_a_body_is_refused_by_its_announced_length_and_by_its_bytes(small: Inside) -> None:
    for body in (bytes(1 << 19), (bytes(1 << 16) for _ in range(8))):
        assert small.post("/v2/models/lenet/infer", body) == (413, "the body must have at most 262144 bytes")
    packed = {"Content-Encoding": "gzip"}
    assert small.post("/v2/models/lenet/infer", gzip.compress(bytes(1 << 19)), packed)[0] == 413
    assert alive(small)


def test_bodies_in_flight(small: Inside) -> None:
    """Three announce a quarter of a MiB each, where half of one may be under way."""
    head = b"POST /v2/models/lenet/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 262144\r\n\r\n"
    with socket.create_connection(small.at) as one, socket.create_connection(small.at) as two:
        one.sendall(head)
        two.sendall(head)
        small.wait_for(lambda: small.site.gate.bodies == 1 << 19)
        status, words = small.post("/v2/models/lenet/infer", b"{}")
        assert (status, words) == (
            503,
            "the bodies in flight may have 524288 bytes together; try again later",
        )
        assert alive(small)
    small.wait_for(lambda: small.site.gate.bodies == 0)
    assert small.post("/v2/models/lenet/infer", b"{}")[0] == 400


def test_json_no_larger_than_its_shapes_need() -> None:
    def text(shape: list[int], data: str) -> bytes:
        return (
            f'{{"inputs": [{{"name": "x", "datatype": "FP32", "shape": {shape}, "data": {data}}}]}}'.encode()
        )

    honest = np.zeros((50, 2, 1, 3)).tolist()
    check_values(text([50, 2, 1, 3], json.dumps(honest)), 1 << 22)
    check_values(text([300], json.dumps([0.5] * 300)), 1 << 22)
    for wrong in ("[" + "[]," * 4000 + "[]]", "[" * 4000, str([{}] * 4000), str([0] * 4000)):
        with pytest.raises(RequestError, match="may hold 1324 values, by its shapes"):
            check_values(text([300, 1], wrong).replace(b", 1]", b"]"), 1 << 22)
    with pytest.raises(RequestError, match="may hold 2000 values"):
        check_values(text([10**9], str([0] * 4000)), 2000)


def test_long_json_is_held_against_its_shapes(small: Inside) -> None:
    """Of a length from which on it matters."""
    empty = "[" + "[]," * 87_000 + "[]]"
    body = f'{{"inputs": [{{"name": "data", "datatype": "FP32", "shape": [1, 1, 28, 28], "data": {empty}}}]}}'
    status, words = small.post("/v2/models/lenet/infer", body[: 1 << 18].encode() + b" ")
    assert status == 413, words


def ask_raw(at: tuple[str, int], sent: bytes, seconds: float = 5.0) -> bytes:
    """What comes until the server closes the connection."""
    with socket.create_connection(at, timeout=seconds) as connection:
        connection.sendall(sent)
        found = b""
        while part := connection.recv(65536):
            found += part
    return found


@pytest.mark.parametrize("sent", [b"", b"GET /v2 HT", b"GET /v2 HTTP/1.1\r\nHost: x\r\nA: "])
def test_a_silent_socket_and_half_a_head_are_closed(small: Inside, sent: bytes) -> None:
    begun = time.monotonic()
    with contextlib.suppress(ConnectionResetError):
        assert ask_raw(small.at, sent) == b""
    assert time.monotonic() - begun >= 0.6


def test_half_a_body_is_told(small: Inside) -> None:
    found = ask_raw(
        small.at, b"POST /v2/models/lenet/infer HTTP/1.1\r\nContent-Length: 9\r\nHost: x\r\n\r\n{"
    )
    assert found.startswith(b"HTTP/1.1 408 ")
    assert b"the body must arrive within 0.9 seconds" in found


def test_a_head_without_end_is_refused(small: Inside) -> None:
    found = ask_raw(small.at, b"GET /v2 HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 17_000)
    assert found.startswith(b"HTTP/1.1 431 ")


def test_the_longest_silent_makes_room(small: Inside) -> None:
    idle = [socket.create_connection(small.at) for _ in range(30)]
    assert alive(small)
    assert len(small.site.gate.open) <= 12
    for each in idle:
        each.close()


def test_where_all_are_busy_one_more_is_refused(models: Path) -> None:
    with Inside(models / "lenet.onnx", Limits(connections=2)) as server:
        head = b"POST /v2/models/lenet/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
        busy = [socket.create_connection(server.at) for _ in range(2)]
        for each in busy:
            each.sendall(head)
        server.wait_for(lambda: sum(c.partial is not None for c in server.site.gate.open) == 2)
        assert ask_raw(server.at, b"").startswith(b"HTTP/1.1 503 ")
        for each in busy:
            each.close()


class Slow:
    """A model that takes its time, and remembers what it ran."""

    def __init__(self) -> None:
        self.inputs = self.outputs = ()
        self.batch, self.alone, self.runs, self.go = None, None, [], threading.Event()

    def joins(self, asked: bool) -> bool:
        return False

    def run(self, inputs: dict, outputs: list) -> dict:
        self.runs.append(inputs["x"].tolist())
        self.go.wait(20)
        return {"y": inputs["x"]}


def test_who_waits_too_long_or_went_away_is_never_run() -> None:
    async def work() -> tuple[list, list]:
        model = Slow()
        batcher = Batcher(model, Batching(1, 9, seconds=0.5), lambda *run: None)  # type: ignore[arg-type]
        batcher.start()
        first = asyncio.ensure_future(batcher.submit({"x": np.float32(1)}, ["y"]))
        await asyncio.sleep(0.05)
        gone = asyncio.ensure_future(batcher.submit({"x": np.float32(2)}, ["y"]))
        hasty = asyncio.ensure_future(batcher.submit({"x": np.float32(3)}, ["y"], 0.01))
        late = asyncio.ensure_future(batcher.submit({"x": np.float32(4)}, ["y"]))
        await asyncio.sleep(0)
        gone.cancel()
        told = await asyncio.gather(hasty, late, return_exceptions=True)  # while the first still runs
        last = asyncio.ensure_future(batcher.submit({"x": np.float32(5)}, ["y"]))
        model.go.set()
        await asyncio.gather(first, last)
        await batcher.stop()
        return told, model.runs

    told, runs = asyncio.run(work())
    assert [each.status for each in told] == [504, 504]
    assert [str(each).split(";")[0] for each in told] == [
        f"the model was not free within {seconds} seconds" for seconds in ("0.01", "0.5")
    ]
    assert runs == [1.0, 5.0]


def test_who_waits_too_long_is_told_through_a_socket(models: Path) -> None:
    """By the server's bound, and by a shorter one of its own; the first, which runs, is answered."""
    with Inside(models / "lenet.onnx", Limits(queue_seconds=0.4)) as server:
        data = random(0, 1, 1, 28, 28)
        with Halting(server) as model, ThreadPoolExecutor(2) as pool:
            first = pool.submit(infer, server, "lenet", data=data)
            server.wait_for(lambda: model.runs == 1)
            waits = pool.submit(infer, server, "lenet", data=data)
            values = {"name": "data", "datatype": "FP32", "shape": [1, 1, 28, 28], "data": [0] * 784}
            found = server.wrong("lenet", inputs=[values], parameters={"timeout": 20_000})
            assert found == (504, "the model was not free within 0.02 seconds; try again later")
            assert waits.result() == (504, "the model was not free within 0.4 seconds; try again later")
            assert not first.done()  # they were told while it ran
            model.go.set()
            assert first.result()[0] == 200
        assert model.runs == 1
        counted = server.entry.statistics
        assert counted.answers == {200: 1, 504: 2}
        told = describe_statistics(server.entry)["inference_stats"]
        assert (told["success"]["count"], told["fail"]["count"]) == (1, 2)
        parts = (counted.success_seconds, counted.seconds.sum - counted.success_seconds)
        assert min(parts) > 0.3  # the one ran while another waited so long
        assert (told["success"]["ns"], told["fail"]["ns"]) == tuple(round(part * 1e9) for part in parts)


def test_a_request_for_which_there_is_no_room_is_not_read(models: Path) -> None:
    """Refused at once, whatever it holds; as soon as there is room, it is told what is wrong with it."""
    with Inside(models / "lenet.onnx", Limits(queue=1)) as server:
        data = random(0, 1, 1, 28, 28)
        with Halting(server) as model, ThreadPoolExecutor(2) as pool:
            first = pool.submit(infer, server, "lenet", data=data)
            server.wait_for(lambda: model.runs == 1)
            second = pool.submit(infer, server, "lenet", data=data)
            server.wait_for(lambda: len(server.entry.batcher.queue) == 1)
            found = server.post("/v2/models/lenet/infer", b"{")
            assert found == (503, "the queue is full: 1 requests are waiting; try again later")
            # A long body is not waited for; after a short one the connection goes on.
            head = b"POST /v2/models/lenet/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
            assert ask_raw(server.at, head % 100_000).startswith(b"HTTP/1.1 503 ")
            sent = (
                head % 1 + b"{"
            ) * 2 + b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            assert re.findall(rb"HTTP/1.1 (\d+)", ask_raw(server.at, sent)) == [b"503", b"503", b"200"]
            assert server.entry.statistics.answers[503] == 4
            model.go.set()
            assert [each.result()[0] for each in (first, second)] == [200, 200]
        assert server.post("/v2/models/lenet/infer", b"{")[0] == 400


def test_a_connection_that_is_silent_after_an_answer_is_closed(models: Path) -> None:
    """Not before its time, and by that bound: the one for a head is far longer here."""
    with Inside(models / "lenet.onnx", Limits(idle_seconds=0.6, head_seconds=60)) as server:
        with socket.create_connection(server.at, timeout=20) as connection:
            connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
            answered = time.monotonic()
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(65536) == b""
        assert time.monotonic() - answered >= 0.5


def test_values_of_the_json(models: Path) -> None:
    """Also where the JSON is short."""
    with Inside(models / "lenet.onnx", Limits(max_json=2000)) as server:
        for rows, status in ((2, 200), (3, 413)):
            tensor = {
                "name": "data",
                "datatype": "FP32",
                "shape": [rows, 1, 28, 28],
                "data": [0] * 784 * rows,
            }
            found = server.wrong("lenet", inputs=[tensor])
            assert found[0] == status
        assert found[1].startswith("the JSON of a request may hold 2000 values")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is told by Linux")
def test_a_large_run_gives_its_memory_back(models: Path) -> None:
    model = open_model(models / "lenet.onnx", "cpu", 1, allow_uncertified=True)
    data = random(0, 4000, 1, 28, 28)
    model.run({"data": data[:100]}, ["prob"])
    before = resident()
    model.run({"data": data}, ["prob"])
    assert resident() - before < 20 << 20  # its convolution alone makes 55 MB


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's way with memory")
def test_a_freed_body_lies_among_nothing_that_stays(models: Path) -> None:
    """Large arrays, each freed while a small one made after it stays: by itself the C library soon takes large ones from where the
    small ones lie, and can give back neither."""
    code = """if True:
        import sys
        from pathlib import Path
        from netspec.serving import memory
        if sys.argv[1] == "little":
            memory.keep_little()
        def resident():
            return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
        before, kept = resident(), []
        for round in range(8):
            large = []
            for _ in range(10):
                large.append(bytearray(4 << 20))
                kept.append(bytearray(100 << 10))
        del large
        print((resident() - before) >> 20)
    """
    kept = [
        int(
            subprocess.run(
                [sys.executable, "-c", code, word], capture_output=True, text=True, check=True
            ).stdout
        )
        for word in ("little", "all")
    ]
    assert kept[0] < 12  # the small ones have 8 MB
    assert kept[1] > 20


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_a_client_that_hung_up_is_not_run(models: Path) -> None:
    """Through a socket: of three, the second closes its connection while the first runs."""
    with Inside(models / "lenet.onnx", Limits(max_batch=1)) as server:
        model = Slow()
        model.inputs, model.outputs = server.entry.model.inputs, server.entry.model.outputs
        server.entry.batcher._runner.model = model  # type: ignore[assignment]
        server.entry.batcher._joins = False
        model.run = lambda inputs, outputs: (  # type: ignore[method-assign]
            model.runs.append(len(outputs)), model.go.wait(20), {name: np.zeros((1, 10), np.float32) for name in outputs}
        )[2]  # fmt: skip
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(infer, server, "lenet", data=random(0, 1, 1, 28, 28))
            server.wait_for(lambda: len(model.runs) == 1)
            second = socket.create_connection(server.at)
            second.sendall(server.request("lenet", data=random(0, 1, 1, 28, 28)))
            server.wait_for(lambda: len(server.entry.batcher.queue) == 1)
            second.close()
            server.wait_for(server.entry.batcher.queue[0].future.done)
            model.go.set()
            assert first.result()[0] == 200
            assert infer(server, "lenet", data=random(0, 1, 1, 28, 28))[0] == 200  # the next that is run
        assert len(model.runs) == 2
        assert server.entry.statistics.answers[499] == 1


def test_what_was_refused_or_cut_off_is_not_left_to_the_collector(small: Inside) -> None:
    """A refusal holds its frames, and these the body; a connection its parser, and that the connection: where one holds the other,
    bodies stay until the collector comes, which here is not called for."""
    whole = small.request("lenet", data=random(0, 1, 1, 28, 28))
    wrong = small.request("lenet", data=random(0, 1, 2, 28, 28))

    def count() -> int:
        return sum(isinstance(o, Request | Connection | Waiting) for o in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = count()
        for sent in (
            whole,
            wrong,
            wrong[:300] + b"{" * (len(wrong) - 300),
            b"GET /v2/none HTTP/1.1\r\nHost: x\r\n\r\n",
        ):
            assert ask_raw(small.at, sent.replace(b"Host: x", b"Host: x\r\nConnection: close"))
        with socket.create_connection(small.at) as cut:
            cut.sendall(whole[:2000])
            small.wait_for(lambda: small.site.gate.bodies > 0)
        with Halting(small) as model, contextlib.ExitStack() as held:
            for number in range(2):  # one runs, one waits, when both hang up
                held.enter_context(socket.create_connection(small.at)).sendall(whole)
                small.wait_for(lambda: model.runs + len(small.entry.batcher.queue) > number)  # noqa: B023
            held.close()
            small.wait_for(lambda: not small.site.gate.bodies)
        small.wait_for(lambda: count() <= before)
    finally:
        gc.enable()


def test_timeout_of_a_request(small: Inside) -> None:
    assert small.wrong("lenet", parameters={"timeout": "1s"}) == (
        400,
        "timeout must be a number of microseconds: got '1s'",
    )


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("request", "unknown parameter 'priority' of the request: understood is binary_data_output, timeout"),
        ("input", "unknown parameter 'priority' of input 'data': understood is binary_data_size"),
        (
            "output",
            "unknown parameter 'priority' of output 'prob': understood is binary_data, classification",
        ),
    ],
)
def test_what_is_not_understood_is_refused(small: Inside, where: str, words: str) -> None:
    tensor = {"name": "data", "datatype": "FP32", "shape": [1, 1, 28, 28], "data": [0] * 784}
    whole: dict = {"inputs": [tensor], "outputs": [{"name": "prob"}]}
    {"request": whole, "input": tensor, "output": whole["outputs"][0]}[where]["parameters"] = {"priority": 1}
    assert small.post("/v2/models/lenet/infer", json.dumps(whole).encode()) == (400, words)


def test_open_sizes_are_told_as_triton_has_them(models: Path) -> None:
    """A size that is open is -1; the batch is no dimension where rows are joined or split."""
    with Inside(models / "two.onnx", Limits()) as server:
        config = server.get("/v2/models/two/config")[1]
    dims = {each["name"]: each["dims"] for each in (*config["input"], *config["output"])}
    batched = config["max_batch_size"] > 0
    assert dims == {
        name: shape[batched:]
        for name, shape in {"a": [-1, 3], "b": [-1, -1], "c": [-1, -1], "sum": [-1]}.items()
    }


def test_rows_of_a_run_are_counted_by_powers_of_two(small: Inside) -> None:
    assert infer(small, "lenet", data=random(0, 1, 1, 28, 28))[0] == 200
    page = urllib.request.urlopen(f"http://{small.address}/metrics").read().decode()
    found = re.findall(r'netspec_batch_rows_bucket\{[^}]*le="([^"]+)"', page)
    assert [float(each) for each in found] == [*(2.0**i for i in range(9)), float("inf")]


def test_the_limits_are_told(small: Inside) -> None:
    said = small.get("/v2/models/lenet/config")[1]["parameters"]
    assert {name: value["string_value"] for name, value in said.items()} == {
        f.name: str(getattr(SMALL, f.name)) for f in fields(Limits)
    }
    assert limits_text(SMALL).startswith("limits: max_batch=4 max_elements=8000 max_body=256KiB ")


def test_answers_sent_ahead_come_in_order(small: Inside) -> None:
    """And the one that is too large, after those before it."""
    sent = b"".join(b"GET /v2/%d HTTP/1.1\r\nHost: x\r\n\r\n" % i for i in range(5))
    found = ask_raw(small.at, sent + b"POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\n\r\n")
    assert [found.index(b"/v2/%d" % i) for i in range(5)] == sorted(
        found.index(b"/v2/%d" % i) for i in range(5)
    )
    assert found.count(b"HTTP/1.1 404") == 5
    assert found.index(b"HTTP/1.1 413") > found.index(b"/v2/4")


def test_few_handles_and_many_silent_sockets(models: Path) -> None:
    """`ulimit -n 100`, 200 who say nothing: health answers, and the log has lines, not megabytes."""
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100));"
        "from netspec.cli import main; main()"
    )
    server = Server([str(models / "lenet.onnx"), "--device", "cpu"], ("-c", code))
    silent = [socket.create_connection((server.host, server.port)) for _ in range(200)]
    for _ in range(5):
        connection = http.client.HTTPConnection(server.host, server.port, timeout=5)
        connection.request("GET", "/v2/health/ready")
        assert connection.getresponse().status == 200
        connection.close()
    for each in silent:
        each.close()
    status, out, err = server.stop()
    assert (status, out) == (0, "")
    assert len(err.splitlines()) <= 3
