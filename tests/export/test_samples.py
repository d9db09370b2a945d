"""Real samples of a run's test data in the certificate: the best class and the metrics of both sides, and faults that only they show."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from netspec.cli.export import sample_lines
from netspec.diagnostics import SpecError
from netspec.driver import load
from netspec.emit import onnx_model
from netspec.exporters.certification import certify, plan
from netspec.exporters.certification.sampled import best_classes, distribution
from netspec.exporters.certification.samples import pick
from netspec.exporters.export import Export, export, export_model
from netspec.exporters.export import certify as certify_file
from netspec.seal import certificate_of
from netspec.training.session import train_program
from tests.training.specs import write

pytestmark = [pytest.mark.onnx, pytest.mark.torch]

SHORT = {"max_iter": 2, "test_interval": 2, "snapshot": 2}
PICTURES = """
netspec: 1
name: pictures
input:
  data: {shape: SHAPE, image: {color: bgr, RESIZE, crop_size: 8, mean_value: [104, 117, 123], scale: 0.02}}
layers:
  - {name: conv1, type: Convolution, num_output: 4, kernel_size: 3, weight_filler: xavier}
  - {name: relu1, type: ReLU}
  - {name: ip1, type: InnerProduct, num_output: 3, weight_filler: xavier}
  - {name: prob, type: Softmax}
train:
  data: DATA
  test_data: DATA
  solver: {base_lr: 0.01, max_iter: 2, test_interval: 2, snapshot: 2, random_seed: 1}
"""

LAYERS = """
netspec: 1
name: own
layers:
  - {name: data, type: HDF5Data, top: [data, label], source: list.txt, batch_size: 8}
  - {name: fc, type: InnerProduct, bottom: data, num_output: 2, weight_filler: xavier}
  - {name: loss, type: SoftmaxWithLoss, bottom: [fc, label]}
  - {name: accuracy, type: Accuracy, bottom: [fc, label], include: {phase: TEST}}
train:
  solver: {base_lr: 0.5, max_iter: 40, random_seed: 1}
"""


def digits(folder: Path, **more: Any) -> Path:
    run = folder / "run"
    train_program(load(str(write(folder / "tiny.yaml", solver=SHORT, **more))), run, device="cpu")
    return run


def pictures(
    folder: Path,
    resize: str = "resize: [12, 11]",
    data: str = "{source: images, path: pics, batch_size: 5}",
    n: str = "N",
) -> Path:
    """A run on coloured pictures of several sizes, three classes, every fifth of a class in the test."""
    rng = np.random.default_rng(0)
    for i in range(30):
        path = folder / f"pics/{'abc'[i % 3]}/{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (10 + i % 4, 12 + i % 3, 3)) // (1, 2, 4)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    if "npz" in data:
        images = (
            rng.integers(0, 256, (30, 3, 12, 11)).astype(np.uint8)
            // np.array([1, 2, 4], np.uint8)[:, None, None]
        )
        np.savez(folder / "pics.npz", data=images, label=np.arange(30) % 3)
    text = (
        PICTURES.replace("SHAPE", f"[{n}, 3, 8, 8]")
        .replace("RESIZE,", f"{resize}," if resize else "")
        .replace("DATA", data)
    )
    (folder / "pictures.yaml").write_text(text)
    train_program(load(str(folder / "pictures.yaml")), folder / "run", device="cpu")
    return folder / "run"


def said(made: Export) -> dict[str, Any]:
    assert made.certificate is not None and made.certificate.samples is not None
    return made.certificate.samples


def test_digits(tmp_path: Path) -> None:
    run = digits(tmp_path)
    found = said(export_model(run, run / "model.onnx", certify="quick"))
    assert found["count"] == 64 and found["best"] == {"prob": [64, 64]}
    torch_said, onnx_said = found["metrics"]["accuracy"]
    assert torch_said == onnx_said and 0 <= torch_said <= 1
    assert found["metrics"]["loss"] == pytest.approx([found["metrics"]["loss"][0]] * 2, rel=1e-5)
    claim, _ = certificate_of(run / "model.onnx")
    assert claim["samples"] == found
    assert certify_file(run, run / "model.onnx", level="quick").samples == found
    words = next(iter(sample_lines(found)))
    assert words.startswith(
        "64 real samples of the test data: best class of prob the same in 64 of 64; loss "
    )
    from netspec.cli.verify import lines
    from netspec.serving.verify import verify

    assert words in list(lines("model.onnx", verify(run / "model.onnx")))


def test_accuracy_is_that_of_the_test(tmp_path: Path) -> None:
    """Of a test set that is taken whole, the numbers are those that `netspec test` gives."""
    from netspec.training.test import measure

    run = pictures(tmp_path)
    found, measured = said(export_model(run, run / "model.onnx", certify="quick")), measure(run, device="cpu")
    assert found["count"] == measured.samples == 6
    for name, value in measured.metrics.items():
        assert found["metrics"][name] == pytest.approx([value, value], rel=1e-5)


@pytest.mark.parametrize(
    ("resize", "data", "n", "count"),
    [
        (
            "resize: 10",
            "{source: images, path: pics, batch_size: 5}",
            "N",
            6,
        ),  # sizes differ: one call for each
        ("", "{source: npz, path: pics.npz, batch_size: 5}", "N", 6),  # arrays of no known order
        (
            "resize: [12, 11]",
            "{source: images, path: pics, batch_size: 2}",
            "2",
            6,
        ),  # a fixed number at a time
    ],
)
def test_pictures(tmp_path: Path, resize: str, data: str, n: str, count: int) -> None:
    run = pictures(tmp_path, resize, data, n)
    found = said(export_model(run, run / "model.onnx", certify="quick"))
    assert found["count"] == count and found["best"] == {"prob": [count, count]}, found


def nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A certification of real samples alone."""
    monkeypatch.setattr(certify, "plan_steps", lambda typed, cases, level: ([], 0))
    monkeypatch.setattr(certify.Certification, "contracts", lambda self, base: None)


WRONG = {
    "mean": {"mean_value": (104.0, 117.0, 124.0)},
    "order of means": {"mean_value": (123.0, 117.0, 104.0)},
    "color": {"color": "rgb"},
    "scale": {"scale": 0.021},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_contract_is_seen_in_samples_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    run, sound = pictures(tmp_path), onnx_model.prepare_input
    nothing_else(monkeypatch)
    assert said(export_model(run, run / "sound.onnx"))["count"] == 6

    def planted(g: Any, x: Any, given: Any, *rest: Any) -> Any:
        return sound(g, x, given._replace(contract=given.contract.replace(**WRONG[wrong])), *rest)

    monkeypatch.setattr(onnx_model, "prepare_input", planted)
    with pytest.raises(SpecError, match=r"NS703.*the image contract of data"):
        export(run, run / "model.onnx")
    assert not (run / "model.onnx").exists()


WORDS = {
    "height and width changed over": {"resize": [11, 12]},
    "another interpolation": {"interpolation": "nearest"},
    "another size": {"resize": [13, 10]},
    "the shorter side": {"resize": 12},
}


@pytest.mark.parametrize("wrong", WORDS)
@pytest.mark.parametrize(
    "data", ["{source: images, path: pics, batch_size: 5}", "{source: npz, path: pics.npz, batch_size: 5}"]
)
def test_what_the_file_asks_of_a_picture_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str, data: str
) -> None:
    """A user who resizes as the metadata say gives the net what training gave it."""
    exporting: Any = import_module("netspec.exporters.export")
    sound = exporting.image_words
    run = pictures(tmp_path, "resize: [12, 10]", data)
    nothing_else(monkeypatch)
    assert said(export_model(run, run / "sound.onnx"))["count"] == 6

    def planted(typed: Any) -> Any:
        changed = {**sound(typed)["data"], **WORDS[wrong]}
        return {"data": {key: value for key, value in changed.items() if value is not None}}

    monkeypatch.setattr(exporting, "image_words", planted)
    with pytest.raises(SpecError, match=r"NS703.*the image contract of data"):
        export(run, run / "model.onnx")


def test_a_contract_that_is_misread_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the emitter and the second writing of the contract, for the other cases, err alike, training still knows better."""
    from netspec.exporters.certification import reference

    run, sound, stages = pictures(tmp_path), onnx_model.prepare_input, reference.stages

    def wrong(contract: Any) -> Any:
        return contract and contract.replace(color="rgb")

    monkeypatch.setattr(
        onnx_model,
        "prepare_input",
        lambda g, x, given, *rest: sound(g, x, given._replace(contract=wrong(given.contract)), *rest),
    )
    for module in (reference, certify):
        monkeypatch.setattr(
            module, "stages", lambda data, contract, dtype: stages(data, wrong(contract), dtype)
        )
    with pytest.raises(SpecError, match=r"NS703.*the image contract of data") as caught:
        export(run, run / "model.onnx")
    assert "case: samples" in caught.value.diagnostics[0].notes[0]


def test_a_wrong_layer_is_seen_in_samples_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = digits(tmp_path)
    export(run, run / "model.onnx", certify=False)
    model = onnx.load(str(run / "model.onnx"))
    for node in model.graph.node:
        if node.op_type == "Relu":
            node.op_type = "Neg"
    onnx.save(model, str(run / "wrong.onnx"))
    nothing_else(monkeypatch)
    assert certify_file(run, run / "model.onnx").samples is not None
    with pytest.raises(SpecError, match=r"NS703.*relu1"):
        certify_file(run, run / "wrong.onnx")


def test_data_that_are_gone(tmp_path: Path) -> None:
    run = pictures(tmp_path)
    (tmp_path / "pics").rename(tmp_path / "elsewhere")
    found = said(export_model(run, run / "model.onnx", certify="quick"))
    assert found == {"count": 0, "why": "data not found"}
    assert list(sample_lines(found)) == ["no samples of the test data: data not found"]


def test_samples_of_the_validation_are_called_so(tmp_path: Path) -> None:
    data = {"source": "digits", "split": "test"}
    run = digits(tmp_path, train={"test_data": None, "val_data": data})
    found = said(export_model(run, run / "model.onnx", certify="quick"))
    assert next(iter(sample_lines(found))).startswith("64 real samples of the validation data: best class")


def test_no_test_data(tmp_path: Path) -> None:
    """The digits have a part of their own for a test, named or not; a folder has not."""
    run = digits(tmp_path, train={"test_data": None})
    assert said(export_model(run, run / "model.onnx", certify="quick"))["count"] == 64
    whole = run.parent / "run/spec.yaml"
    whole.write_text(whole.read_text().replace("source: digits", "source: digits\n    split: all"))
    found = said(export_model(run, run / "model.onnx", certify="quick"))
    assert found == {"count": 0, "why": "the spec names no test data"}


def test_a_spec_has_no_samples(tmp_path: Path) -> None:
    made = export_model(write(tmp_path / "tiny.yaml"), tmp_path / "tiny.onnx", certify="quick")
    assert made.certificate is not None and made.certificate.samples is None and not list(sample_lines(None))


def test_the_work_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = digits(tmp_path)
    monkeypatch.setitem(plan.BUDGET, "quick", 1e6)
    count = said(export_model(run, run / "model.onnx", certify="quick"))["count"]
    assert 1 <= count < 64


def test_best_classes() -> None:
    truth = np.array([[0.2, 0.8], [0.5, 0.5 - 1e-7], [0.1, 0.9]])
    near = np.array([[0.2, 0.8], [0.5 - 1e-7, 0.5], [0.1, 0.9]])
    assert best_classes(near, truth, 1e-6) == (2, 3, None)
    assert best_classes(near, np.where(truth == truth.max(), np.nan, truth), 1e-6)[2] is not None
    same, of, wrong = best_classes(truth[:, ::-1], truth, 1e-6)
    assert (
        (same, of) == (0, 3)
        and wrong is not None
        and "sample 2 is 0 with onnxruntime, 1 with torch" in wrong.text
    )
    assert (
        distribution(truth)
        and not distribution(truth - 0.3)
        and not distribution(truth[:, :1])
        and not distribution(truth[0])
    )


def test_of_boxes_some_samples_keep_theirs() -> None:
    """Rows (image, ...), the images numbered anew; a sample without a box has none, and a label without any a row of -1."""
    rows = np.array([[0, 1, 5], [2, 3, 7], [2, 4, 8], [3, 5, 9]], np.float32)[None, None]
    assert pick(rows, [2, 0, 1], True).tolist() == [[[[0, 3, 7], [0, 4, 8], [1, 1, 5]]]]
    assert pick(rows, [1], True).tolist() == [[[[-1, -1, -1]]]] and rows[0, 0, 1, 0] == 2
    assert pick(np.arange(6).reshape(3, 2), [2, 0], False).tolist() == [[4, 5], [0, 1]]


def test_words_of_a_stranger() -> None:
    for odd in (
        {"count": "many"},
        {"count": 1, "best": {"y": 3}},
        [1],
        {"count": 1, "metrics": {"loss": ["a", "b"]}},
        {},
    ):
        assert not list(sample_lines(odd))


def test_samples_of_data_layers(tmp_path: Path) -> None:
    """What the layers of the test net read; where the net carries a state, the certificate says that none could be drawn."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "d.h5", "w") as file:
        label = np.arange(40) % 2
        file["data"] = label[:, None] + 0.1 * np.random.default_rng(1).random((40, 3))
        file["label"] = label.astype(np.float32)
    (tmp_path / "list.txt").write_text("d.h5\n")
    (tmp_path / "own.yaml").write_text(LAYERS)
    train_program(load(str(tmp_path / "own.yaml")), tmp_path / "run", device="cpu")
    found = said(export_model(tmp_path / "run", tmp_path / "run/model.onnx", certify="quick"))
    assert (
        found["count"] == 8
        and found["metrics"]["accuracy"] == [1.0, 1.0]
        and found["metrics"]["loss"][0] < 0.2
    )
