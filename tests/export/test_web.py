"""`export --to web` without a browser: what a page is made of, and for which models there is one."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import onnx
import pytest

import netspec
from netspec.diagnostics import SpecError
from netspec.exporters.web import runtime
from netspec.exporters.web.runtime import find_runtime
from netspec.exporters.web.site import PAGE, about, describe_model, write_page
from tests.export.nets import COLOURS

pytestmark = [pytest.mark.onnx, pytest.mark.torch]

SPEC = (
    COLOURS
    + """\
  - {name: ip1, type: InnerProduct, num_output: 3, weight_filler: xavier}
  - {name: prob, type: Softmax}
"""
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "colours.yaml").write_text(SPEC)
    netspec.export(str(tmp_path / "colours.yaml"), tmp_path / "colours.onnx", certify=False)
    return tmp_path / "colours.onnx"


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A runtime of a few bytes, whose hashes are those that are asked for."""
    files = {name: name.encode() for name in runtime.FILES}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    monkeypatch.setattr(runtime, "FILES", hashes)
    (tmp_path / "npm" / "dist").mkdir(parents=True)
    for name, data in files.items():
        (tmp_path / "npm" / "dist" / name).write_bytes(data)
    return tmp_path / "npm"


def test_what_the_page_is_made_of(model: Path, known: Path, tmp_path: Path) -> None:
    write_page(tmp_path / "page", model, "a <b>", find_runtime(known))
    assert {p.name for p in (tmp_path / "page").iterdir()} == {
        *(path.name for path in PAGE.iterdir()),
        *runtime.FILES,
        "model.onnx",
        "model.json",
    }
    assert (tmp_path / "page/model.onnx").read_bytes() == model.read_bytes()
    text = (tmp_path / "page/index.html").read_text()
    assert "<h1>a &lt;b&gt;</h1>" in text and "default-src 'none'" in text
    words = json.loads((tmp_path / "page/model.json").read_text())
    assert words["image"]["color"] == "rgb" and words["image"]["resize"] == [12, 10]
    for path in PAGE.iterdir():
        assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", path.read_text()) == [], path.name


def test_a_runtime_that_is_not_the_known_one(known: Path, tmp_path: Path) -> None:
    name = next(iter(runtime.FILES))
    (known / "dist" / name).write_bytes(b"something else")
    with pytest.raises(SpecError, match=rf"NS744.*{name} is not that of onnxruntime-web"):
        find_runtime(known)
    with pytest.raises(SpecError, match=r"NS744.*it is not the package onnxruntime-web"):
        find_runtime(tmp_path)


def test_a_model_that_takes_no_picture(tmp_path: Path) -> None:
    text = SPEC[: SPEC.index("input:")] + "input: {data: [N, 4]}\n"
    text += "layers:\n  - {name: ip1, type: InnerProduct, num_output: 2, weight_filler: xavier}\n"
    (tmp_path / "flat.yaml").write_text(text)
    netspec.export(str(tmp_path / "flat.yaml"), tmp_path / "flat.onnx", certify=False)
    files: Any = dict.fromkeys(runtime.FILES, b"")
    with pytest.raises(SpecError, match=r"NS743.*data \[N, 4\]"):
        write_page(tmp_path / "page", tmp_path / "flat.onnx", "flat", files)
    assert not (tmp_path / "page").exists()


def bare(path: Path, *inputs: tuple[str, list[Any]], **said: str) -> Path:
    """A model of another hand: its inputs are its outputs, and nothing of netspec's is said but what is given."""
    kinds = onnx.TensorProto.DataType.items()
    values = [
        onnx.helper.make_tensor_value_info(f"{end}{i}", dict(kinds)[kind], shape)
        for end in "xy"
        for i, (kind, shape) in enumerate(inputs)
    ]
    count = len(inputs)
    nodes = [onnx.helper.make_node("Identity", [f"x{i}"], [f"y{i}"]) for i in range(count)]
    if not inputs:
        nodes = [onnx.helper.make_node("Constant", [], ["y"], value_float=1.0)]
        values = [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [])]
    graph = onnx.helper.make_graph(nodes, "bare", values[:count], values[count:])
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.helper.set_model_props(made, said)
    path.write_bytes(made.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("shape", "image"),
    [
        (["N", 3, 5, 7], {"color": "rgb", "resize": [5, 7]}),
        ([1, 1, 5, 7], {"color": "gray", "resize": [5, 7]}),
        (["N", 1, "H", "W"], {"color": "gray"}),
        (["N", 3, 5, "W"], {"color": "rgb"}),
    ],
)
def test_a_model_that_says_nothing_of_pictures_is_given_them_by_its_shape(
    tmp_path: Path, shape: list[Any], image: dict[str, Any]
) -> None:
    found = describe_model(bare(tmp_path / "m.onnx", ("FLOAT", shape)))
    assert found == {
        "input": "x0",
        "image": image,
        "axes": shape[2:],
        "sizes": None,
        "labels": {},
        "about": "a model that netspec did not make, not certified.",
    }


def test_what_a_model_says_of_pictures_counts(tmp_path: Path) -> None:
    said = {
        "netspec.image.x0": '{"color": "bgr"}',
        "netspec.labels": '{"y0": ["a"]}',
        "netspec.spec": "m.yaml 0f",
    }
    found = describe_model(bare(tmp_path / "m.onnx", ("FLOAT", ["N", 3, 5, 7]), **said))
    assert (found["image"], found["labels"]) == ({"color": "bgr"}, {"y0": ["a"]})
    assert found["about"].startswith("m.yaml, made by netspec, ")
    proofs = [
        about({"netspec.certified": word}).rpartition(", ")[2]
        for word in ("true", "partial", "quantized", "no")
    ]
    assert len(set(proofs)) == 4 and proofs[-1] == about({}).rpartition(", ")[2] == "not certified."


@pytest.mark.parametrize(
    "inputs",
    [
        [],
        [("FLOAT", ["N", 3, 5, 7]), ("FLOAT", ["N", 3, 5, 7])],
        [("INT64", ["N", 3, 5, 7])],
        [("FLOAT", ["N", 3, 5])],
        [("FLOAT", ["N", 3, 5, 7, 2])],
        [("FLOAT", ["N", 2, 5, 7])],
        [("FLOAT", ["N", 4, 5, 7])],
        [("FLOAT", ["N", "C", 5, 7])],
        [("FLOAT", [2, 3, 5, 7])],
        [("FLOAT", ["M", 3, 5, 7])],
    ],
)
def test_a_model_that_takes_something_else(tmp_path: Path, inputs: list[tuple[str, list[Any]]]) -> None:
    """Each requirement by itself."""
    shown = (
        ", ".join(f"x{i} [{', '.join(map(str, shape))}]" for i, (_, shape) in enumerate(inputs)) or "nothing"
    )
    with pytest.raises(SpecError) as raised:
        describe_model(bare(tmp_path / "m.onnx", *inputs))
    (finding,) = raised.value.diagnostics
    assert finding.code == "NS743" and finding.fact.endswith(f"it takes {shown}")


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"no model")
    with pytest.raises(SpecError, match=r"NS743.*onnxruntime cannot load it"):
        describe_model(tmp_path / "m.onnx")
