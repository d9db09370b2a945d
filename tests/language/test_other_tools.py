"""Files of other tools get one finding that names the tool, from check and from import; specs and prototxts never do."""

import json
import pickle
import struct
import zipfile
from io import BytesIO
from pathlib import Path
from time import process_time

import pytest
from click.testing import CliRunner

from netspec.cli import group
from netspec.diagnostics import Diagnostics
from netspec.syntax.foreign import foreign
from netspec.syntax.reader import read_file
from tests.each import each

ROOT = Path(__file__).parents[2]


def archive(*names: str) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name in names:
            file.writestr(name, b"x" * 200)
    return out.getvalue()


FILES = {
    "tiny.cfg": (b"# tiny\n\n[net]\nbatch=1\n[convolutional]\nfilters=16\n", "Darknet"),
    "old.cfg": (b"[network]\nheight=64\n", "Darknet"),
    "ludwig.yaml": (
        b"input_features:\n  - {name: a, type: image}\noutput_features:\n  - {name: b, type: category}\n",
        "Ludwig",
    ),
    "other.yml": (b"# ours\noutput_features: []\nmodel_type: ecd\n", "Ludwig"),
    "kur.yaml": (
        b"---\nmodel:\n\n  - input: images\n  - convolution: {kernels: 32, size: [3, 3]}\ntrain:\n  epochs: 5\n",
        "Kurfile",
    ),
    "yolov5.yaml": (
        b"nc: 80\nbackbone:\n  # [from, number, module, args]\n  [[-1, 1, Conv, [64, 6, 2, 2]],\n  ]\nhead:\n  [[-1, 1, Conv, [1]]]\n",
        "YOLO",
    ),
    "keras.json": (b'{"class_name": "Sequential", "config": {"layers": []}}', "Keras"),
    "model.json": (b'{\n "modelTopology": {}}', "Keras"),
    "convnet.json": (b'{"layers":[{"out_depth":1,"out_sx":28,"layer_type":"input"}]}', "ConvNetJS"),
    "symbol.json": (b'{"nodes": [{"op": "null"}], "arg_nodes": [0]}', "MXNet"),
    "model.h5": (b"\x89HDF\r\n\x1a\n" + bytes(99) + b"model_config" + bytes(99), "Keras"),
    "data.h5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"),
    "model.keras": (archive("metadata.json", "config.json", "model.weights.h5"), "Keras"),
    "model.pt": (archive("archive/data.pkl", "archive/data/0"), "PyTorch"),
    "script.bin": (archive("m/code/__torch__.py", "m/data.pkl", "m/constants.pkl"), "PyTorch"),
    "arrays.npz": (archive("a.npy"), "NumPy"),
    "old.pth": (pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2), "PyTorch"),
    "w.pkl": (pickle.dumps({"w": [1, 2]}), "pickle"),
    "net.mat": (b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + bytes(200), "MATLAB"),
    "m.tflite": (struct.pack("<I", 28) + b"TFL3" + bytes(40), "TensorFlow Lite"),
    "m.onnx": (b"\x08\x07\x12\x07pytorch\x1a\x031.9:\xff\x01" + bytes(20), "ONNX"),
    "unnamed": (b"\x08\x08\x12\x07pytorch\x1a\x031.9:\xff\x01" + bytes(20), "ONNX"),
    "saved_model.pb": (b"\x08\x01\x12\xff\x01" + bytes(40), "TensorFlow"),
    "predict_net.pb": (b"\x0a\x04lenet\x12" + bytes(9), "Caffe2"),
    "net.pbtxt": (
        b'name: "lenet"\nop {\n  input: "data"\n  type: "Conv"\n}\nexternal_input: "data"\n',
        "Caffe2",
    ),
    "graph.pbtxt": (b'node {\n  name: "x"\n  op: "Placeholder"\n}\n', "TensorFlow"),
    "m.mlmodel": (b"\x08\x03\x12\x10" + bytes(40), "Core ML"),
    "w.safetensors": (struct.pack("<Q", 70) + b'{"a":{"dtype":"F32"}}', "safetensors"),
    "p.yaml": (b"!obj:pylearn2.train.Train {\n  dataset: &train !obj:x {}\n}\n", "Pylearn2"),
    "m.param": (b"7767517\n75 83\nInput data 0 1 data\n", "ncnn"),
    "model.py": (b"import torch\nfrom torch import nn\n", "Python"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("command", ["check", "import"])
def test_one_finding_names_the_tool(name: str, command: str, tmp_path: Path) -> None:
    content, tool = FILES[name]
    (tmp_path / name).write_bytes(content)
    more = ["-o", str(tmp_path / "out.yaml")] if command == "import" else []
    result = CliRunner().invoke(
        group, [command, str(tmp_path / name), "--format", "json", *more], standalone_mode=False
    )
    assert result.exception is None, result.output
    assert result.return_value == 1
    found = json.loads(result.stdout)
    (finding,) = found["diagnostics"]
    assert finding["code"] == "NS042"
    assert tool in finding["message"]
    assert not (tmp_path / "out.yaml").exists()


def test_caffes_files_in_the_wrong_place(tmp_path: Path) -> None:
    net = b'name: "m"\ninput: "data"\nlayer { name: "ip" type: "InnerProduct" }\n'
    told = foreign("net.prototxt", net)
    assert told is not None
    assert "netspec import" in told.notes[0]
    assert foreign("net.prototxt", net, importing=True) is None
    spec = foreign("net.yaml", b"netspec: 1\nlayers: []\n", importing=True)
    assert spec is not None
    assert "already" in spec.fact
    weights = foreign("net.caffemodel", b"\x0a\x03net\xa2\x06\x10" + bytes(20))
    assert weights is not None
    assert "Caffe's weights" in weights.fact


@each("path", sorted((ROOT / "specs").rglob("*.yaml")), lambda p: p.stem)
def test_specs_are_ours(path: Path) -> None:
    assert foreign(path.name, path.read_bytes()) is None
    diagnostics = Diagnostics()
    assert read_file(str(path), diagnostics) is not None


CASES = ROOT / "tests" / "conformance" / "caffe" / "cases"


@each("path", sorted(CASES.glob("*.prototxt")), lambda p: p.stem)
def test_prototxts_are_caffes(path: Path) -> None:
    assert foreign(path.name, path.read_bytes(), importing=True) is None


@pytest.mark.parametrize(
    "text",
    [
        "layers:\n  - {type: ReLU}\n",
        "input: {data: [N, 3]}\nlayers: [\n",
        "model: x\n",
        "layers {\n",
        "backbone: 3\n",
        "{}",
        "- a\n",
    ],
)
def test_a_damaged_spec_is_no_other_tools(text: str) -> None:
    assert foreign("net.yaml", text.encode()) is None or "layers {" in text


@pytest.mark.parametrize(
    "line", ["node {\n", "op {\n", "model:\n", "\n", "# a\n", "backbone:\n", "[", '{"a":', " \n  "]
)
def test_looking_costs_little(line: str) -> None:
    began = process_time()
    for importing in (True, False):
        foreign("x", line.encode() * (1 << 20), importing=importing)
    assert process_time() - began < 3
