"""Memory of a server over hours under what a day brings: `python benchmarks/serving_memory.py --minutes 60`.

A folder of three models, one of which is replaced every half minute; small and large requests, binary and JSON, pages, wrong ones,
clients that hang up: some tens each second, so that the server is idle most of the time and what it holds then is seen. With `--grpc`
as many calls over gRPC at the same time, of each kind that there is. Resident memory is read each second; of each minute the median, the
least and the most are kept. The slope is that of least squares over the medians of the last three quarters: the first fills what is kept
on purpose.
"""

import argparse
import datetime
import os
import queue
import random
import shutil
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from serving import (
    CASES,
    RESULTS,
    build,
    cpu_of,
    frame,
    json_bytes,
    memory_of,
    request_bytes,
    rows_of,
    serving,
)
from serving_load import Answers, ask, mix

MODELS = {"first": (8, 28), "second": (16, 28), "third": (32, 28)}
REPLACED = 30.0
"""Seconds from one new file to the next."""


class Minute(NamedTuple):
    median: float
    least: float
    most: float


def make_requests() -> list[bytes]:
    """Of each kind one, for each of the models."""
    one, rng = rows_of(CASES["small, 1 row"]), np.random.default_rng(2)
    many = rng.standard_normal((500, 3, 28, 28), dtype=np.float32)
    get = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
    found = [
        get % b"/metrics",
        get % b"/v2/models/stats",
        get % b"/v2/none",
        frame(b"{}", path="/v2/repository/index"),
    ]
    for name in MODELS:
        path = f"/v2/models/{name}/infer"
        tensors = (one, many, many[:7], many[:3, :1])
        found += [request_bytes(tensor, path) for tensor in tensors]
        found += [json_bytes(one, path), json_bytes(many[:20], path), frame(b"{", path=path)]
        found += [frame(b'{"inputs": []}', path=path), get % f"/v2/models/{name}/config".encode()]
    return found


def mix_grpc(port: int, seconds: float, rate: float) -> Answers:
    """The same over gRPC by Triton's client, calls drawn anew each time: small and large ones, wrong ones, what the server tells of
    itself, deadlines that are too short, calls that are given up, streams that are cut off.
    """
    import tritonclient.grpc as triton

    draw, rng, told = random.Random(8), np.random.default_rng(3), list[tuple[int, float]]()
    many = rng.standard_normal((500, 3, 28, 28), dtype=np.float32)

    def tensor(rows: int, channels: int = 3) -> list[triton.InferInput]:
        data = triton.InferInput("data", [rows, channels, 28, 28], "FP32")
        data.set_data_from_numpy(many[:rows, :channels])
        return [data]

    def stream(client: triton.InferenceServerClient, name: str) -> None:
        answers = queue.SimpleQueue[object]()
        client.start_stream(callback=lambda result, error: answers.put(error or result))
        for rows in (1, 7, 1):
            client.async_stream_infer(name, tensor(rows))
        for _ in range(draw.randrange(4)):  # the others are cut off
            answers.get(timeout=30)
        client.stop_stream(cancel_requests=True)

    kinds: list[Callable[[triton.InferenceServerClient, str], object]] = [
        lambda c, name: c.infer(name, tensor(1)),
        lambda c, name: c.infer(name, tensor(500)),
        lambda c, name: c.infer(name, tensor(20)),
        lambda c, name: c.infer(name, tensor(3, 1)),
        lambda c, name: c.infer(f"no-{name}", tensor(1)),
        lambda c, name: c.infer(name, tensor(500), client_timeout=0.001),
        lambda c, name: c.async_infer(name, tensor(500), callback=lambda result, error: None).cancel(),
        lambda c, name: (
            c.get_model_metadata(name),
            c.get_model_config(name),
            c.get_inference_statistics(name),
        ),
        lambda c, name: (c.is_server_ready(), c.get_model_repository_index()),
        stream,
    ]
    end, gap, client = (
        time.perf_counter() + seconds,
        1 / rate,
        triton.InferenceServerClient(f"127.0.0.1:{port}"),
    )
    while (now := time.perf_counter()) < end:
        try:
            draw.choice(kinds)(client, draw.choice(list(MODELS)))
            status = 200
        except triton.InferenceServerException:
            status = 400
        told.append((status, time.perf_counter() - now))
        if draw.randrange(50) == 0:  # another client
            client.close()
            client = triton.InferenceServerClient(f"127.0.0.1:{port}")
        time.sleep(max(0.0, gap - (time.perf_counter() - now)))
    client.close()
    statuses, took = map(np.array, zip(*told, strict=True))
    return Answers(statuses, took, seconds, np.zeros(len(took)))


def replace(folder: Path, count: int) -> None:
    """Another file of one of the models takes the place of the one that answers."""
    name = list(MODELS)[count % len(MODELS)]
    beside = folder / "beside"
    build(beside, *MODELS[name], seed=count)
    beside.rename(folder / name / "1" / "model.onnx")


def watch(pid: int, folder: Path, seconds: float, note: Path | None) -> list[Minute]:
    """What each minute had, in MiB."""
    minutes, samples, begun, replaced = list[Minute](), list[float](), time.monotonic(), 0
    while (passed := time.monotonic() - begun) < seconds:
        samples.append(memory_of(pid))
        if passed > REPLACED * (replaced + 1):
            replaced += 1
            replace(folder, replaced)
        if passed >= 60 * (len(minutes) + 1):
            minutes.append(Minute(statistics.median(samples), min(samples), max(samples)))
            samples.clear()
            if note:
                with note.open("a") as file:
                    file.write(f"{len(minutes)} {minutes[-1]} {cpu_of(pid):.0f} s CPU\n")
        time.sleep(1.0)
    return minutes


def slope(values: Sequence[float]) -> float:
    """MiB an hour of values a minute apart."""
    return float(np.polyfit(np.arange(len(values)) / 60, values, 1)[0])


def remember(minutes: float, rate: float, note: Path | None, grpc: bool) -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        rpc = free.getsockname()[1]
    options, more = (("--grpc-port", str(rpc)) if grpc else ()), ""
    with tempfile.TemporaryDirectory() as at:
        folder = Path(at) / "models"
        for name, sizes in MODELS.items():
            (folder / name / "1").mkdir(parents=True)
            build(folder / name / "1" / "model.onnx", *sizes)
        with serving(folder, "--reload", "2", *options) as (pid, port), ThreadPoolExecutor(2) as pool:
            load = pool.submit(ask, mix, port, make_requests(), minutes * 60, rate)
            calls = pool.submit(ask, mix_grpc, rpc, minutes * 60, rate) if grpc else None
            found = watch(pid, folder, minutes * 60, note)
            if calls is not None:
                asked = calls.result()
                more = f", and {len(asked.statuses)} calls over gRPC, {(asked.statuses == 200).sum()} of them answered as they were meant,"
            count, spent = len(load.result().statuses), cpu_of(pid)
        shutil.rmtree(folder)
    later = found[len(found) // 4 :]
    return (
        f"Memory, {minutes:g} minutes of a mixed load on three models, one replaced every {REPLACED:g} s ({count} requests{more or ','}"
        f" {count / minutes / 60:.0f} each second by each, {spent / minutes / 60:.2f} of a core): {found[0].median:.0f} MiB in the first minute,"
        f" {found[-1].median:.0f} in the last, {max(m.most for m in found):.0f} at most; slope over the last {len(later)} minutes"
        f" {slope([m.median for m in later]):+.1f} MiB an hour of the medians, {slope([m.least for m in later]):+.1f} of the least."
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=60.0)
    options.add_argument("--grpc", action="store_true", help="calls over gRPC too")
    options.add_argument("--rate", type=float, default=20.0, help="requests each second")
    options.add_argument("--note", type=Path, help="a file for each minute's numbers")
    chosen = options.parse_args()
    words = f"{datetime.date.today()}, load {os.getloadavg()[0]:.1f} before. {remember(chosen.minutes, chosen.rate, chosen.note, chosen.grpc)}"
    print(words, flush=True)
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(f"\n{words}\n")


if __name__ == "__main__":
    main()
