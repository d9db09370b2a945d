"""What Caffe's update rules cost: a training step under each of our solvers against torch.optim's own optimiser of that kind.

    python benchmarks/solvers.py [--width 512] [--depth 6] [--batch 32] [--pairs 200] [--repeats 5] [--device cpu|cuda] [--write]

Two equal nets on the same batch, one moved by netspec's Solver with a policy that changes the rate at every step, the other by the fused
(else foreach) optimiser of torch with a rate of its own. Steps are paired and their order alternates. Two figures for each solver: the
whole step (forward, backward, update) and the update alone, as the median of torch / ours (1: as fast; above 1: faster), beside torch
against a second copy of itself, which shows what the machine's noise alone makes. --write puts the result into
benchmarks/results/solvers.md.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from netspec.resolve.sections.solver import SolverParameter
from netspec.training.optim.solver import ParameterSpec, Solver

RESULTS = Path(__file__).parents[1] / "benchmarks/results/solvers.md"
WARM_UP = 20
DECAY = 0.0005
STEPS = 1_000_000
LIMITS = (
    "What this does not show: wall time on a quiet machine, several threads, a GPU. `clip_gradients`, `iter_size` and L1 decay need passes",
    "over the gradients that torch.optim does not make; torch has no peer for them, so they are left out here. The net has few operations",
    "and many weights: an update weighs more in it than in a convolutional one.",
)


class Peer(NamedTuple):
    """A solver in Caffe's words, and what torch.optim has of that kind."""

    words: dict[str, Any]
    build: Callable[[list[nn.Parameter]], torch.optim.Optimizer]


def peers(fused: dict[str, bool], fused_adagrad: dict[str, bool]) -> dict[str, Peer]:
    """Every solver type with its peer. RMSprop and Adadelta have no fused kernel: foreach is the fastest that torch has."""
    foreach = {"foreach": True}
    rate = {"lr": 1e-3, "weight_decay": DECAY}
    return {
        "SGD": Peer({"momentum": 0.9}, lambda p: torch.optim.SGD(p, momentum=0.9, **rate, **fused)),
        "Nesterov": Peer(
            {"momentum": 0.9}, lambda p: torch.optim.SGD(p, momentum=0.9, nesterov=True, **rate, **fused)
        ),
        "AdaGrad": Peer({"delta": 1e-6}, lambda p: torch.optim.Adagrad(p, **rate, **fused_adagrad)),
        "RMSProp": Peer({"rms_decay": 0.99}, lambda p: torch.optim.RMSprop(p, **rate, **foreach)),
        "AdaDelta": Peer(
            {"momentum": 0.95, "delta": 1e-6}, lambda p: torch.optim.Adadelta(p, rho=0.95, **rate, **foreach)
        ),
        "Adam": Peer({"momentum": 0.9, "momentum2": 0.999}, lambda p: torch.optim.Adam(p, **rate, **fused)),
        "AdamW": Peer({"momentum": 0.9, "momentum2": 0.999}, lambda p: torch.optim.AdamW(p, **rate, **fused)),
    }


def network(width: int, depth: int) -> nn.Sequential:
    """Dense layers of one width; the same weights every time."""
    torch.manual_seed(1)
    layers = [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(width, 10))


class Racer:
    """A net with an optimiser. `update` is the part that is ours or torch's."""

    def __init__(self, net: nn.Module, batch: tuple[Tensor, Tensor], optimizer: Any, device: str) -> None:
        self.net, self.batch, self.optimizer, self.device = net, batch, optimizer, device

    def step(self) -> tuple[float, float]:
        """Seconds of a whole step, and of its update alone."""
        begin = self.now()
        self.optimizer.zero_grad()
        nn.functional.cross_entropy(self.net(self.batch[0]), self.batch[1]).backward()
        middle = self.now()
        self.optimizer.step()
        end = self.now()
        return end - begin, end - middle

    def now(self) -> float:
        """Seconds; on the CPU those that this process ran, since a machine with other work would be measured otherwise."""
        if self.device == "cpu":
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()


def ours(name: str, peer: Peer, net: nn.Module) -> Solver:
    """netspec's solver: lr_policy inv, so that the rate is another at every step."""
    words = SolverParameter(
        type=name,
        base_lr=1e-3,
        lr_policy="inv",
        gamma=1e-4,
        power=0.75,
        weight_decay=DECAY,
        max_iter=STEPS,
        **peer.words,
    )
    return Solver(words, [ParameterSpec(n, p) for n, p in net.named_parameters()], STEPS)


class Ratio(NamedTuple):
    step: float
    update: float


def paired(one: Racer, two: Racer, pairs: int) -> Ratio:
    """Median over the pairs of time(one) / time(two)."""
    whole, update = [], []
    for i in range(pairs + WARM_UP):
        racers = (one, two) if i % 2 else (two, one)
        times = {id(racer): racer.step() for racer in racers}
        (a, ua), (b, ub) = times[id(one)], times[id(two)]
        whole.append(a / b)
        update.append(ua / ub)
    return Ratio(statistics.median(whole[WARM_UP:]), statistics.median(update[WARM_UP:]))


class Row(NamedTuple):
    name: str
    ours: Ratio
    noise: Ratio
    spread: tuple[float, float]


def measured(name: str, peer: Peer, options: argparse.Namespace) -> Row:
    """The median of the repeats, and the least and greatest ratio of a whole step."""
    batch = (torch.randn(options.batch, options.width), torch.randint(0, 10, (options.batch,)))
    batch = (batch[0].to(options.device), batch[1].to(options.device))

    def racer(mine: bool) -> Racer:
        net = network(options.width, options.depth).to(options.device)
        return Racer(
            net, batch, ours(name, peer, net) if mine else peer.build(list(net.parameters())), options.device
        )

    runs, noise = [], []
    for _ in range(options.repeats):
        runs.append(paired(racer(False), racer(True), options.pairs))
        noise.append(paired(racer(False), racer(False), options.pairs))
    middle = lambda rows: Ratio(*(statistics.median(column) for column in zip(*rows, strict=True)))  # noqa: E731
    return Row(name, middle(runs), middle(noise), (min(r.step for r in runs), max(r.step for r in runs)))


def page(rows: list[Row], options: argparse.Namespace, load: str) -> str:
    parameters = sum(p.numel() for p in network(options.width, options.depth).parameters())
    where = (
        torch.cuda.get_device_name()
        if options.device == "cuda"
        else f"CPU, {torch.get_num_threads()} thread(s)"
    )
    command = f"python benchmarks/solvers.py --width {options.width} --depth {options.depth} --batch {options.batch} --pairs {options.pairs}"
    clock = "wall time" if options.device == "cuda" else "CPU time of the process"
    lines = [
        "# Caffe's solvers against torch.optim",
        "",
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {where}; torch {torch.__version__}, Python {platform.python_version()};",
        f"{options.depth + 1} dense layers, {parameters:,} parameters, batch {options.batch}; {options.repeats} repeats of {options.pairs}",
        f"pairs of steps in alternating order; {clock}. {load}",
        "",
        "```console",
        f"$ {command} --repeats {options.repeats} --device {options.device}",
        "```",
        "",
        "torch / ours: 1 is as fast, above 1 faster. The peer is torch's fused optimiser, foreach for RMSProp and AdaDelta, which have",
        "none. Ours changes its rate at every step (lr_policy inv), the peer's is fixed.",
        "",
        "| solver | whole step | least to greatest repeat | update alone | torch / its copy, step | torch / its copy, update |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        low, high = row.spread
        figures = (
            f"{row.ours.step:.3f}",
            f"{low:.3f} to {high:.3f}",
            f"{row.ours.update:.3f}",
            f"{row.noise.step:.3f}",
        )
        lines.append(f"| {row.name} | {' | '.join(figures)} | {row.noise.update:.3f} |")
    return "\n".join([*lines, "", *LIMITS]) + "\n"


def options_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in (
        ("width", 512),
        ("depth", 6),
        ("batch", 32),
        ("pairs", 200),
        ("repeats", 5),
        ("threads", 1),
    ):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


def main() -> None:
    options = options_of()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(
        True
    )  # two nets that train apart meet different numbers of them, each a hundred times slower
    before = os.getloadavg()[0]
    fused = {"fused": True}
    table = peers(fused, fused if options.device == "cpu" else {"foreach": True})
    rows = [measured(name, peer, options) for name, peer in table.items()]
    load = f"Load of the machine (1 minute): {before:.1f} at the beginning, {os.getloadavg()[0]:.1f} at the end, ours among it."
    text = page(rows, options, load)
    print(text)
    if options.write:
        RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
