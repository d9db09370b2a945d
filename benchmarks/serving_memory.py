"""Memory of a server over hours under what a day brings: `python benchmarks/serving_memory.py --minutes 60`.

A folder of three models, one of which is replaced every half minute; small and large requests, binary and JSON, pages, wrong ones,
clients that hang up: some tens each second, so that the server is idle most of the time and what it holds then is seen. Resident memory
is read each second; of each minute the median, the least and the most are kept. The slope is that of least squares over the medians of
the last three quarters: the first fills what is kept on purpose.
"""

import argparse
import datetime
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
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
from serving_load import ask, mix

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


def remember(minutes: float, rate: float, note: Path | None) -> str:
    with tempfile.TemporaryDirectory() as at:
        folder = Path(at) / "models"
        for name, sizes in MODELS.items():
            (folder / name / "1").mkdir(parents=True)
            build(folder / name / "1" / "model.onnx", *sizes)
        with serving(folder, "--reload", "2") as (pid, port), ThreadPoolExecutor(1) as pool:
            load = pool.submit(ask, mix, port, make_requests(), minutes * 60, rate)
            found = watch(pid, folder, minutes * 60, note)
            count, spent = len(load.result().statuses), cpu_of(pid)
        shutil.rmtree(folder)
    later = found[len(found) // 4 :]
    return (
        f"Memory, {minutes:g} minutes of a mixed load on three models, one replaced every {REPLACED:g} s ({count} requests,"
        f" {count / minutes / 60:.0f} each second, {spent / minutes / 60:.2f} of a core): {found[0].median:.0f} MiB in the first minute,"
        f" {found[-1].median:.0f} in the last, {max(m.most for m in found):.0f} at most; slope over the last {len(later)} minutes"
        f" {slope([m.median for m in later]):+.1f} MiB an hour of the medians, {slope([m.least for m in later]):+.1f} of the least."
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=60.0)
    options.add_argument("--rate", type=float, default=20.0, help="requests each second")
    options.add_argument("--note", type=Path, help="a file for each minute's numbers")
    chosen = options.parse_args()
    words = f"{datetime.date.today()}, load {os.getloadavg()[0]:.1f} before. {remember(chosen.minutes, chosen.rate, chosen.note)}"
    print(words, flush=True)
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(f"\n{words}\n")


if __name__ == "__main__":
    main()
