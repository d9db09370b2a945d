"""The data sets that everybody has: counts, class counts, checksums, and the picture that the repository ships."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from data_files import only, opened
from PIL import Image

from netspec.data.pictures.files import load_image
from netspec.data.sources.cifar import RECORD
from netspec.diagnostics import SpecError
from netspec.resolve.sections.image import ImageContract

DATA = os.environ.get("NETSPEC_DATA")
REPOSITORY = Path(__file__).parents[2]


def needs(folder: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        not DATA or not (Path(DATA) / folder).is_dir(),
        reason=f"NETSPEC_DATA with a folder {folder} is not set",
    )


def test_digits_are_divided_by_fives(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    every = opened(tmp_path, "all", source="digits")
    train, test = (opened(tmp_path, part, source="digits") for part in ("train", "test"))
    assert (len(every), len(train), len(test)) == (1797, 1437, 360)
    fifth = np.arange(1797) % 5 == 0
    for part, chosen in ((train, ~fifth), (test, fifth)):
        rows = part.batch(np.arange(len(part)))
        np.testing.assert_array_equal(rows["label"], labels[chosen])
        np.testing.assert_array_equal(
            np.asarray(rows["image"]).reshape(-1, 64), np.rint(images[chosen] * 255 / 16).astype(np.uint8)
        )
    assert np.bincount(every.labels()).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_the_shipped_picture_is_the_sample(tmp_path: Path) -> None:
    contract = ImageContract(scale=0.00392156862745098)
    found = load_image(REPOSITORY / "docs" / "seven.png", contract, (1, 8, 8))
    test = opened(tmp_path, "test", source="digits")
    rows = test.batch(np.array([48]))
    assert rows["label"].tolist() == [7] and found.dtype == np.float32 and found.max() == 1
    np.testing.assert_array_equal(found, np.asarray(rows["image"], np.float32) * np.float32(contract.scale))


@pytest.mark.data
@needs("mnist")
def test_mnist_is_the_published_one(tmp_path: Path) -> None:
    sums = {
        "train": ("6bbc9ace898e44ae57da46a324031adb", 60000),
        "test": ("2646ac647ad5339dbf082846283269ea", 10000),
    }
    for part, (checksum, count) in sums.items():
        source = opened(tmp_path, part, source="mnist")
        rows = source.batch(np.arange(count))
        head = bytes.fromhex("00000803") + count.to_bytes(4, "big") + bytes.fromhex("0000001c0000001c")
        assert len(source) == count and source.color == "gray"
        assert hashlib.md5(head + np.asarray(rows["image"]).tobytes()).hexdigest() == checksum
        assert np.bincount(rows["label"]).min() > 800 and rows["label"].dtype == np.int64


@pytest.mark.data
@needs("cifar10-subset")
def test_cifar_records(tmp_path: Path) -> None:
    train, test = (opened(tmp_path, part, source="cifar10") for part in ("train", "test"))
    assert (len(train), len(test), train.fields["image"].shape, train.color) == (
        4000,
        1000,
        (3, 32, 32),
        "rgb",
    )
    raw = (Path(str(DATA)) / "cifar10-subset" / "test_batch.bin").read_bytes()
    rows = test.batch(np.array([1, 999]))
    assert (
        np.asarray(rows["image"])[1].tobytes() == raw[999 * RECORD + 1 :]
        and rows["label"][1] == raw[999 * RECORD]
    )
    assert train.classes is not None and train.classes[rows["label"][0]] == "ship"


def cifar(folder: Path, labels: list[int], extra: bytes = b"") -> None:
    (folder / "data_batch_1.bin").write_bytes(
        b"".join(bytes([label]) + bytes([label * 20]) * 3072 for label in labels) + extra
    )


def test_cifar_files_join_in_order(tmp_path: Path) -> None:
    cifar(tmp_path, [1, 2])
    (tmp_path / "data_batch_2.bin").write_bytes(bytes([3]) + bytes([60]) * 3072)
    source = opened(tmp_path, "train", source="cifar10", path=".")
    rows = source.batch(np.arange(3))
    assert rows["label"].tolist() == [1, 2, 3] and np.asarray(rows["image"])[:, 2, 31, 31].tolist() == [
        20,
        40,
        60,
    ]


@pytest.mark.parametrize(
    ("labels", "extra", "code", "word"),
    [
        ([1, 2], b"x", "NS644", "6147"),
        ([1, 10, 2], b"", "NS651", "record 1 has 10"),
        ([], b"", "NS644", "0 bytes"),
    ],
)
def test_damaged_cifar(tmp_path: Path, labels: list[int], extra: bytes, code: str, word: str) -> None:
    cifar(tmp_path, labels, extra)
    with pytest.raises(SpecError) as error:
        opened(tmp_path, "train", source="cifar10", path=".")
    assert only(error.value).code == code and word in only(error.value).fact


def test_cifar_as_class_folders(tmp_path: Path) -> None:
    for part, count in (("train", 3), ("test", 1)):
        for name in ("airplane", "cat"):
            for n in range(count):
                (tmp_path / part / name).mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (32, 32), (n, 2, 3)).save(tmp_path / part / name / f"{n:04}.png")
    train, test = (
        opened(tmp_path, part, shape=(3, 32, 32), source="cifar10", path=".") for part in ("train", "test")
    )
    assert (len(train), len(test), train.classes) == (6, 2, ("airplane", "cat"))
