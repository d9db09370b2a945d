"""A model file is seen as the run that it was exported from; what needs more says so."""

from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from netspec.diagnostics import SpecError
from netspec.seeing.registry import view_names
from netspec.seeing.subject import open_subject
from tests.seeing.test_views import see

pytestmark = [pytest.mark.torch, pytest.mark.onnx]

SHOWN = MappingProxyType(
    {
        "filters": {},
        "maps": {},
        "output": {},
        "net": {},
        "occlusion": {},
        "embed": {"method": "pca", "count": 20},
    }
)


@pytest.mark.parametrize("view", SHOWN)
def test_a_model_shows_what_its_run_does(view: str, model: Path, run: Path) -> None:
    asked = {"data": "digits", **SHOWN[view]}
    made, wanted = see(view, open_subject(str(model)), **asked), see(view, run, **asked)
    shared = set(made.arrays) & set(wanted.arrays)
    assert shared or view == "net"
    for name in shared:
        np.testing.assert_allclose(made.arrays[name], wanted.arrays[name], atol=1e-3)
    if view == "filters":
        assert made.values == wanted.values and made.values["layers"][0]["first"]
    if view == "net":
        boxes = {box["name"]: box for box in made.values["boxes"]}
        for box in wanted.values["boxes"]:
            if box["type"] != "input":
                assert (boxes[box["name"]]["weights"], boxes[box["name"]]["shape"]) == (
                    box["weights"],
                    box["shape"],
                )


@pytest.mark.parametrize("view", sorted({*view_names()} - {*SHOWN}))
def test_what_a_model_cannot_show_has_a_reason(view: str, model: Path) -> None:
    with pytest.raises(SpecError, match="NS750"):
        see(view, open_subject(str(model)), data="digits")


def test_dense_layers_of_a_model_read_pictures(tmp_path: Path) -> None:
    """Through scale, mean and shape; not through a nonlinearity."""
    dense = np.arange(5 * 12, dtype=np.float32).reshape(5, 12)
    weights = {
        "scale": np.float32([2]),
        "flat": np.int64([-1, 12]),
        "w": dense.T,
        "v": np.eye(5, dtype=np.float32),
    }
    nodes = [
        helper.make_node("Mul", ["x", "scale"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "flat"], ["row"]),
        helper.make_node("MatMul", ["row", "w"], ["hidden"], "fc1"),
        helper.make_node("Relu", ["hidden"], ["on"]),
        helper.make_node("Gemm", ["on", "v"], ["y"], "fc2", transB=1),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 2, 2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5])
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "dense", [x], [y], tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, tmp_path / "dense.onnx")
    subject = open_subject(str(tmp_path / "dense.onnx"), device="cpu", allow_uncertified=True)
    (found,) = subject.filters()
    assert found.layer == "fc1" and found.first
    np.testing.assert_array_equal(found.weight, dense.reshape(5, 3, 2, 2))


def test_weights_in_whole_numbers_are_seen_as_what_they_stand_for(tmp_path: Path) -> None:
    """As `export --quantize int8` writes them: behind DequantizeLinear, with a scale for each filter."""
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.integers(-99, 99, (3, 1, 2, 2)).astype(np.int8),
        "ws": np.float32([0.5, 0.25, 2]),
        "wz": np.int8([0, 0, 0]),
        "s": np.float32(0.1),
        "z": np.int8(0),
        "v": rng.integers(-99, 99, (27, 4)).astype(np.int8),
        "vs": np.float32(0.1),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=0),
        helper.make_node("Conv", ["xd", "wd"], ["maps"], "conv"),
        helper.make_node("Flatten", ["maps"], ["flat"], "flat"),
        helper.make_node("DequantizeLinear", ["v", "vs"], ["vd"]),
        helper.make_node("MatMul", ["flat", "vd"], ["y"], "fc"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 4, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "small", [x], [y], tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, tmp_path / "q.onnx")
    rows = rng.standard_normal((15, 1, 4, 4)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=rows)
    subject = open_subject(str(tmp_path / "q.onnx"), device="cpu", allow_uncertified=True)
    found = next(subject.filters())
    assert found.layer == "conv" and found.first
    np.testing.assert_allclose(found.weight, weights["w"] * weights["ws"].reshape(3, 1, 1, 1))
    seen = see("embed", subject, method="pca", count=15, data=f"npz:{tmp_path / 'x.npz'}", split="all")
    assert seen.values["layer"] == "flat" and seen.arrays["places"].shape == (15, 2)
    with pytest.raises(SpecError, match="NS750"):
        see(
            "embed",
            subject,
            method="pca",
            count=15,
            layer="wd",
            data=f"npz:{tmp_path / 'x.npz'}",
            split="all",
        )


def test_nodes_of_one_name_are_boxes_of_their_own(tmp_path: Path) -> None:
    """A node without a name is called by its output; others may have that name, and that of an input's box."""
    names = ["x (input)", "c'", "", "c", "last"]
    blobs = ["x", "a", "b", "c", "d", "y"]
    nodes = [helper.make_node("Relu", [blobs[i]], [blobs[i + 1]], name=name) for i, name in enumerate(names)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in "xy"]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:])
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    subject = open_subject(str(path), device="cpu", allow_uncertified=True)
    boxes = see("net", subject, method="layers").values["boxes"]
    made = [box["name"] for box in boxes]
    assert len(set(made)) == len(made) == 6
    assert [box["reads"] for box in boxes] == [[], *([name] for name in made[:-1])]
