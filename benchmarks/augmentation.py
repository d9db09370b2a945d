"""What random changes cost: training on CIFAR-like data with flip, crop and colour against none, in one run, and each change by itself beside
kornia's.

    python benchmarks/augmentation.py [--steps 30] [--rounds 7] [--batch 64] [--threads 2] [--types]

Modes take turns in short stretches, so that whatever else the machine does falls on all of them; the figure is the median over the rounds of
(time without) / (time with): 1 is as fast; of processor time too, which other work on the machine disturbs less. `off`: no changes; `ours`: by the thread that reads; `kornia`: its modules in the same place.
--types: samples a second of processor time of each change alone, on one thread, kornia's where it has one.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line sets it

import kornia.augmentation as K  # noqa: N812
import numpy as np
import torch
from torch import Tensor, nn

from netspec import augmentation
from netspec.augmentation.color import ColorJitter
from netspec.augmentation.frame import Crop, Flip
from netspec.augmentation.kernels.batch import Batch
from netspec.augmentation.kernels.draw import Draw
from netspec.augmentation.kernels.plan import augment, plan_rows
from netspec.data.source import ArraySource
from netspec.data.transforms import Pipeline
from netspec.diagnostics.model import Diagnostics
from netspec.resolve.read_record import read_record
from netspec.resolve.sections.image import ImageContract
from netspec.source import Source
from netspec.syntax.reader import read
from netspec.training.batches.augmenting import Augmenter, Parts
from netspec.training.batches.loader import Batches, Feed, Order

COUNT = 10_000
CHANGES = (Crop(size=32, pad=4), Flip(), ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.05))
TYPES: dict[str, tuple[str, Callable[[], nn.Module] | None]] = {
    "Flip": ("{}", K.RandomHorizontalFlip),
    "Crop": ("{size: 32, pad: 4}", lambda: K.RandomCrop((32, 32), padding=4)),
    "RandomResizedCrop": ("{size: 32}", lambda: K.RandomResizedCrop((32, 32))),
    "Rotate": ("{degrees: 15}", lambda: K.RandomRotation(15.0, p=1.0)),
    "Affine": ("{degrees: 15, translate: 0.1, scale: [0.9, 1.1], shear: 5}", lambda: K.RandomAffine(15.0, (0.1, 0.1), (0.9, 1.1), 5.0, p=1.0)),
    "Perspective": ("{}", lambda: K.RandomPerspective(p=1.0)),
    "Elastic": ("{}", lambda: K.RandomElasticTransform((25, 25), (4.0, 4.0), p=1.0)),
    "ColorJitter": ("{brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.1}", lambda: K.ColorJiggle(0.2, 0.2, 0.2, 0.1, p=1.0)),
    "CLAHE": ("{tiles: 4}", lambda: K.RandomClahe(grid_size=(4, 4), p=1.0)),
    "Blur": ("{sigma: [0.1, 1]}", lambda: K.RandomGaussianBlur((7, 7), (0.1, 1.0), p=1.0)),
    "Noise": ("{}", lambda: K.RandomGaussianNoise(std=0.04, p=1.0)),
    "Erase": ("{}", lambda: K.RandomErasing(p=1.0)),
    "MixUp": ("{}", None),
    "CutMix": ("{}", None),
    "Mosaic": ("{}", None),
    "RandAugment": ("{}", lambda: K.auto.RandAugment(n=2, m=9)),
    "AutoAugment": ("{policy: cifar10}", lambda: K.auto.AutoAugment("cifar10")),
    "TrivialAugment": ("{}", K.auto.TrivialAugment),
}  # fmt: skip


class Quick(nn.Sequential):
    """Caffe's cifar10_quick."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 32, 5, padding=2), nn.MaxPool2d(3, 2, ceil_mode=True), nn.ReLU(),
            nn.Conv2d(32, 32, 5, padding=2), nn.ReLU(), nn.AvgPool2d(3, 2, ceil_mode=True),
            nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.AvgPool2d(3, 2, ceil_mode=True),
            nn.Flatten(), nn.Linear(1024, 64), nn.Linear(64, 10),
        )  # fmt: skip


class ByKornia:
    """kornia's modules where ours stand; they draw from torch's own state."""

    changes: tuple[Any, ...] = ()

    def __init__(self) -> None:
        self.modules = [
            K.RandomCrop((32, 32), padding=4),
            K.RandomHorizontalFlip(),
            K.ColorJiggle(0.2, 0.2, 0.2, 0.05, p=1.0),
        ]

    def __call__(self, values: Any, draw: Draw, stages: Sequence[Any]) -> dict[str, Tensor]:
        x = values["data"].float() / 255
        for module in self.modules:
            x = module(x)
        return {"data": 255 * x}


def batches(augmenters: tuple[Any, ...], size: int) -> Batches:
    state = np.random.RandomState(0)
    image = state.randint(0, 256, (COUNT, 3, 32, 32)).astype(np.uint8)
    source = ArraySource("cifar", {"image": image, "label": np.arange(COUNT) % 10}, "label")
    pipeline = Pipeline(ImageContract(mean_value=(125.0, 123.0, 114.0), scale=1 / 64))
    feed = Feed({"data": "image", "label": "label"}, {"data": pipeline}, augmenters=augmenters)
    return Batches(source, size, Order(True, True, 1), feed)


def learn(net: nn.Module, optimizer: torch.optim.Optimizer, of: Batches, steps: int) -> tuple[float, float]:
    """Seconds that so many steps take, and of processor time."""
    start, spent = time.perf_counter(), time.process_time()
    for _ in range(steps):
        batch = next(of)
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(batch["data"]), batch["label"]).backward()
        optimizer.step()
    while of.ahead is not None and not of.ahead.ready.full():
        time.sleep(0.0005)  # what one mode reads ahead must not run in another's time
    return time.perf_counter() - start, time.process_time() - spent


def compare(rounds: int, steps: int, size: int) -> None:
    modes: dict[str, tuple[Any, ...]] = {
        "off": (),
        "ours": (Augmenter(CHANGES, Parts("image", "data", "label", "class"), order="rgb"),),
        "kornia": (ByKornia(),),
    }
    net = Quick()
    optimizer = torch.optim.SGD(net.parameters(), 1e-3, 0.9)
    streams = {name: batches(changes, size) for name, changes in modes.items()}
    for of in streams.values():
        learn(net, optimizer, of, 5)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in modes}
    for number in range(rounds):
        order = list(modes) if number % 2 else list(modes)[::-1]
        for name in order:
            found[name].append(learn(net, optimizer, streams[name], steps))
    for name, taken in found.items():
        wall, spent = (
            statistics.median(a[i] / b[i] for a, b in zip(found["off"], taken, strict=True)) for i in (0, 1)
        )
        speed = size * steps / statistics.median(each[0] for each in taken)
        print(f"{name:8} {speed:8.0f} samples/s   ratio {wall:.2f}   of processor time {spent:.2f}")


def rate(work: Callable[[], object], size: int) -> float:
    """Samples a second of processor time, the best of some stretches."""
    work()
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        for _ in range(4):
            work()
        best = min(best, (time.process_time() - start) / 4)
    return size / best


def alone(size: int) -> None:
    """Each change by itself."""
    torch.set_num_threads(1)
    image = torch.randint(0, 256, (4 * size, 3, 32, 32), dtype=torch.uint8)
    for name, (words, other) in TYPES.items():
        cls, said = augmentation.find(name), Diagnostics()
        body = read(Source("entry", words), said)
        change = read_record(cls, body, said, what=name) if cls is not None and body is not None else None
        plan = plan_rows([change], 1, np.zeros(size, np.int64), np.arange(size), 4 * size)  # type: ignore[list-item]
        rows = torch.from_numpy(plan.indices)
        batch, draw = (
            Batch(image[rows], rows % 10, classes=10, order="rgb"),
            Draw.of(1, plan.epochs, plan.indices),
        )
        own = rate(lambda b=batch, d=draw, c=change, p=plan: augment([c], b, d, p.stages), size)  # type: ignore[misc]
        line = f"{name:18} {own:9.0f} /s"
        if other is not None:
            module, floats = other(), image[:size].float() / 255
            theirs = rate(lambda m=module, x=floats: m(x), size)  # type: ignore[misc]
            line += f"   kornia {theirs:9.0f} /s   {own / theirs:6.1f} times"
        print(line)


def main() -> None:
    parser = argparse.ArgumentParser()
    for word, default in (("steps", 30), ("rounds", 7), ("batch", 64), ("threads", 2)):
        parser.add_argument(f"--{word}", type=int, default=default)
    parser.add_argument("--types", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.types:
        alone(given.batch)
    else:
        compare(given.rounds, given.steps, given.batch)


if __name__ == "__main__":
    main()
