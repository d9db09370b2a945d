"""The server as a process: how it starts, what it refuses to start with, how it ends, and what it must not import."""

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from click.testing import CliRunner
from serving_parts import PROGRAM, Inside, Server, random

from netspec.cli.serve import command
from netspec.diagnostics import SpecError
from netspec.serving.lifecycle import BURST
from netspec.serving.limits import Limits

pytestmark = pytest.mark.onnx
HEAVY = random(0, 1, 16, 64, 64)
INPUT = {
    "name": "x",
    "datatype": "FP32",
    "shape": [1, 16, 64, 64],
    "parameters": {"binary_data_size": HEAVY.nbytes},
}
HEADER = json.dumps({"inputs": [INPUT], "parameters": {"binary_data_output": True}}).encode()


def ask(connection):
    """One request for the heavy model: status, and the output or the error."""
    connection.request(
        "POST",
        "/v2/models/heavy/infer",
        HEADER + HEAVY.tobytes(),
        {"Inference-Header-Content-Length": str(len(HEADER))},
    )
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        return answer.status, content.decode()
    return 200, np.frombuffer(
        content[int(answer.headers["Inference-Header-Content-Length"]) :], np.float32
    ).reshape(HEAVY.shape)


def metric(server, *names):
    """The sum of some metrics, of one page: what ends between two pages would be counted in both."""
    text = urllib.request.urlopen(f"http://{server.address}/metrics").read().decode()
    wanted = tuple(f"{name}{{" for name in names)
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(wanted))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_loses_nothing_that_was_accepted(models, direct, number):
    server = Server([str(models / "heavy.onnx"), "--device", "cpu", "--threads", "1"])
    expected, clients = direct("heavy", x=HEAVY)["h12"], 24
    with ThreadPoolExecutor(clients) as pool:
        connections = [
            http.client.HTTPConnection(server.host, server.port, timeout=60) for _ in range(clients)
        ]
        answers = [pool.submit(ask, connection) for connection in connections]
        deadline = time.monotonic() + 30
        while metric(server, "netspec_requests_in_progress", "netspec_requests_total") < clients:
            assert time.monotonic() < deadline
        assert server.stop(number) == (0, "", "")
        for answer in answers:
            status, output = answer.result()
            assert status == 200, output
            np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-4)


def test_a_signal_under_steady_load_breaks_no_answer(models, direct):
    """Clients that go on asking until an answer says that it was the last: no request is dropped before, nor is an answer
    wrong or cut off."""
    server = Server([str(models / "heavy.onnx"), "--device", "cpu"])
    expected = direct("heavy", x=HEAVY)["h12"]

    def work(_: int) -> int:
        connection, answered = http.client.HTTPConnection(server.host, server.port, timeout=60), 0
        connection.connect()
        while connection.sock is not None:  # as it is after an answer with `Connection: close`
            status, output = ask(connection)
            assert status == 200
            np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-4)
            answered += 1
        return answered

    with ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(work, i) for i in range(16)]
        while metric(server, "netspec_requests_total") < 20:
            assert not any(a.done() for a in answers)
        assert server.stop() == (0, "", "")
        assert sum(a.result() for a in answers) >= 20
        assert all(a.result() for a in answers)


LIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"


def test_connections_that_wait_when_the_signal_comes_are_answered(models):
    """More than a loop takes at a time, each with its request sent, while the loop was busy: by the system's word they are
    connected."""
    here, there = threading.Event(), threading.Event()

    async def leave(server: Inside) -> None:
        here.set()
        there.wait(20)
        await server.site.leave()

    with Inside(models / "lenet.onnx", Limits()) as server:
        ending = asyncio.run_coroutine_threadsafe(leave(server), server.loop)
        here.wait(20)
        clients = [socket.create_connection(server.at, timeout=20) for _ in range(5 * BURST)]
        for client in clients:
            client.sendall(LIVE)
        there.set()
        for client in clients:
            with client:
                answer = client.recv(65536)
                assert answer.startswith(b"HTTP/1.1 200 ") and b"connection: close" in answer
        ending.result(20)
        server.site.leave = lambda: asyncio.sleep(0)  # it has left


def test_a_full_queue_is_said(models):
    server = Server([str(models / "heavy.onnx"), "--device", "cpu", "--queue", "1", "--threads", "1"])
    together = threading.Barrier(16)

    def work(_: int) -> list[int]:
        connection, found = http.client.HTTPConnection(server.host, server.port, timeout=60), []
        for _ in range(3):
            together.wait()
            status, output = ask(connection)
            assert (
                status == 200
                or output == '{"error":"the queue is full: 1 requests are waiting; try again later"}'
            )
            found.append(status)
        return found

    with ThreadPoolExecutor(16) as pool:
        statuses = [s for found in pool.map(work, range(16)) for s in found]
    assert set(statuses) == {200, 503}
    assert server.stop()[0] == 0


def test_only_onnxruntime_is_imported(models):
    heavy = "{'torch', 'onnx', 'sklearn', 'rich', 'yaml', 'jsonschema'}"
    at_end = f"print(sorted({heavy} & set(sys.modules)), 'onnxruntime' in sys.modules)"
    code = f"import atexit, sys; atexit.register(lambda: {at_end}); from netspec.cli import main; main()"
    server = Server([str(models / "lenet.onnx"), "--device", "cpu"], ("-c", code))
    urllib.request.urlopen(f"http://{server.address}/v2/models/lenet").read()
    assert server.stop() == (0, "[] True\n", "")


def test_name_and_host(models):
    server = Server(
        [str(models / "lenet.onnx"), "--device", "cpu", "--name", "my net", "--host", "localhost"]
    )
    assert server.line.startswith("serving my net on http://localhost:")
    assert urllib.request.urlopen(f"http://{server.address}/v2/models/my%20net/ready").status == 200
    assert server.stop()[0] == 0


def refusal(*arguments):
    """The diagnostic with which the command ends."""
    result = CliRunner().invoke(command, [*map(str, arguments), "--allow-uncertified"])
    assert isinstance(result.exception, SpecError), result.output
    (found,) = result.exception.diagnostics
    return found


def test_a_port_in_use(models):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = refusal(models / "lenet.onnx", "--device", "cpu", "--port", port)
    assert (found.code, found.fact) == ("NS724", f"127.0.0.1:{port}: the port is in use")


def test_a_refusal_is_a_finding_and_exit_1(tmp_path):
    command = [sys.executable, *PROGRAM, "serve", str(tmp_path / "none.onnx")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("error[NS720]: cannot read the model file: No such file or directory\n")


def test_an_unknown_host(models):
    assert refusal(models / "lenet.onnx", "--host", "no host").code == "NS724"


def test_a_name_with_a_slash(models):
    assert refusal(models / "lenet.onnx", "--name", "a/b").code == "NS725"


@pytest.mark.parametrize("content", [b"", b"hello, world\n" * 100, "half", "without graph"])
def test_a_file_that_is_no_model(models, tmp_path, content):
    whole = (models / "lenet.onnx").read_bytes()
    path = tmp_path / "model.onnx"
    path.write_bytes({"half": whole[: len(whole) // 2], "without graph": whole[:2]}.get(content, content))
    found = refusal(path, "--port", 0)
    assert (found.code, found.path) == ("NS721", str(path))
    assert found.fact
    assert "\n" not in found.fact


def test_a_file_that_cannot_be_read(tmp_path):
    assert refusal(tmp_path / "none.onnx", "--port", 0).code == "NS720"
    assert refusal(tmp_path, "--port", 0).code == "NS730"


@pytest.mark.skipif(os.path.exists("/dev/nvidia0"), reason="cuda may be there")
def test_cuda_that_is_not_there(models):
    found = refusal(models / "lenet.onnx", "--device", "cuda", "--port", 0)
    assert found.code == "NS722"
    assert found.fact.startswith("cuda was asked for, but ")


def test_bad_options_are_usage_errors():
    for options in (
        ["--device", "tpu"],
        ["--port", "70000"],
        ["--max-batch", "0"],
        ["--queue", "0"],
        ["another"],
    ):
        assert CliRunner().invoke(command, ["model.onnx", *options]).exit_code == 2
    assert CliRunner().invoke(command, []).exit_code == 2


def get(server, path):
    """Status of an answer, and what it says of the connection."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.headers["Connection"]


def test_a_server_that_is_to_end_is_not_ready_and_goes_on(models):
    """While --drain-delay lasts a balancer can see it, and requests are answered; a second signal ends the delay."""
    server = Server([str(models / "heavy.onnx"), "--device", "cpu", "--drain-delay", "600"])
    assert get(server, "/v2/health/ready")[0] == get(server, "/v2/models/heavy/ready")[0] == 200
    server.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 30
    while get(server, "/v2/health/ready")[0] == 200:
        assert time.monotonic() < deadline
    assert [get(server, path)[0] for path in ("/v2/health/ready", "/v2/health/live")] == [503, 200]
    assert ask(http.client.HTTPConnection(server.host, server.port, timeout=60))[0] == 200
    assert server.stop() == (0, "", "")
