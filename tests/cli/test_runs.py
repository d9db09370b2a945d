"""`netspec runs`: what runs came to, read from their folders alone, whoever wrote them."""

import json
import os
import platform
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from netspec.cli import group
from netspec.diagnostics import SpecError
from netspec.training.run.listing import settings_apart

RECORD = {
    "name": "net",
    "spec": "net.yaml",
    "seed": 3,
    "device": "cpu",
    "started": "2026-12-01T10:00:00+00:00",
}
SPEC = """name: net
train: {solver: {base_lr: %s, max_iter: 20}}
layers: [{name: ip, type: InnerProduct, num_output: %s}]
"""
TESTS = [
    {"phase": "test", "iteration": 0, "loss": 2.3, "accuracy": 0.1, "best": True},
    {"phase": "train", "iteration": 10, "loss": 2.0, "learning_rate": 0.1},
    {"phase": "val", "iteration": 10, "loss": 1.5, "accuracy": 0.75, "best": True},
    {"phase": "val", "iteration": 20, "loss": 1.7, "accuracy": 0.5, "best": False},
]
END = {"phase": "end", "iteration": 20, "reason": "finished"}


def write(run: Path, lines: list[dict[str, Any]], rate: Any = 0.1, width: int = 4, **record: Any) -> None:
    run.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps(RECORD | record))
    (run / "spec.yaml").write_text(SPEC % (rate, width))
    text = "".join(json.dumps(line | {"time": "2026-12-01T10:01:05.500+00:00"}) + "\n" for line in lines)
    (run / "log.jsonl").write_text(text + '{"phase": "tr')


def runs(*words: Any) -> Result:
    return CliRunner().invoke(group, ["runs", *map(str, words)], standalone_mode=False)


def rows(*words: Any) -> list[list[str]]:
    return [line.split() for line in runs(*words).stdout.splitlines()[2:]]


def test_a_row_for_each_run(tmp_path: Path) -> None:
    write(tmp_path / "net/a", [*TESTS, END])
    write(tmp_path / "net/b", TESTS[:2])
    write(tmp_path / "net/c", [])
    held = {"process": os.getpid(), "host": platform.node()}
    (tmp_path / "net/c/owner.json").write_text(json.dumps(held))
    write(tmp_path / "net/d", [])
    (tmp_path / "net/d/run.json").write_text("{")
    (tmp_path / "net/empty").mkdir()
    found = rows(tmp_path)
    assert [row[0].rpartition("/")[2] for row in found] == ["a", "b", "c", "d"]
    assert found[0][1:] == ["20", "accuracy", "0.75,", "loss", "1.5", "10", "finished", "1:06"]
    assert found[1][1:] == ["10", "accuracy", "0.1,", "loss", "2.3", "0", "killed", "1:06"]
    assert found[2][1:] == ["0", "running"] and found[3][1:3] == ["0", "damaged:"]


def test_two_runs_are_compared(tmp_path: Path) -> None:
    write(tmp_path / "a", [*TESTS, END])
    write(tmp_path / "b", TESTS[:2], rate=0.1, width=8, settings=["train.solver.base_lr=0.5"], seed=4)
    text = runs(tmp_path / "a", tmp_path / "b").stdout
    cells = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.split()}
    assert cells["train.solver.base_lr"] == ["0.1", "0.5"] and cells["ip.num_output"] == ["4", "8"]
    assert cells["seed"] == ["3", "4"] and cells["ended"] == ["finished", "killed"]
    assert "max_iter" not in text and "device" not in text
    told = json.loads(runs(tmp_path / "a", tmp_path / "b", "--json").stdout)
    assert [row["path"] for row in told["spec"]] == ["train.solver.base_lr", "ip.num_output"]
    assert told["runs"][0]["best"] == {"loss": 1.5, "accuracy": 0.75}


def test_a_run_of_a_stranger_steers_no_terminal_and_leads_nowhere(tmp_path: Path) -> None:
    write(tmp_path / "net/a", [{**END, "reason": "\x07\rgone"}])
    (tmp_path / "secret").write_text("{}")
    write(tmp_path / "net/b", [])
    (tmp_path / "net/b/run.json").unlink()
    (tmp_path / "net/b/run.json").symlink_to(tmp_path / "secret")
    text = runs(tmp_path / "net").stdout
    assert "\x07" not in text and "\r" not in text and "gone" in text and "damaged" in text


def test_there_is_no_such_folder(tmp_path: Path) -> None:
    assert "[NS683]" in str(runs(tmp_path / "none").exception)


@pytest.mark.parametrize("spec", [b"\xff\xfe", b"[", b"\0"])
def test_a_spec_that_is_no_text_is_a_finding(spec: bytes, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}")
        (tmp_path / name / "spec.yaml").write_bytes(spec)
    with pytest.raises(SpecError):
        settings_apart(tmp_path / "a", tmp_path / "b")
