"""The image contract inside the model is the training's own: crops at both parities, square or not, exact sizes and open ones."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch

from netspec.driver import load
from netspec.exporters.export import export_model
from netspec.imaging.decode import prepare

pytestmark = [pytest.mark.onnx, pytest.mark.torch]

SPEC = """
netspec: 1
name: cut
input: {{data: {{shape: [N, 3, {h}, {w}], image: {contract}}}}}
layers:
  - {{name: same, type: Power}}
"""
MORE = "color: bgr, mean_value: [104, 117, 123], scale: 0.017"


def exported(folder: Path, contract: str, h: int, w: int) -> tuple[Any, Any]:
    """The contract, and a session of the model of a net that leaves what it is given."""
    spec = folder / "cut.yaml"
    spec.write_text(SPEC.format(contract=contract, h=h, w=w))
    path = export_model(spec, folder / "cut.onnx", device="cpu").path
    (given,) = load(str(spec)).graph("deploy").graph.inputs
    return given.contract, ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def pictures(h: int, w: int) -> Any:
    return np.random.default_rng(h * w).integers(0, 256, (2, 3, h, w)).astype(np.float32)


@pytest.mark.parametrize(
    ("resize", "crop"),
    [
        ((36, 36), (28, 28)),
        ((36, 36), (27, 27)),
        ((35, 36), (28, 27)),
        ((40, 31), (28, 28)),
        ((28, 28), (28, 28)),
        ((29, 28), (28, 28)),
    ],
)
def test_an_exact_size_and_a_crop(tmp_path: Path, resize: tuple[int, int], crop: tuple[int, int]) -> None:
    """Caffe's own way: every image to one size, then the middle of it."""
    words = f"{{resize: [{resize[0]}, {resize[1]}], crop_size: [{crop[0]}, {crop[1]}], {MORE}}}"
    contract, session = exported(tmp_path, words, *crop)
    assert session.get_inputs()[0].shape[2:] == list(resize)
    x = pictures(*resize)
    wanted = prepare(x[:, ::-1], contract)  # the model takes rgb, as files hold it
    assert wanted.shape[2:] == crop
    np.testing.assert_allclose(session.run(None, {"data": x})[0], wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("crop", [27, 28])
def test_an_open_size_and_a_crop(tmp_path: Path, crop: int) -> None:
    contract, session = exported(tmp_path, f"{{resize: 32, crop_size: {crop}, {MORE}}}", crop, crop)
    for h, w in (
        (crop, crop),
        (crop + 1, crop),
        (crop, crop + 1),
        (crop + 2, crop + 3),
        (crop + 7, crop + 4),
    ):
        x = pictures(h, w)
        np.testing.assert_allclose(
            session.run(None, {"data": x})[0], prepare(x[:, ::-1], contract), rtol=1e-6, atol=1e-6
        )


NORMALIZE = "mean_value: [123.675, 116.28, 103.53], std_value: [58.395, 57.12, 57.375]"


@pytest.mark.parametrize(
    "words",
    [
        NORMALIZE,
        f"{NORMALIZE}, color: bgr, scale: 2",
        "mean_value: 128, std_value: [2, 3, 5]",
        "std_value: 64",
        "std_value: [0.229, 0.224, 0.225], scale: 0.00392156862745098",
    ],
)
def test_a_deviation_divides_behind_the_mean(words: str, tmp_path: Path) -> None:
    contract, session = exported(tmp_path, f"{{{words}}}", 8, 9)
    x = pictures(8, 9)
    shown = x[:, ::-1] if contract.color == "bgr" else x
    mean, deviation = (
        np.array(v or (d,), np.float64).reshape(-1, 1, 1)
        for v, d in ((contract.mean_value, 0.0), (contract.std_value, 1.0))
    )
    by_hand = (shown.astype(np.float64) - mean) / deviation * contract.scale
    np.testing.assert_allclose(session.run(None, {"data": x})[0], by_hand, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(prepare(shown.copy(), contract), by_hand, rtol=1e-5, atol=1e-5)
    tensor = torch.from_numpy(shown.copy())
    np.testing.assert_allclose(prepare(tensor, contract).numpy(), by_hand, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "words",
    [
        "{}",
        "{color: rgb}",
        "{resize: [8, 9]}",
        "{resize: [8, 9], crop_size: [8, 9]}",
        "{color: rgb, scale: 1, mean_value: [0, 0, 0]}",
    ],
)
def test_a_contract_that_leaves_nothing_to_the_model(words: str, tmp_path: Path) -> None:
    """Then none of it stands in the graph, and there is nothing to compare."""
    _, session = exported(tmp_path, words, 8, 9)
    x = pictures(8, 9)
    np.testing.assert_array_equal(session.run(None, {"data": x})[0], x)
