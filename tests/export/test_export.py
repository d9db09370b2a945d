"""`netspec.export`: specs, runs, networks and weights become a file with its metadata; whatever is wrong, nothing is left behind."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from nets import arrays, made

import netspec
from netspec import compiled
from netspec.diagnostics import SpecError
from netspec.emit.onnx_model import fit_weights, outline_model
from netspec.exporters.export import export, export_model
from netspec.exporters.model_file import publishing, write_model
from netspec.training.run.weights import write_tensors
from tests import children
from tests.children import Child

pytestmark = [pytest.mark.onnx, pytest.mark.torch]

SPEC = """
netspec: 1
name: tiny
input:
  data: {shape: [N, 1, 4, 4], image: {mean_value: 100, scale: 0.01, color: gray}}
  label: [N]
layers:
  - {name: conv1, type: Convolution, num_output: 3, kernel_size: 3, pad: 1, weight_filler: xavier, bottom: data}
  - {name: relu1, type: ReLU, bottom: conv1, top: conv1}
  - {name: ip, type: InnerProduct, num_output: 3, weight_filler: xavier}
  - {name: side, type: InnerProduct, num_output: 3, weight_filler: xavier, bottom: conv1, include: {phase: TRAIN}}
  - {name: side_loss, type: SoftmaxWithLoss, bottom: [side, label], include: {phase: TRAIN}}
  - {name: prob, type: Softmax, bottom: ip}
output: {prob: {labels: names.txt}}
"""
WEIGHTS = {"conv1.weight": (3, 1, 3, 3), "conv1.bias": (3,), "ip.weight": (3, 48), "ip.bias": (3,)}


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "names.txt").write_text("ant\nbee\ncat\n")
    (tmp_path / "tiny.yaml").write_text(SPEC)
    return tmp_path / "tiny.yaml"


def run(path: Path, **feed: Any) -> Any:
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, feed)[0]


def metadata(path: Path) -> dict[str, str]:
    return {p.key: p.value for p in onnx.load(str(path), load_external_data=False).metadata_props}


def weights(**changes: Any) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    tensors: dict[str, Any] = {
        name: torch.randn(shape, generator=generator) for name, shape in WEIGHTS.items()
    }
    return {
        k: v
        for k, v in {**tensors, **{k.replace("__", "."): v for k, v in changes.items()}}.items()
        if v is not None
    }


def codes(raised: Any) -> list[str]:
    return [d.code for d in raised.value.diagnostics]


def left(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()}


def test_a_spec(spec: Path) -> None:
    path = netspec.export(str(spec), spec.parent / "tiny.onnx")
    assert path == spec.parent / "tiny.onnx"
    assert left(spec.parent) == {"tiny.yaml", "names.txt", "tiny.onnx"}
    onnx.checker.check_model(str(path), full_check=True)
    found = metadata(path)
    assert found["netspec.version"] == netspec.__version__
    name, digest = found["netspec.spec"].split()
    assert name == "tiny"
    assert len(digest) == 64
    assert json.loads(found["netspec.labels"]) == {"prob": ["ant", "bee", "cat"]}
    assert json.loads(found["netspec.image.data"]) == {
        "color": "gray",
        "resize": [4, 4],
        "interpolation": "bilinear",
    }


def test_the_certificate_goes_into_the_metadata(spec: Path) -> None:
    made = export_model(spec, spec.parent / "tiny.onnx", device="cpu")
    found = metadata(made.path)
    assert made.certificate is not None
    assert found["netspec.certified"] == "true"
    assert float(found["netspec.largest_difference"]) == made.certificate.largest_difference
    assert (
        float(found["netspec.tolerance"])
        == made.certificate.tolerance
        > made.certificate.largest_difference
        > 0
    )
    told = json.loads(found["netspec.certificate"])
    assert told["cases"] == made.certificate.cases >= 7
    assert told["layers"] >= 8 * 4
    assert told["contract"] >= 2
    assert told["onnxruntime"] == ort.__version__
    assert told["sizes"] == ["N=1", "N=2", "N=3", "N=7"]
    assert made.size == made.path.stat().st_size


def test_uncertified_is_said(spec: Path) -> None:
    path = export(spec, spec.parent / "tiny.onnx", certify=False)
    assert metadata(path)["netspec.certified"] == "false"
    assert "netspec.tolerance" not in metadata(path)


@pytest.mark.parametrize("phase", ["test", "train", "deploy"])
def test_a_network_of_any_phase_with_its_own_weights(spec: Path, phase: str) -> None:
    torch.manual_seed(1)
    net: Any = compiled.compile(str(spec), phase)
    path = netspec.export(net, spec.parent / "net.onnx")
    x = np.random.default_rng(0).uniform(0, 255, (3, 1, 4, 4)).astype(np.float32)
    seen = torch.from_numpy((x - 100) * np.float32(0.01))
    with torch.no_grad():
        wanted = net.eval().forward_blobs(
            {"data": seen, "label": torch.zeros(3)} if "label" in net.inputs else {"data": seen}
        )["prob"]
    np.testing.assert_allclose(run(path, data=x), wanted.numpy(), rtol=1e-4, atol=1e-6)


def test_weights_of_a_file(spec: Path) -> None:
    file = spec.parent / "w.safetensors"
    tensors = weights()
    write_tensors(file, tensors, {})
    path = export(spec, spec.parent / "tiny.onnx", weights=file)
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(str(path)).graph.initializer}
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(stored[name], tensor.numpy())


def test_weights_that_only_training_needs_are_passed_over(spec: Path) -> None:
    file = spec.parent / "w.safetensors"
    write_tensors(file, weights(side__weight=torch.ones(3, 48), side__bias=torch.ones(3)), {})
    assert export(spec, spec.parent / "tiny.onnx", weights=file).exists()


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"ip__weight": None}, "ip.weight is not in the file"),
        ({"conv1__bias": torch.zeros(4)}, "conv1.bias is [4] in the file, [3] in the net"),
        ({"conv2__bias": torch.zeros(4)}, "conv2.bias is in the file but not in the spec"),
    ],
)
def test_weights_of_another_net(spec: Path, change: Any, fact: str) -> None:
    file = spec.parent / "w.safetensors"
    write_tensors(file, weights(**change), {})
    with pytest.raises(SpecError) as raised:
        export(spec, spec.parent / "tiny.onnx", weights=file)
    assert [(d.code, d.fact) for d in raised.value.diagnostics] == [("NS676", fact)]
    assert "tiny.onnx" not in left(spec.parent)


def test_damaged_and_missing_weights(spec: Path) -> None:
    (spec.parent / "w.safetensors").write_bytes(b"not tensors")
    for name, code in (("w.safetensors", "NS674"), ("none.safetensors", "NS001")):
        with pytest.raises(SpecError) as raised:
            export(spec, spec.parent / "tiny.onnx", weights=spec.parent / name)
        assert codes(raised) == [code]
    assert left(spec.parent) == {"tiny.yaml", "names.txt", "w.safetensors"}


def test_what_cannot_be_exported(spec: Path) -> None:
    there = spec.parent / "out.onnx"
    with pytest.raises(SpecError) as raised:
        netspec.export(torch.nn.Linear(2, 2), there)
    assert codes(raised) == ["NS705"]
    with pytest.raises(SpecError) as raised:
        export(spec.parent, there)
    assert codes(raised) == ["NS683"]
    with pytest.raises(SpecError) as raised:
        export(spec.parent / "no.yaml", there)
    assert codes(raised) == ["NS001"]
    assert not there.exists()


def test_labels_must_be_as_many_as_classes(spec: Path) -> None:
    for text, fact in (("ant\nbee\n", "has 2 names: prob has 3 classes"), (None, "No such file")):
        if text is None:
            (spec.parent / "names.txt").unlink()
        else:
            (spec.parent / "names.txt").write_text(text)
        with pytest.raises(SpecError) as raised:
            export(spec, spec.parent / "tiny.onnx")
        assert codes(raised) == ["NS707"]
        assert fact in raised.value.diagnostics[0].fact
        assert raised.value.diagnostics[0].span is not None


def test_places_that_cannot_be_written(spec: Path) -> None:
    (spec.parent / "folder").mkdir()
    (spec.parent / "file").write_text("")
    for place in ("folder", "none/tiny.onnx", "file/tiny.onnx", "x" * 300 + ".onnx"):
        with pytest.raises(SpecError) as raised:
            export(spec, spec.parent / place)
        assert codes(raised) == ["NS704"]
        assert raised.value.diagnostics[0].path == str(spec.parent / place)
    assert left(spec.parent) == {"tiny.yaml", "names.txt", "folder", "file"}
    assert left(spec.parent / "folder") == set()


def test_what_stood_there_before_stays_when_certifying_fails(
    spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A layer whose ONNX form is wrong: nothing is written, and the layer is named."""
    from netspec.layers.activation import ReLU

    path = spec.parent / "tiny.onnx"
    path.write_text("before")
    monkeypatch.setattr(ReLU, "onnx", lambda self, g, x: g.Abs(x))
    with pytest.raises(SpecError) as raised:
        export(spec, path)
    assert codes(raised) == ["NS703"]
    assert raised.value.diagnostics[0].fact.startswith("ReLU relu1: ")
    assert path.read_text() == "before"
    assert left(spec.parent) == {"tiny.yaml", "names.txt", "tiny.onnx"}


def export_and_tell(spec: Path) -> None:
    try:
        netspec.export(spec, spec.parent / "tiny.onnx")
    except SpecError as error:
        print(error.diagnostics[0].code, error.diagnostics[0].fact)


def test_a_full_disk_leaves_nothing(spec: Path) -> None:
    """In a process of its own, whose files may not grow beyond 1 kB."""
    told = Child(export_and_tell, spec, folder=spec.parent, limit=1000)
    code, out, err = told
    assert code == 0 and out.startswith("NS704 File too large"), out + err
    assert left(spec.parent) == {"tiny.yaml", "names.txt"}


# --- files -----------------------------------------------------------------------------------------------------------


def test_the_file_in_one_pass_is_the_model_in_memory(tmp_path: Path) -> None:
    net = made("{name: ip, type: InnerProduct, num_output: 5}", "data: [N, 4]")
    write_model(
        outline := outline_model(net.typed),
        fit_weights(outline, arrays(net.net, net.typed)),
        tmp_path / "m.onnx",
    )
    assert onnx.load(str(tmp_path / "m.onnx")) == net.model


def test_large_models_keep_their_weights_beside_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netspec.exporters.model_file.LIMIT", 1000)
    net = made("{name: ip, type: InnerProduct, num_output: 500}", "data: [N, 40]")
    path, outline = tmp_path / "m.onnx", outline_model(net.typed)
    for scale in (1.0, 2.0):
        with publishing(path) as draft:
            write_model(
                outline,
                {
                    k: v * np.float32(scale)
                    for k, v in fit_weights(outline, arrays(net.net, net.typed)).items()
                },
                draft,
            )
        data = [name for name in left(tmp_path) if name.endswith(".data")]
        assert left(tmp_path) == {"m.onnx", *data}
        assert len(data) == 1
        assert path.stat().st_size < 2000 < (tmp_path / data[0]).stat().st_size
        onnx.checker.check_model(str(path), full_check=True)
        x = np.ones((2, 40), np.float32)
        with torch.no_grad():
            np.testing.assert_allclose(
                run(path, data=x), scale * net.net(torch.from_numpy(x)).numpy(), rtol=1e-5
            )


def test_weights_beside_the_model_are_certified_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netspec.exporters.model_file.LIMIT", 100)
    (tmp_path / "s.yaml").write_text(
        "netspec: 1\ninput: {data: [N, 40]}\nlayers:\n  - {name: ip, type: InnerProduct, num_output: 500}\n"
    )
    found = export_model(tmp_path / "s.yaml", tmp_path / "m.onnx")
    assert found.certificate is not None
    (data,) = (p for p in tmp_path.iterdir() if p.suffix == ".data")
    assert left(tmp_path) == {"s.yaml", "m.onnx", data.name}
    assert found.size == data.stat().st_size + (tmp_path / "m.onnx").stat().st_size
    assert metadata(tmp_path / "m.onnx")["netspec.certified"] == "true"


# --- the command -----------------------------------------------------------------------------------------------------


def command(*words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.CompletedProcess(words, *Child(children.netspec, "export", *words, folder=cwd))


def test_the_command_says_what_was_certified(spec: Path) -> None:
    told = command("tiny.yaml", "--device", "cpu", cwd=spec.parent)
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert lines[0].startswith("wrote tiny.onnx (")
    assert lines[1].startswith("certified on cpu: 8 cases, ")
    assert lines[2].startswith("largest difference ")
    assert lines[-1].startswith("certifying took ")
    assert told.stderr == ""
    told = command("tiny.yaml", "--device", "cpu", "--certify", "quick", cwd=spec.parent)
    assert told.stdout.splitlines()[1].startswith("certified in part (quick) on cpu: ")
    assert any(line.startswith("left out: ") for line in told.stdout.splitlines())
    assert metadata(spec.parent / "tiny.onnx")["netspec.certified"] == "partial"


def test_the_command_fails_with_a_finding(spec: Path) -> None:
    told = command("tiny.yaml", "-o", "none/tiny.onnx", cwd=spec.parent)
    assert told.returncode == 1
    assert "error[NS704]" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_device_that_is_not_there_is_an_error(spec: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SpecError) as raised:
        export(spec, spec.parent / "tiny.onnx", device="cuda")
    assert codes(raised) == ["NS722"]
    assert "tiny.onnx" not in left(spec.parent)


def test_how_many_elements_one_element_of_the_top_reads() -> None:
    """Of the batch its own place, unless the layer says otherwise; of an axis what a step says, at most what there is."""
    from types import SimpleNamespace

    from netspec.exporters.certification.bench import elements
    from netspec.ir.field import Step
    from netspec.ir.types import TensorType

    case: Any = SimpleNamespace(sizes={})
    bottom = TensorType((4, 3, 8, 8))
    assert elements(bottom, (), case) == 3 * 8 * 8
    assert elements(bottom, (Step(0), None, Step(2, 1, -1, 1), Step(3, 2, 0, 4)), case) == 3 * 3 * 5
    assert elements(bottom, (None, Step(1), Step(2, 1, 0, 99), Step(3)), case) == 4 * 8
