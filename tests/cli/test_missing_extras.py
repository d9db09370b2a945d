"""`pip install netspec` without extras: what needs one says which, and what for; nothing else asks for it."""

import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import netspec
from netspec.cli import group
from netspec.diagnostics import SpecError

pytestmark = pytest.mark.torch

LAYERS = "layers:\n  - {name: ip, type: InnerProduct, num_output: 2, weight_filler: xavier}\n"
TRAIN = "train: {data: {source: SOURCE, path: d.npz, batch_size: 4}, solver: {base_lr: 0.1, max_iter: 1}AUGMENT}\n"
IMAGES = "input: {data: {shape: [N, 1, 4, 4], image: {}}}\n"
WRITER = "layers: [{name: w, type: HDF5Output, bottom: data, hdf5_output_param: {file_name: made.h5}}]\n"


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with data, and no package that only an extra or a developer has."""
    for name in ("h5py", "kornia", "kornia.augmentation", "lmdb", "tritonclient", "torchinfo", "onnxscript"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.chdir(tmp_path)
    np.savez("d", data=np.zeros((8, 1, 4, 4), np.uint8), label=np.arange(8) % 2)
    Path("d.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    Path("n.prototxt").write_text(
        'input: "d" input_shape { dim: 1 dim: 2 }\nlayer { name: "r" type: "ReLU" bottom: "d" top: "r" }\n'
    )


def said(*words: str) -> list[tuple[str, str]]:
    """Codes and facts of what a command raises."""
    result = CliRunner().invoke(group, list(words), standalone_mode=False)
    if result.exception is None:
        return []
    assert isinstance(result.exception, SpecError), result.exception
    return [(d.code, d.fact) for d in result.exception.diagnostics]


def spec(text: str) -> str:
    Path("net.yaml").write_text(text)
    return "net.yaml"


def test_hdf5_data_need_data() -> None:
    text = IMAGES + LAYERS + TRAIN.replace("SOURCE, path: d.npz", "hdf5, path: d.h5").replace("AUGMENT", "")
    assert said("train", spec(text), "--run", "r") == [
        ("NS657", "source hdf5 needs h5py: pip install 'netspec[data]'")
    ]


def test_hdf5_weights_need_data() -> None:
    assert said("import", "n.prototxt", "--weights", "d.h5", "-o", "x.yaml") == [
        ("NS657", "reading HDF5 weights needs h5py: pip install 'netspec[data]'")
    ]


def test_a_layer_that_writes_hdf5_needs_data() -> None:
    import torch

    net = netspec.compile(spec("input: {data: [N, 4]}\n" + WRITER))
    with pytest.raises(SpecError, match=r"NS657.*an HDF5 file needs h5py: pip install 'netspec\[data\]'"):
        net(torch.zeros(1, 4))


def test_nothing_else_needs_an_extra() -> None:
    text = (
        IMAGES
        + LAYERS
        + TRAIN.replace("SOURCE", "npz").replace(
            "AUGMENT", ", augment: [{mirror: true, rotate: 10}, {type: ColorJitter, brightness: 0.2}]"
        )
    )
    assert said("train", spec(text), "--run", "r", "--quiet") == []
    assert said("predict", "r", "--data", "npz:d.npz") == []
    assert said("check", "zoo:lenet") == []
    assert said("import", "n.prototxt", "-o", "x.yaml") == []


def test_the_extras_are_what_is_asked_for() -> None:
    import tomllib

    root = Path(netspec.__file__).parents[1]
    extras = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert [one.partition(">")[0] for one in extras["data"]] == ["h5py"]
