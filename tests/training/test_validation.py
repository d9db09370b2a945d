"""val_data chooses the weights, test_data measures them once: in the loop, the log, a resume, `netspec test` and the command's last words."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from netspec.read_options import Reading
from netspec.training.run.named_run import reread
from netspec.training.session import train_program
from netspec.training.test import measure
from tests.training.specs import Line, program, write

pytestmark = pytest.mark.torch
SECTIONS: dict[str, Any] = {
    "val_data": {"source": "digits", "batch_size": 100},
    "split": {"val": 0.1, "seed": 4},
}


def log_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_validation_chooses_and_the_test_comes_once(tmp_path: Path) -> None:
    """The learning rate is let loose half-way, so that the best weights are not the last."""
    words = {"lr_policy": "multistep", "stepvalue": [9], "gamma": 40.0, "max_iter": 16, "momentum": 0.0}
    result = train_program(program(train=SECTIONS, solver=words), tmp_path / "run", device="cpu")
    lines = log_of(tmp_path / "run")
    assert [(line["phase"], line["iteration"]) for line in lines if line["phase"] in ("val", "test")] == [
        ("val", 0),
        ("val", 6),
        ("val", 12),
        ("val", 16),
        ("test", 16),
    ]
    assert result.measured == "val" and result.best["iteration"] < 16
    assert lines[-2]["weights"] == "best" and lines[-2]["accuracy"] == result.tested["accuracy"]
    for weights, metrics in (("best", result.tested), ("last", None)):
        found = measure(tmp_path / "run", weights, "cpu")
        assert found.samples == 360 and (found.metrics == metrics) == (weights == "best")
    val = measure(tmp_path / "run", "best", "cpu", Reading(), "val")
    assert 140 <= val.samples <= 148
    assert {name: result.best[name] for name in val.metrics} == pytest.approx(val.metrics)


def test_a_stopped_run_goes_on_to_the_same_end(tmp_path: Path) -> None:
    made = [program(train=SECTIONS, solver={"max_iter": n, "lr_policy": "fixed"}) for n in (12, 8)]
    whole = train_program(made[0], tmp_path / "whole", device="cpu")
    train_program(made[1], tmp_path / "parts", device="cpu")
    parts = train_program(made[0], tmp_path / "parts", device="cpu", resume=True)
    assert whole.tested == parts.tested and whole.best == parts.best and whole.metrics == parts.metrics
    for name in ("weights", "best"):
        first, second = (load_file(tmp_path / run / f"{name}.safetensors") for run in ("whole", "parts"))
        assert all((first[key] == second[key]).all() for key in first)


def test_without_validation_all_is_as_it_was(tmp_path: Path) -> None:
    result = train_program(program(), tmp_path / "run", device="cpu")
    assert result.measured == "test" and not result.tested and result.metrics
    assert {line["phase"] for line in log_of(tmp_path / "run")} == {"train", "test", "end"}


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    line = Line(monkeypatch, capsys)
    spec = write(Path("net.yaml"), train=SECTIONS | {"test_data": None})
    assert line("check", spec) == 0
    assert line("train", spec, "--run", "run") == 0
    assert "\nval: loss" in line.out and "test:" not in line.out and "val 6/12: loss" in line.err
    assert line("test", "run") == 1 and "--part val" in line.err
    assert (
        line("test", "run", "--part", "val", "--json") == 0 and 140 <= json.loads(line.out)["samples"] <= 148
    )
    assert line("export", "run", "-o", "m.onnx") == 0
    assert reread("run", None, False)[1].name == "tiny"
