"""From Caffe's files on the disk, through the command line, to numbers: the recorded nets with the weights that Caffe saved."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.numpy import load_file, save_file

import netspec
from netspec.cli import group
from netspec.cli.import_ import line
from netspec.diagnostics import SpecError
from netspec.importers.weights import Row

CASES = Path(__file__).parents[1] / "conformance" / "caffe" / "cases"
FILES = sorted([*CASES.glob("net_*.caffemodel"), *CASES.glob("net_*.caffemodel.h5")])


def run(*arguments: Any) -> Any:
    return CliRunner().invoke(group, [str(argument) for argument in arguments], standalone_mode=False)


def bring(weights: Path, folder: Path) -> tuple[Path, Any]:
    """Import a recorded net with a weights file; the spec's path and what was recorded."""
    name = weights.name.split(".")[0]
    spec = folder / "spec.yaml"
    result = run("import", CASES / f"{name}.prototxt", "--weights", weights, "-o", spec)
    assert result.exception is None, result.output
    return spec, np.load(CASES / f"{name}.npz")


@pytest.mark.parametrize("weights", FILES, ids=lambda path: path.name)
def test_forward_with_imported_weights(weights: Path, tmp_path: Path) -> None:
    spec, recorded = bring(weights, tmp_path)
    meta = json.loads(str(recorded["meta"]))
    net = netspec.compile(str(spec), phase=meta["phase"].lower())
    assert netspec.load_weights(net, str(spec.with_suffix(".safetensors"))) is net
    for key in (key for key in recorded.files if key.startswith("w__")):
        layer, index = key[3:].rsplit("__", 1)
        np.testing.assert_array_equal(net.layer_parameters(layer)[int(index)].detach().numpy(), recorded[key])
    blobs = net.forward_blobs(
        {key[4:]: torch.from_numpy(recorded[key]) for key in recorded.files if key.startswith("in__")}
    )
    for name in (name for name in meta["blobs"] if "_split_" not in name):
        np.testing.assert_allclose(
            blobs[name].detach().numpy(), recorded[f"blob__{name}"], 1e-4, 1e-4, err_msg=name
        )


def test_shared_weights_stand_once_in_the_file(tmp_path: Path) -> None:
    spec, _ = bring(CASES / "net_shared_weights.caffemodel", tmp_path)
    assert len(load_file(spec.with_suffix(".safetensors"))) == 2


@pytest.mark.onnx
def test_export_with_imported_weights(tmp_path: Path) -> None:
    import onnxruntime as ort

    spec, recorded = bring(CASES / "net_lenet_small.caffemodel", tmp_path)
    result = run(
        "export",
        spec,
        "--weights",
        spec.with_suffix(".safetensors"),
        "-o",
        tmp_path / "net.onnx",
        "--device",
        "cpu",
    )
    assert result.exception is None, result.output
    session = ort.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {"data": recorded["in__data"]})
    np.testing.assert_allclose(output, recorded[f"blob__{session.get_outputs()[0].name}"], 1e-4, 1e-4)


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    spec, _ = bring(CASES / "net_lenet_small.caffemodel", tmp_path)
    tensors = load_file(spec.with_suffix(".safetensors"))
    first, second, third, *_ = tensors
    tensors["stranger.weight"] = tensors.pop(first)
    tensors[second] = tensors[second][None]
    save_file(tensors, tmp_path / "other.safetensors")
    net = netspec.compile(str(spec))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(SpecError) as caught:
        netspec.load_weights(net, str(tmp_path / "other.safetensors"))
    facts = [d.fact for d in caught.value.diagnostics]
    assert {d.code for d in caught.value.diagnostics} == {"NS676"}
    assert sorted(fact.split(" ")[0] for fact in facts) == sorted(("stranger.weight", first, second))
    assert third not in " ".join(facts)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_weights_for_a_module_of_another_make(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        netspec.load_weights(torch.nn.Linear(1, 1), str(tmp_path / "w.safetensors"))
    assert caught.value.diagnostics[0].code == "NS705"


def test_weights_of_the_other_phase_may_lie_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("""
input: {x: [2, 3]}
layers:
  - {name: a, type: InnerProduct, num_output: 4}
  - {name: b, type: InnerProduct, num_output: 4, include: {phase: TRAIN}}
""")
    sizes = {"a.weight": (4, 3), "a.bias": (4,), "b.weight": (4, 4), "b.bias": (4,)}
    save_file({name: np.ones(size, np.float32) for name, size in sizes.items()}, tmp_path / "w.safetensors")
    net = netspec.compile(str(tmp_path / "spec.yaml"))
    assert (
        netspec.load_weights(net, str(tmp_path / "w.safetensors"))(torch.ones(2, 3)).tolist()
        == [[4.0] * 4] * 2
    )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (Row("fc.bias", "reshaped", (1, 1, 1, 5), (5,)), "  reshaped  fc.bias  [1, 1, 1, 5] -> [5]\n"),
        (Row("fc.weight", "kept", (5, 3), (5, 3)), "  kept      fc.weight  [5, 3]\n"),
        (Row("new.bias", "missing", None, (7,)), "  missing   new.bias  [7]\n"),
        (Row("old.weight", "unused", (2, 2)), "  unused    old.weight  [2, 2]\n"),
        (Row("odd", "unused"), "  unused    odd  \n"),
    ],
)
def test_what_became_of_a_tensor_is_a_line(row: Row, said: str) -> None:
    assert line(row) == said
