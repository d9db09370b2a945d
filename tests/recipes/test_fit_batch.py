"""The largest batch for a memory: one more sample would not fit, and its parts are those of the training."""

import json
from pathlib import Path

import pytest

from netspec.recipes.fit_batch import count_need
from netspec.training.session import session
from tests.training.specs import Line, program, write

pytestmark = pytest.mark.torch


def test_parts_are_what_the_training_holds() -> None:
    import torch

    from netspec.training.learners import Team

    said = program(solver={"type": "Adam", "momentum": 0.9}, train={"average": "EMA"})
    need = count_need(said, said.training_graph("train"), 32)
    job = session(said, torch.device("cpu")).job
    (learner,) = Team(job, job.parameters, 1)
    trained = 4 * sum(tensor.numel() for tensor in learner.solver.tensors)
    steps = 4 * len(learner.solver.tensors)
    kept = sum(4 * torch.Size(shape).numel() for shape in learner.solver.state_shapes().values())
    assert (need.gradients, need.solver) == (trained, kept - steps) and need.solver == 2 * trained
    assert need.average == need.weights == 4 * sum(each.tensor.numel() for each in job.parameters)


def test_what_is_told_is_near_a_measured_step() -> None:
    import torch
    from torch.profiler import profile

    from netspec import compiled, driver
    from netspec.read_options import PLAIN
    from netspec.source import Source

    text = (Path(__file__).parents[2] / "specs/imagenet/cifar10-quick.yaml").read_text()
    said = driver.load_source(Source("cifar10.yaml", text), PLAIN)
    typed = said.training_graph("train")
    net, batch = (
        compiled.compile(typed, "train"),
        (torch.randn(16, 3, 32, 32), torch.zeros(16, dtype=torch.int64)),
    )
    with profile(profile_memory=True) as seen:
        net(*batch)
        net.total_loss.backward()
    events = [each for each in seen.profiler.kineto_results.events() if each.name() == "[memory]"]
    most = now = 0
    for each in sorted(events, key=lambda each: each.start_ns()):
        now += each.nbytes()
        most = max(most, now)
    need = count_need(said, typed, 16)
    inputs = sum(each.numel() * each.element_size() for each in batch)
    assert 0.9 < (need.gradients + need.values - inputs) / most < 1.1


def test_one_more_sample_would_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    line = Line(monkeypatch, capsys)
    spec = write(Path("net.yaml"))
    assert line("train", spec, "--fit", "1MB", "--json") == 0, line.err
    found = json.loads(line.out)
    said = program()
    more = count_need(said, said.training_graph("train"), found["batch"] + 1)
    assert found["total"] <= found["room"] == 1_000_000 < more.total
    assert line("train", spec, "--fit", "1MB") == 0
    assert f"batch_size: {found['batch']} is" in line.out and max(map(len, line.out.splitlines())) <= 80
    assert line("train", spec, "--fit", "9KB") == 1 and "error[NS638]" in line.err
    assert line("train", spec, "--fit", "9 lots") == 2 and "such as 8GB" in line.err
    assert line("train", spec, "--fit", "--json") == 0 and json.loads(line.out)["batch"] > found["batch"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.yaml"]
