"""Caffe's quick net for CIFAR-10 as `netspec train` trains it, against the same net and solver written by hand in PyTorch, paired.

    python benchmarks/trained/cifar_baseline.py DATA/cifar10-subset [--seeds 1 2 3] [--iterations 1000]

Paired: the hand's net begins with the very weights that netspec drew (written out to a file before the first step) and sees the samples
in the same order; both then go on by themselves from the same binary files, with momentum 0.9, weight decay 0.004, biases at twice the
rate, the rate divided by 10 after 80 % of the iterations, and a test at the end on all test images. What is left between the two is the
order of float32 sums. `--apart` gives the hand its own weights, order and random numbers instead, as the first version of this script did.
Seeds alternate which side goes first. Prints a row per seed: test accuracy of both, the largest difference of a step's loss in the first
20 steps and in all, CPU seconds of both (data, training, test; without import), and the ratio hand / netspec.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy, max_pool2d, relu

import netspec
from netspec.driver import load
from netspec.read_options import Reading
from netspec.training.batches.loader import permutation
from netspec.training.session import session

SPEC = Path(__file__).parents[2] / "specs/imagenet/cifar10-quick.yaml"
MEAN = torch.tensor([125.3, 123.0, 113.9]).view(3, 1, 1)
BATCH = 100
STANDARD_DEVIATIONS = {"conv1": 0.0001, "conv2": 0.01, "conv3": 0.01, "ip1": 0.1, "ip2": 0.1}


class Quick(nn.Module):
    """The net as one would write it: (N, 3, 32, 32) to scores (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = (
            nn.Conv2d(3, 32, 5, padding=2),
            nn.Conv2d(32, 32, 5, padding=2),
            nn.Conv2d(32, 64, 5, padding=2),
        )
        self.ip1, self.ip2 = nn.Linear(1024, 64), nn.Linear(64, 10)
        for name, std in STANDARD_DEVIATIONS.items():
            nn.init.normal_(self.get_submodule(name).weight, std=std)
            nn.init.zeros_(self.get_submodule(name).bias)

    def forward(self, x: Tensor) -> Tensor:
        x = relu(max_pool2d(self.conv1(x), 3, 2, ceil_mode=True))
        x = avg_pool2d(relu(self.conv2(x)), 3, 2, ceil_mode=True)
        x = avg_pool2d(relu(self.conv3(x)), 3, 2, ceil_mode=True)
        return self.ip2(self.ip1(x.flatten(1)))


def records(folder: Path, pattern: str) -> tuple[Tensor, Tensor]:
    """Images (N, 3, 32, 32) uint8 and labels (N) of CIFAR's binary files."""
    raw = np.concatenate(
        [np.fromfile(path, np.uint8).reshape(-1, 3073) for path in sorted(folder.glob(pattern))]
    )
    return torch.from_numpy(raw[:, 1:].reshape(-1, 3, 32, 32).copy()), torch.from_numpy(
        raw[:, 0].astype(np.int64)
    )


def orders(count: int, epoch: Callable[[int], Tensor]) -> Iterator[Tensor]:
    """Indices of batches without end: epoch after epoch, each in its order, batches running over the seam."""
    left, number = torch.empty(0, dtype=torch.int64), 0
    while True:
        while len(left) < BATCH:
            left, number = torch.cat((left, epoch(number))), number + 1
        yield left[:BATCH]
        left = left[BATCH:]


def settings(folder: Path, seed: int, iterations: int) -> list[str]:
    """What the spec is told."""
    words = {
        "random_seed": seed,
        "max_iter": iterations,
        "stepvalue": f"[{iterations * 4 // 5}]",
        "test_interval": 0,
        "display": 1,
    }
    return [f"train.solver.{word}={value}" for word, value in words.items()] + [
        f"train.{part}.path={folder.absolute()}" for part in ("data", "test_data")
    ]


def drawn(folder: Path, seed: int) -> dict[str, Tensor]:
    """The weights that netspec draws for a seed, by layer/weight."""
    made = session(load(str(SPEC), Reading(settings=tuple(settings(folder, seed, 10)))), torch.device("cpu"))
    return {each.name.replace("/", "."): each.tensor.detach().clone() for each in made.job.parameters}


def by_hand(
    folder: Path, seed: int, iterations: int, start: dict[str, Tensor] | None
) -> tuple[float, list[float]]:
    """Train and test; the accuracy and the loss of each step. Without weights to start from it draws its own, and its own order."""
    torch.manual_seed(seed)
    images, labels = records(folder, "data_batch_*.bin")
    count = len(labels)
    net, losses = Quick(), []
    if start is not None:
        net.load_state_dict(start)
    weights, biases = (
        [p for name, p in net.named_parameters() if name.endswith(kind)] for kind in ("weight", "bias")
    )
    groups = [{"params": weights, "lr": 0.001}, {"params": biases, "lr": 0.002}]
    optimizer = torch.optim.SGD(groups, lr=0.001, momentum=0.9, weight_decay=0.004, fused=True)
    batches = orders(
        count,
        lambda epoch: (
            torch.randperm(count) if start is None else torch.from_numpy(permutation(count, seed, epoch))
        ),
    )
    for i in range(iterations):
        if i == iterations * 4 // 5:
            fall(optimizer, 0.1)
        at = next(batches)
        optimizer.zero_grad(set_to_none=True)
        loss = cross_entropy(net(images[at].float() - MEAN), labels[at])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    images, labels = records(folder, "test_batch*.bin")
    with torch.no_grad():
        right = sum(
            int((net(x.float() - MEAN).argmax(1) == y).sum())
            for x, y in zip(images.split(BATCH), labels.split(BATCH), strict=True)
        )
    return right / len(labels), losses


def fall(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """The rate falls as in Caffe, whose velocity holds the rate it was made with: V = 0.9 V + rate g. PyTorch's holds none."""
    for group in optimizer.param_groups:
        group["lr"] *= factor
        for tensor in group["params"]:
            optimizer.state[tensor]["momentum_buffer"] /= factor


def by_netspec(folder: Path, seed: int, iterations: int) -> tuple[float, list[float]]:
    """The same through the spec."""
    with tempfile.TemporaryDirectory() as run:
        result = netspec.train(SPEC, run, device="cpu", settings=settings(folder, seed, iterations))
        log = [json.loads(line) for line in (Path(run) / "log.jsonl").read_text("utf-8").splitlines()]
    return float(result.metrics["accuracy"]), [line["loss"] for line in log if line["phase"] == "train"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--apart", action="store_true")
    given = parser.parse_args()
    rows = []
    print(
        f"{torch.get_num_threads()} threads, {given.iterations} iterations of {BATCH}, {'apart' if given.apart else 'paired'}\n"
    )
    columns = (
        "netspec",
        "by hand",
        "loss, 20 steps",
        "loss, all",
        "netspec CPU s",
        "by hand CPU s",
        "hand / netspec",
    )
    print(f"| seed | {' | '.join(columns)} |\n|{'---|' * (1 + len(columns))}")
    for seed in given.seeds:
        start = None if given.apart else drawn(given.folder, seed)
        sides = {
            "netspec": lambda seed=seed: by_netspec(given.folder, seed, given.iterations),
            "hand": lambda seed=seed, start=start: by_hand(given.folder, seed, given.iterations, start),
        }
        found, seconds = {}, {}
        for name in sorted(sides, reverse=seed % 2 == 0):
            begin = time.process_time()
            found[name] = sides[name]()
            seconds[name] = time.process_time() - begin
        (ours, our_losses), (theirs, their_losses) = found["netspec"], found["hand"]
        apart = [abs(a - b) for a, b in zip(our_losses, their_losses, strict=True)]
        rows.append(
            (
                ours,
                theirs,
                max(apart[:20]),
                max(apart),
                seconds["netspec"],
                seconds["hand"],
                seconds["hand"] / seconds["netspec"],
            )
        )
        print(f"| {seed} | {' | '.join(f'{value:.4g}' for value in rows[-1])} |", flush=True)
    print(f"| mean | {' | '.join(f'{statistics.mean(column):.4g}' for column in zip(*rows, strict=True))} |")


if __name__ == "__main__":
    main()
