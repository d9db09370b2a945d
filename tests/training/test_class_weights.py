"""Weights of classes: PyTorch's numbers, fixed when a training starts, the same after a kill and in a test; samples drawn evenly."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn.functional import cross_entropy

from netspec import driver
from netspec.data.source import ArraySource
from netspec.diagnostics import SpecError
from netspec.torch_modules.loss import SoftmaxWithLoss
from netspec.training.batches.loader import Batches, Feed, Order
from netspec.training.batches.order import balanced
from netspec.training.run.folder import read_record
from netspec.training.run.weights import read_tensors
from netspec.training.session import train_program
from netspec.training.test import measure
from tests.training.specs import document

pytestmark = pytest.mark.torch
WEIGHTS = (0.5, 0.0, 3.0, 1.25)


def scores(*shape: int) -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)
    label = torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=generator)
    return x, label


@pytest.mark.parametrize("shape", [(30, 4), (3, 4, 5, 2)])
@pytest.mark.parametrize("ignored", [None, 2, 255])
def test_it_is_pytorchs(shape: tuple[int, ...], ignored: int | None) -> None:
    x, label = scores(*shape)
    if ignored == 255:
        label[0] = 255
    ours = SoftmaxWithLoss(ignore_label=ignored, class_weight=WEIGHTS)(x, label)
    theirs = cross_entropy(
        x,
        label,
        torch.tensor(WEIGHTS, dtype=torch.float64),
        ignore_index=-100 if ignored is None else ignored,
    )
    torch.testing.assert_close(ours, theirs)
    (mine,), (other,) = torch.autograd.grad(ours, x), torch.autograd.grad(theirs, x)
    torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("word", ["VALID", "FULL", "NONE"])
def test_shares_that_are_whole_weigh_as_labels(word: str) -> None:
    x, label = scores(3, 4, 5, 2)
    shares = torch.nn.functional.one_hot(label, 4).movedim(-1, 1).double()
    loss = SoftmaxWithLoss(normalization=word, class_weight=WEIGHTS)
    torch.testing.assert_close(loss(x, shares), loss(x, label))


@pytest.mark.parametrize(("word", "count"), [("FULL", 30), ("BATCH_SIZE", 3), ("NONE", 1)])
def test_other_words_divide_by_what_they_count(word: str, count: int) -> None:
    x, label = scores(3, 4, 5, 2)
    each = cross_entropy(x, label, torch.tensor(WEIGHTS, dtype=torch.float64), reduction="sum")
    made = SoftmaxWithLoss(normalization=word, class_weight=WEIGHTS)(x, label)
    torch.testing.assert_close(made, each / count)


def test_a_batch_of_classes_that_count_for_nothing() -> None:
    x, _ = scores(3, 4)
    loss = SoftmaxWithLoss(class_weight=WEIGHTS)(x, torch.ones(3, dtype=torch.int64))
    assert loss == 0
    assert torch.autograd.grad(loss, x)[0].abs().sum() == 0


# --- balanced --------------------------------------------------------------------------------------------------------


def rare(folder: Path, counts: tuple[int, ...] = (40, 8, 2)) -> np.ndarray[Any, Any]:
    """Data in which classes are of so many samples; the labels of those to train on."""
    labels = np.repeat(np.arange(len(counts)), counts)
    generator = np.random.default_rng(2)
    x = generator.standard_normal((len(labels), 4)).astype(np.float32) + labels[:, None]
    np.savez(folder / "d.npz", x=x, y=labels)
    return labels[np.arange(len(labels)) % 5 != 0]


def spec(weights: Any = "balanced", width: int = 3, **data: Any) -> dict[str, Any]:
    source = {"source": "npz", "path": "d.npz", "label": "y", "batch_size": 10}
    loss = [{"type": "SoftmaxWithLoss", "class_weight": weights}]
    made = document(train={"data": source | data, "test_data": source, "loss": loss}, solver={"max_iter": 8})
    made["input"] = {"data": ["N", 4]}
    made["layers"] = [{"name": "ip", "type": "InnerProduct", "num_output": width, "weight_filler": "xavier"}]
    return made


def trained(folder: Path, made: dict[str, Any], run: str = "run", **more: Any) -> Any:
    path = folder / f"{run}.yaml"
    path.write_text(json.dumps(made))
    return train_program(driver.load(str(path)), folder / run, device="cpu", **more)


def test_it_is_scikit_learns(tmp_path: Path) -> None:
    labels = rare(tmp_path)
    trained(tmp_path, spec())
    wanted = compute_class_weight("balanced", classes=np.unique(labels), y=labels)
    assert read_record(tmp_path / "run")["class_weight"] == {"loss": pytest.approx(list(wanted))}


def test_it_trains_as_the_numbers_do_and_tests_so(tmp_path: Path) -> None:
    labels = rare(tmp_path)
    weights = [float(len(labels) / (3 * n)) for n in np.bincount(labels)]
    trained(tmp_path, spec())
    trained(tmp_path, spec(weights), "listed")
    one, other = (read_tensors(tmp_path / run / "weights.safetensors")[0] for run in ("run", "listed"))
    assert all(torch.equal(one[name], other[name]) for name in other)
    numbers = [measure(tmp_path / run, device="cpu").metrics["loss"] for run in ("run", "listed")]
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-6)
    trained(tmp_path, spec([1, 1, 1]), "even")
    assert measure(tmp_path / "even", device="cpu").metrics["loss"] != pytest.approx(numbers[0], rel=1e-2)


def test_a_run_that_goes_on_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where other labels are not noticed: mostly such data are refused (NS659)."""
    monkeypatch.setattr("netspec.training.batches.loader.identify", lambda source: "the same")
    rare(tmp_path)
    trained(tmp_path, spec())
    before = read_record(tmp_path / "run")["class_weight"]
    labels = np.repeat([0, 1, 2], [2, 8, 40])
    np.savez(tmp_path / "d.npz", x=np.zeros((50, 4), np.float32), y=labels)
    trained(tmp_path, spec(), resume=True)
    assert read_record(tmp_path / "run")["class_weight"] == before


@pytest.mark.parametrize(
    ("counts", "words", "said"),
    [
        ((5, 5), {}, "class 2 has no label"),
        ((5, 5, 5), {"balance": True, "shuffle": False}, "keeps their order"),
    ],
)
def test_what_cannot_be_balanced(
    counts: tuple[int, ...], words: dict[str, Any], said: str, tmp_path: Path
) -> None:
    rare(tmp_path, counts)
    with pytest.raises(SpecError) as raised:
        trained(tmp_path, spec(**words))
    assert raised.value.diagnostics[0].code == "NS696"
    assert said in raised.value.diagnostics[0].fact


@pytest.mark.parametrize("damage", [[0.5], [0.5, "x", 2], [0.5, -1, 2], 7, [float("nan"), 1, 1]])
def test_a_damaged_record_is_told(damage: Any, tmp_path: Path) -> None:
    rare(tmp_path)
    trained(tmp_path, spec())
    path = tmp_path / "run" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "class_weight": {"loss": damage}}))
    with pytest.raises(SpecError) as raised:
        measure(tmp_path / "run", device="cpu")
    assert raised.value.diagnostics[0].code == "NS683"


# --- balance: true ---------------------------------------------------------------------------------------------------


class Large(ArraySource):
    """As one that does not fit in memory: a thread reads ahead."""

    def whole(self) -> None:
        return None


def source(counts: tuple[int, ...], kind: type[ArraySource] = ArraySource) -> ArraySource:
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(len(counts)), counts))
    return kind("d", {"x": np.arange(len(labels), dtype=np.float32)[:, None], "y": labels}, "y")


@pytest.mark.parametrize("counts", [(40, 8, 2), (3, 3), (100, 1, 7, 13)])
def test_an_epoch_draws_classes_evenly(counts: tuple[int, ...]) -> None:
    data = source(counts)
    labels = data.arrays["y"]
    classes = [np.flatnonzero(labels == i) for i in range(len(counts))]
    seen = []
    for epoch in range(3):
        order, again = balanced(classes, len(labels), 4, epoch)
        drawn = np.bincount(labels[order], minlength=len(counts))
        assert len(order) == len(labels)
        assert drawn.max() - drawn.min() <= 1
        for own in classes:  # a class comes round whole before a sample comes again
            times = np.bincount(order, minlength=len(labels))[own]
            assert times.max() - times.min() <= 1
        assert len(set(zip(order.tolist(), again.tolist(), strict=True))) == len(order)
        assert (order == balanced(classes, len(labels), 4, epoch).order).all()
        seen.append(order.tolist())
    assert len(counts) == 2 or seen[0] != seen[1]


@pytest.mark.parametrize("kind", [ArraySource, Large])
@pytest.mark.parametrize("size", [7, 10])
def test_a_resumed_order_is_the_same(size: int, kind: type[ArraySource]) -> None:
    data, order = source((40, 8, 2), kind), Order(True, True, 9, True)

    def batches() -> Batches:
        return Batches(data, size, order, Feed({"x": "x", "label": "y"}))

    whole = batches()
    values = [next(whole)["x"].flatten().tolist() for _ in range(20)]
    drawn = np.concatenate(values)[:50].astype(int)
    assert np.bincount(data.arrays["y"][drawn]).max() == 17
    first = batches()
    for _ in range(9):
        next(first)
    later = batches()
    later.load_state(first.state())
    assert [next(later)["x"].flatten().tolist() for _ in range(11)] == values[9:]
    plain = Batches(data, size, Order(True, True, 9), Feed({"x": "x", "label": "y"}))
    with pytest.raises(SpecError, match="balance"):
        plain.load_state(first.state())


def test_it_needs_one_class_a_sample(tmp_path: Path) -> None:
    boxes = ArraySource("d", {"x": np.zeros((4, 2)), "y": np.zeros((4, 3))}, "y")
    parts = ArraySource("d", {"x": np.zeros((4, 2)), "y": np.array([0.5, 1, 2, 3])}, "y")
    none = ArraySource("d", {"x": np.zeros((4, 2))})
    for data in (boxes, parts, none):
        with pytest.raises(SpecError) as raised:
            Batches(data, 2, Order(True, True, 0, True), Feed({"x": "x"}))
        assert raised.value.diagnostics[0].code == "NS696"


def test_a_sample_that_comes_again_is_changed_anew() -> None:
    """Random changes follow from seed, epoch and index: the epoch that they hear of differs."""
    data, order = source((40, 8, 2)), Order(True, True, 9, True)
    indices = Batches(data, 5, order, Feed({"x": "x", "label": "y"})).indices
    at, epochs = (np.concatenate([f(n, 5) for n in range(0, 100, 5)]) for f in (indices.at, indices.epochs))
    assert len(set(zip(at.tolist(), epochs.tolist(), strict=True))) == 100
    assert (epochs % 2**32 == np.arange(100) // 50).all()
    plain = Batches(data, 5, Order(True, True, 9), Feed({"x": "x", "label": "y"})).indices
    assert plain.epochs(45, 10).tolist() == [0] * 5 + [1] * 5


@pytest.mark.parametrize("classes", [1, 2, 4])
def test_places_that_are_ignored_need_no_class(classes: int) -> None:
    """Nor does a net with one class have another to stand for them."""
    x = torch.zeros(3, classes, dtype=torch.float64)
    label = torch.tensor([0, 255, 0])
    loss = SoftmaxWithLoss(ignore_label=255, class_weight=(2.0,) * classes)
    torch.testing.assert_close(loss(x, label), torch.tensor(math.log(classes), dtype=torch.float64))
