"""Labels are checked before they index classes, wherever they come from: what is out of range, no whole number or no number is NS651."""

import struct
from collections.abc import Callable
from pathlib import Path

import h5py
import lmdb
import numpy as np
import pytest
import torch
from PIL import Image

from netspec import driver
from netspec.caffe.wire_writer import varint as written
from netspec.diagnostics import Diagnostic, SpecError
from netspec.source import Source
from netspec.training.session import session

pytestmark = pytest.mark.torch
CPU = torch.device("cpu")
FINE, ONE, LESS, LOST, HALF = (
    [0, 1, 0, 1, 0, 1],
    [1, 2, 1, 2, 1, 2],
    [0, 1, -1, 1, 0, 1],
    [0, 1, float("nan"), 1, 0, 1],
    [0, 1, 0.5, 1, 0, 1],
)
NET = "input: {data: %s}\nlayers:\n  - {name: ip, type: InnerProduct, num_output: 2, weight_filler: xavier}\n"
LAYER = "layers:\n  - %s\n  - {name: ip, type: InnerProduct, bottom: data, num_output: 2, weight_filler: xavier}\n"
LAYER += "  - {name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}\ntrain: {solver: {base_lr: 0.1, max_iter: 2, random_seed: 1}}\n"
DATA = "train: {data: {%s, batch_size: 3}, solver: {base_lr: 0.1, max_iter: 2, random_seed: 1}}\n"
X = np.zeros((6, 4), np.float32)


def in_npz(folder: Path, labels: list[float]) -> str:
    np.savez(folder / "d.npz", data=X, label=np.array(labels))
    return NET % "[N, 4]" + DATA % "source: npz, path: d.npz"


def in_npz_by_another_name(folder: Path, labels: list[float]) -> str:
    np.savez(folder / "d.npz", data=X, marks=np.array(labels))
    return NET % "[N, 4]" + DATA % "source: npz, path: d.npz, fields: {label: marks}"


def in_csv(folder: Path, labels: list[float]) -> str:
    (folder / "d.csv").write_text("a,b,label\n" + "".join(f"1,2,{label}\n" for label in labels))
    return NET % "[N, 2]" + DATA % "source: csv, path: d.csv"


def in_hdf5(folder: Path, labels: list[float]) -> str:
    with h5py.File(folder / "d.h5", "w") as file:
        file["data"], file["label"] = X, np.array(labels)
    return NET % "[N, 4]" + DATA % "source: hdf5, path: d.h5"


def in_idx(folder: Path, labels: list[float]) -> str:
    for name, values in (("i", np.zeros((6, 2, 2), ">u1")), ("l", np.array(labels, ">i2"))):
        head = struct.pack(f">HBB{values.ndim}I", 0, 8 if name == "i" else 0x0B, values.ndim, *values.shape)
        (folder / name).write_bytes(head + values.tobytes())
    return NET % "[N, 1, 2, 2]" + DATA % "source: idx, images: i, labels: l"


def in_a_store(folder: Path, labels: list[float]) -> str:
    with lmdb.open(str(folder / "store"), map_size=1 << 20) as store, store.begin(write=True) as put:
        for i, label in enumerate(labels):
            datum = b"\x08\x01\x10\x02\x18\x02\x22\x04" + bytes(4) + b"\x28" + written(int(label) % 2**64)
            put.put(f"{i:08}".encode(), datum)
    return NET % "[N, 1, 2, 2]" + DATA % "source: lmdb, path: store"


def in_a_list(folder: Path, labels: list[float]) -> str:
    Image.new("RGB", (2, 2)).save(folder / "a b.png")
    (folder / "list.txt").write_text("\n" + "".join(f"a b.png {label}\n" for label in labels))
    return LAYER % (
        "{name: data, type: ImageData, top: [data, label], "
        "image_data_param: {source: list.txt, batch_size: 3, new_height: 2, new_width: 2}}"
    )


def in_hdf5_data(folder: Path, labels: list[float]) -> str:
    in_hdf5(folder, labels)
    (folder / "files.txt").write_text("d.h5\n")
    return (
        LAYER
        % "{name: data, type: HDF5Data, top: [data, label], hdf5_data_param: {source: files.txt, batch_size: 3}}"
    )


def in_data(folder: Path, labels: list[float]) -> str:
    in_a_store(folder, labels)
    return (
        LAYER
        % "{name: data, type: Data, top: [data, label], data_param: {source: store, batch_size: 3, backend: LMDB}}"
    )


WHOLE = (
    in_npz,
    in_npz_by_another_name,
    in_csv,
    in_hdf5,
    in_idx,
    in_a_store,
    in_a_list,
    in_hdf5_data,
    in_data,
)
FLOATS = (in_npz, in_npz_by_another_name, in_hdf5, in_hdf5_data)
PLACES = {in_csv: "line 2", in_a_list: "line 2", in_a_store: "key '00000000'", in_data: "key '00000000'"}


def finding(folder: Path, text: str, steps: int = 0) -> Diagnostic | None:
    """What is said before the first step, or while the batches of two epochs are read."""
    try:
        made = session(driver.load_source(Source(str(folder / "net.yaml"), text)), CPU)
        for _ in range(steps):
            next(made.job.train_batches)
        made.job.train_batches.close()
    except SpecError as error:
        return error.diagnostics[0]
    return None


@pytest.mark.parametrize("make", WHOLE, ids=lambda make: make.__name__)
def test_labels_from_one(tmp_path: Path, make: Callable[..., str]) -> None:
    assert finding(tmp_path, make(tmp_path, FINE), 4) is None
    for path in tmp_path.glob("store/*"):
        path.unlink()
    found = finding(tmp_path, make(tmp_path, ONE))
    assert found is not None and found.code == "NS651" and "take 1" in found.notes[0], found
    sample = "sample 1 has 2" if make not in PLACES else PLACES[make].replace("2", "3").replace("00'", "01'")
    assert sample in found.fact and found.path is not None and Path(found.path).exists()


@pytest.mark.parametrize("make", WHOLE, ids=lambda make: make.__name__)
def test_labels_below_zero(tmp_path: Path, make: Callable[..., str]) -> None:
    found = finding(tmp_path, make(tmp_path, LESS))
    assert found is not None and found.code == "NS651" and "has -1" in found.fact, found


@pytest.mark.parametrize("labels", [LOST, HALF], ids=["nan", "half"])
@pytest.mark.parametrize("make", FLOATS, ids=lambda make: make.__name__)
def test_labels_that_are_no_whole_numbers(
    tmp_path: Path, make: Callable[..., str], labels: list[float]
) -> None:
    found = finding(tmp_path, make(tmp_path, labels))
    assert found is not None and found.code == "NS651" and "sample 2 has" in found.fact, found


def test_a_table_names_the_line_of_a_lost_label(tmp_path: Path) -> None:
    found = finding(tmp_path, in_csv(tmp_path, LOST))
    assert found is not None and found.code == "NS654" and "line 4: the label 'nan'" in found.fact


@pytest.mark.parametrize("line", ["a.png", "a.png one", "a.png 1.5", f"a.png {2**63}", "7"])
def test_a_list_names_the_line_without_a_label(tmp_path: Path, line: str) -> None:
    text = in_a_list(tmp_path, FINE)
    with (tmp_path / "list.txt").open("a") as file:
        file.write(line + "\n")
    found = finding(tmp_path, text)
    assert found is not None and (found.code, found.fact.partition(":")[0]) == ("NS654", "line 8"), found


def test_labels_of_a_large_file_are_checked_as_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netspec.data.sources.hdf5.MEMORY", 0)
    for name in ("label", "marks"):
        with h5py.File(tmp_path / "d.h5", "w") as file:
            file["data"], file[name] = X, np.array(ONE)
        words = "source: hdf5, path: d.h5, shuffle: false" + (
            ", fields: {label: marks}" if name == "marks" else ""
        )
        found = finding(tmp_path, NET % "[N, 4]" + DATA % words, 1)
        assert found is not None and found.code == "NS651" and "sample 1 has 2" in found.fact, found


def test_targets_of_a_regression_may_be_anything(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", data=X, label=np.array([0.5, -3, 7, 1e6, 0, 0.1], np.float32))
    text = NET % "[N, 4]" + "  - {name: one, type: InnerProduct, num_output: 1, weight_filler: xavier}\n"
    text += (DATA % "source: npz, path: d.npz").replace(
        "train: {", "train: {loss: {type: EuclideanLoss, bottom: [one, label]}, "
    )
    assert finding(tmp_path, text, 4) is None


# --- colours of gray pictures ---


def test_gray_pictures_change_their_brightness(tmp_path: Path) -> None:
    from netspec.augmentation.color import ColorJitter
    from netspec.augmentation.kernels.batch import Batch
    from netspec.augmentation.kernels.draw import Draw

    entry = ColorJitter(brightness=0.5, contrast=0.2, saturation=0.5, hue=0.3)
    x = torch.randint(0, 256, (4, 1, 6, 6), dtype=torch.uint8)
    draw = Draw.of(1, 0, np.arange(4))
    made = entry.apply(Batch(x), draw).pixels
    three = entry.apply(Batch(x.expand(-1, 3, -1, -1)), draw).pixels
    assert made.shape == x.shape and not torch.equal(made, x.float())
    torch.testing.assert_close(made.expand_as(three), three, atol=1e-2, rtol=0)


def test_four_channels_have_no_colours(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", data=np.zeros((6, 4, 4, 4), np.uint8), label=np.array(FINE))
    text = NET % "[N, 4, 4, 4]" + DATA % "source: npz, path: d.npz"
    text = text.replace("train: {", "train: {augment: [{color_jitter: {brightness: 0.1}}], ")
    found = finding(tmp_path, text)
    assert found is not None and found.code == "NS661" and "4 channels" in found.fact


def test_labels_of_a_text_too_large_to_keep_are_read_sample_by_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its batches have time first, what the source gives has samples first."""
    (tmp_path / "t.txt").write_text("abcd" * 40)
    net = "input: {data: [5, N]}\nlayers:\n  - {name: embed, type: Embed, input_dim: 4, num_output: 4, weight_filler: xavier}\n"
    net += "  - {name: score, type: InnerProduct, axis: 2, num_output: 4, weight_filler: xavier}\n"
    net += "train:\n  data: {source: text, path: t.txt, window: 5, batch_size: 3}\n  loss: [{type: SoftmaxWithLoss, axis: 2}]\n"
    net += "  solver: {base_lr: 0.1, max_iter: 2, random_seed: 1}\n"
    monkeypatch.setattr("netspec.data.source.MEMORY", 0)
    batches = session(driver.load_source(Source(str(tmp_path / "net.yaml"), net)), CPU).job.train_batches
    batch = next(batches)
    batches.close()
    assert batch["data"].shape == batch["label"].shape == (5, 3)
