"""Weights files against the arrays recorded from Caffe, and against damage: every bit pattern gives arrays or a diagnostic."""

import random
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from netspec.caffe.blobs import read_datum, read_whole_blob
from netspec.caffe.forks import FORK_ENUMS
from netspec.caffe.messages import ENUMS, MESSAGES
from netspec.caffe.schema import message_fields
from netspec.caffe.wire import WireError
from netspec.diagnostics import SpecError
from netspec.importers.caffemodel import read_caffemodel, read_weights
from netspec.importers.weights import Wanted, match

CASES = Path(__file__).parents[1] / "conformance" / "caffe" / "cases"
FILES = sorted([*CASES.glob("*.caffemodel"), *CASES.glob("*.caffemodel.h5")])


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def piece(field: int, payload: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(payload)) + payload


def layer(blob: bytes, name: bytes = b"ip") -> bytes:
    return piece(100, piece(1, name) + piece(7, blob))


def code(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        read_weights(path)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.place == str(path)
    return diagnostic.code


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_weights_are_those_that_caffe_saved(path: Path) -> None:
    recorded = np.load(CASES / (path.name.split(".")[0] + ".npz"))
    weights = read_weights(path)
    expected = {key: recorded[key] for key in recorded.files if key.startswith("w__")}
    read = {
        f"w__{name}__{index}": blob for name, blobs in weights.items() for index, blob in enumerate(blobs)
    }
    assert set(read) == set(expected)
    for key, blob in read.items():
        assert blob.dtype == np.float32
        np.testing.assert_array_equal(blob.reshape(expected[key].shape), expected[key])


def test_old_form_keeps_its_four_axes() -> None:
    weights = read_caffemodel(CASES / "net_v1_model.caffemodel")
    assert [blob.shape for blob in weights["f"]] == [(1, 1, 5, 36), (1, 1, 1, 5)]


def test_binaryproto() -> None:
    assert read_whole_blob((CASES / "infogain_H.binaryproto").read_bytes()).shape == (1, 1, 5, 5)
    assert read_whole_blob((CASES / "data_mean.binaryproto").read_bytes()).shape == (1, 3, 7, 6)


def values(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)


SHAPE_2_3 = piece(7, piece(1, b"\2\3"))
SIX = values(0, 1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    "blob",
    [
        SHAPE_2_3 + piece(5, SIX),
        piece(5, SIX) + piece(7, number(1, 2) + number(1, 3)),
        SHAPE_2_3 + b"".join(b"\x2d" + values(x) for x in range(6)),
        SHAPE_2_3
        + piece(5, SIX[:8])
        + b"\x2d"
        + values(2)
        + number(99, 7)
        + b"\x2d"
        + values(3)
        + piece(5, SIX[16:]),
        SHAPE_2_3 + piece(8, struct.pack("<6d", *range(6))),
        SHAPE_2_3 + b"".join(b"\x41" + struct.pack("<d", x) for x in range(6)) + piece(6, SIX),
        SHAPE_2_3 + piece(5, SIX) + varint(20 << 3 | 3) + number(1, 1) + varint(20 << 3 | 4),
    ],
    ids=[
        "packed",
        "shape unpacked",
        "unpacked",
        "mixed",
        "double",
        "double unpacked, with diff",
        "beside a group",
    ],
)
def test_every_spelling_of_a_blob(blob: bytes, tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(layer(blob))
    (read,) = read_caffemodel(tmp_path / "w")["ip"]
    np.testing.assert_array_equal(read, np.arange(6, dtype=np.float32).reshape(2, 3))


@pytest.mark.parametrize(("kind", "form"), [(0, "<6d"), (1, "<6f"), (2, "<6e"), (3, "<6i"), (4, "<6I")])
def test_raw_numbers_of_nvidias_fork(kind: int, form: str, tmp_path: Path) -> None:
    raw, diff = struct.pack(form, *range(6)), struct.pack("<6f", *range(7, 13))
    blob = SHAPE_2_3 + number(10, kind) + number(11, 1) + piece(12, raw) + piece(13, diff)
    (tmp_path / "w").write_bytes(layer(blob))
    (read,) = read_caffemodel(tmp_path / "w")["ip"]
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, np.arange(6, dtype=np.float32).reshape(2, 3))


def test_raw_halves_and_truths(tmp_path: Path) -> None:
    halves = np.array([65504, -0.1, 6e-8, np.inf, 1 / 3, -2048.5], np.float16)
    truths = piece(7, piece(1, b"\3")) + number(10, 5) + piece(12, b"\1\0\1")
    blob = piece(12, halves.tobytes()) + number(10, 2) + SHAPE_2_3
    (tmp_path / "w").write_bytes(layer(blob, b"a") + layer(truths, b"b"))
    weights = read_caffemodel(tmp_path / "w")
    np.testing.assert_array_equal(weights["a"][0].ravel(), halves.astype(np.float32))
    assert weights["b"][0].tolist() == [1, 0, 1]


def test_numbers_in_the_usual_field_are_not_replaced_by_raw_ones(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(layer(SHAPE_2_3 + piece(5, SIX) + number(10, 2) + piece(12, bytes(12))))
    assert read_caffemodel(tmp_path / "w")["ip"][0].ravel().tolist() == [0, 1, 2, 3, 4, 5]


def test_oldest_form(tmp_path: Path) -> None:
    blob = number(1, 1) + number(2, 1) + number(3, 2) + number(4, 3) + piece(5, SIX)
    (tmp_path / "w").write_bytes(piece(2, piece(1, piece(1, b"fc") + piece(50, blob)) + piece(2, b"data")))
    assert read_caffemodel(tmp_path / "w")["fc"][0].shape == (1, 1, 2, 3)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "NS027"),
        (piece(1, b"only a name"), "NS027"),
        (b"name: 'text'", "NS026"),
        (b"\xff" * 40, "NS026"),
        (layer(SHAPE_2_3 + piece(5, SIX[:20])), "NS026"),
        (layer(SHAPE_2_3 + piece(5, SIX[:21])), "NS026"),
        (layer(piece(7, piece(1, varint(1 << 40) + varint(1 << 40))) + piece(5, SIX)), "NS026"),
        (layer(piece(7, piece(1, varint(-2) + varint(-3))) + piece(5, SIX)), "NS026"),
        (layer(number(1, 1 << 62) + piece(5, SIX)), "NS026"),
        (layer(piece(7, piece(1, b"\1" * 33)) + piece(5, SIX)), "NS026"),
        (varint(100 << 3 | 2) + varint(1 << 62) + b"x", "NS026"),
        (layer(SHAPE_2_3 + piece(5, SIX))[:-1], "NS026"),
        (layer(b"", b"n" * 5000), "NS026"),
        (varint(9 << 3 | 3) * 200, "NS026"),
        (varint(9 << 3 | 3) + varint(8 << 3 | 4), "NS026"),
        (varint(9 << 3 | 7), "NS026"),
        (number(0, 1), "NS026"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "NS026"),
        (layer(SHAPE_2_3 + piece(12, bytes(12))), "NS026"),
        (layer(SHAPE_2_3 + number(10, 6) + piece(12, bytes(12))), "NS026"),
        (layer(SHAPE_2_3 + number(10, 2) + piece(12, bytes(13))), "NS026"),
        (layer(SHAPE_2_3 + number(10, 2) + piece(12, bytes(14))), "NS026"),
    ],
    ids=range(22),
)
def test_hostile_files_give_a_diagnostic(content: bytes, expected: str, tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(content)
    assert code(tmp_path / "w") == expected


def test_missing_file_and_folder(tmp_path: Path) -> None:
    assert code(tmp_path / "none.caffemodel") == "NS001"
    assert code(tmp_path) == "NS001"


def test_memory_stays_below_the_file(tmp_path: Path) -> None:
    count = 1_000_000
    unpacked = np.zeros((count, 5), np.uint8)
    unpacked[:, 0] = 0x2D
    shape = piece(7, piece(1, varint(count)))
    content = layer(shape + piece(5, bytes(4 * count)), b"a") + layer(shape + unpacked.tobytes(), b"b")
    (tmp_path / "w").write_bytes(content)
    tracemalloc.start()
    weights = read_caffemodel(tmp_path / "w")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [blobs[0].size for blobs in weights.values()] == [count, count]
    assert peak < 1.1 * len(content) + 1e6


@pytest.mark.parametrize(
    "name", ["net_lenet_small.caffemodel", "net_v1_model.caffemodel", "net_lenet_small.caffemodel.h5"]
)
def test_damage_gives_arrays_or_a_diagnostic(name: str, tmp_path: Path) -> None:
    original, rng = (CASES / name).read_bytes(), random.Random(7)
    codes = set()
    for _ in range(400):
        content = bytearray(original)
        if rng.random() < 0.25:
            content = content[: rng.randrange(len(content))]
        else:
            for _ in range(rng.choice([1, 1, 2, 8])):
                content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        (tmp_path / "w").write_bytes(content)
        try:
            weights = read_weights(tmp_path / "w")
            assert sum(blob.nbytes for blobs in weights.values() for blob in blobs) <= len(content)
        except SpecError as error:
            codes |= {d.code for d in error.diagnostics}
    assert codes <= {"NS026", "NS027"}
    assert "NS026" in codes


def test_hdf5_that_leads_out_of_the_file_is_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = np.zeros(3, np.float32)
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file.create_group("data/ip")["0"] = h5py.ExternalLink("other.h5", "x")
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_group("data/ip").create_dataset("0", (1 << 40,), np.float32, chunks=(1 << 20,))
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file.create_group("data/ip").create_dataset(
            "0", (3,), np.float32, external=[("/etc/hostname", 0, 12)]
        )
    assert [code(tmp_path / name) for name in ("link.h5", "huge.h5", "raw.h5")] == ["NS026"] * 3


def test_hdf5_group_that_holds_itself_and_one_of_two_names(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "ring.h5", "w") as file:
        inner = file.create_group("data/ip/deep")
        inner["up"] = file["data/ip"]
    with pytest.raises(SpecError, match="holds itself"):
        read_weights(tmp_path / "ring.h5")
    with h5py.File(tmp_path / "twice.h5", "w") as file:
        file["data/ip/0"] = np.ones((2, 3), np.float32)
        file["data/ip_again"] = file["data/ip"]
    assert sorted(read_weights(tmp_path / "twice.h5")) == ["ip", "ip_again"]


def test_hdf5_groups_are_counted(tmp_path: Path) -> None:
    """Each holds the next under two names: 20 groups make a million paths."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "doubled.h5", "w") as file:
        group = file.create_group("data")
        for _ in range(20):
            group["b"] = group.create_group("a")
            group = group["a"]
    with pytest.raises(SpecError, match="groups"):
        read_weights(tmp_path / "doubled.h5")


def test_hdf5_layer_names_with_slashes(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["data/inception_3a/1x1/0"] = np.ones((2, 3), np.float32)
        file["data/inception_3a/1x1/1"] = np.ones(2, np.float64)
    shapes = {name: [blob.shape for blob in blobs] for name, blobs in read_weights(tmp_path / "w.h5").items()}
    assert shapes == {"inception_3a/1x1": [(2, 3), (2,)]}


def test_datum() -> None:
    sizes = number(1, 2) + number(2, 1) + number(3, 3)
    datum = read_datum(sizes + piece(4, bytes(range(6))) + number(5, 9))
    assert datum.pixels is not None
    assert (datum.pixels.tolist(), datum.label) == ([[[0, 1, 2]], [[3, 4, 5]]], 9)
    floats = read_datum(sizes + b"".join(varint(6 << 3 | 5) + values(x) for x in range(6)))
    assert floats.pixels is not None
    assert floats.pixels.dtype == np.float32
    assert floats.pixels.ravel().tolist() == [0, 1, 2, 3, 4, 5]
    assert read_datum(piece(4, b"\xff\xd8") + number(7, 1)).encoded == b"\xff\xd8"
    for broken in (
        sizes + piece(4, bytes(5)),
        sizes + piece(4, bytes(6))[:-1],
        number(1, -1) + number(2, -1) + number(3, 0),
        b"\7",
    ):
        with pytest.raises(WireError):
            read_datum(broken)


def test_a_datum_that_was_damaged_never_fails_otherwise() -> None:
    rng = random.Random(3)
    good = number(1, 2) + number(2, 1) + number(3, 3) + piece(4, bytes(range(6))) + number(5, 9)
    refused = 0
    for _ in range(2000):
        content = bytearray(good)
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        try:
            read_datum(bytes(content[: rng.randrange(1, len(content) + 1)]))
        except WireError:
            refused += 1
    assert 0 < refused < 2000


@pytest.mark.parametrize(
    ("stored", "shape", "status"),
    [
        ((5, 36), (5, 36), "kept"),
        ((1, 1, 5, 36), (5, 36), "reshaped"),
        ((1, 1, 1, 5), (5,), "reshaped"),
        ((1, 5, 36), (5, 36), None),
        ((1, 1, 1, 5, 36), (5, 36), None),
        ((36, 5), (5, 36), None),
        ((5, 36, 1, 1), (5, 36), None),
        ((1, 5, 2, 3, 4), (5, 2, 3, 4), None),
    ],
)
def test_old_blobs_have_four_axes_and_no_other_shape_will_do(
    stored: tuple[int, ...], shape: tuple[int, ...], status: str | None
) -> None:
    blob = np.arange(np.prod(stored), dtype=np.float32).reshape(stored)
    wanted = {"f.weight": Wanted(shape, (("f", 0),)), "f.bias": Wanted((5,), (("f", 1),))}
    if status is None:
        with pytest.raises(SpecError, match="NS031"):
            match({"f": [blob]}, wanted, "w.caffemodel")
        return
    tensors, rows = match({"f": [blob], "g": [blob]}, wanted, "w.caffemodel")
    assert tensors["f.weight"].shape == shape and np.array_equal(tensors["f.weight"].ravel(), blob.ravel())
    assert [row.status for row in rows] == [status, "missing", "unused"]


def test_the_numbers_of_a_word_are_those_of_no_other() -> None:
    """The words of an enum are numbered through, from 0 or 1 on; a field's number is given once. A fork may give one of
    Caffe's numbers to a word of its own."""
    counted = 0
    for enum, words in {**FORK_ENUMS, **ENUMS}.items():
        numbers = sorted(words.values())
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) and numbers[0] in (0, 1), enum
        counted += len(numbers)
    for message in MESSAGES:
        own = [field.number for field in message_fields(message).values() if field.number]
        assert len(own) == len(set(own)), message
    assert counted > 90
