"""Arrays and settings of which a training learns, or a test shows, less than it seems: each is told before the first step."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from netspec import driver
from netspec.data.inventory.values import judge_values
from netspec.data.source import ArraySource
from netspec.diagnostics import Diagnostic, SpecError
from netspec.source import Source
from netspec.training.batches.feeds import Feeds
from netspec.training.data_findings import data_findings
from tests.training.specs import document

pytestmark = pytest.mark.torch
SAMPLES, CLASSES = 48, 3
RNG = np.random.default_rng(5)
PIXELS = RNG.random((SAMPLES, 1, 4, 4), np.float32)
LABELS = np.arange(SAMPLES) % CLASSES


def write(path: Path, data: Any = PIXELS, label: Any = LABELS) -> str:
    np.savez(path, data=data, label=label)
    return path.name


def open_feeds(
    folder: Path,
    train: dict[str, Any],
    loss: str = "SoftmaxWithLoss",
    width: int = CLASSES,
    image: dict[str, Any] | None = None,
    **solver: Any,
) -> Feeds:
    layers = [
        {
            "name": "ip",
            "type": "InnerProduct",
            "bottom": "data",
            "num_output": width,
            "weight_filler": "xavier",
        },
        {"name": "loss", "type": loss, "bottom": ["ip", "label"]},
    ]
    data = {"shape": ["N", 1, 4, 4]} | ({} if image is None else {"image": image})
    given = {"data": data, "label": ["N"]}
    spec = document(input=given, layers=layers, train={"test_data": None} | train, solver=solver)
    program = driver.load_source(Source(str(folder / "net.yaml"), yaml.safe_dump(spec, sort_keys=False)))
    return Feeds.open(program, program.training_graph("train"), program.training_graph("test"))


def find(folder: Path, **words: Any) -> list[Diagnostic]:
    feeds = open_feeds(folder, **words)
    typed = feeds.program.training_graph("train")
    feed = feeds.feed("train", typed, feeds.train, feeds.section("train"))  # type: ignore[arg-type]
    assert feed.fields
    return list(data_findings(feeds, typed))


def npz(name: str, **words: Any) -> dict[str, Any]:
    return {"source": "npz", "path": name, "batch_size": 8, **words}


def test_sound_arrays_are_silent(tmp_path: Path) -> None:
    train, test = write(tmp_path / "a.npz"), write(tmp_path / "b.npz", PIXELS[::-1] * 3)
    assert not find(tmp_path, train={"data": npz(train, shuffle=False), "test_data": npz(test)})


def test_arrays_of_one_class_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        find(tmp_path, train={"data": npz(write(tmp_path / "a.npz", label=LABELS * 0 + 2))})
    (only,) = caught.value.diagnostics
    assert (only.code, only.fact) == ("NS664", "all 48 samples are of one class, 2")
    # a number that is no class may well be the same in all samples
    numbers = npz(write(tmp_path / "b.npz", label=np.ones(SAMPLES)))
    assert not find(tmp_path, loss="EuclideanLoss", width=1, train={"data": numbers})


def test_classes_one_behind_the_other_are_told_where_nothing_shuffles(tmp_path: Path) -> None:
    data = npz(write(tmp_path / "a.npz", label=np.sort(LABELS)), shuffle=False)
    (only,) = find(tmp_path, train={"data": data})
    assert "of 6 rows of 8 samples 6 are of one class alone" in only.fact
    assert not find(tmp_path, train={"data": data | {"shuffle": True}})
    # each batch holds all classes: their order within it says nothing
    assert not find(tmp_path, train={"data": data | {"batch_size": 24}})


def test_outputs_without_samples_are_told(tmp_path: Path) -> None:
    data = npz(write(tmp_path / "a.npz"))
    (only,) = find(tmp_path, width=5, train={"data": data})
    assert only.fact.startswith("ip tells 5 classes apart, the training data hold 3: no sample is of 3, 4")
    assert "3 outputs are enough" in only.notes[0]


def test_parts_of_another_scale_are_told(tmp_path: Path) -> None:
    train, test = write(tmp_path / "a.npz"), write(tmp_path / "b.npz", PIXELS * 255)
    (only,) = find(tmp_path, train={"data": npz(train), "test_data": npz(test)})
    assert "most values of the test data lie 255 times as far apart" in only.fact
    (other,) = find(tmp_path, train={"data": npz(test), "test_data": npz(train)})
    assert "most values of the training data lie 255 times" in other.fact
    scaled = npz(test, transform_param={"scale": 1 / 255})
    assert not find(tmp_path, train={"data": npz(train), "test_data": scaled})


@pytest.mark.parametrize("image", [{"scale": 1 / 255}, {"mean_value": 128, "std_value": 64}])
def test_pixels_from_0_to_1_under_a_contract_for_bytes_are_told(
    tmp_path: Path, image: dict[str, Any]
) -> None:
    small, bytes_ = npz(write(tmp_path / "a.npz")), npz(write(tmp_path / "b.npz", PIXELS * 255))
    (only,) = find(tmp_path, train={"data": small}, image=image)
    assert "`image:` takes pixels from 0 to 255" in only.fact
    assert not find(tmp_path, train={"data": bytes_}, image=image)
    assert not find(tmp_path, train={"data": small}, image={"mean_value": 0.5, "std_value": 0.25})


def test_a_few_far_values_are_no_other_scale(tmp_path: Path) -> None:
    far = PIXELS.copy()
    far[0, 0, 0, 0] = 1e6
    test = npz(write(tmp_path / "b.npz", far))
    assert not find(tmp_path, train={"data": npz(write(tmp_path / "a.npz")), "test_data": test})


def test_samples_of_one_value_are_named(tmp_path: Path) -> None:
    pixels = PIXELS.copy()
    pixels[[3, 40]] = 0.5
    pixels[7] = 0.5
    pixels[7, 0, 2, 1] = 0.25  # one value is another: such a sample is not told of
    (only,) = find(tmp_path, train={"data": npz(write(tmp_path / "a.npz", pixels))})
    assert (
        only.fact
        == "data of the training data is one value throughout in 2 of 48 samples: sample 3, sample 40"
    )
    # a row of a table has no places: two columns may be alike
    flat = ArraySource("flat", {"data": np.ones((SAMPLES, 2))})
    assert not list(judge_values({"train": flat}))


def test_a_test_that_ends_before_its_data_is_told(tmp_path: Path) -> None:
    data = npz(write(tmp_path / "a.npz"))
    parts = {"data": data, "test_data": npz(write(tmp_path / "b.npz"))}
    (only,) = find(tmp_path, train=parts, test_iter=2)
    assert only.fact == "`test_iter: 2` reads 16 of the 48 test samples, 2 batches of 8"
    assert "`test_iter: 6`" in only.notes[0]
    assert not find(tmp_path, train=parts, test_iter=6)


@pytest.mark.parametrize(
    ("targets", "place", "note"),
    [
        (np.where(LABELS > 0, 1, -1), "sample 0 has -1", "write 0 for -1"),
        (LABELS, "sample 2 has 2", "SoftmaxWithLoss learns"),
        ((LABELS > 0) * 255, "sample 1 has 255", "of 0 and 255, write 0 and 1"),
        (LABELS * 2.5, "sample 1 has 2.5", "divided by 5 they go from 0 to 1"),
    ],
)
def test_targets_beyond_0_and_1_are_refused(tmp_path: Path, targets: Any, place: str, note: str) -> None:
    with pytest.raises(SpecError) as caught:
        find(
            tmp_path,
            loss="SigmoidCrossEntropyLoss",
            width=1,
            train={"data": npz(write(tmp_path / "a.npz", label=targets))},
        )
    (only,) = caught.value.diagnostics
    assert only.code == "NS651" and place in only.fact and note in only.notes[0]


def test_targets_between_are_taken(tmp_path: Path) -> None:
    data = npz(write(tmp_path / "a.npz", label=LABELS / 2))
    assert not find(tmp_path, loss="SigmoidCrossEntropyLoss", width=1, train={"data": data})
