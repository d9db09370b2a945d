"""Averages of the weights: what they are, that tests and files hold them, that a resumed run has the same; statistics measured anew."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from netspec.diagnostics import SpecError
from netspec.resolve.sections.recipes import AverageSection
from netspec.torch_modules.batch_norm import SlopeBatchNorm
from netspec.training.loop import train
from netspec.training.observers.averaging import Averaging
from netspec.training.observers.statistics import gather
from netspec.training.optim.solver import ParameterSpec
from netspec.training.run.weights import read_tensors, write_tensors
from netspec.training.session import session, train_program
from netspec.training.test import measure
from tests.training.specs import program
from tests.training.test_resume import comparable, same_weights
from tests.training.tiny import job, words

pytestmark = pytest.mark.torch
NORMED: list[dict[str, Any]] = [
    {"name": "ip1", "type": "InnerProduct", "num_output": 16, "weight_filler": "xavier"},
    {"name": "bn1", "type": "BatchNorm"},
    {"name": "relu1", "type": "ReLU"},
    {"name": "drop1", "type": "Dropout", "dropout_ratio": 0.3},
    {"name": "ip2", "type": "InnerProduct", "num_output": 10, "weight_filler": "xavier"},
    {"name": "prob", "type": "Softmax"},
]


def shown(values: list[float], **said: Any) -> list[float]:
    """What the average of a number is after each of its values."""
    own, found = torch.zeros(1, dtype=torch.float64), []
    average = Averaging(AverageSection(**said), [ParameterSpec("w", own)])
    for i, value in enumerate(values, 1):
        own.fill_(value)
        average.after_update(i)
        with average.show():
            found.append(own.item())
        assert own.item() == value
    return found


def test_the_two_kinds_by_hand() -> None:
    assert shown([1.0, 2.0, 6.0], type="SWA") == pytest.approx([1, 1.5, 3])
    assert shown([1.0, 2.0, 6.0, 8.0, 4.0], type="SWA", start=2, every=2) == pytest.approx([1, 2, 2, 5, 5])
    first = 1 - 2 / 11
    second = 1 - 3 / 12
    ramped = [1.0, 1 + first, 1 + first + (6 - 1 - first) * second]
    assert shown([1.0, 2.0, 6.0], type="EMA", decay=0.999) == pytest.approx(ramped)
    assert shown([1.0, 2.0, 6.0], type="EMA", decay=0.1) == pytest.approx([1, 1.9, 5.59])
    assert shown([1.0, 2.0, 6.0], type="EMA", decay=0) == [1, 2, 6]


def test_tests_and_files_hold_the_average(tmp_path: Path) -> None:
    """A run's weights are the mean of those of every fourth iteration from the eighth on, best.safetensors that of its test."""
    said = AverageSection(type="SWA", start=8, every=4)
    train(replace(job(words(max_iter=20)), average=said), tmp_path / "run", device="cpu")
    passed = []
    for i in (8, 12, 16, 20):
        train(job(words(max_iter=i, test_interval=0)), tmp_path / str(i), device="cpu")
        passed.append(read_tensors(tmp_path / str(i) / "weights.safetensors")[0])
    tensors, _ = read_tensors(tmp_path / "run/weights.safetensors")
    live, _ = read_tensors(tmp_path / "run/solver.safetensors")
    for name in ("ip1/weight", "ip2/weight", "bn/weight"):
        assert torch.allclose(tensors[name], torch.stack([each[name] for each in passed]).mean(0), atol=1e-6)
        assert torch.equal(live[f"live:{name}"], passed[-1][name])


@pytest.mark.parametrize("said", [{"type": "EMA", "decay": 0.9}, {"type": "SWA", "start": 10, "every": 3}])
def test_what_is_reported_is_what_is_kept(tmp_path: Path, said: dict[str, Any]) -> None:
    made = program(layers=NORMED, train={"average": said}, solver={"max_iter": 20, "base_lr": 0.5})
    result = train_program(made, tmp_path / "run", device="cpu")
    plain = train_program(
        program(layers=NORMED, solver={"max_iter": 20, "base_lr": 0.5}), tmp_path / "plain", device="cpu"
    )
    assert result.loss == plain.loss and result.metrics != plain.metrics
    assert measure(tmp_path / "run", "last", "cpu").metrics == pytest.approx(dict(result.metrics))
    best = {name: result.best[name] for name in result.metrics}
    assert measure(tmp_path / "run", "best", "cpu").metrics == pytest.approx(best)


def test_statistics_are_measured_anew_and_nothing_else_is_changed() -> None:
    """After a pass by wrong statistics they are those of the batches alone; a frozen layer's stay."""
    made = session(program(layers=NORMED), torch.device("cpu"))
    net = made.job.net
    norm = net.get_submodule(net.layers["bn1"][0])  # type: ignore[operator, index]
    dense = net.get_submodule(net.layers["ip1"][0])  # type: ignore[operator, index]
    batches = [next(made.job.train_batches) for _ in range(3)]
    for tensor in (norm.mean, norm.variance, norm.scale_factor):
        tensor.fill_(7.0)
    weights = dense.weight.detach().clone()
    gather(net, iter(batches))
    outputs = [dense(batch["data"].flatten(1)) for batch in batches]
    fading = torch.tensor([0.999**2, 0.999, 1.0])
    wanted = (torch.stack([y.mean(0) for y in outputs]) * fading[:, None]).sum(0) / fading.sum()
    assert torch.allclose(norm.mean / norm.scale_factor, wanted, atol=1e-5)
    assert torch.equal(dense.weight, weights)
    norm.use_global_stats = True
    before = norm.mean.clone()
    gather(net, iter(batches))
    assert torch.equal(norm.mean, before)


def test_a_mean_that_fades_from_0_is_not_drawn_to_it() -> None:
    layers = [*NORMED[:1], {"name": "bn1", "type": "BN", "momentum": 0.99}, *NORMED[2:]]
    made = session(program(layers=layers), torch.device("cpu"))
    net = made.job.net
    norm = net.get_submodule(net.layers["bn1"][0])  # type: ignore[operator, index]
    dense = net.get_submodule(net.layers["ip1"][0])  # type: ignore[operator, index]
    batch = next(made.job.train_batches)
    gather(net, iter([batch]))
    assert torch.allclose(norm.mean.flatten(), dense(batch["data"].flatten(1)).mean(0), atol=1e-5)


@pytest.mark.parametrize("said", [{"type": "EMA", "decay": 0.9}, {"type": "SWA", "start": 5, "every": 3}])
def test_a_resumed_run_has_the_same_average(tmp_path: Path, said: dict[str, Any]) -> None:
    """Stopped at 13, behind the snapshot of 12, with dropout, batch normalisation and momentum."""
    made = [
        program(layers=NORMED, train={"average": said}, solver={"max_iter": n, "test_interval": 5})
        for n in (24, 13)
    ]
    train_program(made[0], tmp_path / "whole", device="cpu")
    train_program(made[1], tmp_path / "parts", device="cpu")
    train_program(made[0], tmp_path / "parts", device="cpu", resume=True)
    same_weights(tmp_path / "whole", tmp_path / "parts")
    assert [r for r in comparable(tmp_path / "whole") if r["phase"] != "train"] == [
        r for r in comparable(tmp_path / "parts") if r["phase"] != "train"
    ]


def test_a_resumed_run_may_begin_and_leave_off_averaging(tmp_path: Path) -> None:
    said = AverageSection(type="EMA", decay=0.9)
    train(job(words(max_iter=10)), tmp_path, device="cpu")
    train(replace(job(words(max_iter=20)), average=said), tmp_path, device="cpu", resume=True)
    assert "live:ip1/weight" in read_tensors(tmp_path / "solver.safetensors")[0]
    train(job(words(max_iter=30)), tmp_path, device="cpu", resume=True)
    train(job(words(max_iter=30)), tmp_path / "plain", device="cpu")
    assert (tmp_path / "weights.safetensors").read_bytes() == (
        tmp_path / "plain/weights.safetensors"
    ).read_bytes()


def test_a_damaged_average_is_a_finding(tmp_path: Path) -> None:
    said = AverageSection(type="EMA", decay=0.9)
    train(replace(job(words(max_iter=10)), average=said), tmp_path, device="cpu")
    path = tmp_path / "solver.safetensors"
    tensors, facts = read_tensors(path)
    without = {name: tensor for name, tensor in tensors.items() if not name.startswith("live:")}
    other = {name: torch.zeros(3) for name in tensors if name.startswith("live:")}
    for changed, code in ((without, "NS674"), (without | other, "NS676")):
        write_tensors(path, changed, facts)
        with pytest.raises(SpecError) as error:
            train(replace(job(words(max_iter=20)), average=said), tmp_path, device="cpu", resume=True)
        assert {d.code for d in error.value.diagnostics} == {code}


@pytest.mark.parametrize("momentum", [0.5, 0.9])
@pytest.mark.parametrize("count", [1, 4])
def test_a_mean_that_fades_from_zero_is_that_of_the_batches(momentum: float, count: int) -> None:
    """Of batches that are alike the very mean and variance, however many there were."""

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = SlopeBatchNorm(3, 2, momentum=momentum)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(x)  # type: ignore[no-any-return]

    net, x = Net().train(), torch.randn(64, 3) * 2 + 5
    gather(net, iter([{"x": x}] * count))
    assert torch.allclose(net.norm.mean.flatten(), x.mean(0), rtol=1e-4)
    assert torch.allclose(net.norm.variance.flatten(), x.var(0, correction=0), rtol=1e-4)
