"""What the emitted nets cost in training: a step of each, as netspec emits it, beside the same net written by hand in PyTorch.

    python benchmarks/training_step.py [NET ...] [--rounds 12] [--compile] [--device cpu|cuda] [--write]

A step is forward, backward and torch.optim's fused SGD with momentum, the same on all sides. Four nets take turns in an order that
alternates: by hand plain; by hand tuned (channels last, with --compile compiled too, whichever was faster in the warm-up); emitted; emitted with
`layout: auto` (with --compile `compile: true` where that was faster in the warm-up). Figures are medians over the rounds of processor time, beside wall
time, since other programs may run. `same` says that with the same weights both have the same loss. --write appends to results/training.md.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import by_hand
import torch
from torch import Tensor, nn

from netspec import compiled, driver
from netspec.read_options import Reading
from netspec.resolve.sections.pace import PaceWords
from netspec.training.pace import Pace

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results/training.md"
Step = Callable[[], None]
Batch = dict[str, Tensor]


class Net(NamedTuple):
    """spec, what it is read with, the net by hand, shape and classes of a batch."""

    spec: str
    settings: tuple[str, ...]
    hand: Callable[[], nn.Module]
    shape: tuple[int, ...]
    classes: int


NETS = {
    "LeNet": Net("zoo:lenet", (), by_hand.LeNet, (64, 1, 28, 28), 10),
    "cifar10-quick": Net("zoo:cifar10-quick", (), by_hand.Quick, (64, 3, 32, 32), 10),
    "ResNet-20": Net("zoo:resnet-20", (), by_hand.ResNet20, (64, 3, 32, 32), 10),
    "ResNet-50": Net("zoo:resnet-50", ("input.data=[N, 3, 96, 96]",), by_hand.ResNet50, (4, 3, 96, 96), 1000),
    "MobileNet": Net(
        "zoo:mobilenet-v1", ("input.data=[N, 3, 96, 96]",), by_hand.MobileNet, (8, 3, 96, 96), 1000
    ),
    "U-Net": Net("zoo:u-net-shapes", (), by_hand.UNet, (16, 1, 64, 64), 3),
    "char-RNN": Net("zoo:char-rnn", (), by_hand.CharRNN, (64, 32), 65),
}


def batch_of(net: Net) -> Batch:
    if len(net.shape) == 2:
        letters, following = (torch.randint(net.classes, net.shape) for _ in range(2))
        cont = torch.ones(net.shape)
        cont[0] = 0
        return {"data": letters, "cont": cont, "label": following}
    rows = (net.shape[0], *net.shape[2:]) if net.classes == 3 else net.shape[:1]
    return {"data": torch.rand(net.shape), "label": torch.randint(net.classes, rows)}


def emitted(net: Net) -> nn.Module:
    """The net that `netspec train` trains."""
    program = driver.load(net.spec, Reading(settings=net.settings))
    return compiled.compile(program.training_graph("train"), "train")


def same(one: nn.Module, two: nn.Module, batch: Batch) -> str:
    """Whether both, given the same weights, have the same loss: what is timed is the same computation."""
    pairs = list(zip(one.parameters(), two.parameters(), strict=False))
    if [a.shape for a, _ in pairs] != [b.shape for _, b in pairs] or len(pairs) != len(
        list(two.parameters())
    ):
        return "not compared"
    with torch.no_grad():
        for a, b in pairs:
            b.copy_(a)
        x, y = float(loss_of(one, one(**batch))), float(loss_of(two, two(**batch)))
    assert abs(x - y) <= 1e-4 * abs(x), (x, y)
    return "yes"


def loss_of(net: Any, made: Any) -> Tensor:
    return made if isinstance(made, Tensor) else net.total_loss


def by_word(net: nn.Module, batch: Batch, compiled: bool, device: str) -> Step:
    """A step of a net by hand, tuned as one does it: torch's own channels last, torch.compile."""
    if any(tensor.dim() == 4 for tensor in batch.values()):
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        batch = {
            name: tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor
            for name, tensor in batch.items()
        }
    return stepper(net, batch, PaceWords(compile=compiled), device)


def stepper(net: nn.Module, batch: Batch, words: PaceWords, device: str) -> Step:
    """One training step, the batch as the loader gives it."""
    pace = Pace(words, torch.device(device), [net], ())
    optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9, weight_decay=0.0005, fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss_of(net, pace.run(net, batch)).backward()
        optimizer.step()

    return step


def timed(step: Step, device: str) -> tuple[float, float]:
    """Processor time and wall time of a step."""
    begin, cpu = time.perf_counter(), time.process_time()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.process_time() - cpu, time.perf_counter() - begin


def fastest(steps: list[Step], device: str) -> Step:
    """The one that takes least, by the median of three calls in turn after two."""
    times: list[list[float]] = [[] for _ in steps]
    for turn in range(5):
        for step, found in zip(steps, times, strict=True):
            spent = timed(step, device)[0]
            if turn >= 2:
                found.append(spent)
    return min(zip(steps, times, strict=True), key=lambda pair: statistics.median(pair[1]))[0]


def measure(name: str, options: argparse.Namespace) -> str:
    """A row of the table."""
    net = NETS[name]
    torch.manual_seed(1)
    batch = {key: tensor.to(options.device) for key, tensor in batch_of(net).items()}
    hands = [net.hand().to(options.device) for _ in range(3 if options.compile else 2)]
    nets = [emitted(net).to(options.device) for _ in range(3 if options.compile else 2)]
    equal = same(hands[0], nets[0], batch)
    tuned = [by_word(hands[1], batch, False, options.device)]
    ours = [stepper(nets[1], batch, PaceWords(layout="auto"), options.device)]
    if options.compile:
        tuned.append(by_word(hands[2], batch, True, options.device))
        ours.append(stepper(nets[2], batch, PaceWords("auto", True), options.device))
    sides = [
        stepper(hands[0], batch, PaceWords(), options.device),
        fastest(tuned, options.device),
        stepper(nets[0], batch, PaceWords(), options.device),
        fastest(ours, options.device),
    ]
    times: list[list[tuple[float, float]]] = [[] for _ in sides]
    for turn in range(options.rounds + 2):
        order = range(len(sides)) if turn % 2 else reversed(range(len(sides)))
        for i in order:
            found = timed(sides[i], options.device)
            if turn >= 2:
                times[i].append(found)
    return row(name, equal, times)


def row(name: str, equal: str, times: list[list[tuple[float, float]]]) -> str:
    """Milliseconds of each side, and the three ratios, of processor time and (in brackets) of wall time."""

    def ratio(one: int, two: int) -> str:
        both = (
            statistics.median(a[k] / b[k] for a, b in zip(times[one], times[two], strict=True))
            for k in (0, 1)
        )
        return "{:.2f} ({:.2f})".format(*both)

    spent = " | ".join(f"{1e3 * statistics.median(t[0] for t in side):.1f}" for side in times)
    return f"| {name} | {spent} | {ratio(0, 2)} | {ratio(1, 3)} | {ratio(0, 3)} | {equal} |"


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("nets", nargs="*", default=list(NETS), metavar="NET")
    arguments.add_argument("--rounds", type=int, default=12)
    arguments.add_argument("--compile", action="store_true")
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--write", action="store_true")
    options = arguments.parse_args()
    rows = []
    for name in options.nets:
        rows.append(measure(name, options))
        print(rows[-1], flush=True)
    if options.write:
        before = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
        RESULTS.write_text(before.rstrip("\n") + "\n\n" + report(rows, options), encoding="utf-8")


def report(rows: list[str], options: argparse.Namespace) -> str:
    """The result as a part of the page."""
    where = "CPU" if options.device == "cpu" else torch.cuda.get_device_name()
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    words = f"{'--compile ' if options.compile else ''}--rounds {options.rounds}"
    lines = [
        f"## {time.strftime('%Y-%m-%d')}: {len(os.sched_getaffinity(0))} cores, {where}, {torch.get_num_threads()} threads, {load}; "
        f"torch {torch.__version__}, Python {platform.python_version()}",
        "",
        f"`python benchmarks/training_step.py {' '.join(options.nets)} {words}`. Milliseconds of processor time; ratios of it, of wall time in"
        " brackets; above 1 netspec is faster.",
        "",
        "| net | by hand | by hand, tuned | emitted | emitted, auto | plain / emitted | tuned / auto | plain / auto | same loss |",
        "|---|---|---|---|---|---|---|---|---|",
        *rows,
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
