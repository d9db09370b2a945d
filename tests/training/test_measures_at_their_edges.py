"""Measures where little is there, where values stand on several axes, where labels are ignored: scikit-learn's numbers again."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from netspec.training.measures import labels as labels_module
from netspec.training.measures.bins import BINS, Bins
from netspec.training.measures.boxes import Boxes
from netspec.training.measures.classes import Classes
from netspec.training.measures.labels import Labels
from netspec.training.measures.numbers import MOST_APART, Numbers

pytestmark = pytest.mark.torch
WORDS = ("precision", "recall", "f1", "support")


def tensors(*arrays: Any) -> Any:
    return (torch.as_tensor(np.asarray(a, np.float32)) for a in arrays)


def test_a_bin_tells_where_it_begins_and_what_is_in_it() -> None:
    bins = Bins()
    bins.add(torch.tensor([0.0, 0.01, 0.4, 1.0]), torch.tensor([1.0, 0, 1, 1]))
    bins.add(torch.tensor([0.41, 0.99]), torch.tensor([0.0, 0]))
    told = bins.result()
    assert [(b["from"], b["samples"], b["right"]) for b in told["bins"]] == [
        (0, 2, 0.5),
        (6 / BINS, 2, 0.5),
        (14 / BINS, 2, 0.5),
    ]
    assert [b["confidence"] for b in told["bins"]] == pytest.approx([0.005, 0.405, 0.995])
    assert told["error"] == pytest.approx((2 * 0.495 + 2 * 0.095 + 2 * 0.495) / 6)


@pytest.mark.parametrize(
    "measure",
    [Classes(3, 1, (), True), Classes(3, 1, (0,), True), Labels((), True), Labels((0,), True), Numbers()],
)
def test_of_no_sample_nothing_is_told_but_what_it_would_be(measure: Any) -> None:
    """Nothing added, a batch of none, a batch of which all is ignored: no means, no division by 0."""
    kind = measure.result()["kind"]
    shape = {"classes": (0,), "labels": (0, 3), "numbers": (0, 3)}[kind]
    measure.add(torch.zeros(0, 3), torch.zeros(shape, dtype=torch.long))
    assert not measure.result().get("mean")
    if 0 in getattr(measure, "ignored", ()):
        measure.add(torch.ones(2, 3), torch.zeros((2, *shape[1:]), dtype=torch.long))
        told = measure.result()
        assert set(told["support"]) == {0} and not told["mean"] and told["calibration"]["bins"] == []
        assert told["accuracy"] == 0 and told["calibration"]["error"] == 0


def test_labels_of_places_and_labels_that_are_ignored() -> None:
    draw = np.random.default_rng(3)
    scores = draw.standard_normal((6, 3, 4, 2))
    truth = draw.choice([0, 1, 255], (6, 3, 4, 2), p=[0.4, 0.4, 0.2])
    measure = Labels((255,), True)
    for part in (slice(0, 1), slice(1, 6)):
        measure.add(*tensors(scores[part], truth[part]))
    told = measure.result(["a", "b", "c"])
    assert told["classes"] == ["a", "b", "c"] and "ap" not in told  # whose scores are not kept in order
    known = truth != 255
    for i in range(3):
        at = known[:, i]
        wanted = sk.precision_recall_fscore_support(truth[:, i][at], scores[:, i][at] >= 0, average="binary")[
            :3
        ]
        assert [told[w][i] for w in WORDS] == pytest.approx([*wanted, (truth[:, i] == 1).sum()])
    assert told["accuracy"] == pytest.approx((truth == (scores >= 0))[known].mean())
    assert sum(b["samples"] for b in told["calibration"]["bins"]) == known.sum()
    assert told["mean"]["f1"] == pytest.approx(np.mean(told["f1"]))


def test_a_half_is_said_and_is_there() -> None:
    measure = Labels((), False)
    measure.add(*tensors([0.5, 0.49, 0.5, 0.51], [0.5, 0.5, 0.4, 1]))  # one label, of one axis
    told = measure.result(["a", "b"])
    assert [told[w] for w in WORDS] == [[2 / 3], [2 / 3], [2 / 3], [3]]
    assert (told["accuracy"], told["classes"]) == (0.5, ["0"])


@pytest.mark.parametrize(("most", "kept"), [(12, True), (11, False)])
def test_average_precision_of_more_scores_than_are_kept_is_left_out(
    most: int, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels_module, "MOST_KEPT", most)
    measure, draw = Labels((), False), np.random.default_rng(1)
    for _ in range(3):
        measure.add(*tensors(draw.random((2, 2)), draw.integers(0, 2, (2, 2))))
    assert ("ap" in measure.result()) == kept == bool(measure.kept)


def test_a_label_that_never_is_counts_in_no_mean() -> None:
    measure = Labels((), False)
    measure.add(*tensors([[0.9, 0.8], [0.2, 0.7]], [[1, 0], [0, 0]]))
    told = measure.result()
    assert told["ap"] == [1, 0] and told["mean"] == dict.fromkeys(("precision", "recall", "f1", "ap"), 1)


@pytest.mark.parametrize(("width", "apart"), [(MOST_APART, True), (MOST_APART + 1, False)])
def test_numbers_of_a_picture_are_taken_together(width: int, apart: bool) -> None:
    draw = np.random.default_rng(2)
    truth = draw.standard_normal((5, width)) * np.arange(1, width + 1) / 10  # some are spread little
    answers = truth + draw.standard_normal((5, width)) / 10
    measure = Numbers()
    for part in (slice(0, 2), slice(2, 5)):
        measure.add(*(torch.as_tensor(a[part]) for a in (answers, truth)))
    told = measure.result()
    if not apart:
        truth, answers = truth.reshape(-1, 1), answers.reshape(-1, 1)
    assert told["values"] == [str(i) for i in range(truth.shape[1])]
    np.testing.assert_allclose(told["mae"], np.abs(truth - answers).mean(0))
    np.testing.assert_allclose(told["rmse"], np.sqrt(((truth - answers) ** 2).mean(0)))
    np.testing.assert_allclose(told["r2"], sk.r2_score(truth, answers, multioutput="raw_values"))


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_classes_stand_on_any_axis(axis: int) -> None:
    draw = np.random.default_rng(axis)
    scores, truth = draw.standard_normal((4, 5, 5, 5)), draw.integers(-1, 6, (4, 5, 5))  # -1 and 5 are none
    measure = Classes(5, axis, (2,), True)
    measure.add(torch.as_tensor(scores), torch.as_tensor(truth))
    guessed, known = scores.argmax(axis), (truth >= 0) & (truth < 5) & (truth != 2)
    wanted = sk.confusion_matrix(truth[known], guessed[known], labels=range(5))
    told = measure.result(["too", "few"])
    assert told["confusion"] == wanted.tolist() and told["classes"] == ["0", "1", "2", "3", "4"]
    assert told["accuracy"] == pytest.approx((truth == guessed)[known].mean())


def test_one_place_of_each_sample_is_no_place() -> None:
    """(N, 1, 1) labels are a class for each; two of each are places."""
    for places, kind in ((1, "classes"), (2, "places")):
        measure = Classes(3, 1, (), True)
        measure.add(torch.rand(2, 3, places, 1), torch.zeros(2, places, 1))
        assert measure.result()["kind"] == kind


def test_boxes_found_of_no_true_one_are_wrong() -> None:
    assert Boxes().mean == 0
    measure = Boxes()
    measure.add(
        torch.tensor([[-1, 1, 0, -1, -1], [-1, 2, 2, -1, -1], [0, 1, 0.5, 0, 1], [0, 2, 0.5, 1, 0.0]])
    )
    told = measure.result(["background", "cat", "dog"])
    assert (told["classes"], told["support"], told["found"]) == (["cat", "dog"], [0, 2], [1, 1])
    assert (told["precision"], told["recall"], told["ap"]) == ([0, 1], [0, 0.5], [0, 0.5])
    assert told["mean"] == {"precision": 1, "recall": 0.5, "ap": 0.5}
