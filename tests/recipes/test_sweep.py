"""Sweeps and folds: which runs there are, what is told of them, how they go on."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.data.place import Place
from netspec.data.registry import open_sources
from netspec.data.source import ArraySource, Source
from netspec.data.splits import Folds, draw_part, draw_samples
from netspec.diagnostics import SpecError
from netspec.recipes.outcomes import find_mean, read_outcome
from netspec.recipes.sweep import Axis, Plan, read_axis
from netspec.resolve.sections.train import DataSection
from tests.training.specs import Line, write

pytestmark = pytest.mark.torch
VALIDATED: dict[str, Any] = {"val_data": {"source": "digits", "batch_size": 500}}


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Line:
    monkeypatch.chdir(tmp_path)
    return Line(monkeypatch, capsys)


def digits() -> Source:
    return open_sources(DataSection(source="digits"), None, Place(Path()))[0]


def numbers(part: Source) -> list[int]:
    return part.indices.tolist()  # type: ignore[attr-defined, no-any-return]


def test_folds_part_the_data_and_each_class_evenly() -> None:
    whole = digits()
    parts = [draw_part(whole, "val", {}, 7, Folds(5, i)) for i in range(1, 6)]
    assert sorted(i for part in parts for i in numbers(part)) == list(range(len(whole)))
    sizes = [len(part) for part in parts]
    counts = np.array([np.bincount(part.labels(), minlength=10) for part in parts])
    assert max(sizes) - min(sizes) <= 1 and (np.ptp(counts, axis=0) <= 1).all()
    rest = draw_part(whole, "train", {}, 7, Folds(5, 2))
    assert sorted([*numbers(rest), *numbers(parts[1])]) == list(range(len(whole)))
    other = draw_part(whole, "val", {}, 8, Folds(5, 2))
    assert numbers(other) != numbers(parts[1])
    tested = draw_part(whole, "test", {"test": 0.2}, 7, Folds(5, 2))
    assert not set(numbers(tested)) & set(numbers(draw_part(whole, "val", {"test": 0.2}, 7, Folds(5, 2))))


def test_folds_of_what_a_test_leaves_differ_by_one_sample() -> None:
    """Classes of odd sizes: where the folds of one end, those of the next go on."""
    labels = np.repeat(np.arange(3), (9, 9, 5))
    whole = ArraySource("memory", {"data": np.arange(len(labels)), "label": labels}, "label", ("a", "b", "c"))
    parts = [draw_part(whole, "val", {"test": 0.3}, 3, Folds(4, i)) for i in range(1, 5)]
    sizes = [len(part) for part in parts]
    counts = np.array([np.bincount(part.labels(), minlength=3) for part in parts])
    assert sum(sizes) == len(whole) - len(draw_part(whole, "test", {"test": 0.3}, 3, Folds(4, 1)))
    assert max(sizes) - min(sizes) <= 1 and (np.ptp(counts, axis=0) <= 1).all()


def test_a_bootstrap_sample_is_drawn_with_replacement_by_its_seed() -> None:
    whole = digits()
    drawn = draw_samples(whole, 1)
    assert len(drawn) == len(whole)
    assert 0.60 < len(set(numbers(drawn))) / len(whole) < 0.66
    assert numbers(drawn) == numbers(draw_samples(whole, 1)) != numbers(draw_samples(whole, 2))
    section = DataSection(source="digits", bootstrap=1)
    train, test = open_sources(section, DataSection(source="digits", split="test"), Place(Path()))
    assert (train.labels() == drawn.labels()).all() and test is not None and len(test) == 360


def test_values_are_parted_by_commas_outside_brackets() -> None:
    assert read_axis("a.b=1, 2,2") == Axis("a.b", ("1", "2"))
    assert read_axis("o=[p, q],{x: 1, y: 2},'a,b'").values == ("[p, q]", "{x: 1, y: 2}", "'a,b'")
    for wrong in ("a", "a=", "=1", "a=1,,2", "train.split.folds=2,3"):
        with pytest.raises(SpecError, match="NS610"):
            read_axis(wrong)


def test_every_choice_on_every_fold() -> None:
    plan = Plan("spec.yaml", (Axis("a", ("1", "2")), Axis("b", ("x",))), 2)
    said = [(list(choice.values()), fold) for choice, fold in plan.runs()]
    assert said == [(["1", "x"], 1), (["1", "x"], 2), (["2", "x"], 1), (["2", "x"], 2)]


def test_deviation_is_that_of_a_sample() -> None:
    means, deviations = find_mean([{"a": 1.0, "b": 1.0}, {"a": 3.0}])
    assert means == {"a": 2.0} and deviations == {"a": pytest.approx(2**0.5)}
    assert find_mean([{"a": 1.0}]) == ({"a": 1.0}, {}) and find_mean([]) == ({}, {})
    assert find_mean([{"loss": 0.0}, {"loss": 2e200}])[1] == {"loss": pytest.approx(2**0.5 * 1e200)}


def test_a_sweep_tells_the_best_and_goes_on(line: Line) -> None:
    spec = write(Path("net.yaml"), train=VALIDATED | {"split": {"val": 0.1}}, solver={"max_iter": 6})
    command = ("train", spec, "--sweep", "train.solver.base_lr=1e-9,0.05", "--quiet", "--run", "s", "--json")
    assert line(*command) == 0, line.err
    found = json.loads(line.out)
    slow, fast = found["runs"]
    assert found["best"] == fast["settings"] == {"train.solver.base_lr": "0.05"}
    assert slow["best"]["accuracy"] < fast["best"]["accuracy"] and fast["test"]["accuracy"] > 0
    assert fast["measured"] == "val" and fast["iterations"] == 6
    assert line(*command) == 1 and "NS677" in line.err
    other = [each.replace("1e-9,", "") if isinstance(each, str) else each for each in command]
    assert line(*other, "--resume") == 1 and "NS610" in line.err

    first, second = (Path("s") / name for name in "12")
    kept = (first / "log.jsonl").read_bytes()
    for file in second.iterdir():  # as if it had never begun
        file.unlink()
    assert line(*command, "--resume") == 0
    assert json.loads(line.out) == found and (first / "log.jsonl").read_bytes() == kept
    assert line(*command[:-1], "--resume") == 0
    rows = [row.split() for row in line.out.splitlines() if row.startswith(("1", "2"))]
    assert [row[-1] == "best" for row in rows] == [False, True]
    assert max(map(len, line.out.splitlines())) <= 80


def test_a_run_that_diverges_is_told_and_the_next_one_begins(line: Line) -> None:
    spec = write(Path("net.yaml"), train=VALIDATED | {"split": {"val": 0.1}}, solver={"max_iter": 6})
    assert line("train", spec, "--sweep", "train.solver.base_lr=1e38,0.05", "--run", "s", "--quiet") == 0
    assert read_outcome(Path("s/1")).reason == "diverged" and read_outcome(Path("s/2")).reason == "finished"
    assert "diverged" in line.out and "best" in line.out.splitlines()[3]


def test_folds_tell_mean_and_deviation(line: Line) -> None:
    split = {"split": {"val": 0.5}}
    spec = write(Path("net.yaml"), train=VALIDATED | split, solver={"max_iter": 4, "test_interval": 2})
    assert line("train", spec, "--folds", "3", "--quiet", "--run", "s", "--json") == 0, line.err
    found = json.loads(line.out)
    accuracies = [run["best"]["accuracy"] for run in found["runs"]]
    (group,) = found["groups"]
    assert group["mean"]["accuracy"] == pytest.approx(np.mean(accuracies))
    assert group["deviation"]["accuracy"] == pytest.approx(np.std(accuracies, ddof=1))
    assert [run["fold"] for run in found["runs"]] == [1, 2, 3] and len(set(accuracies)) > 1


def test_nothing_is_trained_where_one_spec_is_unsound(line: Line) -> None:
    spec = write(Path("net.yaml"))
    assert line("train", spec, "--sweep", "ip1.num_output=8,wide", "--run", "s") == 1
    assert "NS104" in line.err and not Path("s").exists()
    assert line("train", spec, "--folds", "3", "--run", "s") == 1
    assert "NS611" in line.err and not Path("s").exists()


def test_what_is_refused_before_it_trains_leaves_no_folder(line: Line) -> None:
    """Else the folder would stand in the way of the same command, given again with its data in place."""
    spec = write(Path("net.yaml"), train={"data": {"source": "npz", "path": "later.npz"}})
    for words in (("train", "--sweep", "train.solver.base_lr=0.1,0.2"), ("boost", "--stages", "2")):
        assert line(words[0], spec, *words[1:], "--run", "s") == 1
        assert "NS643" in line.err and not Path("s").exists()
