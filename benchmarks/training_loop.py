"""What the loop and Caffe's exactness cost: LeNet trained by netspec's loop against a loop written by hand, on a CPU or a GPU.

    python benchmarks/training_loop.py [--device cpu|cuda] [--steps 300] [--batch 64]

Steps are paired and their order alternates; the figure is the median of hand / netspec (1: as fast, above 1: faster), beside the same
figure for a second copy of the hand-written loop. `update` compares Solver.step with torch.optim's step alone, the rate changing each time.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from netspec.resolve.sections.solver import SolverParameter
from netspec.training.interrupt import Interrupt
from netspec.training.job import Job
from netspec.training.loop import Training
from netspec.training.optim.solver import ParameterSpec, Solver
from netspec.training.progress import Silent


class LeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 20, 5),
            nn.MaxPool2d(2),
            nn.Conv2d(20, 50, 5),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(800, 500),
            nn.ReLU(),
            nn.Linear(500, 10),
        )
        self.total_loss: Tensor | None = None

    def forward(self, data: Tensor, label: Tensor) -> Tensor:
        self.total_loss = nn.functional.cross_entropy(self.body(data), label)
        return self.total_loss


class Stream:
    """Batches from memory, as either loop takes them."""

    def __init__(self, batch: int, device: str) -> None:
        self.batches = [
            {
                "data": torch.randn(batch, 1, 28, 28, device=device),
                "label": torch.randint(10, (batch,), device=device),
            }
            for _ in range(8)
        ]
        self.position, self.batch = 0, batch

    def __len__(self) -> int:
        return len(self.batches)

    def __next__(self) -> dict[str, Tensor]:
        self.position += self.batch
        return self.batches[self.position // self.batch % 8]

    def state(self) -> dict[str, Any]:
        return {}

    def load_state(self, state: Any) -> None:
        pass


def words(steps: int) -> SolverParameter:
    return SolverParameter(
        base_lr=0.01,
        momentum=0.9,
        weight_decay=0.0005,
        lr_policy="inv",
        gamma=1e-4,
        power=0.75,
        max_iter=steps,
        display=100,
    )


def by_hand(stream: Stream, device: str) -> Callable[[], None]:
    """A plain PyTorch step that looks at its loss, as a loop that stops at NaN must, once an iteration on a CPU."""
    net = LeNet().to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=0.0005, fused=True)
    count = 0

    def step() -> None:
        nonlocal count
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * (1 + 1e-4 * count) ** -0.75
        optimizer.zero_grad(set_to_none=True)
        loss = net(**next(stream))
        if device == "cpu":
            loss.item()
        loss.backward()
        optimizer.step()
        count += 1

    return step


def by_netspec(stream: Stream, device: str, run: Path, steps: int) -> Callable[[], None]:
    net = LeNet()
    specs = [ParameterSpec(name, tensor) for name, tensor in net.named_parameters()]
    training = Training(
        Job(net, specs, words(steps), stream), run, torch.device(device), Interrupt(), Silent()
    )
    training.begin(resume=False)
    return training.advance


def timed(step: Callable[[], None], device: str) -> float:
    begin = time.perf_counter()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def paired(one: Callable[[], None], two: Callable[[], None], steps: int, device: str) -> float:
    """Median of the time of `one` over the time of `two`, after a warm-up."""
    ratios = []
    for i in range(steps + 20):
        a, b = (
            (timed(one, device), timed(two, device))
            if i % 2
            else reversed((timed(two, device), timed(one, device)))
        )
        ratios.append(a / b)
    return statistics.median(ratios[20:])


def updates(device: str) -> Iterator[Callable[[], None]]:
    """torch.optim's step and ours on LeNet's tensors, the rate changing at each."""
    net, other = LeNet().to(device), LeNet().to(device)
    for tensor in (*net.parameters(), *other.parameters()):
        tensor.grad = torch.randn_like(tensor) * 1e-3
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=0.0005, fused=True)

    def plain() -> None:
        optimizer.param_groups[0]["lr"] *= 0.999
        optimizer.step()

    yield plain
    yield Solver(
        words(10**6), [ParameterSpec(name, tensor) for name, tensor in other.named_parameters()], 10**6
    ).step


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--steps", type=int, default=300)
    arguments.add_argument("--batch", type=int, default=64)
    options = arguments.parse_args()
    stream = Stream(options.batch, options.device)
    hand = by_hand(stream, options.device)
    with tempfile.TemporaryDirectory() as folder:
        ours = by_netspec(stream, options.device, Path(folder), options.steps + 20)
        result = {
            "step": paired(hand, ours, options.steps, options.device),
            "step, hand against hand": paired(
                hand, by_hand(stream, options.device), options.steps, options.device
            ),
            "update": paired(*updates(options.device), options.steps, options.device),
        }
    print(
        json.dumps(
            {
                "torch": torch.__version__,
                "device": options.device,
                "threads": torch.get_num_threads(),
                "batch": options.batch,
            }
            | {name: round(value, 3) for name, value in result.items()}
        )
    )


if __name__ == "__main__":
    main()
