"""Data that hold NaN or infinity, and tables with broken rows: all of them are named before the first step, or left out and named in the log."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.diagnostics import Diagnostic, SpecError
from netspec.training.test import measure

pytestmark = pytest.mark.torch
NET = """
input: {data: [N, 2], label: [N%s]}
layers:
  - {name: ip, type: InnerProduct, bottom: data, num_output: 2, weight_filler: xavier}
  - {name: loss, type: %s, bottom: [ip, label]}
train:
  data: {source: %s%s}
  test_data: {source: %s%s}
  solver: {base_lr: 0.01, max_iter: 6, snapshot: 3, random_seed: 1, test_interval: 3}
"""
SKIP = ", on_error: skip"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, holes: dict[int, float] | None = None, field: str = "x") -> None:
    """Twelve samples x (2,) with targets y (2,), some of which have a hole in their last number."""
    random = np.random.RandomState(len(name))
    arrays = {key: random.rand(12, 2).astype(np.float32) for key in ("x", "y")}
    for row, value in (holes or {}).items():
        arrays[field][row, -1] = value
    np.savez(f"{name}.npz", **arrays, unused=np.full(12, np.nan))


def npz(words: tuple[str, str] = ("", "")) -> str:
    places = [f"npz, path: {name}.npz, batch_size: 3, fields: {{label: y}}" for name in ("train", "test")]
    return NET % (", 2", "EuclideanLoss", places[0], words[0], places[1], words[1])


def train(text: str, run: str = "run", **more: Any) -> Any:
    Path("net.yaml").write_text(text)
    return netspec.train("net.yaml", run, **more)


def refused(text: str) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        train(text)
    assert not Path("run").exists()
    return caught.value.diagnostics[0]


def left_out(run: str = "run") -> list[str]:
    line = json.loads(Path(run, "log.jsonl").read_text().splitlines()[0])
    assert line["phase"] == "data" and line["skipped"] == len(line["files"])
    return list(line["files"])


@pytest.mark.parametrize(("part", "field"), [("train", "y"), ("test", "x")])
def test_what_is_not_finite_is_refused_before_anything_is_written(part: str, field: str) -> None:
    """Training data and data that only training's own tests would meet; a field that feeds nothing may hold what it likes."""
    write("train")
    write("test")
    write(part, {3: np.nan, 7: np.inf}, field)
    found = refused(npz())
    assert (found.code, found.fact) == ("NS693", "2 of 12 samples hold numbers that are not finite")
    assert found.notes[:2] == (f"sample 3: field {field} holds nan", f"sample 7: field {field} holds inf")


def test_samples_that_are_not_finite_are_left_out_where_asked() -> None:
    write("train", {3: np.nan, 7: np.inf})
    write("test", {0: -np.inf}, "y")
    result = train(npz((SKIP, SKIP)))
    assert result.iteration == 6 and np.isfinite(result.loss)
    assert left_out() == [
        "sample 3: field x holds nan",
        "sample 7: field x holds inf",
        "sample 0: field y holds -inf",
    ]
    measured = measure("run", device="cpu")
    assert measured.samples == 11 and [each.code for each in measured.findings] == ["NS691"]
    assert measured.metrics["loss"] == pytest.approx(result.metrics["loss"])


def test_only_the_part_that_says_so_skips() -> None:
    write("train", {3: np.nan})
    write("test", {0: np.nan})
    assert refused(npz((SKIP, ""))).path == str(Path("test.npz").absolute())


def test_nothing_left_is_no_data() -> None:
    write("train", dict.fromkeys(range(12), np.nan))
    write("test")
    assert refused(npz((SKIP, ""))).code == "NS650"


@pytest.mark.parametrize("part", ["train", "test"])
def test_what_does_not_lie_in_memory_is_judged_as_it_is_read(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netspec.data.source.MEMORY", 0)
    write("train")
    write("test")
    write(part, {5: np.nan})
    with pytest.raises(SpecError) as caught:
        train(npz())
    (found,) = caught.value.diagnostics
    assert (found.code, found.fact) == ("NS693", "sample 5: field x holds nan")


TABLE = "a,b,label\n1,2,cat\n3,4,dog\n5,?,cat\n6,7,\n8,9,dog\n1,nan,cat\n1,2\n2,3,cat\n4,5,dog\n7,8,cat\n"
BROKEN = [
    "line 4: '?' is not a number",
    "line 5: no label, its cell is empty",
    "line 7: 'nan' is not a finite number",
    "line 8 has 2 cells, the lines before it have 3",
]


def table(words: str = "") -> str:
    place = "csv, path: t.csv, batch_size: 2"
    return NET % ("", "SoftmaxWithLoss", place, words, place, words)


def test_broken_rows_of_a_table_are_left_out_where_asked() -> None:
    Path("t.csv").write_text(TABLE)
    assert refused(table()).code == "NS654"
    result = train(table(SKIP))
    assert result.iteration == 6 and left_out() == BROKEN
    assert json.loads(Path("run/classes.json").read_text()) == {"cat": 0, "dog": 1}
    assert measure("run", device="cpu").samples == 2


def test_a_run_goes_on_exactly_after_broken_rows_were_taken_away() -> None:
    Path("t.csv").write_text(TABLE)
    train(table(SKIP), "whole")
    train(table(SKIP), "part", settings=["train.solver.max_iter=3"])
    rows = [row for row in TABLE.splitlines(keepends=True) if "?" not in row and "nan" not in row]
    Path("t.csv").write_text("".join(row for row in rows if row.strip()[-1] != "," and row.count(",") == 2))
    train(table(), "part", resume=True, settings=["train.solver.max_iter=6"])
    assert Path("part/weights.safetensors").read_bytes() == Path("whole/weights.safetensors").read_bytes()


def test_a_table_without_a_sound_row_is_no_data() -> None:
    Path("t.csv").write_text("a,b,label\n1,x,cat\n2,y,dog\n")
    assert refused(table(SKIP)).code == "NS650"
