"""Caffe's quick net for CIFAR-10 as `netspec train` trains it, against the same net and solver written by hand in PyTorch.

    python benchmarks/trained/cifar_baseline.py DATA/cifar10-subset [--seeds 1 2 3] [--iterations 1000]

Both sides: the same binary files, weights drawn from the same distributions, a new random order each epoch that runs on over its end,
momentum 0.9, weight decay 0.004, biases at twice the rate, the rate divided by 10 after 80 % of the iterations, a test at the end on
all test images; seeds alternate which side goes first. The two draw different random numbers, so accuracies agree only on average.
Prints a row per seed: test accuracy of both, CPU seconds of both (data, training, test; without import), and the ratio hand / netspec.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy, max_pool2d, relu

import netspec

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
    raw = np.concatenate([np.fromfile(path, np.uint8).reshape(-1, 3073) for path in sorted(folder.glob(pattern))])
    return torch.from_numpy(raw[:, 1:].reshape(-1, 3, 32, 32).copy()), torch.from_numpy(raw[:, 0].astype(np.int64))


def orders(count: int) -> Iterator[Tensor]:
    """Indices of batches without end: epoch after epoch, each in a new order, batches running over the seam."""
    left = torch.empty(0, dtype=torch.int64)
    while True:
        while len(left) < BATCH:
            left = torch.cat((left, torch.randperm(count)))
        yield left[:BATCH]
        left = left[BATCH:]


def by_hand(folder: Path, seed: int, iterations: int) -> float:
    """Train and test; the accuracy."""
    torch.manual_seed(seed)
    images, labels = records(folder, "data_batch_*.bin")
    net = Quick()
    weights, biases = ([p for name, p in net.named_parameters() if name.endswith(kind)] for kind in ("weight", "bias"))
    groups = [{"params": weights, "lr": 0.001}, {"params": biases, "lr": 0.002}]
    optimizer = torch.optim.SGD(groups, lr=0.001, momentum=0.9, weight_decay=0.004, fused=True)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [iterations * 4 // 5], 0.1)
    batches = orders(len(labels))
    for _ in range(iterations):
        at = next(batches)
        optimizer.zero_grad(set_to_none=True)
        cross_entropy(net(images[at].float() - MEAN), labels[at]).backward()
        optimizer.step()
        schedule.step()
    images, labels = records(folder, "test_batch*.bin")
    with torch.no_grad():
        right = sum(
            int((net(x.float() - MEAN).argmax(1) == y).sum()) for x, y in zip(images.split(BATCH), labels.split(BATCH), strict=True)
        )
    return right / len(labels)


def by_netspec(folder: Path, seed: int, iterations: int) -> float:
    """The same through the spec."""
    words = {
        "random_seed": seed,
        "max_iter": iterations,
        "stepvalue": f"[{iterations * 4 // 5}]",
        "test_interval": 0,
        "display": iterations,
    }
    settings = [f"train.solver.{word}={value}" for word, value in words.items()]
    settings += [f"train.{part}.path={folder.absolute()}" for part in ("data", "test_data")]
    with tempfile.TemporaryDirectory() as run:
        return float(netspec.train(SPEC, run, device="cpu", settings=settings).metrics["accuracy"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--iterations", type=int, default=1000)
    given = parser.parse_args()
    sides = {"netspec": by_netspec, "hand": by_hand}
    rows = []
    print(f"{torch.get_num_threads()} threads, {given.iterations} iterations of {BATCH}\n")
    print("| seed | netspec | by hand | netspec CPU s | by hand CPU s | hand / netspec |\n|---|---|---|---|---|---|")
    for seed in given.seeds:
        found, seconds = {}, {}
        for name in sorted(sides, reverse=seed % 2 == 0):
            begin = time.process_time()
            found[name] = sides[name](given.folder, seed, given.iterations)
            seconds[name] = time.process_time() - begin
        rows.append((found["netspec"], found["hand"], seconds["netspec"], seconds["hand"], seconds["hand"] / seconds["netspec"]))
        print(f"| {seed} | {' | '.join(f'{value:.4g}' for value in rows[-1])} |", flush=True)
    print(f"| mean | {' | '.join(f'{statistics.mean(column):.4g}' for column in zip(*rows, strict=True))} |")


if __name__ == "__main__":
    main()
