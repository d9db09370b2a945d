"""Files of other tools given as weights are called what they are; Caffe's own, damaged or whole, are not."""

import io
import pickle
import zipfile
from pathlib import Path

import pytest

from netspec.diagnostics import SpecError
from netspec.importers.caffemodel import read_weights


def zipped(*names: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return held.getvalue()


FOREIGN = {
    "model.pt": (zipped("archive/data.pkl", "archive/data/0"), "a PyTorch file"),
    "plain.bin": (zipped("model/data.pkl"), "a PyTorch file"),
    "old.pth": (pickle.dumps({"w": [1.0] * 9}, protocol=2), "a Python pickle"),
    "model.keras": (zipped("metadata.json", "config.json", "model.weights.h5"), "a Keras model"),
    "w.npz": (zipped("conv.npy"), "a NumPy archive"),
    "w.safetensors": (b'\x40\0\0\0\0\0\0\0{"w":{"dtype":"F32"}}' + b" " * 64, "a safetensors file"),
    "net.prototxt": (b'name: "n"\nlayer { name: "c" type: "ReLU" }\n', "a Caffe prototxt"),
    "yolo.weights": (b"\0\0\0\0\2\0\0\0\0\0\0\0" + b"\xff" * 64, "Darknet's weights"),
    "train.py": (b"import torch\n", "a Python program"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_of_another_tool_is_called_what_it_is(tmp_path: Path, name: str) -> None:
    data, what = FOREIGN[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SpecError) as error:
        read_weights(tmp_path / name)
    (found,) = error.value.diagnostics
    assert found.code == "NS042"
    assert f"{name} is {what}, not Caffe's weights" in found.fact


def test_keras_in_hdf5_is_no_damaged_file(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    for name, group, attribute, code in (
        ("k.h5", "dense", "layer_names", "NS042"),
        ("other.h5", "dense", "made_by", "NS027"),
    ):
        with h5py.File(tmp_path / name, "w") as file:
            file.attrs[attribute] = ["dense"]
            file.create_group(group)
        with pytest.raises(SpecError) as error:
            read_weights(tmp_path / name)
        assert [found.code for found in error.value.diagnostics] == [code]


@pytest.mark.parametrize("name", ["a.caffemodel", "a.pt", "a.pb"])
def test_what_can_be_read_is_read_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xa2\x06\x05\x0a\x03abc")
    assert read_weights(tmp_path / name) == {}


def test_damage_stays_damage(tmp_path: Path) -> None:
    (tmp_path / "a.caffemodel").write_bytes(b"\xff" * 40)
    with pytest.raises(SpecError) as error:
        read_weights(tmp_path / "a.caffemodel")
    assert [found.code for found in error.value.diagnostics] == ["NS026"]
