"""int8 and fp16 files: smaller, compared with the certified float file on real samples, refused where a spec says so."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from click.testing import CliRunner

from netspec.cli import group
from netspec.cli.export import describe_certificate
from netspec.cli.verify import lines
from netspec.diagnostics import SpecError
from netspec.driver import load
from netspec.exporters.export import Export, export_model
from netspec.exporters.quantization import convert
from netspec.exporters.quantization.compare import spending
from netspec.exporters.quantization.graphs import restore_inputs, sort_nodes
from netspec.read_options import Reading
from netspec.seal import certificate_of
from netspec.serving.verify import verify
from netspec.training.session import train_program
from tests.training.specs import write

pytestmark = [pytest.mark.onnx, pytest.mark.torch]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quantized")
    solver = {"max_iter": 60, "test_interval": 60, "snapshot": 60}
    train_program(load(str(write(folder / "tiny.yaml", solver=solver))), folder / "run", device="cpu")
    return folder / "run"


@pytest.fixture(scope="module")
def files(run: Path) -> dict[str, Export]:
    kinds: tuple[Any, ...] = (None, "int8", "fp16")
    return {
        str(kind): export_model(run, run / f"{kind}.onnx", certify="quick", device="cpu", quantize=kind)
        for kind in kinds
    }


def refused(source: Path, *settings: str, kind: Any = "int8", **more: Any) -> Any:
    path = source.parent / "no.onnx"
    words = {"certify": "quick", "device": "cpu", "quantize": kind, **more}
    with pytest.raises(SpecError) as raised:
        export_model(source, path, reading=Reading(settings=settings), **words)
    assert not path.exists()
    return raised.value.diagnostics[0]


def accuracy(path: Path, images: Any, labels: Any) -> float:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return float((session.run(None, {name: images})[0].argmax(1) == labels).mean())


@pytest.mark.parametrize("kind", ["int8", "fp16"])
def test_what_the_certificate_says_is_so(files: dict[str, Export], kind: str) -> None:
    """Measured anew on the 360 samples of the test data, outside netspec."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = np.rint(pixels * (255 / 16)).astype(np.float32).reshape(-1, 1, 8, 8)[::5]
    found = certificate_of(files[kind].path)[0]["quantized"]
    assert found["kind"] == kind and found["count"] == 360
    before, after = (accuracy(files[name].path, images, labels[::5]) for name in ("None", kind))
    assert found["metrics"]["accuracy"] == pytest.approx([before, after], abs=1e-6)
    float_model, smaller = (
        ort.InferenceSession(str(files[name].path), providers=["CPUExecutionProvider"])
        for name in ("None", kind)
    )
    feed = {float_model.get_inputs()[0].name: images}
    apart = float_model.run(None, feed)[0].astype(np.float64) - smaller.run(None, feed)[0]
    assert found["largest_difference"] == pytest.approx(np.abs(apart).max(), rel=1e-3)
    assert found["error"] == pytest.approx((apart**2).mean(), rel=1e-2)
    onnx.checker.check_model(str(files[kind].path), full_check=True)


def test_samples_of_a_net_that_counts_time_first(tmp_path: Path) -> None:
    """[T, N]: the loss that the certificate tells, before and after, is that of the test data."""
    rng = np.random.default_rng(3)
    data = rng.standard_normal((90, 5, 3)).astype(np.float32)
    label = (data.cumsum(1).sum(2) > 0).astype(np.int64)
    parts = {"train": slice(0, 60), "test": slice(60, 90)}
    np.savez(
        tmp_path / "walks.npz",
        **{f"data_{part}": data[at] for part, at in parts.items()},
        **{f"label_{part}": label[at] for part, at in parts.items()},
        **{f"cont_{part}": np.float32(np.arange(5) > 0) + np.zeros((at.stop - at.start, 1), np.float32) for part, at in parts.items()},
    )  # fmt: skip
    (tmp_path / "walks.yaml").write_text(
        """
netspec: 1
input: {data: [T, N, 3], cont: [T, N], label: [T, N]}
layers:
  - {name: lstm, type: LSTM, bottom: [data, cont], num_output: 8, carry_state: false, weight_filler: xavier}
  - {name: score, type: InnerProduct, axis: 2, num_output: 2, weight_filler: xavier}
  - {name: loss, type: SoftmaxWithLoss, bottom: [score, label], axis: 2}
  - {name: prob, type: Softmax, bottom: score, axis: 2}
output: prob
train:
  data: {source: npz, path: walks.npz, batch_size: 20}
  test_data: {source: npz, path: walks.npz, split: test, batch_size: 30}
  solver: {type: Adam, base_lr: 0.02, max_iter: 30, test_interval: 30, random_seed: 1}
"""
    )
    train_program(load(str(tmp_path / "walks.yaml")), tmp_path / "run", device="cpu")
    made = export_model(tmp_path / "run", tmp_path / "w.onnx", certify="quick", device="cpu", quantize="int8")
    whole = export_model(tmp_path / "run", tmp_path / "f.onnx", certify="quick", device="cpu")
    fed = {
        "data": data[60:].swapaxes(0, 1),
        "cont": np.float32(np.arange(5)[:, None] > 0) + np.zeros((1, 30), np.float32),
    }
    first, second = (
        ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, fed)[0]
        for path in (whole.path, made.path)
    )
    losses = [
        -np.log(np.take_along_axis(side, label[60:].T[..., None], 2)).mean() for side in (first, second)
    ]
    found = certificate_of(made.path)[0]["quantized"]
    assert found["count"] == 30 and found["metrics"]["loss"] == pytest.approx(losses, rel=1e-3)
    assert losses[0] < 0.6 and losses[0] != losses[1]
    assert certificate_of(whole.path)[0]["samples"]["count"] == 30
    for model in (str(whole.path), str(tmp_path / "run")):
        words = ["predict", model, "--data", f"npz:{tmp_path / 'walks.npz'}", "--split", "test", "--json"]
        told = json.loads(CliRunner().invoke(group, words, standalone_mode=False).output)
        values = np.array([each["outputs"]["prob"]["values"] for each in told])
        np.testing.assert_allclose(values, first.swapaxes(0, 1)[: len(told)], atol=1e-6)


def test_they_are_smaller_and_say_what_they_are(files: dict[str, Export]) -> None:
    weights = {
        name: sum(
            len(t.raw_data) for t in onnx.load(str(made.path)).graph.initializer if np.prod(t.dims) > 64
        )
        for name, made in files.items()
    }
    assert weights["int8"] <= 0.3 * weights["None"] and weights["fp16"] <= 0.51 * weights["None"]
    for kind in ("int8", "fp16"):
        certificate = files[kind].certificate
        assert certificate is not None
        told = "\n".join(describe_certificate(certificate))
        assert told.startswith(kind) and "it is not equal to the float file" in told
        assert "the float file that it was made of: certified" in told
        told = "\n".join(lines("m.onnx", verify(files[kind].path)))
        assert "compared with a certified float file" in told and "was certified" not in told
    assert "quantized" not in certificate_of(files["None"].path)[0]


def test_the_preparation_of_pictures_and_the_outputs_stay_float(files: dict[str, Export]) -> None:
    for kind in ("int8", "fp16"):
        graph = onnx.load(str(files[kind].path)).graph
        assert [v.type.tensor_type.elem_type for v in (*graph.input, *graph.output)] == [1, 1]
        softmax = next(node for node in graph.node if node.op_type == "Softmax")
        makers = {top: node.op_type for node in graph.node for top in node.output}
        assert makers[softmax.input[0]] in ("Gemm", "MatMul")  # not rounded on the way


def test_a_changed_answer_is_found(files: dict[str, Export], tmp_path: Path) -> None:
    """Half of a layer's int8 weights shifted, sealed again: the probes notice."""
    import json

    from netspec.exporters.model_file import add_metadata
    from netspec.seal import SEAL, seal_of

    model = onnx.load(str(files["int8"].path))
    weight = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    weight.raw_data = bytes(reversed(weight.raw_data))
    onnx.save(model, str(tmp_path / "changed.onnx"))
    with pytest.raises(SpecError, match="NS713"):
        verify(tmp_path / "changed.onnx")
    add_metadata(tmp_path / "changed.onnx", {SEAL: seal_of(tmp_path / "changed.onnx").text()})
    assert json.loads(certificate_of(tmp_path / "changed.onnx")[1].properties[SEAL])
    with pytest.raises(SpecError, match="NS714"):
        verify(tmp_path / "changed.onnx")


def test_a_drop_is_refused_and_names_the_layer_that_is_coarse(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One layer's weights are rounded to three values: it is that layer that is named, and no file is left."""
    whole = convert.Smaller.as_int8

    def coarse(self: Any, feeds: Any) -> Any:
        made = whole(self, feeds)
        tensor = next(t for t in made.graph.initializer if t.name == "ip1.weight_quantized")
        values = onnx.numpy_helper.to_array(tensor)
        tensor.raw_data = (np.sign(values) * 64).astype(np.int8).tobytes()
        return made

    monkeypatch.setattr(convert.Smaller, "as_int8", coarse)
    found = refused(run, "expect.accuracy_drop=0.003")
    assert found.code == "NS741"
    assert "on 360 samples of the test data" in found.fact
    assert found.notes[0].startswith(
        ("the largest shares of the error: ip1 9", "the largest shares of the error: ip1 1")
    )


def test_a_size_is_refused(run: Path) -> None:
    found = refused(run, "expect.size={max: 1kB}", kind=None)
    assert found.code == "NS742" and "the largest shares of the bytes: ip1" in found.notes[0]


def test_a_demand_that_cannot_be_read_is_no_consent(run: Path) -> None:
    found = refused(run, "expect.size={max: 1KB}", kind=None)
    assert found.code == "NS104" and "size.max must be a number of bytes such as 8GiB: not 1KB" in found.fact


def test_what_cannot_be_judged(run: Path) -> None:
    assert refused(run, certify=False).code == "NS740"
    found = refused(run.parent / "tiny.yaml", kind="fp16")
    assert found.code == "NS740" and "judged on the test data" in found.fact


def test_shares_of_the_error() -> None:
    assert spending({"a": 0.2, "b": 1.2, "c": 0.8}, 1.0) == [
        ("a", 0.8),
        ("c", pytest.approx(0.2)),
        ("b", 0.0),
    ]
    assert spending({"a": 1.0}, 1.0) == []


def nodes(*words: str) -> Iterator[Any]:
    for word in words:
        op, name, reads, makes = word.split()
        yield onnx.helper.make_node(op, reads.split(","), [makes], name=name)


def test_inputs_are_restored_only_from_who_still_makes_them() -> None:
    """A ReLU that went into its convolution leaves a value of its name that is not yet cut at 0."""
    make = onnx.helper.make_graph
    whole = onnx.helper.make_model(
        make([*nodes("Conv c x,w y", "Relu r y z", "Tanh t z o", "Exp e x p")], "g", [], [])
    )
    made = onnx.helper.make_model(
        make([*nodes("Exp e xq p", "Conv c x,w z", "Q q z zq", "Tanh t zq o")], "g", [], [])
    )
    restore_inputs(made, whole, {"t", "e"})
    assert {node.name: list(node.input) for node in made.graph.node}["t"] == ["zq"]
    assert {node.name: list(node.input) for node in made.graph.node}["e"] == ["x"]
    sort_nodes(made.graph)
    assert [node.name for node in made.graph.node] == ["e", "c", "q", "t"]
    del made.graph.node[:]
    made.graph.node.extend(nodes("B b y z", "A a x y"))
    sort_nodes(made.graph)
    assert [node.name for node in made.graph.node] == ["a", "b"]
