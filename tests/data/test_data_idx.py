"""IDX files: every way to be cut short, damaged or mismatched has its diagnostic; whole ones come out exactly."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from data_files import idx_bytes, only, opened, write_idx, write_mnist

from netspec.data.sources.idx import read_idx
from netspec.diagnostics import SpecError

IMAGES = np.arange(3 * 2 * 2, dtype=np.uint8).reshape(3, 2, 2)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4", "f4", "f8"])
def test_every_type_is_read_exactly(tmp_path: Path, dtype: str, suffix: str) -> None:
    array = (np.arange(24).reshape(2, 3, 4) - 7).astype(dtype)
    found = read_idx(write_idx(tmp_path / f"a.idx{suffix}", array))
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype and found.dtype.isnative


@pytest.mark.parametrize("length", range(len(idx_bytes(IMAGES))))
def test_a_plain_file_cut_anywhere(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.idx"
    path.write_bytes(idx_bytes(IMAGES)[:length])
    with pytest.raises(SpecError) as error:
        read_idx(path)
    found = only(error.value)
    assert found.code == "NS644" and found.path == str(path) and str(length) in found.fact


@pytest.mark.parametrize("length", range(2, len(gzip.compress(idx_bytes(IMAGES), mtime=0))))
def test_a_gzip_file_cut_anywhere(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.idx.gz"
    path.write_bytes(gzip.compress(idx_bytes(IMAGES), mtime=0)[:length])
    with pytest.raises(SpecError) as error:
        read_idx(path)
    assert only(error.value).code == "NS644"


@pytest.mark.parametrize("length", range(len(idx_bytes(IMAGES))))
def test_a_short_body_inside_a_whole_gzip(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.idx.gz"
    path.write_bytes(gzip.compress(idx_bytes(IMAGES)[:length]))
    with pytest.raises(SpecError) as error:
        read_idx(path)
    assert only(error.value).code == "NS644"


@pytest.mark.parametrize("position", range(10, len(gzip.compress(idx_bytes(IMAGES), mtime=0))))
def test_a_flipped_gzip_byte_never_gives_other_data(tmp_path: Path, position: int) -> None:
    data = bytearray(gzip.compress(idx_bytes(IMAGES), mtime=0))
    data[position] ^= 0xFF
    path = tmp_path / "a.idx.gz"
    path.write_bytes(bytes(data))
    with pytest.raises(SpecError) as error:
        read_idx(path)
    assert only(error.value).code in ("NS644", "NS645")


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_bytes_to_spare(tmp_path: Path, suffix: str) -> None:
    data = idx_bytes(IMAGES) + b"x"
    path = tmp_path / f"a.idx{suffix}"
    path.write_bytes(gzip.compress(data) if suffix else data)
    with pytest.raises(SpecError) as error:
        read_idx(path)
    found = only(error.value)
    assert found.code == "NS645" and str(len(data)) in found.fact and str(len(data) - 1) in found.fact


@pytest.mark.parametrize(
    "head", [b"\x01\0\x08\x01", b"\0\0\x07\x01", b"\0\0\x08\0", b"\0\0\x08\xff", b"\x89PNG"]
)
def test_not_idx(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "a.idx"
    path.write_bytes(head + bytes(100))
    with pytest.raises(SpecError) as error:
        read_idx(path)
    found = only(error.value)
    assert found.code == "NS645" and head.hex(" ") in found.fact


@pytest.mark.parametrize("packed", [False, True])
def test_a_header_that_claims_the_world_allocates_nothing(tmp_path: Path, packed: bool) -> None:
    data = struct.pack(">BBBB4I", 0, 0, 8, 4, *(2**32 - 1,) * 4) + bytes(50)
    path = tmp_path / "a.idx"
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(SpecError) as error:
        read_idx(path)
    assert only(error.value).code == "NS644"


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_mnist_folder_is_found_and_split(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(tmp_path / "mnist", 12, suffix)
    monkeypatch.delenv("NETSPEC_DATA", raising=False)
    named = opened(tmp_path, "train", source="mnist", path="mnist")
    above = opened(tmp_path, "test", source="mnist", path=".")
    monkeypatch.setenv("NETSPEC_DATA", str(tmp_path))
    by_variable = opened(tmp_path / "elsewhere", "test", source="mnist")
    assert (
        named.fields["image"].shape == (1, 28, 28)
        and len(named) == 12
        and named.classes == tuple("0123456789")
    )
    at = np.arange(12)
    np.testing.assert_array_equal(above.batch(at)["image"], by_variable.batch(at)["image"])
    assert not np.array_equal(named.batch(at)["image"], above.batch(at)["image"])


def test_mnist_without_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETSPEC_DATA", raising=False)
    with pytest.raises(SpecError) as error:
        opened(tmp_path, source="mnist")
    assert error.value.diagnostics[0].code == "NS643" and "NETSPEC_DATA" in error.value.diagnostics[0].fact


@pytest.mark.parametrize(
    ("path", "fact"), [("absent", "no such folder"), ("empty", "no file"), ("file", "not a folder")]
)
def test_mnist_in_a_wrong_place(tmp_path: Path, path: str, fact: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(SpecError) as error:
        opened(tmp_path, source="mnist", path=path)
    found = only(error.value)
    assert found.code == "NS643" and fact in found.fact and path in str(found.path)


def test_idx_pair_must_agree(tmp_path: Path) -> None:
    write_idx(tmp_path / "i.idx", IMAGES)
    write_idx(tmp_path / "l.idx", np.zeros(2, np.uint8))
    with pytest.raises(SpecError) as error:
        opened(tmp_path, source="idx", images="i.idx", labels="l.idx")
    assert only(error.value).code == "NS646" and "3 images" in only(error.value).fact
    write_idx(tmp_path / "l.idx", np.array([4, 5, 6], np.uint8))
    source = opened(tmp_path, source="idx", images="i.idx", labels="l.idx")
    assert source.fields["image"].shape == (1, 2, 2) and source.batch(np.array([2]))["label"] == 6


def test_idx_labels_must_be_labels(tmp_path: Path) -> None:
    write_idx(tmp_path / "i.idx", IMAGES)
    with pytest.raises(SpecError) as error:
        opened(tmp_path, source="idx", images="i.idx", labels="i.idx")
    assert only(error.value).code == "NS645"
    with pytest.raises(SpecError, match="NS641"):
        opened(tmp_path, source="idx", images="i.idx")
