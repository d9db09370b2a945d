"""Folders of images, tables, archives, stores, text, Python classes: what they give, and what they say when something is wrong."""

import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import CAFFE, only, opened, write_image

from netspec.data.data_layers.sources import entry
from netspec.data.registry import Place, open_source, open_sources
from netspec.data.source import ArraySource, Source, Subset, write_classes
from netspec.diagnostics import SpecError
from netspec.repair.check import check_source
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection
from netspec.source import Source as Text


def fails(code: str, word: str, call: object, *args: object, **words: object) -> None:
    with pytest.raises(SpecError) as error:
        call(*args, **words)  # type: ignore[operator]
    found = only(error.value)
    assert found.code == code and word in found.fact, found


# folders of images


def test_folder_of_mixed_sizes(tmp_path: Path) -> None:
    for n, (name, size) in enumerate(
        [("zebra", (9, 7)), ("ant", (30, 20)), ("ant", (8, 8)), ("Bee", (5, 50))]
    ):
        write_image(tmp_path / "photos" / name / f"{n}.png", size)
    (tmp_path / "photos" / "ant" / "notes.txt").write_text("not an image")
    (tmp_path / "photos" / ".cache").mkdir()
    source = opened(tmp_path, shape=(3, 8, 8), source="images", path="photos")
    rows = source.batch(np.arange(4))
    assert source.classes == ("Bee", "ant", "zebra") and rows["label"].tolist() == [0, 1, 1, 2]
    assert np.asarray(rows["image"]).shape == (4, 3, 8, 8) and source.fields["image"].shape == (3, 8, 8)
    path = write_classes(source, tmp_path)
    assert (
        path is not None
        and json.loads(path.read_text()) == {"Bee": 0, "ant": 1, "zebra": 2}
        and not list(tmp_path.glob("*.part"))
    )


def test_folder_parts_and_fifths(tmp_path: Path) -> None:
    for n in range(10):
        write_image(tmp_path / "flat" / "a" / f"{n}.png", value=n)
        write_image(tmp_path / "parts" / ("train" if n < 7 else "val") / "a" / f"{n}.png", value=n)
    place = Place(tmp_path, (1, 8, 8))
    for folder, train_values, test_values in (
        ("flat", [1, 2, 3, 4, 6, 7, 8, 9], [0, 5]),
        ("parts", list(range(7)), [7, 8, 9]),
    ):
        section = DataSection(source="images", path=folder)
        train, test = open_sources(section, section.replace(batch_size=2), place)
        assert test is not None
        for source, values in ((train, train_values), (test, test_values)):
            assert len(source) == len(values)
            files = getattr(source, "source", source).files
            indices = getattr(source, "indices", np.arange(len(values)))
            assert [int(files[i].stem) for i in indices] == values
    alone, _ = open_sources(DataSection(source="images", path="flat"), None, place)
    assert len(alone) == 10


def test_folder_faults(tmp_path: Path) -> None:
    fails("NS643", "no such folder", opened, tmp_path, source="images", path="absent")
    (tmp_path / "bare").mkdir()
    fails("NS650", "no folder per class", opened, tmp_path, source="images", path="bare")
    write_image(tmp_path / "photos" / "a" / "0.png")
    (tmp_path / "photos" / "b").mkdir()
    (tmp_path / "photos" / "b" / "x.txt").write_text("")
    fails("NS649", "1 entries", opened, tmp_path, source="images", path="photos")
    write_image(tmp_path / "photos" / "b" / "1.png")
    fails("NS663", "class b", opened, tmp_path, source="images", path="photos", classes=("a", "c"))


@pytest.mark.parametrize(
    ("name", "keep"), [("cut.jpg", 0.5), ("cut.png", 0.5), ("cut.jpg", 0.02), ("empty.png", 0.0)]
)
def test_damaged_image(tmp_path: Path, name: str, keep: float) -> None:
    path = write_image(tmp_path / "photos" / "a" / name, (64, 64))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    source = opened(tmp_path, shape=(3, 8, 8), source="images", path="photos")
    with pytest.raises(SpecError) as error:
        source.batch(np.array([0]))
    found = only(error.value)
    assert (
        found.code == "NS647"
        and found.path == str(path)
        and (keep == 0 or str(int(len(data) * keep)) in found.fact)
    )


# tables


def test_csv_with_header_and_words(tmp_path: Path) -> None:
    (tmp_path / "iris.csv").write_text("a,species,b\n1,virginica,2\n3,setosa,4\n\n5,virginica,6\n")
    source = opened(tmp_path, source="csv", path="iris.csv", label="species")
    rows = source.batch(np.arange(3))
    assert source.classes == ("setosa", "virginica") and rows["label"].tolist() == [1, 0, 1]
    assert np.asarray(rows["data"]).tolist() == [[1, 2], [3, 4], [5, 6]]


def test_csv_of_numbers(tmp_path: Path) -> None:
    (tmp_path / "plain.csv").write_text("1,2,0\n3,4,1\n")
    (tmp_path / "price.csv").write_text("label,x\n1.5,3\n2,4\n")
    labels = opened(tmp_path, source="csv", path="plain.csv").labels()
    targets = opened(tmp_path, source="csv", path="price.csv").labels()
    assert labels is not None and labels.tolist() == [0, 1] and labels.dtype == np.int64
    assert targets is not None and targets.tolist() == [1.5, 2] and targets.dtype == np.float32


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        ("a,b,label\n1,2,0\n1,0\n", "NS654", "line 3 has 2 cells"),
        ("a,b,label\n1,2,0\n1,,0\n", "NS654", "line 3: '' is not a number"),
        ("a,b,label\n1,nan,0\n", "NS654", "line 2: 'nan'"),
        ("a,b,label\n", "NS650", "below its header"),
        ("", "NS650", "no rows"),
        ("1\n2\n", "NS654", "one column"),
        ("\xff\xfe", "NS645", "not UTF-8"),
    ],
)
def test_csv_faults(tmp_path: Path, text: str, code: str, word: str) -> None:
    (tmp_path / "t.csv").write_bytes(text.encode("latin-1"))
    fails(code, word, opened, tmp_path, source="csv", path="t.csv")


def test_csv_without_the_column(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    fails("NS641", "the columns are a, b", opened, tmp_path, source="csv", path="t.csv", label="c")


# archives


def test_npz_fields_and_parts(tmp_path: Path) -> None:
    draw = np.random.RandomState(0)
    x, y = draw.rand(10, 3, 4).astype(np.float32), np.arange(10)
    np.savez(tmp_path / "one.npz", label=y, x=x)
    np.savez_compressed(
        tmp_path / "parts.npz", x_train=x[:7], y_train=y[:7], x_test=np.asfortranarray(x[7:]), y_test=y[7:]
    )
    one = opened(tmp_path, source="npz", path="one.npz")
    assert list(one.fields) == ["x", "label"] and one.label == "label" and len(one) == 10
    assert len(opened(tmp_path, "test", source="npz", path="one.npz")) == 2
    test = opened(tmp_path, "test", source="npz", path="parts.npz")
    np.testing.assert_array_equal(test.batch(np.arange(3))["x"], x[7:])
    assert test.label == "y" and len(opened(tmp_path, source="npz", path="parts.npz")) == 7


def npz(path: Path, member: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", member)


def test_npz_faults(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=np.array([{"a": 1}], dtype=object))
    fails("NS655", "Python objects", opened, tmp_path, source="npz", path="a.npz")
    np.savez(path, x=np.zeros((3, 2)), y=np.zeros(4))
    fails("NS646", "3 in x, 4 in y", opened, tmp_path, source="npz", path="a.npz")
    np.savez(path, x=np.zeros((3, 2)), size=np.float64(3))
    fails("NS646", "size is a single number", opened, tmp_path, source="npz", path="a.npz")
    np.savez(path, x=np.zeros((3, 2)))
    fails("NS656", "the fields are x", opened, tmp_path, source="npz", path="a.npz", label="y")
    fails("NS643", "no such file", opened, tmp_path, source="npz", path="b.npz")
    path.write_text("hello")
    fails("NS645", "not an .npz archive", opened, tmp_path, source="npz", path="a.npz")
    for kind, name in (("npz", "a.npz"), ("hdf5", "a.h5")):
        (tmp_path / name).write_bytes(b"")
        fails("NS645", "an empty file", opened, tmp_path, source=kind, path=name)
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((4, 5)))
    npz(path, buffer.getvalue()[:-1])
    fails("NS644", "160 bytes, here are 159", opened, tmp_path, source="npz", path="a.npz")
    npz(path, buffer.getvalue().replace(b"(4, 5)", b"(4000000000, 5)")[: len(buffer.getvalue())])
    fails("NS644", "x announces", opened, tmp_path, source="npz", path="a.npz")


def test_npz_cut_anywhere(tmp_path: Path) -> None:
    whole = tmp_path / "whole.npz"
    np.savez_compressed(whole, x=np.arange(12.0).reshape(4, 3), label=np.arange(4))
    data = whole.read_bytes()
    for length in range(len(data)):
        (tmp_path / "cut.npz").write_bytes(data[:length])
        with pytest.raises(SpecError) as error:
            opened(tmp_path, source="npz", path="cut.npz")
        assert only(error.value).code in ("NS644", "NS645")


def test_npz_with_any_byte_flipped_gives_data_or_a_diagnostic(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "whole.npz", x=np.arange(12.0).reshape(4, 3), label=np.arange(4))
    data = (tmp_path / "whole.npz").read_bytes()
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x55
        (tmp_path / "d.npz").write_bytes(bytes(damaged))
        try:
            source = opened(tmp_path, source="npz", path="d.npz")
        except SpecError as error:
            assert only(error).code.startswith("NS6")
        else:
            np.testing.assert_array_equal(
                next(iter(source.batch(np.arange(4)).values())), np.arange(12.0).reshape(4, 3)
            )


# HDF5


def test_caffes_hdf5_list(tmp_path: Path) -> None:
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "hdf5data.h5").write_bytes((CAFFE / "hdf5data.h5").read_bytes())
    (tmp_path / "list.txt").write_text((CAFFE / "hdf5data_list.txt").read_text())
    source = opened(tmp_path, source="hdf5", path="list.txt")
    recorded = np.load(CAFFE / "hdf5data.npz")
    rows = source.batch(np.array([4, 5, 0, 1]))
    np.testing.assert_array_equal(rows["x"], recorded["blob__x"])
    np.testing.assert_array_equal(rows["y"], recorded["blob__y"])


def test_hdf5_stays_on_disk_when_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import h5py

    for n in range(2):
        with h5py.File(tmp_path / f"{n}.h5", "w") as file:
            file["data"], file["label"] = (
                np.arange(10 * n, 10 * n + 5)[:, None] * np.ones((1, 3)),
                np.arange(5) + 5 * n,
            )
    (tmp_path / "list.txt").write_text("0.h5\n1.h5\n")
    small = opened(tmp_path, source="hdf5", path="list.txt")
    monkeypatch.setattr("netspec.data.sources.hdf5.MEMORY", 10)
    large = opened(tmp_path, source="hdf5", path="list.txt")
    at = np.array([9, 0, 4, 5, 5, 1])
    assert small.whole() is not None and large.whole() is None and len(large) == 10
    for field in ("data", "label"):
        np.testing.assert_array_equal(large.batch(at)[field], small.batch(at)[field])


def test_hdf5_faults(tmp_path: Path) -> None:
    import h5py

    whole = (CAFFE / "hdf5data.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(whole[: len(whole) // 2])
    fails("NS645", "", opened, tmp_path, source="hdf5", path="a.h5")
    (tmp_path / "list.txt").write_text("absent.h5\n")
    fails("NS643", "no such file", opened, tmp_path, source="hdf5", path="list.txt")
    (tmp_path / "list.txt").write_text("/etc/passwd\n")
    fails("NS642", "outside", opened, tmp_path, source="hdf5", path="list.txt")
    with h5py.File(tmp_path / "words.h5", "w") as file:
        file["data"] = ["a", "b"]
    fails("NS655", "data holds", opened, tmp_path, source="hdf5", path="words.h5")


# LMDB


def test_caffes_lmdb(tmp_path: Path) -> None:
    import lmdb

    source = opened(CAFFE, source="lmdb", path="data_lmdb")
    rows = source.batch(np.arange(5))
    assert np.asarray(rows["image"]).shape == (5, 3, 7, 6) and np.asarray(rows["image"]).dtype == np.uint8
    floating = opened(CAFFE, source="lmdb", path="data_lmdb_float").batch(np.array([4, 0]))
    assert floating["label"].tolist() == [7, 5] and np.asarray(floating["image"]).dtype == np.float32
    with lmdb.open(str(CAFFE / "data_lmdb"), readonly=True, lock=False) as store, store.begin() as look:
        assert np.asarray(rows["image"])[3].tobytes() in look.get(b"00000003")


def datum(pixels: bytes, label: int, encoded: bool = True) -> bytes:
    size = len(pixels)
    length = bytes([size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14])
    return b"\x22" + length + pixels + b"\x28" + bytes([label]) + b"\x38" + bytes([encoded])


def test_lmdb_of_encoded_images(tmp_path: Path) -> None:
    import lmdb

    with lmdb.open(str(tmp_path / "store"), map_size=1 << 20) as store, store.begin(write=True) as put:
        for n, size in enumerate([(8, 8), (20, 10)]):
            put.put(b"%08d" % n, datum(write_image(tmp_path / f"{n}.png", size).read_bytes(), n))
    source = opened(tmp_path, shape=(3, 8, 8), source="lmdb", path="store")
    rgb = opened(
        tmp_path,
        shape=(3, 8, 8),
        contract=ImageContract(color="rgb", resize=(8, 8)),
        source="lmdb",
        path="store",
    )
    bgr = opened(
        tmp_path,
        shape=(3, 8, 8),
        contract=ImageContract(color="bgr", resize=(8, 8)),
        source="lmdb",
        path="store",
    )
    at = np.arange(2)
    assert source.batch(at)["label"].tolist() == [0, 1] and source.fields["image"].shape == (3, 8, 8)
    np.testing.assert_array_equal(np.asarray(rgb.batch(at)["image"])[:, ::-1], bgr.batch(at)["image"])


@pytest.mark.parametrize("count", [1, 60, 3000])
def test_lmdb_pages_agree_with_lmdb(tmp_path: Path, count: int) -> None:
    import lmdb

    from netspec.data.sources.lmdb_pages import entries, map_file

    draw = np.random.RandomState(count)
    with lmdb.open(str(tmp_path / "store"), map_size=1 << 26) as store:
        for _ in range(2):
            with store.begin(write=True) as put:
                for n in draw.permutation(count).tolist():
                    put.put(b"%d" % n, draw.bytes(int(draw.choice([0, 5, 500, 3000, 9000]))))
        with store.begin(write=True) as put:
            put.delete(b"0")
        with store.begin() as look:
            want = [(bytes(key), bytes(value)) for key, value in look.cursor()]
    data = map_file(tmp_path / "store" / "data.mdb")
    assert [(key, data[at.start : at.start + at.size]) for key, at in entries(data)] == want


@pytest.mark.parametrize("number", [3, 1 << 16 | 5, 1 << 31, 1 << 32 | 7, 1 << 47 | 9])
def test_pages_of_an_lmdb_of_any_size(number: int) -> None:
    """A page number has 48 bits: no store of a test has so many pages."""
    from netspec.data.sources.lmdb_pages import child

    assert child(b"\xff" + number.to_bytes(6, "little") + b"\xff", 1) == number


def test_a_damaged_lmdb_never_ends_the_process(tmp_path: Path) -> None:
    data = (CAFFE / "data_lmdb" / "data.mdb").read_bytes()
    draw = np.random.RandomState(4)
    for trial in range(400):
        damaged = bytearray(data)
        for position in draw.randint(0, len(data) if trial % 2 else 200, 3):
            damaged[position + (trial % 3) * 4096 * (trial % 2 == 0)] = draw.randint(256)
        (tmp_path / "data.mdb").write_bytes(bytes(damaged))
        try:
            opened(tmp_path, source="lmdb", path="data.mdb").batch(np.arange(1))
        except SpecError as error:
            assert only(error).code.startswith("NS6")


def test_lmdb_faults(tmp_path: Path) -> None:
    import lmdb

    data = (CAFFE / "data_lmdb" / "data.mdb").read_bytes()
    fails("NS643", "no such store", opened, tmp_path, source="lmdb", path="store")
    (tmp_path / "store").mkdir()
    fails("NS643", "no data.mdb", opened, tmp_path, source="lmdb", path="store")
    (tmp_path / "store" / "data.mdb").write_bytes(data[:8192])
    fails("NS644", "8192", opened, tmp_path, source="lmdb", path="store")
    (tmp_path / "store" / "data.mdb").write_bytes(b"hello" * 2000)
    fails("NS645", "header page", opened, tmp_path, source="lmdb", path="store")
    for length in range(0, len(data), 97):
        (tmp_path / "store" / "data.mdb").write_bytes(data[:length])
        with pytest.raises(SpecError) as error:
            opened(tmp_path, source="lmdb", path="store")
        assert only(error.value).code in ("NS644", "NS645")
    for name, value in (
        ("junk", b"\x22\xff\xff\xff\x7f"),
        ("sizes", b"\x08\x05\x10\x05\x18\x05\x22\x01a"),
        ("empty", b""),
    ):
        with lmdb.open(str(tmp_path / name), map_size=1 << 20) as store, store.begin(write=True) as put:
            put.put(b"key", value)
        fails("NS645", "key 'key' holds no Datum", opened, tmp_path, source="lmdb", path=name)
    lmdb.open(str(tmp_path / "none"), map_size=1 << 20).close()
    fails("NS650", "empty", opened, tmp_path, source="lmdb", path="none")


# text


def test_text_windows(tmp_path: Path) -> None:
    text = "häuser und bäume\n"
    (tmp_path / "t.txt").write_text(text, encoding="utf-8")
    source = opened(tmp_path, source="text", path="t.txt", window=5)
    assert (
        source.classes == tuple(sorted(set(text)))
        and len(source) == 3
        and source.fields["data"].batch_axis == 1
    )
    rows = source.batch(np.array([1]))
    assert "".join(source.classes[i] for i in np.asarray(rows["data"])[0]) == text[5:10]
    assert "".join(source.classes[i] for i in np.asarray(rows["label"])[0]) == text[6:11]
    assert np.asarray(rows["cont"]).tolist() == [[0, 1, 1, 1, 1]]
    (tmp_path / "u.txt").write_text("und büro und und")
    fails(
        "NS663",
        "character 'ü' at 5",
        opened,
        tmp_path,
        source="text",
        path="u.txt",
        window=5,
        classes=source.classes,
    )
    fails("NS650", "needs 51", opened, tmp_path, source="text", path="t.txt")


# Python

MODULE = """
class Pairs:
    def __init__(self, count, fault=None):
        self.count, self.fault = count, fault
    def __len__(self):
        return self.count
    def __getitem__(self, i):
        if i == self.fault:
            raise RuntimeError("no such thing")
        return [[i, i + 1.5]], i % 2
"""


def test_python_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pairs_for_test.py").write_text(MODULE)

    def allowed(split: str | None = None, **words: Any) -> Source:
        return open_source(DataSection(**words), split, Place(tmp_path, allow_code=True))

    fails("NS658", "ModuleNotFoundError", allowed, source="python:not_there_for_test:Pairs")
    monkeypatch.syspath_prepend(str(tmp_path))
    word = "python:pairs_for_test:Pairs"
    source = allowed("test", source=word, options={"count": 11})
    rows = source.batch(np.array([2, 1]))
    assert (
        len(source) == 3
        and np.asarray(rows["data"]).tolist() == [[[10, 11.5]], [[5, 6.5]]]
        and rows["label"].tolist() == [0, 1]
    )
    fails(
        "NS658",
        "pairs_for_test.py:9",
        allowed(source=word, options={"count": 5, "fault": 3}).batch,
        np.array([3]),
    )
    fails("NS658", "no Absent", allowed, source="python:pairs_for_test:Absent")
    fails("NS650", "", allowed, source=word, options={"count": 0})
    sys.modules.pop("pairs_for_test")


def test_python_file_beside_the_spec(tmp_path: Path) -> None:
    """It runs only where the reader of the spec allows it; it may import what lies beside it."""
    (tmp_path / "beside_for_test.py").write_text(
        "from helper_for_test import Pairs\n\n\ndef made(count):\n    return Pairs(count)\n"
    )
    (tmp_path / "helper_for_test.py").write_text(MODULE)
    path = list(sys.path)
    section = DataSection(source="python:beside_for_test:made", options={"count": 4})
    with pytest.raises(SpecError, match="NS121"):
        open_source(section, None, Place(tmp_path))
    source = open_source(section, None, Place(tmp_path, allow_code=True))
    assert len(source) == 4 and sys.path == path
    with pytest.raises(SpecError, match="NS121"):
        open_source(DataSection(source="python:beside_for_test:made"), None, Place(tmp_path / "elsewhere"))
    other = tmp_path / "other"
    other.mkdir()
    (other / "beside_for_test.py").write_text(MODULE)
    with pytest.raises(SpecError, match=r"NS658.*loaded already"):
        open_source(DataSection(source="python:beside_for_test:Pairs"), None, Place(other, allow_code=True))
    for name in ("beside_for_test", "helper_for_test"):
        sys.modules.pop(name)


@pytest.mark.parametrize(
    ("word", "options"),
    [
        ("subprocess:Popen", {"args": ["touch", "made"]}),
        ("numpy:memmap", {"filename": "made", "mode": "w+", "shape": [4], "dtype": "uint8"}),
        ("sympy:ImmutableDenseNDimArray", {"iterable": "__import__('os').system('touch made')"}),
        ("torch.utils.data:TensorDataset", {}),
        ("netspec.data.source:ArraySource", {"name": "made", "arrays": {}}),
        ("made_on_import:Samples", {}),
        ("not_there_at_all:Samples", {}),
    ],
)
def test_no_python_source_without_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, options: dict[str, Any]
) -> None:
    """Neither imported nor called, whatever is installed and whatever it is."""
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed/made_on_import.py").write_text("open('made', 'w').close()\n" + MODULE)
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))
    monkeypatch.chdir(tmp_path)
    loaded = set(sys.modules)
    fails("NS121", word.partition(":")[2], opened, tmp_path, source=f"python:{word}", options=options)
    assert not (tmp_path / "made").exists() and set(sys.modules) <= loaded


def test_unknown_source(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"NS640.*did you mean mnist"):
        opened(tmp_path, source="mnst")
    with pytest.raises(SpecError, match=r"NS640.*did you mean mnist"):
        opened(tmp_path, source="MNIST")
    with pytest.raises(SpecError, match=r"NS640.*python:module:Class"):
        opened(tmp_path, source="python:nothing")


def test_a_part_of_a_source_names_samples_as_the_whole_does() -> None:
    whole = ArraySource("a", {"x": np.arange(12.0).reshape(6, 2), "y": np.arange(6)}, "y")
    part = Subset(whole, np.array([4, 1]))
    assert [part.where(i) for i in range(2)] == [whole.where(4), whole.where(1)] == ["sample 4", "sample 1"]
    whole.places = lambda index: f"line {index + 1}"
    assert [part.where(i) for i in range(2)] == ["line 5", "line 2"]
    assert part.labels().tolist() == [4, 1] and part.batch(np.array([1]))["x"].tolist() == [[2.0, 3.0]]  # type: ignore[union-attr]


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_arrays_are_handed_out_whole_up_to_the_bound(more: int, monkeypatch: pytest.MonkeyPatch) -> None:
    source = ArraySource("x", {"data": np.zeros((4, 2), np.float32), "label": np.zeros(4, np.int32)}, "label")
    held = sum(each.nbytes for each in source.arrays.values())
    monkeypatch.setattr("netspec.data.source.MEMORY", held + more)
    assert (source.whole() is not None) == (more >= 0)


@pytest.mark.parametrize("label", [0, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1])
def test_a_label_of_a_list_has_32_bits(label: int) -> None:
    if -(2**31) <= label < 2**31:
        assert entry(3, ["a.png", str(label)], "list.txt") == ("a.png", label)
    else:
        with pytest.raises(SpecError, match=r"NS654.*line 3: a path and a whole number"):
            entry(3, ["a.png", str(label)], "list.txt")


def test_a_list_of_images_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    from netspec.data.data_layers.sources import ImageList
    from netspec.layers.data_images import ImageData

    (tmp_path / "l.txt").write_text("\ufeffa.png 0\nb.png 1\n", encoding="utf-8")
    assert ImageList(ImageData(source="l.txt"), tmp_path).names == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("train", "told"),
    [
        ("data: npz", ["npz"]),
        ("data: {source: images}", ["images"]),
        ("data: {source: idx, images: a}, test_data: voc", ["idx", "voc"]),
        ("data: {source: idx, images: a, labels: b}, val_data: digits, split: {val: 0.1}", []),
        ("data: digits, split: {val: 0.1, test: 0.2}, test_data: digits", ["0.1"]),
        ("data: digits, split: {test: 0.2}", ["0.2"]),
        ("data: digits, split: {val: 0}", []),
    ],
)
def test_what_a_section_lacks_is_known_before_its_data_are_looked_for(train: str, told: list[str]) -> None:
    solver = "solver: {base_lr: 0.1, max_iter: 1}"
    text = f"netspec: 1\ninput: {{data: [N, 1, 8, 8]}}\nlayers: [{{name: r, type: ReLU}}]\ntrain: {{{train}, {solver}}}\n"
    found = [d for d in check_source(Text("s.yaml", text)) if d.code == "NS641"]
    assert [(d.span and d.span.text) for d in found] == [
        {"0.1": "val", "0.2": "test"}.get(each, each) for each in told
    ]
