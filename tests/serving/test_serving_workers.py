"""Several workers on one port: all answer, a signal reaches all, and one that dies ends the server."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner
from serving_parts import PROGRAM, Server

from netspec.cli.serve import command

pytestmark = [
    pytest.mark.onnx,
    pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads /proc"),
]


def children(process: int) -> list[int]:
    """Its workers, by the system's word; the helper process of multiprocessing is none."""
    found = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(n) for n in found if b"spawn_main" in Path(f"/proc/{n}/cmdline").read_bytes()]


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_for_the_end(processes: list[int]) -> None:
    end = time.monotonic() + 30
    while any(map(is_alive, processes)):
        assert time.monotonic() < end
        time.sleep(0.05)


def start(models: Path) -> tuple[Server, list[int]]:
    server = Server([str(models / "lenet.onnx"), "--device", "cpu", "--workers", "2"])
    workers = children(server.process.pid)
    assert len(workers) == 2
    return server, workers


def test_all_workers_answer_and_a_signal_ends_all(models: Path) -> None:
    server, workers = start(models)
    ready = f"http://{server.address}/v2/models/lenet/ready"
    metrics = f"http://{server.address}/metrics"
    answered = set()
    for _ in range(64):  # each connection goes to either by a hash: none in 64 by chance is 2^-63
        assert urllib.request.urlopen(ready).status == 200
        text = urllib.request.urlopen(metrics).read()
        answered.add(re.search(rb"^netspec_process (\S+)", text, re.M)[1])
        if len(answered) == 2:
            break
    assert {float(n) for n in answered} == set(map(float, workers))
    refused = [sys.executable, *PROGRAM, "serve", str(models / "lenet.onnx"), "--allow-uncertified",
               "--workers", "2", "--port", str(server.port)]  # fmt: skip
    ended = subprocess.run(refused, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, "the port is in use" in ended.stderr) == (1, True)
    assert server.stop(signal.SIGINT) == (0, "", "")
    assert not any(map(is_alive, workers))


def test_a_worker_that_dies_ends_the_server(models: Path) -> None:
    server, workers = start(models)
    os.kill(workers[1], signal.SIGKILL)
    out, err = server.process.communicate(timeout=60)
    assert (server.process.returncode, out) == (1, "")
    assert err.startswith("error[NS733]: a worker of the server ended: worker 2 of 2 ended by signal 9")
    assert not any(map(is_alive, workers))


def test_workers_do_not_outlive_their_parent(models: Path) -> None:
    server, workers = start(models)
    server.process.kill()
    server.process.communicate(timeout=60)
    wait_for_the_end(workers)
    with socket.create_server(("127.0.0.1", server.port)):
        pass


def test_what_is_wrong_with_the_model_is_told_once(tmp_path: Path) -> None:
    words = [sys.executable, *PROGRAM, "serve", str(tmp_path / "none.onnx"), "--workers", "2", "--port", "0"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr.count("error[NS720]")) == (1, 1)


def test_control_needs_one_worker() -> None:
    done = CliRunner().invoke(command, ["model.onnx", "--workers", "2", "--control"])
    assert (done.exit_code, "--control needs --workers 1" in done.output) == (2, True)
