"""What `netspec test` measures beside means: scikit-learn's numbers, batch by batch; NaN is told with its sample."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from netspec.cli.output.measured import table_of
from netspec.diagnostics import SpecError
from netspec.driver import load
from netspec.training.measures.bins import BINS, Bins
from netspec.training.measures.classes import Classes
from netspec.training.measures.labels import Labels
from netspec.training.measures.numbers import Numbers
from netspec.training.session import train_program
from netspec.training.test import measure
from tests.training.specs import Line, document, write

pytestmark = pytest.mark.torch


def fed(made: Any, *whole: Any) -> Any:
    """A measure that has seen data in pieces of unequal size."""
    for part in zip(*(torch.as_tensor(each).split([7, 1, len(whole[0]) - 8]) for each in whole), strict=True):
        made.add(*part)
    return made


def drawn(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_classes_are_scikit_learns() -> None:
    scores, labels = drawn(0, 60, 4), np.random.default_rng(1).integers(0, 3, 60)
    scores[:, 3] -= 9  # a class that is neither there nor guessed
    scores[np.arange(60), labels] += 1
    found = fed(Classes(4, 1, (), True), scores, labels).result("abcd")
    guessed = scores.argmax(1)
    assert found["confusion"] == sk.confusion_matrix(labels, guessed, labels=range(4)).tolist()
    wanted = sk.precision_recall_fscore_support(labels, guessed, labels=range(4), zero_division=0)
    for word, values in zip(("precision", "recall", "f1", "support"), wanted, strict=True):
        np.testing.assert_allclose(found[word], values)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(labels, guessed))
    assert found["mean"]["f1"] == pytest.approx(sk.f1_score(labels, guessed, average="macro"))
    assert found["classes"] == ["a", "b", "c", "d"]
    assert "iou" not in found


def test_ignored_labels_and_shares() -> None:
    scores, labels = drawn(2, 30, 3), np.random.default_rng(3).integers(0, 3, 30)
    marked = np.where(np.arange(30) % 4 == 0, 255, labels)
    found = fed(Classes(3, 1, (255,), True), scores, marked).result()
    assert sum(found["support"]) == 22
    plain = fed(Classes(3, 1, (), True), scores, labels).result()
    shares = fed(Classes(3, 1, (), True), scores, np.eye(3, dtype=np.float32)[labels]).result()
    assert shares["confusion"] == plain["confusion"]


def test_places_overlap() -> None:
    scores, labels = drawn(4, 12, 3, 5, 4), np.random.default_rng(5).integers(0, 3, (12, 1, 5, 4))
    found = fed(Classes(3, 1, (2,), True), scores, labels).result()
    keep = labels.reshape(-1) != 2
    guessed = scores.argmax(1).reshape(-1)
    wanted = sk.jaccard_score(labels.reshape(-1)[keep], guessed[keep], average=None, labels=[0, 1, 2])
    assert found["kind"] == "places"
    np.testing.assert_allclose(found["iou"], wanted)
    assert found["mean"]["iou"] == pytest.approx(float(np.mean(wanted)))


def test_calibration_is_that_of_its_bins() -> None:
    rng = np.random.default_rng(6)
    sure, right = rng.random(500), rng.random(500) < 0.7
    bins = Bins()
    for part in (slice(0, 3), slice(3, 500)):
        bins.add(torch.as_tensor(sure[part]), torch.as_tensor(right[part]))
    at = np.minimum((sure * BINS).astype(int), BINS - 1)
    wanted = sum(
        (at == b).mean() * abs(sure[at == b].mean() - right[at == b].mean())
        for b in range(BINS)
        if (at == b).any()
    )
    assert bins.result()["error"] == pytest.approx(wanted)
    assert Bins().result() == {"error": 0.0, "bins": []}


def test_scores_that_are_no_shares_have_no_calibration() -> None:
    labels = np.random.default_rng(1).integers(0, 3, 30)
    assert "calibration" not in fed(Classes(3, 1, (), False), drawn(0, 30, 3) * 5, labels).result()
    shares = torch.as_tensor(drawn(0, 30, 3)).softmax(1)
    assert "calibration" in fed(Classes(3, 1, (), False), shares, labels).result()


@pytest.mark.parametrize("logits", [True, False])
def test_labels_are_scikit_learns(logits: bool) -> None:
    scores, truth = drawn(7, 50, 3), (drawn(8, 50, 3) > 0.3).astype(np.float32)
    truth[:, 2] = 0
    shares = 1 / (1 + np.exp(-scores))
    found = fed(Labels((), logits), scores if logits else shares, truth).result()
    wanted = sk.precision_recall_fscore_support(truth, scores >= 0, average=None, zero_division=0)
    for word, values in zip(("precision", "recall", "f1", "support"), wanted, strict=True):
        np.testing.assert_allclose(found[word], values)
    ap = [sk.average_precision_score(truth[:, i], scores[:, i]) for i in range(2)]
    np.testing.assert_allclose(found["ap"], [*ap, 0])
    assert found["mean"]["ap"] == pytest.approx(np.mean(ap))
    assert found["accuracy"] == pytest.approx(((scores >= 0) == (truth > 0)).mean())


@pytest.mark.parametrize("shape", [(40,), (40, 3)])
def test_numbers_are_scikit_learns(shape: tuple[int, ...]) -> None:
    truth = drawn(9, *shape) * 3 + 1000
    answers = truth + drawn(10, *shape)
    found = fed(Numbers(), answers, truth).result()
    assert found["mean"]["mae"] == pytest.approx(sk.mean_absolute_error(truth, answers), rel=1e-5)
    assert found["mean"]["r2"] == pytest.approx(sk.r2_score(truth, answers), rel=1e-4)
    wanted = np.sqrt(np.mean((truth - answers) ** 2, 0)).reshape(-1)
    np.testing.assert_allclose(found["rmse"], wanted, rtol=1e-5)


def test_a_constant_is_explained_or_not() -> None:
    one = np.ones((20, 1), np.float32)
    assert fed(Numbers(), one, one).result()["r2"] == [1.0]
    assert fed(Numbers(), one + 1, one).result()["r2"] == [0.0]


# --- a run -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Line:
    return Line(monkeypatch, capsys)


def test_the_command_prints_and_keeps_them(tmp_path: Path, line: Line) -> None:
    spec = write(tmp_path / "spec.yaml")
    run = tmp_path / "run"
    assert line("train", str(spec), "--run", str(run), "--device", "cpu") == 0
    assert line("test", str(run), "--device", "cpu", "--csv", str(tmp_path / "c.csv")) == 0, line.err
    assert "loss: 10 classes, accuracy 0." in line.out
    assert "confusion: a row per true class" in line.out
    assert max(map(len, line.out.splitlines()[1:])) <= 80
    kept = json.loads((run / "test.json").read_text())
    found = kept["judged"]["loss"]
    assert found["accuracy"] == pytest.approx(kept["metrics"]["accuracy"], abs=1e-9)
    assert sum(found["support"]) == kept["samples"] == 360
    rows = list(csv.reader((tmp_path / "c.csv").open()))
    assert [[int(n) for n in row[1:]] for row in rows[1:]] == found["confusion"]
    assert rows[0][1:] == found["classes"] == [row[0] for row in rows[1:]]
    (run / "test.json").unlink()
    (run / "test.json").mkdir()
    assert line("test", str(run), "--device", "cpu") == 1 and "NS673" in line.err
    assert "loss: 10 classes, accuracy 0." in line.out, "what was measured is told, if it cannot be kept"


def points(folder: Path, x: Any, y: Any, loss: str, width: int, **sections: Any) -> Path:
    """A run on some arrays."""
    np.savez(folder / "d.npz", x=x, y=y)
    source = {"source": "npz", "path": "d.npz", "label": "y", "batch_size": 10, "split": "all"}
    made = document(
        train={"data": source, "test_data": source, "loss": [{"type": loss}]},
        solver={"max_iter": 2, "base_lr": 0.001, "test_interval": 0},
    )
    made["input"] = {"data": ["N", x.shape[1]], "label": ["N", *y.shape[1:]]}
    made["layers"] = [
        {
            "name": "ip",
            "type": "InnerProduct",
            "bottom": "data",
            "num_output": width,
            "weight_filler": "xavier",
        }
    ]
    (folder / "spec.yaml").write_text(json.dumps(made))
    train_program(load(str(folder / "spec.yaml")), folder / "run", device="cpu")
    return folder / "run"


KINDS = {
    "EuclideanLoss": ("numbers", 2, lambda n: drawn(3, n, 2)),
    "L1Loss": ("numbers", 2, lambda n: drawn(3, n, 2)),
    "SigmoidCrossEntropyLoss": ("labels", 2, lambda n: (drawn(3, n, 2) > 0).astype(np.float32)),
    "HingeLoss": ("classes", 3, lambda n: np.arange(n) % 3),
    "FocalLoss": ("classes", 3, lambda n: np.arange(n) % 3),
}


@pytest.mark.parametrize("loss", KINDS)
def test_the_loss_says_what_is_measured(loss: str, tmp_path: Path) -> None:
    kind, width, labels = KINDS[loss]
    found = measure(points(tmp_path, drawn(1, 25, 4), labels(25), loss, width), device="cpu")
    assert found.judged["loss"]["kind"] == kind


def test_what_is_not_finite_is_told_with_its_sample(tmp_path: Path) -> None:
    run = points(tmp_path, drawn(1, 25, 4), drawn(2, 25, 2), "EuclideanLoss", 2)
    x, y = drawn(1, 25, 4), drawn(2, 25, 2)
    y[17, 1] = np.inf
    np.savez(tmp_path / "d.npz", x=x, y=y)
    with pytest.raises(SpecError) as raised:
        measure(run, device="cpu")
    (found,) = raised.value.diagnostics
    assert found.code == "NS693"
    assert found.fact == "sample 17: field y holds inf"
    x[3, :2] = np.nan
    np.savez(tmp_path / "d.npz", x=x, y=y)
    with pytest.raises(SpecError) as raised:
        measure(run, device="cpu")
    (found,) = raised.value.diagnostics
    assert found.notes[:2] == (
        "sample 3: field x holds nan, and 1 more that are not finite",
        "sample 17: field y holds inf",
    )


@pytest.mark.parametrize("count", [2, 40, 41, 45])
def test_of_many_classes_the_lowest_and_the_highest_are_shown(count: int) -> None:
    values = [(7 * i % count) / count for i in range(count)]
    judged = {"f1": values, "mean": {"f1": 0.5}}
    names = [f"c{i}" for i in range(count)]
    head, *rows = table_of(names, ("f1",), judged, None)
    assert head.split() == ["f1"] and rows.pop().split() == ["mean", "0.5000"]
    order = list(range(count))
    if count > 40:
        assert rows.pop().strip() == f"(the 20 lowest and the 20 highest f1 of {count})"
        order = sorted(order, key=lambda i: values[i])
        order = order[:20] + order[-20:]
    assert [row.split() for row in rows] == [[names[i], f"{values[i]:.4f}"] for i in order]
