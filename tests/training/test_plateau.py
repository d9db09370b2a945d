"""`lr_policy: plateau`: the rate falls by tests, for each who learns, and a resumed run has the same rate."""

import json
from pathlib import Path
from typing import Any

import pytest

from netspec.diagnostics import SpecError
from netspec.training.loop import train
from netspec.training.run.weights import read_tensors, write_tensors
from tests.training.test_resume import comparable, same_weights
from tests.training.tiny import job, words

pytestmark = pytest.mark.torch
FALLING: dict[str, Any] = {
    "lr_policy": "plateau", "gamma": 0.1, "patience": 2, "power": 0.0, "test_interval": 5, "display": 5, "base_lr": 1e-7,
}  # fmt: skip
"""So slow that tests are the same but for rounding."""


def rates(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [line["learning_rate"] for line in lines if line["phase"] == "train"]


def test_the_rate_falls_after_tests_that_bring_nothing(tmp_path: Path) -> None:
    """Tests at 0, 5, 10: two without a better value, then at 15, 20 two more."""
    train(job(words(**FALLING, max_iter=30)), tmp_path / "a", device="cpu")
    assert rates(tmp_path / "a") == pytest.approx([1e-7, 1e-7, 1e-8, 1e-8, 1e-9, 1e-9])
    train(job(words(**FALLING, max_iter=30, min_lr=5e-9)), tmp_path / "b", device="cpu")
    assert rates(tmp_path / "b") == pytest.approx([1e-7, 1e-7, 1e-8, 1e-8, 5e-9, 5e-9])


def test_a_resumed_run_has_the_same_rate(tmp_path: Path) -> None:
    more = FALLING | {"base_lr": 0.05, "patience": 1, "gamma": 0.5}
    train(job(words(**more, max_iter=40)), tmp_path / "whole", device="cpu")
    assert len(set(rates(tmp_path / "whole"))) > 1
    for end in (11, 25, 40):
        train(job(words(**more, max_iter=end)), tmp_path / "parts", device="cpu", resume=end > 11)
    same_weights(tmp_path / "whole", tmp_path / "parts")
    whole, parts = (
        [line for line in comparable(tmp_path / run) if line["iteration"] not in (11, 25)]
        for run in ("whole", "parts")
    )
    assert whole == parts


def test_a_damaged_count_is_a_finding(tmp_path: Path) -> None:
    train(job(words(**FALLING, max_iter=10)), tmp_path, device="cpu")
    path = tmp_path / "solver.safetensors"
    tensors, facts = read_tensors(path)
    for steps in (-1, 10**9, "2"):
        facts["more"]["observers"]["plateau"]["steps"] = steps
        write_tensors(path, tensors, facts)
        with pytest.raises(SpecError) as error:
            train(job(words(**FALLING, max_iter=20)), tmp_path, device="cpu", resume=True)
        assert [d.code for d in error.value.diagnostics] == ["NS674"]
