"""Served throughput as a ratio to onnxruntime called in a loop, both in one run: `python benchmarks/serving.py`.

The loop runs one request at a time, as a program without a server would; the server gets the same requests from clients in processes of
their own, over HTTP with binary tensors. Clients, server and model share the cores, so the ratio counts what serving costs in all.
Rounds of both alternate; the median of the rounds' ratios, with their range, is written to results/serving.md.
"""

import argparse
import asyncio
import datetime
import http.client
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper, save

RESULTS = Path(__file__).parent / "results" / "serving.md"
# name: channels of the three 3x3 convolutions, input height and width, rows in a request
CASES = {"small, 1 row": (8, 28, 1), "middle, 1 row": (32, 64, 1), "middle, 8 rows": (32, 64, 8)}
SECONDS = 3.0


def build(path: Path, channels: int, size: int) -> None:
    """Three convolutions, global pooling and a softmax over ten classes, N dynamic."""
    rng, weights, nodes, x, width = np.random.default_rng(0), {}, [], "data", 3
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


def loop(session: onnxruntime.InferenceSession, data: np.ndarray) -> tuple[float, float]:
    """Requests per second of the session itself, and milliseconds of CPU for each."""
    count, begun, spent = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - begun < SECONDS:
        session.run(None, {"data": data})
        count += 1
    return count / (time.perf_counter() - begun), (time.process_time() - spent) * 1000 / count


async def client(port: int, request: bytes, until: float) -> int:
    """One connection that asks again as soon as it is answered; the number of answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    count = 0
    while time.time() < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().split(b"\r\ncontent-length: ")[-1].split(b"\r\n")[0])
        await reader.readexactly(length)
        count += 1
    writer.close()
    return count


def clients(
    port: int, request: bytes, connections: int, start: float, answers: "multiprocessing.Queue[int]"
) -> None:
    async def all_of_them() -> int:
        await asyncio.sleep(max(0.0, start - time.time()))
        return sum(
            await asyncio.gather(*(client(port, request, start + SECONDS) for _ in range(connections)))
        )

    answers.put(asyncio.run(all_of_them()))


def served(pid: int, port: int, request: bytes, connections: int) -> tuple[float, float]:
    """Requests per second over HTTP, from two processes of clients, and milliseconds of the server's CPU for each."""
    spent = cpu_of(pid)
    answers: multiprocessing.Queue[int] = multiprocessing.Queue()
    start = time.time() + 0.5
    processes = [
        multiprocessing.Process(target=clients, args=(port, request, connections // 2, start, answers))
        for _ in range(2)
    ]
    for process in processes:
        process.start()
    total = sum(answers.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()
    return total / SECONDS, (cpu_of(pid) - spent) * 1000 / total


def request_bytes(data: np.ndarray) -> bytes:
    """A whole HTTP request with the array as a binary tensor."""
    tensor = {
        "name": "data",
        "datatype": "FP32",
        "shape": data.shape,
        "parameters": {"binary_data_size": data.nbytes},
    }
    header = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    body = header + data.tobytes()
    lengths = f"Inference-Header-Content-Length: {len(header)}\r\nContent-Length: {len(body)}"
    return f"POST /v2/models/net/infer HTTP/1.1\r\nHost: localhost\r\n{lengths}\r\n\r\n".encode() + body


def mean_rows(port: int) -> float:
    """Rows of a run of the model, as /metrics has counted them so far."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/metrics")
    lines = dict(
        x.rsplit(" ", 1)
        for x in connection.getresponse().read().decode().splitlines()
        if not x.startswith("#")
    )
    return float(lines['netspec_batch_rows_sum{model="net",version="1"}']) / float(
        lines['netspec_batch_rows_count{model="net",version="1"}']
    )


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has used, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(
    case: tuple[int, int, int], connections: int, rounds: int
) -> tuple[float, float, list[float], list[float], float]:
    """Loop and server in requests per second (medians), the sorted ratios of the rounds, the sorted milliseconds of CPU that
    a request costs above the loop's, and the mean rows of a joined run."""
    channels, size, rows = case
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        build(path, channels, size)
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry(
            "session.intra_op.allow_spinning", "0"
        )  # as the server has it: CPU is compared
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        data = np.random.default_rng(1).standard_normal((rows, 3, size, size), dtype=np.float32)
        command = [
            sys.executable,
            "-m",
            "netspec",
            "serve",
            str(path),
            "--port",
            "0",
            "--device",
            "cpu",
            "--join",
            "--allow-uncertified",
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            port = int(server.stdout.readline().rsplit(":", 1)[1])
            server.stdout.readline()  # the limits
            pairs = [
                (loop(session, data), served(server.pid, port, request_bytes(data), connections))
                for _ in range(rounds)
            ]
            joined = mean_rows(port)
            server.terminate()
    looped, over_http = zip(*pairs, strict=True)
    above = sorted(b[1] - a[1] for a, b in pairs)
    rates = statistics.median(each[0] for each in looped), statistics.median(each[0] for each in over_http)
    return *rates, sorted(b[0] / a[0] for a, b in pairs), above, joined


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--connections", type=int, default=32)
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    cores = f"{len(os.sched_getaffinity(0))} cores, CPU, load {os.getloadavg()[0]:.1f} before"
    versions = f"Python {platform.python_version()}, onnxruntime {onnxruntime.__version__}, {cores}"
    lines = [
        f"\n## {datetime.date.today()}: {versions}; {chosen.connections} connections, {chosen.rounds} rounds of {SECONDS:g} s\n"
    ]
    lines += [
        "| model and request | loop, requests/s | served, requests/s | median ratio (range) | ms of CPU a request above the loop (range) | rows of a joined run |",
        "|---|---|---|---|---|---|",
    ]
    for name, case in CASES.items():
        looped, over_http, ratios, above, joined = measure(case, chosen.connections, chosen.rounds)
        ratio = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        cost = f"{statistics.median(above):.3f} ({above[0]:.3f} to {above[-1]:.3f})"
        lines.append(f"| {name} | {looped:.0f} | {over_http:.0f} | {ratio} | {cost} | {joined:.1f} |")
        print(lines[-1], flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    first = "" if RESULTS.exists() else "# Served throughput against the raw session loop\n"
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(first + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
