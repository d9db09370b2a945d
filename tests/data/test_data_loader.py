"""Batches: Caffe's wrap-around, exact resumption, resident and reading alike, a thread that ends, checks before the first step."""

import gc
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from data_files import opened, write_image

from netspec.augmentation.definition import Augmentation
from netspec.augmentation.frame import Crop, Flip
from netspec.data.binding import LabelRule, bind, check_labels, check_shape
from netspec.data.registry import Place
from netspec.data.source import Array, ArraySource, Rows, Source
from netspec.data.transforms import Pipeline
from netspec.diagnostics import SpecError
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection, TransformParam
from netspec.training.batches.augmenting import Augmenter, Parts
from netspec.training.batches.feeding import Port, batches_of, feed_of
from netspec.training.batches.loader import Batches, Feed, Order, generator_at, permutation


class Reading(Source):
    """The same samples, but not in memory: what makes Batches read ahead."""

    def __init__(self, source: Source, fault: int | None = None) -> None:
        self.source, self.fault, self.calls = source, fault, 0
        self.name, self.fields, self.label, self.classes = (
            source.name,
            source.fields,
            source.label,
            source.classes,
        )

    def __len__(self) -> int:
        return len(self.source)

    def batch(self, indices: Array) -> Rows:
        self.calls += 1
        if self.fault in indices:
            raise OSError("the disk is gone")
        return self.source.batch(indices)


def numbered(count: int) -> ArraySource:
    return ArraySource("numbers", {"data": np.arange(count), "label": np.arange(count) % 3}, "label")


FEED = Feed({"data": "data", "label": "label"}, integers=frozenset({"data"}))


def first(batches: Batches, count: int) -> list[list[int]]:
    return [next(batches)["data"].tolist() for _ in range(count)]


@pytest.mark.parametrize("kind", [numbered, lambda n: Reading(numbered(n))])
def test_training_wraps_as_caffe_does(kind: type) -> None:
    with Batches(kind(7), 3, Order(shuffle=False, wrap=True), FEED) as batches:
        assert first(batches, 5) == [[0, 1, 2], [3, 4, 5], [6, 0, 1], [2, 3, 4], [5, 6, 0]]
    with Batches(kind(3), 8, Order(shuffle=False, wrap=True), FEED) as batches:
        assert first(batches, 2) == [[0, 1, 2, 0, 1, 2, 0, 1], [2, 0, 1, 2, 0, 1, 2, 0]]


@pytest.mark.parametrize("kind", [numbered, lambda n: Reading(numbered(n))])
def test_a_test_goes_once_through(kind: type) -> None:
    batches = Batches(kind(7), 3, Order(shuffle=False, wrap=False), FEED)
    for _ in range(2):
        passed = [(b["data"].tolist(), batches.samples(b)) for b in batches]
        assert passed == [([0, 1, 2], 3), ([3, 4, 5], 3), ([6], 1)] and len(batches) == 3
    next(batches)
    assert next(iter(batches))["data"].tolist() == [0, 1, 2]
    batches.close()


def test_each_epoch_holds_every_sample_in_a_new_order() -> None:
    batches = Batches(numbered(11), 4, Order(shuffle=True, wrap=True, seed=5), FEED)
    stream = [n for batch in first(batches, 11) for n in batch]
    epochs = [stream[i : i + 11] for i in range(0, 44, 11)]
    assert all(sorted(epoch) == list(range(11)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert epochs[2] == permutation(11, 5, 2).tolist()
    other = Batches(numbered(11), 4, Order(shuffle=True, wrap=True, seed=6), FEED)
    assert [n for batch in first(other, 3) for n in batch][:11] != epochs[0]


def changing(*changes: Augmentation) -> tuple[Augmenter, ...]:
    return (Augmenter(changes, Parts("image", "data", "label", "class")),)


def test_the_order_is_the_same_everywhere() -> None:
    assert permutation(8, 1, 0).tolist() == [1, 6, 0, 3, 7, 4, 2, 5]
    assert permutation(8, -1, 3).tolist() == permutation(8, 2**64 - 1, 3).tolist()
    draws = torch.rand(2, generator=generator_at(1, 64), dtype=torch.float64)
    assert torch.equal(draws, torch.rand(2, generator=generator_at(1, 64), dtype=torch.float64))
    assert not torch.equal(draws, torch.rand(2, generator=generator_at(1, 65), dtype=torch.float64))


@pytest.mark.parametrize("reading", [False, True])
@pytest.mark.parametrize("stop", [0, 1, 5, 9])
def test_a_resumed_run_goes_on_exactly(tmp_path: Path, reading: bool, stop: int) -> None:
    digits = opened(tmp_path, "test", source="digits")
    feed = Feed(
        {"data": "image", "label": "label"},
        {"data": Pipeline(ImageContract(scale=1 / 255))},
        augmenters=changing(Crop(size=8, pad=2), Flip()),
    )

    def started() -> Batches:
        return Batches(Reading(digits) if reading else digits, 50, Order(True, True, 3), feed)

    with started() as whole, started() as killed, started() as resumed:
        expected = [next(whole) for _ in range(12)]
        for _ in range(stop):
            next(killed)
        resumed.load_state(killed.state())
        for want in expected[stop:]:
            got = next(resumed)
            assert torch.equal(got["data"], want["data"]) and torch.equal(got["label"], want["label"])


def test_resident_and_reading_give_the_same(tmp_path: Path) -> None:
    digits = opened(tmp_path, "train", source="digits")
    fields = {"data": "image", "label": "label"}
    feed = Feed(fields, {"data": Pipeline(ImageContract())}, augmenters=changing(Flip()))
    resident, reading = (Batches(s, 64, Order(True, True, 2), feed) for s in (digits, Reading(digits)))
    with resident, reading:
        assert resident.resident is not None and reading.resident is None
        for _ in range(30):
            a, b = next(resident), next(reading)
            assert all(torch.equal(a[k], b[k]) for k in ("data", "label")) and a["label"].dtype == torch.int64


def test_a_checkpoint_of_other_data_is_refused() -> None:
    state = Batches(numbered(7), 3, Order(True, True, 1), FEED).state()
    for source, order in (
        (numbered(8), Order(True, True, 1)),
        (numbered(7), Order(True, True, 2)),
        (numbered(7), Order(False, True, 1)),
    ):
        with pytest.raises(SpecError, match="NS659"):
            Batches(source, 3, order, FEED).load_state(state)
    with pytest.raises(SpecError, match="NS659"):
        Batches(numbered(7), 3, Order(True, True, 1), FEED).load_state({**state, "position": 7})


def threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "netspec-prefetch"]


def test_the_thread_is_bounded_and_ends() -> None:
    source = Reading(numbered(1000))
    batches = Batches(source, 1, Order(False, True), FEED, prefetch=3)
    next(batches)
    time.sleep(0.3)
    assert len(threads()) == 1 and source.calls <= 1 + 3 + 1
    batches.close()
    assert not threads()
    assert first(batches, 2) == [[1], [2]]
    del batches
    gc.collect()
    deadline = time.monotonic() + 5
    while threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not threads()


def test_an_error_while_reading_reaches_the_user_and_ends_the_thread() -> None:
    batches = Batches(Reading(numbered(100), fault=37), 10, Order(False, True), FEED)
    first(batches, 3)
    for _ in range(2):
        with pytest.raises(OSError, match="the disk is gone"):
            next(batches)
        assert not threads()


def test_labels_are_checked_first_or_as_they_come() -> None:
    feed = FEED._replace(labels={"label": LabelRule(2)})
    with pytest.raises(SpecError, match=r"NS651.*0 to 1; sample 2 has 2"):
        Batches(numbered(7), 3, Order(True, True), feed)
    with Batches(Reading(numbered(7)), 2, Order(False, True), feed) as batches:
        next(batches)
        with pytest.raises(SpecError, match=r"NS651.*sample 2 has 2"):
            next(batches)
    Batches(numbered(7), 3, Order(True, True), feed._replace(labels={"label": LabelRule(2, ignored=(2,))}))
    Batches(numbered(7), 3, Order(True, True), feed._replace(labels={"label": LabelRule(3)}))


@pytest.mark.parametrize(("labels", "noted"), [([1, 2, 3], True), ([0, 3, 1], False), ([1, 2, 4], False)])
def test_labels_that_count_from_one(labels: list[int], noted: bool) -> None:
    with pytest.raises(SpecError, match="NS651") as error:
        check_labels(np.array(labels), LabelRule(3), "source")
    (note,) = error.value.diagnostics[0].notes
    gaps = f"labels are {', '.join(map(str, sorted(labels)))}: number them from 0 to 2;"
    assert note.startswith("labels count from 0" if noted else gaps)


@pytest.mark.parametrize(
    ("have", "want", "words"),
    [
        ((8, 9, 3), (3, 8, 9), "channels last"),
        ((8, 8), (1, 8, 8), "no axis of channels"),
        ((10,), (), "one-hot"),
        ((3, 9, 9), (3, 8, 8), "resize: [8, 8]"),
        ((64,), (1, 8, 8), None),
    ],
)
def test_shapes_that_do_not_fit_say_why(
    have: tuple[int, ...], want: tuple[int, ...], words: str | None
) -> None:
    with pytest.raises(SpecError, match="NS652") as error:
        check_shape(ArraySource("s", {"x": np.zeros((2, *have))}, "x"), "data", "x", have, want)
    assert [words is not None and words in note for note in error.value.diagnostics[0].notes] == [True] * (
        words is not None
    )


def test_binding(tmp_path: Path) -> None:
    source = ArraySource(
        "s", {"image": np.zeros((2, 1, 4, 4)), "extra": np.zeros((2, 3)), "y": np.zeros(2, int)}, "y"
    )
    assert bind(source, ["data", "label"], {}) == {"data": "image", "label": "y"}
    assert bind(source, ["extra", "x", "label"], {}) == {"extra": "extra", "x": "image", "label": "y"}
    assert bind(source, ["a", "b"], {"a": "extra"}) == {"a": "extra", "b": "image"}
    for inputs, fields, word in (
        (["a", "b"], {}, "nothing feeds a, b"),
        (["a"], {"b": "image"}, "no input"),
        (["a"], {"a": "z"}, "by z"),
    ):
        with pytest.raises(SpecError, match=word):
            bind(source, inputs, fields)


def test_feeding_digits(tmp_path: Path) -> None:
    contract = ImageContract(scale=0.00392156862745098)
    ports = {"data": Port((1, 8, 8), contract), "label": Port()}
    section, place = DataSection(source="digits"), Place(tmp_path, (1, 8, 8), contract)
    for role, count in (("train", 1437), ("test", 360)):
        source = opened(tmp_path, role, contract, (1, 8, 8), source="digits")
        feed = feed_of(source, section, ports, (), role, place, {"label": LabelRule(10)})
        batches = batches_of(source, section, feed, role, 1)
        assert (batches.order.shuffle, batches.order.wrap, len(batches)) == (
            role == "train",
            role == "train",
            -(-count // 64),
        )
        batch = next(batches)
        assert (
            batch["data"].shape == (64, 1, 8, 8)
            and batch["data"].dtype == torch.float32
            and batch["data"].max() == 1
        )


@pytest.mark.parametrize(
    ("ports", "words", "augment", "code"),
    [
        ({"data": Port((1, 28, 28)), "label": Port()}, {}, (), "NS652"),
        ({"data": Port((64,)), "label": Port()}, {}, (), "NS652"),
        ({"data": Port((3, 8, 8), ImageContract(color="gray"))}, {}, (), "NS660"),
        ({"data": Port((1, 8, 8), ImageContract(crop_size=6))}, {}, (), "NS660"),
        ({"data": Port((1, 8, 8), ImageContract(mean_value=(1.0, 2.0)))}, {}, (), "NS660"),
        ({"data": Port((1, 8, 8), ImageContract(scale=0.0))}, {}, (), "NS660"),
        (
            {"data": Port((1, 8, 8), ImageContract())},
            {"transform_param": TransformParam(scale=0.5)},
            (),
            "NS660",
        ),
        ({"data": Port((1, 8, 8)), "label": Port()}, {"fields": {"data": "picture"}}, (), "NS656"),
        ({"data": Port((1, 8, 8))}, {}, (Crop(size=6),), "NS652"),
        ({"label": Port()}, {}, (Flip(),), "NS661"),
    ],
)
def test_what_does_not_fit_is_said_before_training(
    tmp_path: Path,
    ports: dict[str, Port],
    words: dict[str, object],
    augment: tuple[Augmentation, ...],
    code: str,
) -> None:
    source = opened(tmp_path, "train", source="digits")
    with pytest.raises(SpecError, match=code):
        feed_of(source, DataSection(source="digits", **words), ports, augment, "train", Place(tmp_path))


def test_masks_cannot_be_left_behind(tmp_path: Path) -> None:
    source = ArraySource(
        "masks", {"image": np.zeros((2, 1, 8, 8)), "label": np.zeros((2, 4, 4), int)}, "label"
    )
    with pytest.raises(SpecError, match="NS661"):
        feed_of(
            source,
            DataSection(source="npz"),
            {"data": Port((1, 8, 8)), "label": Port()},
            (Flip(),),
            "train",
            Place(tmp_path),
        )


def test_text_batches_are_time_major(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("abcdefghij" * 20)
    for major, shape in ((True, (5, 4)), (False, (4, 5))):
        section = DataSection(source="text", path="t.txt", window=5, time_major=major, batch_size=4)
        source = opened(tmp_path, source="text", path="t.txt", window=5, time_major=major)
        feed = feed_of(
            source,
            section,
            {"data": Port((5,)), "cont": Port((5,)), "label": Port()},
            (),
            "test",
            Place(tmp_path),
        )
        batches = batches_of(source, section, feed, "test", 0)
        batch = next(batches)
        assert (
            tuple(batch["data"].shape) == tuple(batch["cont"].shape) == tuple(batch["label"].shape) == shape
        )
        assert (
            batches.samples(batch) == 4
            and batch["data"].dtype == torch.float32
            and batch["label"].dtype == torch.int64
        )
        steps = batch["data"] if major else batch["data"].T
        assert steps[:, 0].tolist() == [0, 1, 2, 3, 4] and steps[:, 1].tolist() == [5, 6, 7, 8, 9]


@pytest.mark.parametrize(("axes", "shape"), [((1, 1), (5, 4)), ((0, 0), (4, 5)), ((1, 0), (5, 4))])
def test_samples_lie_where_the_net_has_its_n(
    tmp_path: Path, axes: tuple[int, int], shape: tuple[int, int]
) -> None:
    """Whatever the source, and whatever it says of time."""
    (tmp_path / "t.txt").write_text("abcdefghij" * 20)
    data = np.arange(40).reshape(8, 5).astype(np.float32)
    np.savez(tmp_path / "d.npz", data=data, label=data.astype(np.int64))
    for words in ({"source": "npz", "path": "d.npz"}, {"source": "text", "path": "t.txt", "window": 5}):
        section, source = DataSection(batch_size=4, **words), opened(tmp_path, **words)
        ports = {"data": Port((5,), axis=axes[0]), "label": Port((5,), None, True, axes[1])}
        batches = batches_of(
            source, section, feed_of(source, section, ports, (), "test", Place(tmp_path)), "test", 0
        )
        batch = next(batches)
        assert tuple(batch["data"].shape) == shape and batches.samples(batch) == 4
        assert tuple(batch["label"].shape) == ((5, 4) if axes[1] else (4, 5))
        first = batch["data"][:, 0] if axes[0] else batch["data"][0]
        assert first.tolist() == [0, 1, 2, 3, 4]


def test_images_of_mixed_sizes_train_with_a_random_crop(tmp_path: Path) -> None:
    for n in range(6):
        write_image(tmp_path / "photos" / "ab"[n % 2] / f"{n}.png", (20 + n, 30 - n))
    contract = ImageContract(color="gray", resize=16, crop_size=12, scale=0.5)
    place, section = (
        Place(tmp_path, (1, 12, 12), contract),
        DataSection(source="images", path="photos", batch_size=4),
    )
    source = opened(tmp_path, None, contract, (1, 12, 12), source="images", path="photos")
    assert source.fields["image"].shape == (1, None, None)
    ports = {"data": Port((1, 12, 12), contract), "label": Port()}
    for augment in ((), (Crop(size=12), Flip())):
        with batches_of(
            source,
            section,
            feed_of(source, section, ports, augment, "train", place, {"label": LabelRule(2)}),
            "train",
            1,
        ) as batches:
            assert next(batches)["data"].shape == (4, 1, 12, 12)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_batches_on_the_gpu_are_those_of_the_cpu(tmp_path: Path) -> None:
    digits = opened(tmp_path, "train", source="digits")
    pipeline = Pipeline(ImageContract(mean_value=(7.0,), scale=0.1))
    changes = changing(Crop(size=6), Flip())
    feed = Feed({"data": "image", "label": "label"}, {"data": pipeline}, augmenters=changes)
    for source in (digits, Reading(digits)):
        with (
            Batches(source, 64, Order(True, True, 2), feed, "cuda") as gpu,
            Batches(source, 64, Order(True, True, 2), feed) as cpu,
        ):
            for _ in range(30):
                a, b = next(gpu), next(cpu)
                assert (
                    a["data"].is_cuda
                    and torch.equal(a["data"].cpu(), b["data"])
                    and torch.equal(a["label"].cpu(), b["label"])
                )
