"""onnxruntime on the file that netspec emits, beside the file that torch's tracing exporter makes of the same network.

Median latency of single runs in alternating order, one thread, and beside it the same file against itself. Aim: no worse than the tracer's.
Run: python benchmarks/onnx_latency.py [--runs 300] [--record]
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
import onnxruntime
import torch

import netspec
from netspec import driver
from netspec.read_options import Reading

HERE = Path(__file__).resolve().parent
NETS = (
    ("zoo:lenet", (1, 1, 28, 28)),
    ("zoo:resnet-18", (1, 3, 224, 224)),
    ("zoo:squeezenet-1.1", (1, 3, 224, 224)),
)


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def latency(sessions: list[onnxruntime.InferenceSession], x: np.ndarray, runs: int) -> list[float]:
    """Median milliseconds of each session, the sessions taking turns."""
    feeds = [{s.get_inputs()[0].name: x} for s in sessions]
    times: list[list[float]] = [[] for _ in sessions]
    for run in range(runs + 5):
        for i, (s, feed) in enumerate(zip(sessions, feeds, strict=True)):
            begin = time.perf_counter()
            s.run(None, feed)
            if run >= 5:
                times[i].append(time.perf_counter() - begin)
    return [1000 * statistics.median(t) for t in times]


def measure(spec: str, shape: tuple[int, ...], runs: int) -> str:
    """A row of the table. The contract of images is left out on both sides: the tracer knows none."""
    torch.manual_seed(0)
    program = driver.load(spec, Reading(settings=(f"input.data={['N', *shape[1:]]}",)))
    net = netspec.compile(program, "deploy")
    x = torch.randn(shape)
    with tempfile.TemporaryDirectory() as folder:
        ours, traced = Path(folder) / "ours.onnx", Path(folder) / "traced.onnx"
        netspec.export(net, ours)
        torch.onnx.export(
            net, (x,), str(traced), dynamo=True, verbose=False, dynamic_shapes=({0: torch.export.Dim("N")},)
        )
        mine, theirs, again = latency([session(ours), session(traced), session(ours)], x.numpy(), runs)
    return f"| {spec} | {mine:.3f} | {theirs:.3f} | {theirs / mine:.3f} | {again / mine:.3f} |"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=300)
    options.add_argument("--record", action="store_true", help="append to benchmarks/results/onnx_latency.md")
    given = options.parse_args()
    rows = [
        measure(spec, shape, given.runs if spec == "zoo:lenet" else max(10, given.runs // 5))
        for spec, shape in NETS
    ]
    head = (
        f"## {date.today()}: Python {platform.python_version()}, torch {torch.__version__}, onnxruntime {onnxruntime.__version__}, "
        f"{os.cpu_count()} cores, CPU, 1 thread, batch 1\n\n"
        "| net | netspec, ms | tracing exporter, ms | tracer / netspec | netspec / itself |\n|---|---|---|---|---|\n"
    )
    text = head + "\n".join(rows) + "\n"
    print(text)
    if given.record:
        path = HERE / "results" / "onnx_latency.md"
        title = "# onnxruntime latency of netspec's file beside the tracing exporter's\n\nAbove 1 netspec's is faster.\n\n"
        path.write_text((path.read_text() if path.exists() else title) + text + "\n")


if __name__ == "__main__":
    main()
