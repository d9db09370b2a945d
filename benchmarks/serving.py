"""Served throughput as a ratio to onnxruntime called in a loop, both in one run: `python benchmarks/serving.py`.

The loop runs one request at a time, as a program without a server would; the server gets the same requests from a client in a process of
its own (serving_load.py), over HTTP. Client, server and model share the cores, so the ratio counts what serving costs in all.
Rounds of both alternate; the median of the rounds' ratios, with their range, is written to results/serving.md. After them, in rounds
too: times of answers at 0.8 of the load that is served just before and just after (`at_share`), asked by the same client on a core of its
own, the server's loop on another (a system that puts both on one for a while is measured in the server's place), beside those of the
session itself that is fed in this process at 0.8 of what it can do (no server answers sooner); and at ten times what a slower model can do. Memory is serving_memory.py's. Where LitServe is installed, it serves the same model by the same onnxruntime, as its documentation has it.
"""

import argparse
import datetime
import json
import os
import platform
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper, save
from serving_load import Answers, fetch, measure

RESULTS = Path(__file__).parent / "results" / "serving.md"
# name: channels of the three 3x3 convolutions, input height and width, rows in a request
CASES = {"small, 1 row": (8, 28, 1), "middle, 1 row": (32, 64, 1), "middle, 8 rows": (32, 64, 8)}
SLOW = (96, 28, 1)  # small requests, long runs: a client on the same cores can ask ten times what it does
SECONDS = 3.0
SHARE, STEADY = 0.8, 0.1
"""Load of the requests that are timed, and by how much what can be done may change around them."""
MIB = 1024**2


def build(path: Path, channels: int, size: int, seed: int = 0) -> None:
    """Three convolutions, global pooling and a softmax over ten classes, N dynamic."""
    rng, weights, nodes, x, width = np.random.default_rng(seed), {}, [], "data", 3
    for i in range(3):
        weights[f"w{i}"] = rng.standard_normal((channels, width, 3, 3), dtype=np.float32) / np.float32(
            3 * width**0.5
        )
        nodes += [
            helper.make_node("Conv", [x, f"w{i}"], [f"c{i}"], pads=[1] * 4),
            helper.make_node("Relu", [f"c{i}"], [f"r{i}"]),
        ]
        x, width = f"r{i}", channels
    weights["w"] = rng.standard_normal((10, channels), dtype=np.float32)
    nodes += [helper.make_node("GlobalAveragePool", [x], ["g"]), helper.make_node("Flatten", ["g"], ["f"]),
              helper.make_node("Gemm", ["f", "w"], ["ip"], transB=1), helper.make_node("Softmax", ["ip"], ["prob"])]  # fmt: skip
    data = helper.make_tensor_value_info("data", TensorProto.FLOAT, ["N", 3, size, size])
    prob = helper.make_tensor_value_info("prob", TensorProto.FLOAT, ["N", 10])
    graph = helper.make_graph(
        nodes, "net", [data], [prob], [numpy_helper.from_array(a, n) for n, a in weights.items()]
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10), path)


def loop(
    session: onnxruntime.InferenceSession, data: np.ndarray, seconds: float = SECONDS
) -> tuple[float, float]:
    """Requests per second of the session itself, and milliseconds of CPU for each."""
    count, begun, spent = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - begun < seconds:
        session.run(None, {"data": data})
        count += 1
    return count / (time.perf_counter() - begun), (time.process_time() - spent) * 1000 / count


def served(pid: int, port: int, request: bytes, connections: int) -> tuple[float, float]:
    """Requests per second over HTTP, and milliseconds of the server's CPU for each."""
    spent = cpu_of(pid)
    found = measure(port, request, connections, SECONDS)
    assert set(found.statuses.tolist()) == {200}, found.statuses
    return found.rate(), (cpu_of(pid) - spent) * 1000 / len(found.statuses)


def request_bytes(data: np.ndarray, path: str = "/v2/models/net/infer") -> bytes:
    """A whole HTTP request with the array as a binary tensor."""
    tensor = {
        "name": "data",
        "datatype": "FP32",
        "shape": data.shape,
        "parameters": {"binary_data_size": data.nbytes},
    }
    header = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    more = f"Inference-Header-Content-Length: {len(header)}\r\n"
    return frame(header + data.tobytes(), more, path)


def json_bytes(data: np.ndarray, path: str = "/v2/models/net/infer") -> bytes:
    """The same, its numbers in JSON, with the digits that float32 has."""
    values = [float(str(x)) for x in data.ravel()]
    tensor = {"name": "data", "datatype": "FP32", "shape": data.shape, "data": values}
    return frame(json.dumps({"inputs": [tensor]}).encode(), path=path)


def frame(body: bytes, more: str = "", path: str = "/v2/models/net/infer") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


def feed(
    session: onnxruntime.InferenceSession, data: np.ndarray, rate: float, drawn: bool, seconds: float
) -> Answers:
    """The loop with requests that come at a rate, no matter how it goes: all that are due are one run, up to 64 rows."""
    count, many = int(rate * seconds), max(1, 64 // len(data))
    gaps = np.random.default_rng(7).exponential(1 / rate, count) if drawn else np.full(count, 1 / rate)
    due, took, begun, at = np.cumsum(gaps), np.zeros(count), time.perf_counter(), 0
    while at < count:
        wait = due[at] - (time.perf_counter() - begun)
        if wait > 0:
            time.sleep(max(0.0, wait - 1e-4))
            continue
        group = slice(at, min(at + many, int(np.searchsorted(due, time.perf_counter() - begun, "right"))))
        session.run(None, {"data": np.concatenate([data] * (group.stop - at))})
        took[group] = time.perf_counter() - begun - due[group]
        at = group.stop
    return Answers(np.full(count, 200), took, seconds, np.zeros(count))


class Paced(NamedTuple):
    """Answers at a share of the load, in rounds, and how many more rounds the machine changed its speed in."""

    rounds: Sequence[Answers]
    changed: int


def at_share(most: Callable[[], float], run: Callable[[float], Answers], rounds: int) -> Paced:
    """So many rounds at SHARE of what was possible just then: each lies between two measurements of `most`, which must agree. A machine
    that became slower in between was asked for another share, mostly more than it can do: such a round is counted apart and repeated."""
    kept, changed, before = list[Answers](), 0, most()
    while len(kept) < rounds and changed < 4 * rounds:
        found = run(SHARE * before)
        after = most()
        if abs(after - before) <= STEADY * before:
            kept.append(found)
        else:
            changed += 1
        before = after
    return Paced(kept, changed)


def idle(seconds: float) -> str:
    """How late this machine wakes a program that asks for nothing but to sleep a millisecond, on each of its cores."""
    cores, found = sorted(os.sched_getaffinity(0)), []
    for core in cores:
        os.sched_setaffinity(0, {core})
        end, late = time.perf_counter() + seconds, list[float]()
        while (begun := time.perf_counter()) < end:
            time.sleep(0.001)
            late.append((time.perf_counter() - begun) * 1000 - 1)
        found.append(f"{np.percentile(late, 99):.2f}, {max(late):.1f}")
    os.sched_setaffinity(0, cores)
    return f"A program that sleeps for a millisecond is late by (p99, most, in ms, on each core): {'; '.join(found)}."


def mean_rows(port: int) -> float:
    """Rows of a run of the model, as /metrics has counted them so far."""
    lines = dict(x.rsplit(" ", 1) for x in fetch(port, "/metrics").splitlines() if not x.startswith("#"))
    return float(lines['netspec_batch_rows_sum{model="net",version="1"}']) / float(
        lines['netspec_batch_rows_count{model="net",version="1"}']
    )


def rows_of(case: tuple[int, int, int]) -> np.ndarray:
    _, size, rows = case
    return np.random.default_rng(1).standard_normal((rows, 3, size, size), dtype=np.float32)


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has used, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> float:
    """MiB of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB


@contextmanager
def serving(path: Path, *options: str) -> Iterator[tuple[int, int]]:
    """A server of a model: its process and its port."""
    words = ("serve", path, "--port", "0", "--device", "cpu", "--join", "--allow-uncertified", *options)
    command = [sys.executable, "-m", "netspec", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(re.findall(r"https?://[^ ]*:([0-9]+)", server.stdout.readline())[0])
        server.stdout.readline()  # the limits
        try:
            yield server.pid, port
        finally:
            server.terminate()


LIT = """
import sys, numpy as np, onnxruntime, litserve
class Net(litserve.LitAPI):
    def setup(self, device):
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
    def decode_request(self, request):
        return np.array(request["data"], np.float32).reshape(request["shape"])
    def predict(self, x): return self.session.run(None, {"data": x})[0]
    def encode_response(self, output): return {"data": output.ravel().tolist()}
if __name__ == "__main__":
    server = litserve.LitServer(Net(api_path="/infer"), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(sys.argv[2]), log_level="error", generate_client_file=False)
"""


@contextmanager
def opened(path: Path) -> Iterator[onnxruntime.InferenceSession]:
    options = onnxruntime.SessionOptions()
    # As the server has it: CPU is compared.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    yield onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Row(NamedTuple):
    """Medians of a case: the loop's and the server's requests per second; sorted over the rounds, their ratios and the
    milliseconds of CPU that a request costs above the loop's; rows of a joined run; the answers at SHARE of the load, asked evenly and
    at drawn moments, of the server and of the loop."""

    looped: float
    served: float
    ratios: Sequence[float]
    above: Sequence[float]
    joined: float
    paced: Sequence[Paced]
    fed: Sequence[Paced]


def compare(
    case: tuple[int, int, int], make: Callable[[np.ndarray], bytes], connections: int, rounds: int
) -> Row:
    channels, size, _ = case
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        build(path, channels, size)
        data = rows_of(case)
        request = make(data)
        with opened(path) as session, serving(path) as (pid, port):
            served(pid, port, request, connections)  # what is made once is made now
            pairs = [(loop(session, data), served(pid, port, request, connections)) for _ in range(rounds)]
            joined = mean_rows(port)
            os.sched_setaffinity(
                pid, {min(os.sched_getaffinity(0))}
            )  # its loop; the model's threads stay free
            many = max(
                (n for n in (1, 4, 16) if n == 1 or n * len(data) < 64),
                key=lambda n: n * loop(session, np.concatenate([data] * n))[0],
            )
            group = np.concatenate([data] * many)

            def most_served() -> float:
                return measure(port, request, connections, SECONDS / 3, apart=True).rate()

            def most_fed() -> float:
                return many * loop(session, group, SECONDS / 3)[0]

            def ask_at(drawn: bool, rate: float) -> Answers:
                return measure(port, request, 8 * connections, SECONDS, rate, drawn, apart=True)

            def feed_at(drawn: bool, rate: float) -> Answers:
                return feed(session, data, rate, drawn, SECONDS)

            paced = [at_share(most_served, partial(ask_at, drawn), rounds) for drawn in (False, True)]
            fed = [at_share(most_fed, partial(feed_at, drawn), rounds) for drawn in (False, True)]
    above = sorted(b[1] - a[1] for a, b in pairs)
    looped, asked = (statistics.median(found[0] for found in of) for of in zip(*pairs, strict=True))
    return Row(looped, asked, sorted(b[0] / a[0] for a, b in pairs), above, joined, paced, fed)


def overload(*options: str) -> str:
    """Ten times what a model can do: who is taken waits no longer than the queue is, or than he may; who is not is told at once."""
    channels, size, _ = SLOW
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        build(path, channels, size)
        request = request_bytes(rows_of(SLOW))
        with serving(path, *options) as (pid, port):
            most, _ = served(pid, port, request, 64)
            found = measure(port, request, 512, 4 * SECONDS, 10 * most, patient=False, apart=True)
    # The queue, the run before it, and the run that an answer is of; at the rate that is left where refusing takes its part.
    bound = (256 + 2 * 64) / found.rate() * 1000
    asked = len(found.statuses) / found.span
    return (
        f"Ten times overload{''.join(f' {word}' for word in options)} (model of {most:.0f} requests/s, {asked:.0f} asked each second by 512 connections):"
        f" {found.rate():.0f} answered, p99 {found.percentile(99):.0f} ms (a full queue takes {bound:.0f} ms); {found.rate(503):.0f} refused,"
        f" p50 {found.percentile(50, 503):.1f} ms, p99 {found.percentile(99, 503):.1f} ms; {found.rate(504):.0f} told 504."
    )


def show_times(paced: Paced) -> str:
    """Medians of the rounds' p50 and p99 in milliseconds, and the range of the p99; how many rounds were set aside."""
    if not paced.rounds:
        return f"none of {paced.changed} rounds steady"
    p50, p99 = (sorted(found.percentile(q) for found in paced.rounds) for q in (50, 99))
    aside = f"; {paced.changed} aside" if paced.changed else ""
    return (
        f"{statistics.median(p50):.1f}, {statistics.median(p99):.1f} ({p99[0]:.1f} to {p99[-1]:.1f}{aside})"
    )


def beside(connections: int) -> str:
    """LitServe with the same model and the same onnxruntime, asked in JSON; no requests joined, as by default."""
    case = CASES["small, 1 row"]
    with tempfile.TemporaryDirectory() as folder:
        path, program, data = Path(folder) / "net.onnx", Path(folder) / "lit.py", rows_of(case)
        build(path, *case[:2])
        program.write_text(LIT, encoding="utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        values = [float(str(x)) for x in data.ravel()]
        request = frame(json.dumps({"data": values, "shape": data.shape}).encode(), path="/infer")
        command = [sys.executable, str(program), str(path), str(port)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as server:
            try:
                wait_for(port)
                found = measure(port, request, connections, 2 * SECONDS)
            finally:
                os.killpg(server.pid, signal.SIGTERM)
    return f"LitServe {version('litserve')}, small model, 1 row, JSON: {found.rate():.0f} requests/s, p50 {found.percentile(50):.0f} ms, p99 {found.percentile(99):.0f} ms."


def wait_for(port: int) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            fetch(port, "/health")
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
        else:
            return


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--connections", type=int, default=32)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--note", default="", help="a sentence on the machine, for the record")
    chosen = options.parse_args()
    cores = f"{len(os.sched_getaffinity(0))} cores, CPU, load {os.getloadavg()[0]:.1f} before"
    versions = f"Python {platform.python_version()}, onnxruntime {onnxruntime.__version__}, {cores}"
    lines = [
        f"\n## {datetime.date.today()}: {versions}; {chosen.connections} connections, {chosen.rounds} rounds of {SECONDS:g} s\n"
    ]
    if chosen.note:
        lines.append(f"{chosen.note}\n")
    lines.append(f"{idle(SECONDS)}\n")
    lines += [
        "| model and request | loop, requests/s | served, requests/s | median ratio (range) | ms of CPU a request above the loop (range) | rows of a joined run | at 0.8 of that, evenly: p50, p99 (range) in ms | the same, drawn | the loop fed at 0.8, evenly: p50, p99 | the same, drawn |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    kinds = [(name, case, request_bytes) for name, case in CASES.items()]
    kinds.insert(1, ("small, 1 row, JSON", CASES["small, 1 row"], json_bytes))
    for name, case, make in kinds if chosen.rounds else ():
        row = compare(case, make, chosen.connections, chosen.rounds)
        ratio = f"{statistics.median(row.ratios):.2f} ({row.ratios[0]:.2f} to {row.ratios[-1]:.2f})"
        cost = f"{statistics.median(row.above):.3f} ({row.above[0]:.3f} to {row.above[-1]:.3f})"
        paced = " | ".join(map(show_times, (*row.paced, *row.fed)))
        lines.append(f"| {name} | {row.looped:.0f} | {row.served:.0f} | {ratio} | {cost} | {row.joined:.1f} | {paced} |")  # fmt: skip
        print(lines[-1], flush=True)
    more = [overload, partial(overload, "--queue-seconds", "0.3")] if chosen.rounds else []
    if find_spec("litserve") and chosen.rounds:
        more.append(partial(beside, chosen.connections))
    for work in more:
        lines += ["", work()]
        print(lines[-1], flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    first = "" if RESULTS.exists() else "# Served throughput against the raw session loop\n"
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(first + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
