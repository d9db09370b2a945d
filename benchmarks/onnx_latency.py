"""onnxruntime on the file that netspec emits, beside the file that torch's tracing exporter makes of the same network.

Nodes of both files; processor time to load each; median latency of single runs; all in alternating order, one thread, beside the same file
against itself. Aim: no worse than the tracer's.
Run: python benchmarks/onnx_latency.py [NET ...] [--runs 300] [--record]
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
import onnx
import onnxruntime
import torch

import netspec
from netspec import driver
from netspec.exporters.certification.drawn import draw_weights
from netspec.read_options import Reading

HERE = Path(__file__).resolve().parent
NETS = {
    "lenet": (1, 1, 28, 28),
    "resnet-18": (1, 3, 224, 224),
    "squeezenet-1.1": (1, 3, 224, 224),
    "mobilenet-v1": (1, 3, 224, 224),
    "densenet-121": (1, 3, 224, 224),
    "resnet-152": (1, 3, 224, 224),
}
LOADS = 24


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


def loading(paths: list[Path]) -> list[float]:
    """Lower quartile of the milliseconds of processor time to load each file, the files taking turns."""
    times: list[list[float]] = [[] for _ in paths]
    for turn in range(LOADS):
        for i in range(len(paths))[:: 1 if turn % 2 else -1]:
            begin = time.process_time()
            session(paths[i])
            times[i].append(time.process_time() - begin)
    return [1000 * statistics.quantiles(t, n=4)[0] for t in times]  # other work on the machine only adds


def measure(spec: str, shape: tuple[int, ...], runs: int) -> str:
    """A row of the table. The contract of images is left out on both sides: the tracer knows none. Weights are drawn as those
    of a certificate are: of a net that nobody trained the tracer keeps all biases of 0 as one tensor, which loads faster.
    """
    torch.manual_seed(0)
    program = driver.load(f"zoo:{spec}", Reading(settings=(f"input.data={['N', *shape[1:]]}",)))
    net = draw_weights(netspec.compile(program, "deploy"), program.graph("deploy"))
    x = torch.randn(shape)
    with tempfile.TemporaryDirectory() as folder:
        ours, traced = Path(folder) / "ours.onnx", Path(folder) / "traced.onnx"
        netspec.export(net, ours)
        # weights inside, as ours are: those beside a file are mapped, and none of the time to load
        torch.onnx.export(
            net,
            (x,),
            str(traced),
            dynamo=True,
            verbose=False,
            external_data=False,
            dynamic_shapes=({0: torch.export.Dim("N")},),
        )
        counts = [len(onnx.load(path, load_external_data=False).graph.node) for path in (ours, traced)]
        loads = loading([ours, traced])
        mine, theirs, again = latency([session(ours), session(traced), session(ours)], x.numpy(), runs)
    cells = [*counts, *(f"{number:.1f}" for number in (*loads, mine, theirs))]
    cells += [f"{number:.3f}" for number in (loads[1] / loads[0], theirs / mine, again / mine)]
    return " | ".join(["| " + spec, *map(str, cells)]) + " |"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("nets", nargs="*", default=list(NETS), metavar="NET")
    options.add_argument("--runs", type=int, default=300)
    options.add_argument("--record", action="store_true", help="append to benchmarks/results/onnx_latency.md")
    given = options.parse_args()
    rows = []
    for spec in given.nets:
        runs = given.runs if spec == "lenet" else max(10, given.runs // 5)
        rows.append(measure(spec, NETS[spec], runs))
        print(rows[-1], flush=True)
    head = (
        f"## {date.today()}: Python {platform.python_version()}, torch {torch.__version__}, onnxruntime {onnxruntime.__version__}, "
        f"{os.cpu_count()} cores, CPU, 1 thread, batch 1\n\n"
        "Nodes, milliseconds of processor time to load, milliseconds of a run, of netspec's file and the tracing exporter's; the tracer's over"
        " netspec's.\n\n"
        "| net | nodes | tracer | load | tracer | run | tracer | load ratio | run ratio | netspec / itself |\n"
        "|---|---|---|---|---|---|---|---|---|---|\n"
    )
    text = head + "\n".join(rows) + "\n"
    print(text)
    if given.record:
        path = HERE / "results" / "onnx_latency.md"
        title = "# onnxruntime latency of netspec's file beside the tracing exporter's\n\nAbove 1 netspec's is faster.\n\n"
        path.write_text((path.read_text() if path.exists() else title) + text + "\n")


if __name__ == "__main__":
    main()
