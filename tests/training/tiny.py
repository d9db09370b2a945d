"""A small net with every kind of tensor (trained, statistic, frozen), data drawn from a seed, and the job that trains it."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from netspec.resolve.sections.recipes import AverageSection, StopSection
from netspec.resolve.sections.solver import SolverParameter
from netspec.training.batches.order import Share
from netspec.training.job import Job
from netspec.training.loop import train
from netspec.training.optim.solver import ParameterSpec

SAMPLES, FEATURES, CLASSES = 50, 6, 3


class TinyNet(nn.Module):
    """Dense, batch norm, tanh, dropout, dense, softmax loss and accuracy; the phase picks whether dropout drops."""

    def __init__(self) -> None:
        super().__init__()
        self.ip1, self.bn, self.drop, self.ip2 = (
            nn.Linear(FEATURES, 8),
            nn.BatchNorm1d(8),
            nn.Dropout(0.3),
            nn.Linear(8, CLASSES),
        )
        self.total_loss: Tensor | None = None

    def forward(self, data: Tensor, label: Tensor) -> dict[str, Tensor]:
        scores = self.ip2(self.drop(torch.tanh(self.bn(self.ip1(data)))))
        self.total_loss = nn.functional.cross_entropy(scores, label)
        return {
            "loss": self.total_loss,
            "accuracy": (scores.argmax(1) == label).float().mean(),
            "scores": scores,
        }


def data(count: int = SAMPLES) -> dict[str, Tensor]:
    """Three overlapping clouds."""
    generator = torch.Generator().manual_seed(5)
    label = torch.randint(CLASSES, (count,), generator=generator)
    centres = torch.randn(CLASSES, FEATURES, generator=generator)
    return {"data": centres[label] + torch.randn(count, FEATURES, generator=generator), "label": label}


class Shuffled:
    """Endless batches in an order that follows from the epoch. strike: at which batch this process gets a signal, and which one."""

    strike: tuple[int, int] | None = None

    def __init__(self, tensors: dict[str, Tensor], size: int) -> None:
        self.tensors, self.size, self.position = tensors, size, 0
        self.count, self.rows = len(tensors["label"]), slice(None)

    def __len__(self) -> int:
        return (self.count + self.size - 1) // self.size

    def __next__(self) -> dict[str, Tensor]:
        at = [
            self.order(p // self.count)[p % self.count]
            for p in range(self.position, self.position + self.size)
        ][self.rows]
        self.position += self.size
        if self.strike is not None and self.position == self.strike[0] * self.size:
            os.kill(os.getpid(), self.strike[1])
        return {name: tensor[at] for name, tensor in self.tensors.items()}

    def order(self, epoch: int) -> list[int]:
        return torch.randperm(self.count, generator=torch.Generator().manual_seed(epoch)).tolist()

    def state(self) -> dict[str, Any]:
        return {"position": self.position}

    def load_state(self, state: Any) -> None:
        self.position = state["position"]

    def take_share(self, share: Share) -> None:
        self.rows = share.rows

    def close(self) -> None:
        """It reads nothing ahead."""


class OnePass:
    """Batches once through the data, the last one short."""

    def __init__(self, tensors: dict[str, Tensor], size: int) -> None:
        self.tensors, self.size, self.position, self.share = tensors, size, 0, Share()

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        starts = range(0, len(self.tensors["label"]), self.size)
        for start in starts[self.position :][self.share.rows]:
            batch = {name: tensor[start : start + self.size] for name, tensor in self.tensors.items()}
            self.position += len(batch["label"])
            yield batch

    def take_share(self, share: Share) -> None:
        self.share = share

    def load(self, position: int) -> None:
        self.position = position

    def close(self) -> None:
        """It reads nothing ahead."""


def words(**more: Any) -> SolverParameter:
    usual: dict[str, Any] = {
        "base_lr": 0.05,
        "momentum": 0.9,
        "weight_decay": 0.001,
        "lr_policy": "inv",
        "gamma": 0.01,
        "power": 0.75,
        "max_iter": 40,
        "test_interval": 10,
        "display": 5,
        "snapshot": 7,
        "random_seed": 3,
    }
    return SolverParameter(**(usual | more))


KINDS: dict[str, Any] = {"average": AverageSection, "stop": StopSection}


def recipe_job(more: dict[str, Any]) -> Job:
    """The job by words of the solver and recipes, all in one."""
    recipes = {word: said for word, said in more.items() if word in KINDS}
    return job(words(**{word: said for word, said in more.items() if word not in KINDS}), recipes=recipes)


def job(
    solver: SolverParameter,
    *,
    net: nn.Module | None = None,
    tensors: dict[str, Tensor] | None = None,
    spec_hash: str = "tiny",
    recipes: dict[str, Any] | None = None,
) -> Job:
    """The job, its weights drawn from a seed; ip2's bias is frozen, bn's mean and variance are statistics.

    recipes: `average` and `stop`, as a spec has them.
    """
    torch.manual_seed(1)
    net = net or TinyNet()
    test_net = TinyNet().eval()
    for name, module in net.named_children():
        setattr(test_net, name, module if name != "bn" else test_net.bn)
    for name in ("weight", "bias", "running_mean", "running_var"):
        setattr(test_net.bn, name, getattr(net.bn, name))
    test_net.drop = nn.Dropout(0.3).eval()
    frozen = ("ip2.bias", "bn.running_mean", "bn.running_var")
    specs = [
        ParameterSpec(name.replace(".", "/"), tensor, float(name not in frozen))
        for name, tensor in [*net.named_parameters(), *net.named_buffers()]
        if "num_batches" not in name
    ]
    batches = Shuffled(tensors or data(), 8)
    return Job(
        net,
        specs,
        solver,
        batches,
        test_net,
        OnePass(data(20), 6),
        layer_of={"ip1": "first/dense"},
        spec_hash=spec_hash,
        **{word: KINDS[word](**said) for word, said in (recipes or {}).items()},  # type: ignore[arg-type]
    )


def crash_at(moment: str) -> None:
    """Kill this process just before the first snapshot, or just before its n-th replacement of a tensor file."""
    replace, count = Path.replace, 0

    def replacing(path: Path, target: Path) -> Path:
        nonlocal count
        count += target.suffix == ".safetensors"
        if moment == "before" or str(count) == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(path, target)

    Path.replace = replacing  # type: ignore[method-assign, assignment]


def train_in_child(
    run: Path,
    more: dict[str, Any],
    crash: str = "",
    strike: tuple[int, int] | None = None,
    resume: bool = False,
) -> None:
    """What a child does: trains, and is killed or interrupted where it is told to be; ends with the training's exit code."""
    torch.set_num_threads(1)
    if crash:
        crash_at(crash)
    work = recipe_job(more)
    work.train_batches.strike = strike  # type: ignore[attr-defined]
    sys.exit(train(work, run, device="cpu", resume=resume).exit_code)
