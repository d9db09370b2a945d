"""A training whose tests do not become better ends: when, why, what is said of it, and how it goes on."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from netspec.diagnostics import SpecError
from netspec.resolve.sections.recipes import StopSection
from netspec.training.loop import train
from netspec.training.observers.judge import Judge
from netspec.training.observers.observer import Outcome
from netspec.training.observers.stopping import Stopping
from netspec.training.session import train_program
from tests.training.specs import Line, program, write
from tests.training.tiny import job, words

pytestmark = pytest.mark.torch
VALIDATED: dict[str, Any] = {"val_data": {"source": "digits", "batch_size": 100}, "split": {"val": 0.1}}
STILL = {"base_lr": 1e-9, "momentum": 0.0, "test_interval": 2, "snapshot": 3, "max_iter": 40}
"""So slow that no test is better than the first."""


def log_of(run: Path) -> list[dict[str, Any]]:
    """The log but for times."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("time", "images_per_second")} for line in lines]


def reasons(patience: int, min_delta: float, *values: float, name: str = "accuracy") -> list[bool]:
    """After which of some tests a training would end."""
    watch = Stopping(StopSection(patience=patience, min_delta=min_delta), Judge(frozenset({"loss"})), "val")
    numbers = [{name: value} | ({} if name == "loss" else {"loss": 1.0}) for value in values]
    return [bool(watch.after_test(Outcome(i, each))) for i, each in enumerate(numbers)]


def test_counts_tests_without_a_better_value() -> None:
    assert reasons(2, 0, 0.5, 0.5, 0.4, 0.6) == [False, False, True, False]
    assert reasons(2, 0, 0.5, 0.4, 0.6, 0.5, 0.5) == [False] * 4 + [True]
    assert reasons(1, 0, 2.0, 1.5, 1.6, name="loss") == [False, False, True]
    assert reasons(2, 0.1, 0.5, 0.55, 0.58, 0.7) == [False, False, True, False]
    assert reasons(2, 0.1, 0.5, 0.55, 0.61, 0.62) == [False] * 4
    assert reasons(1, 0, float("nan"), 0.1) == [True, False]


def test_a_test_that_is_made_again_counts_once() -> None:
    watch = Stopping(StopSection(patience=2), Judge(frozenset({"loss"})), "val")
    for i, value in ((0, 0.5), (5, 0.4), (5, 0.4), (5, 0.4)):
        assert not watch.after_test(Outcome(i, {"accuracy": value}))
    again = Stopping(StopSection(patience=2), Judge(frozenset({"loss"})), "val")
    again.load_state(json.loads(json.dumps(watch.state())))
    assert not again.after_test(Outcome(5, {"accuracy": 0.4}))
    assert again.after_test(Outcome(9, {"accuracy": 0.4})) == (
        "2 tests on val_data brought no accuracy higher than 0.5"
    )


def test_a_training_ends_where_its_tests_say(tmp_path: Path) -> None:
    made = program(train=VALIDATED | {"stop": {"patience": 3}}, solver=STILL)
    result = train_program(made, tmp_path / "run", device="cpu")
    assert (result.iteration, result.exit_code, result.best["iteration"]) == (6, 0, 0)
    assert result.ended.startswith("3 tests on val_data brought no ") and result.tested
    *_, last, end = log_of(tmp_path / "run")
    assert last["phase"] == "test" and last["weights"] == "best"
    assert end == {"phase": "end", "iteration": 6, "reason": "stopped", "why": result.ended}
    tests = [line["iteration"] for line in log_of(tmp_path / "run") if line["phase"] == "val"]
    assert tests == [0, 2, 4, 6]
    short = program(train=VALIDATED, solver=STILL | {"max_iter": 6})
    train_program(short, tmp_path / "short", device="cpu")
    one, two = (load_file(tmp_path / run / "weights.safetensors") for run in ("run", "short"))
    assert all((one[name] == two[name]).all() for name in one)


def test_the_last_test_ends_nothing(tmp_path: Path) -> None:
    """The third without a better value is that after the last iteration: the training is finished, not stopped."""
    made = program(train=VALIDATED | {"stop": {"patience": 3}}, solver=STILL | {"max_iter": 6})
    result = train_program(made, tmp_path / "run", device="cpu")
    assert (result.iteration, result.ended) == (6, "")
    assert log_of(tmp_path / "run")[-1] == {"phase": "end", "iteration": 6, "reason": "finished"}


def test_a_stopped_run_says_so_and_goes_on_with_more_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    line = Line(monkeypatch, capsys)
    spec = write(Path("net.yaml"), train=VALIDATED | {"stop": {"patience": 3}}, solver=STILL)
    assert line("train", spec, "--run", "run") == 0
    assert "stopped after 6 iterations" in line.out and "\nwhy: 3 tests on val_data" in line.out
    before = log_of(Path("run"))
    assert line("train", "run", "--resume") == 0
    assert "stopped after 6 iterations" in line.out
    assert "nothing left to do" in line.err and "--set train.stop.patience=N" in line.err
    assert log_of(Path("run")) == before
    assert line("train", "run", "--resume", "--set", "train.stop.patience=5") == 0
    assert "stopped after 10 iterations" in line.out
    assert line("train", spec, "--run", "whole", "--set", "train.stop.patience=5") == 0
    assert log_of(Path("run")) == log_of(Path("whole"))


def test_without_tests_there_is_nothing_to_stop_by(tmp_path: Path) -> None:
    for more in ({"test_data": None}, {"solver": STILL | {"test_interval": 0}}):
        words = more.pop("solver", {})
        made = program(train={"stop": 3} | more, solver=words)
        with pytest.raises(SpecError) as error:
            train_program(made, tmp_path / "run", device="cpu")
        assert [d.code for d in error.value.diagnostics] == ["NS600"]
        assert not (tmp_path / "run").exists()


def test_the_last_test_of_a_stopped_run_may_be_its_best(tmp_path: Path) -> None:
    """Better, but not by min_delta: a resumed run calls it the best again."""
    made = replace(job(words(test_interval=4)), stop=StopSection(patience=1, min_delta=1))
    result = train(made, tmp_path, device="cpu")
    assert result.iteration == result.best["iteration"] == 4
    before = log_of(tmp_path)
    again = replace(job(words(test_interval=4)), stop=StopSection(patience=1, min_delta=1))
    assert train(again, tmp_path, device="cpu", resume=True).ended == result.ended
    assert log_of(tmp_path) == before
