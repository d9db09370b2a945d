"""Parts of data without any of their own: drawn within each class, by the seed alone, each sample in one part."""

import io
from pathlib import Path

import numpy as np
import pytest
from data_files import opened, write_image
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from netspec.data.registry import Place, check_parts, default_part, open_beside, open_source, open_sources
from netspec.data.source import ArraySource, Subset
from netspec.data.splits import classes_of, draw_part, lacking
from netspec.diagnostics import SpecError
from netspec.resolve.sections.solver import SolverParameter
from netspec.resolve.sections.train import DataSection, SplitSection, TrainSection


def labelled(labels: list[int]) -> ArraySource:
    marks = np.array(labels)
    return ArraySource("memory", {"data": np.arange(len(labels)), "label": marks}, "label", ("a", "b", "c"))


def indices(source: object) -> list[int]:
    assert isinstance(source, Subset)
    return source.indices.tolist()


@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=60),
    st.floats(0, 0.5),
    st.floats(0, 0.49),
    st.integers(0, 2**70),
)
def test_each_sample_is_in_one_part_and_each_class_is_trained(
    labels: list[int], val: float, test: float, seed: int
) -> None:
    source, shares = labelled(labels), {"val": val, "test": test}
    parts = {part: indices(draw_part(source, part, shares, seed)) for part in ("train", "val", "test")}
    assert sorted(i for part in parts.values() for i in part) == list(range(len(labels)))
    assert all(part == sorted(part) for part in parts.values())
    assert {labels[i] for i in parts["train"]} == set(labels)
    for role, share in shares.items():
        for each in set(labels):
            count = sum(labels[i] == each for i in parts[role])
            whole = labels.count(each)
            assert count <= max(1, round(share * whole)) and (share or not count)
            assert whole < 3 or not share or count


def test_a_class_is_drawn_by_the_seed_and_itself() -> None:
    """Other classes, and their samples between, change nothing about it."""
    alone, mixed = labelled([1] * 40), labelled([0, 1, 1, 2] * 20)
    shares = {"test": 0.25}
    own = [i for i, label in enumerate([0, 1, 1, 2] * 20) if label == 1]
    drawn = indices(draw_part(alone, "test", shares, 7))
    assert len(drawn) == 10
    assert [own[i] for i in drawn] == [i for i in indices(draw_part(mixed, "test", shares, 7)) if i in own]
    assert drawn != indices(draw_part(alone, "test", shares, 8))
    assert drawn == [0, 1, 5, 6, 10, 11, 25, 31, 32, 37]


def trees(folder: Path) -> Path:
    for name, count in (("ash", 5), ("birch", 1), ("elm", 11), ("fir", 2)):
        for i in range(count):
            write_image(folder / "trees" / name / f"{i:02d}.png", value=i)
    return folder


def test_folders_without_parts_are_divided_within_classes(tmp_path: Path) -> None:
    section = DataSection(source="images", path="trees")
    train, test = open_sources(section, section, Place(trees(tmp_path), (1, 8, 8)))
    assert test is not None
    counts = [np.bincount(source.batch(np.arange(len(source)))["label"]).tolist() for source in (train, test)]  # type: ignore[arg-type]
    assert counts == [[4, 1, 8, 1], [1, 0, 3, 1]]
    assert [found.fact for found in lacking(test, "test")] == ["the test data have no sample of birch"]
    assert lacking(train, "training") == ()


def test_the_parts_that_train_split_draws(tmp_path: Path) -> None:
    words = SplitSection(val=0.2, test=0.2, seed=1)
    place = Place(trees(tmp_path), (1, 8, 8), split=words)
    section = DataSection(source="images", path="trees")
    train, test = open_sources(section, section.replace(batch_size=3), place)
    val = open_beside(section, section.replace(batch_size=3), "val", place)
    assert test is not None and [len(train), len(val), len(test)] == [12, 3, 4]
    files = [source.where(i) for source in (train, val, test) for i in range(len(source))]
    assert len(set(files)) == 19
    with pytest.raises(SpecError, match=r"NS641.*no part called val"):
        open_source(section, "val", place._replace(split=SplitSection(test=0.2)))


def test_a_part_of_its_own_stays_and_others_are_drawn_from_training(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in ("a", "b"):
            for i in range(10):
                write_image(tmp_path / "d" / part / name / f"{i}.png", value=i)
    place = Place(tmp_path, (1, 8, 8), split=SplitSection(val=0.2, test=0.5))
    section = DataSection(source="images", path="d")
    sizes = {part: len(open_source(section, part, place)) for part in ("train", "val", "test")}
    assert sizes == {"train": 16, "val": 4, "test": 20}
    (tmp_path / "d" / "test").rename(tmp_path / "d" / "Validation")
    assert len(opened(tmp_path, "val", source="images", path="d")) == 20
    digits = Place(tmp_path, split=SplitSection(val=0.1))
    sizes = {
        part: len(open_source(DataSection(source="digits"), part, digits))
        for part in ("train", "val", "test")
    }
    assert sizes["test"] == 360 and sizes["train"] + sizes["val"] == 1437 and 140 <= sizes["val"] <= 148


def test_parts_that_nobody_measures_or_two_would(tmp_path: Path) -> None:
    section = DataSection(source="images", path="trees")
    solver = SolverParameter(base_lr=0.1)
    place = Place(trees(tmp_path), (1, 8, 8), split=SplitSection(val=0.1))
    with pytest.raises(SpecError, match=r"NS641.*there is no val_data"):
        check_parts(TrainSection(data=section, split=place.split, solver=solver), place)
    for name in ("train", "val"):
        write_image(tmp_path / "d" / name / "a" / "0.png")
    section = DataSection(source="images", path="d")
    both = TrainSection(data=section, val_data=section, test_data=section, solver=solver)
    with pytest.raises(SpecError, match=r"NS641.*would be the test data, too"):
        check_parts(both, Place(tmp_path))
    assert default_part(section, "val", True) == "val"


def rare_labels(count: int = 40) -> np.ndarray:  # type: ignore[type-arg]
    """Class 1 four times among many of class 0, all at the end."""
    labels = np.zeros(count, np.int64)
    labels[-4:] = 1
    return labels


def drawn_of(tmp_path: Path, **words: str) -> set[tuple[int, ...]]:
    """How many samples of class 1 the training and a test of a quarter have, whatever the seed."""
    found = set()
    for seed in range(6):
        place, counts = Place(tmp_path, split=SplitSection(test=0.25, seed=seed)), []
        for part in ("train", "test"):
            source = open_source(DataSection(**words), part, place)
            rows = source.batch(np.arange(len(source)))["label"]
            counts.append(int(np.sum(np.asarray(rows) == 1)))
        found.add(tuple(counts))
    return found


@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("dtype", ["int64", "float32"])
def test_classes_of_a_file_that_stays_on_disk_are_drawn_by_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], dtype: str
) -> None:
    import h5py

    monkeypatch.setattr("netspec.data.sources.hdf5.MEMORY", 0)
    labels = rare_labels().astype(dtype)
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["data"] = np.zeros((len(labels), 2), np.float32)
        file["label"] = labels.reshape(-1, *shape)
    assert drawn_of(tmp_path, source="hdf5", path="d.h5") == {(3, 1)}


def test_classes_of_a_store_are_drawn_by_class(tmp_path: Path) -> None:
    import lmdb

    from netspec.caffe.blobs import read_label

    with lmdb.open(str(tmp_path / "store"), map_size=1 << 22) as store, store.begin(write=True) as put:
        for i, label in enumerate(rare_labels()):
            image = Image.fromarray(np.random.RandomState(i).randint(0, 256, (8, 8, 3)).astype(np.uint8))
            file = io.BytesIO()
            image.save(file, "PNG")
            data = file.getvalue()
            size = bytes([len(data) & 127 | 128, len(data) >> 7])
            row = b"\x22" + size + data + b"\x28" + bytes([label]) + b"\x38\x01"
            assert read_label(memoryview(row)) == label
            put.put(f"{i:08}".encode(), row)
    assert drawn_of(tmp_path, source="lmdb", path="store") == {(3, 1)}


def test_targets_are_no_classes() -> None:
    """Floats with fractions, or whole numbers that hardly repeat, are drawn from all alike."""
    prices = np.arange(40) * 1000
    for labels in (np.linspace(0, 1, 40, dtype=np.float32), prices.astype(np.float32), prices, np.arange(40)):
        source = ArraySource("memory", {"data": np.arange(40), "label": labels}, "label")
        assert len(indices(draw_part(source, "test", {"test": 0.25}, 0))) == 10


@pytest.mark.parametrize(
    ("labels", "known"),
    [
        (np.repeat([0, 1, 2], 20).astype(np.float32), True),
        (np.repeat([0.0, 0.5, 1.0], 20), False),
        (np.repeat([-1, 7], 30), True),
        (np.repeat([1 + 0j, 2 + 0j], 30), False),
    ],
)
def test_which_labels_are_classes(labels: np.ndarray, known: bool) -> None:  # type: ignore[type-arg]
    """Whole numbers that repeat, of integers or floats; no fractions, no other kind of number."""
    found = classes_of(ArraySource("memory", {"data": np.arange(60), "label": labels}, "label"))
    assert (found is not None) == known
    if found is not None:
        assert found.dtype == np.int64 and (found == labels).all()


def test_the_digits_are_named_from_0_to_9() -> None:
    source = open_source(DataSection(source="digits"), None, Place(Path()))
    assert source.classes == tuple("0123456789")
