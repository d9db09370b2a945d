"""Specs that train in a moment, and the command line in this process."""

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from netspec import driver
from netspec.cli import main
from netspec.source import Source

SOLVER = {
    "base_lr": 0.05,
    "momentum": 0.9,
    "max_iter": 12,
    "test_interval": 6,
    "display": 3,
    "snapshot": 4,
    "random_seed": 3,
}
LAYERS = [
    {"name": "ip1", "type": "InnerProduct", "num_output": 16, "weight_filler": "xavier"},
    {"name": "relu1", "type": "ReLU"},
    {"name": "drop1", "type": "Dropout", "dropout_ratio": 0.3},
    {"name": "ip2", "type": "InnerProduct", "num_output": 10, "weight_filler": "xavier"},
    {"name": "prob", "type": "Softmax"},
]
IMAGE = {"shape": ["N", 1, 8, 8], "image": {"color": "gray", "scale": 1 / 255}}


def document(**more: Any) -> dict[str, Any]:
    """A small net on the digits; `solver`, `train` and other sections are joined in."""
    train = {
        "data": {"source": "digits", "batch_size": 32},
        "test_data": {"source": "digits", "batch_size": 100},
        "solver": SOLVER | more.pop("solver", {}),
    }
    train |= more.pop("train", {})
    given = {key: value for key, value in train.items() if value is not None}
    return {"netspec": 1, "name": "tiny", "input": {"data": IMAGE}, "layers": LAYERS, "train": given, **more}


def write(path: Path, **more: Any) -> Path:
    path.write_text(yaml.safe_dump(document(**more), sort_keys=False))
    return path


def program(**more: Any) -> driver.Program:
    return driver.load_source(Source("tiny.yaml", yaml.safe_dump(document(**more), sort_keys=False)))


class Line:
    """`netspec ARGUMENTS` in this process: the exit code; what it printed is in `out` and `err`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys
        self.out = self.err = ""

    def __call__(self, *arguments: object) -> int:
        self.monkeypatch.setattr(sys, "argv", ["netspec", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        self.out, self.err = self.capsys.readouterr()
        return int(stop.value.code or 0)
