"""What the emitted net costs in training: a step of LeNet as netspec emits it against the same net written by hand in PyTorch.

    python benchmarks/training_step.py [--batch 64] [--steps 400] [--repeats 3] [--device cpu|cuda] [--write]

A step is forward, backward and torch.optim's SGD with momentum, the same on both sides. Steps are paired and their order alternates; the
figure is the median of hand / emitted (1: as fast; above 1: faster), beside that of the hand-written net against a second copy of itself,
which shows what the machine's noise alone makes. --write puts the result into benchmarks/results/training.md.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from netspec import compiled, driver

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results/training.md"
WARM_UP = 30


class ByHand(nn.Module):
    """LeNet as one would write it, with its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 20, 5), nn.Conv2d(20, 50, 5)
        self.ip1, self.ip2 = nn.Linear(800, 500), nn.Linear(500, 10)

    def forward(self, data: Tensor, label: Tensor) -> Tensor:
        x = nn.functional.max_pool2d(self.conv1(data), 2)
        x = nn.functional.max_pool2d(self.conv2(x), 2)
        x = self.ip2(torch.relu(self.ip1(x.flatten(1))))
        return nn.functional.cross_entropy(x, label)


def stepper(net: nn.Module, batch: dict[str, Tensor]) -> Callable[[], None]:
    """One training step of a net that answers its loss."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=0.0005, fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        net(**batch).backward()
        optimizer.step()

    return step


def timed(step: Callable[[], None], device: str) -> float:
    begin = time.perf_counter()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def paired(
    one: Callable[[], None], two: Callable[[], None], steps: int, device: str
) -> tuple[float, float, float]:
    """Median of time(one) / time(two), and the median times in seconds, after a warm-up."""
    ratios, times = [], []
    for i in range(steps + WARM_UP):
        if i % 2:
            a, b = timed(one, device), timed(two, device)
        else:
            b, a = timed(two, device), timed(one, device)
        ratios.append(a / b)
        times.append((a, b))
    kept = times[WARM_UP:]
    return (
        statistics.median(ratios[WARM_UP:]),
        statistics.median(a for a, _ in kept),
        statistics.median(b for _, b in kept),
    )


def emitted() -> nn.Module:
    """The net that `netspec train specs/lenet.yaml` trains."""
    return compiled.compile(driver.load(str(ROOT / "specs/lenet.yaml")).training_graph("train"), "train")


def check_same(one: nn.Module, two: nn.Module, batch: dict[str, Tensor]) -> None:
    """Both nets, given the same weights, have the same loss: what is timed is the same computation."""
    with torch.no_grad():
        for a, b in zip(one.parameters(), two.parameters(), strict=True):
            b.copy_(a)
        assert torch.allclose(one(**batch), two(**batch), rtol=1e-5)


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--batch", type=int, default=64)
    arguments.add_argument("--steps", type=int, default=400)
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--write", action="store_true")
    options = arguments.parse_args()
    torch.manual_seed(1)
    batch = {"data": torch.rand(options.batch, 1, 28, 28), "label": torch.randint(10, (options.batch,))}
    batch = {name: tensor.to(options.device) for name, tensor in batch.items()}
    hand, copy, net = ByHand().to(options.device), ByHand().to(options.device), emitted().to(options.device)
    check_same(hand, net, batch)
    steps = [stepper(each, batch) for each in (hand, net, copy)]
    rows = []
    for _ in range(options.repeats):
        ours, hand_time, our_time = paired(steps[0], steps[1], options.steps, options.device)
        control, _, _ = paired(steps[0], steps[2], options.steps, options.device)
        rows.append((ours, control, hand_time, our_time))
        times = f"hand {1e3 * hand_time:.2f} ms   emitted {1e3 * our_time:.2f} ms"
        print(f"hand / emitted {ours:.3f}   hand / copy {control:.3f}   {times}", flush=True)
    if options.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(report(rows, options), encoding="utf-8")


def report(rows: list[tuple[float, float, float, float]], options: argparse.Namespace) -> str:
    """The result as a page."""
    cores = len(os.sched_getaffinity(0))
    call = f"python benchmarks/training_step.py --batch {options.batch} --steps {options.steps} --repeats {options.repeats}"
    medians = [statistics.median(row[i] for row in rows) for i in (0, 1)]
    where = "CPU" if options.device == "cpu" else torch.cuda.get_device_name()
    lines = [
        "# A training step of the emitted LeNet",
        "",
        f"{time.strftime('%Y-%m-%d')}, {cores} cores, {where}, {torch.get_num_threads()} threads; torch {torch.__version__}, "
        f"Python {platform.python_version()}; batch {options.batch}, {options.steps} pairs of steps in alternating order.",
        "",
        "```console",
        f"$ {call}",
        "```",
        "",
        "| hand / emitted | hand / its copy | hand, ms | emitted, ms |",
        "|---|---|---|---|",
        *(f"| {a:.3f} | {b:.3f} | {1e3 * c:.2f} | {1e3 * d:.2f} |" for a, b, c, d in rows),
        "",
        f"Median of the runs: {medians[0]:.3f} beside {medians[1]:.3f} for two copies of the hand-written net. Above 1: faster.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
