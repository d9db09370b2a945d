"""The 24 training runs recorded from Caffe: weights, raw gradients, rate, loss and history, step by step."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from netspec.resolve.sections.solver import SolverParameter
from netspec.training.optim.solver import ParameterSpec, Solver

FOLDER = Path(__file__).parent / "solver"
RUNS = sorted(path.stem for path in FOLDER.glob("*.npz"))
TOLERANCE = 1e-4
IGNORED = {"net", "solver_mode", "snapshot_prefix"}
MULTIPLIERS = {"net": [(1, 1)] * 4, "net_mult": [(1, 1), (2, 0), (0.5, 1.5), (0, 1)]}
BLOBS = ["conv__0", "conv__1", "ip__0", "ip__1"]


class HandNet(nn.Module):
    """Convolution, TanH, InnerProduct, SoftmaxWithLoss as in solver/net.prototxt."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.ip = nn.Conv2d(2, 3, 3, stride=2), nn.Linear(12, 5)

    def forward(self, data: Tensor, label: Tensor) -> Tensor:
        scores = self.ip(torch.tanh(self.conv(data)).flatten(1))
        self.total_loss = nn.functional.cross_entropy(scores, label)
        return self.total_loss


class Run(NamedTuple):
    """A recording, its solver's words, and the net with the recorded first weights."""

    arrays: Any
    words: SolverParameter
    net: nn.Module
    parameters: list[ParameterSpec]

    def solver(self) -> Solver:
        return Solver(self.words, self.parameters, self.words.max_iter)

    def batches(self, k: int) -> tuple[Tensor, Tensor]:
        """Batch k of the data in order, wrapping."""
        size, rows = int(self.arrays["batch"]), len(self.arrays["labels"])
        take = np.arange(k * size, (k + 1) * size) % rows
        return torch.from_numpy(self.arrays["data"][take]), torch.from_numpy(
            self.arrays["labels"][take]
        ).long()


def load(name: str) -> Run:
    arrays = np.load(FOLDER / f"{name}.npz")
    words = read_words((FOLDER / f"{name}.solver.prototxt").read_text())
    net = HandNet()
    tensors = [net.conv.weight, net.conv.bias, net.ip.weight, net.ip.bias]
    multipliers = MULTIPLIERS[json.loads(str(arrays["meta"]))["net"]]
    specs = [
        ParameterSpec(blob, tensor, *m) for blob, tensor, m in zip(BLOBS, tensors, multipliers, strict=True)
    ]
    for spec in specs:
        spec.tensor.data.copy_(torch.from_numpy(arrays[f"w__{spec.name}"][0]))
    return Run(arrays, words, net, specs)


def read_words(text: str) -> SolverParameter:
    """The flat `word: value` lines of a recorded solver."""
    words: dict[str, Any] = {}
    for key, value in re.findall(r"(\w+):\s*(\S+)", text):
        if key == "stepvalue":
            words[key] = (*words.get(key, ()), int(value))
        elif key not in IGNORED:
            words[key] = json.loads(value)
    return SolverParameter(**words)


def close(ours: Tensor, theirs: Any, what: str) -> None:
    np.testing.assert_allclose(ours.detach().numpy(), theirs, rtol=TOLERANCE, atol=TOLERANCE, err_msg=what)


def advance(run: Run, solver: Solver, begin: int, end: int, first_batch: int) -> None:
    """Iterations begin to end - 1, each compared with the recording."""
    k = first_batch
    for i in range(begin, end):
        assert solver.rate == pytest.approx(float(run.arrays["lr"][i]), rel=1e-5)
        solver.zero_grad()
        for _ in range(run.words.iter_size):
            data, label = run.batches(k)
            run.net(data, label).backward()
            k += 1
        close(run.net.total_loss, run.arrays["loss"][i], f"loss of iteration {i}")
        for spec in run.parameters:
            if spec.trained:
                close(
                    spec.tensor.grad,
                    run.arrays[f"g__{spec.name}"][i],
                    f"gradient of {spec.name}, iteration {i}",
                )
        solver.step()
        for spec in run.parameters:
            close(spec.tensor, run.arrays[f"w__{spec.name}"][i + 1], f"{spec.name} after iteration {i}")


def check_history(run: Run, solver: Solver, key: str) -> None:
    """A blob with lr_mult 0 is left out: Caffe lets its decay into a history that moves nothing."""
    assert int(run.arrays[f"{key}_iter"]) == solver.iteration
    history = solver.history()
    for position, spec in enumerate(run.parameters):
        for part, tensor in enumerate(history.get(spec.name, ())):
            close(tensor, run.arrays[f"{key}__{position + 4 * part}"], f"{key} {part} of {spec.name}")


def test_all_runs_are_here() -> None:
    assert len(RUNS) == 24


@pytest.mark.torch
@pytest.mark.parametrize("name", RUNS)
def test_trajectory(name: str) -> None:
    run = load(name)
    solver = run.solver()
    if name.startswith("resume_"):
        advance(run, solver, 0, 10, first_batch=0)
        check_history(run, solver, "resume_history")
        solver = run.solver()
        solver.load_history(10, caffe_history(run))
        advance(run, solver, 10, 20, first_batch=0)
    else:
        advance(run, solver, 0, 20, first_batch=0)
    check_history(run, solver, "history")


def caffe_history(run: Run) -> dict[str, tuple[Tensor, ...]]:
    """The recorded snapshot at iteration 10, by parameter."""

    def part(k: int) -> list[Tensor]:
        return (
            [torch.from_numpy(run.arrays[f"resume_history__{k}"])]
            if f"resume_history__{k}" in run.arrays
            else []
        )

    return {spec.name: (*part(i), *part(i + 4)) for i, spec in enumerate(run.parameters)}
