"""DetectionOutput in ONNX lists the very boxes that torch lists: whatever the code, the bounds, ties, and images without any."""

import itertools

import numpy as np
import onnxruntime
import pytest
import torch

from netspec import compiled, driver
from netspec.diagnostics import SpecError
from netspec.emit.onnx_model import onnx_model
from netspec.source import Source

pytestmark = [pytest.mark.torch, pytest.mark.onnx]
PRIORS, CLASSES = 12, 4
SPEC = """netspec: 1
name: d
input: {{loc: [N, {loc}], conf: [N, {conf}], priors: [1, 2, {priors}]}}
layers:
  - {{name: found, type: DetectionOutput, bottom: [loc, conf, priors], num_classes: {classes}, {words}}}
output: found
"""
CODES = ("CORNER", "CENTER_SIZE", "CORNER_SIZE")
BOUNDS = (
    "keep_top_k: 5",
    "confidence_threshold: 0.3, nms_param: {nms_threshold: 0.45, top_k: 4}, keep_top_k: 6",
    "confidence_threshold: 0.5, background_label_id: -1, nms_param: {nms_threshold: 2}",
    "variance_encoded_in_target: true, background_label_id: 2, nms_param: {top_k: 100}, keep_top_k: 100",
    "confidence_threshold: 2",
    "share_location: false, keep_top_k: 5",
    "share_location: false, confidence_threshold: 0.4, background_label_id: 1, nms_param: {top_k: 4}",
    "share_location: false, background_label_id: -1, variance_encoded_in_target: true",
)


def wide(words: str) -> int:
    """Numbers that say where an image's boxes lie."""
    return 4 * PRIORS * (CLASSES if "share_location: false" in words else 1)


def sides(words: str) -> tuple[torch.nn.Module, onnxruntime.InferenceSession]:
    text = SPEC.format(
        loc=wide(words), conf=CLASSES * PRIORS, priors=4 * PRIORS, classes=CLASSES, words=words
    )
    graph = driver.load_source(Source("d.yaml", text)).graph("deploy")
    net = compiled.compile(graph).eval()
    model = onnx_model(graph, {})
    return net, onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def draw(number: int, images: int, loc: int = 4 * PRIORS) -> dict[str, np.ndarray]:
    """Boxes around each other; of every third draw scores that are mostly the same."""
    numbers = np.random.RandomState(number)
    begin = numbers.uniform(0, 0.6, (PRIORS, 2))
    priors = np.concatenate((begin, begin + numbers.uniform(0.1, 0.4, (PRIORS, 2))), 1)
    spread = np.tile([0.1, 0.1, 0.2, 0.2], PRIORS)
    scores = numbers.rand(images, PRIORS * CLASSES)
    if number % 3 == 0:
        scores = np.round(scores * 4) / 4
    given = {
        "loc": numbers.randn(images, loc),
        "conf": scores,
        "priors": np.stack((priors.ravel(), spread))[None],
    }
    return {name: np.float32(values) for name, values in given.items()}


@pytest.mark.parametrize("words", BOUNDS)
def test_the_same_boxes_in_the_same_order(words: str) -> None:
    listed = 0
    for code in CODES:
        net, session = sides(f"code_type: {code}, {words}")
        for number, images in itertools.product(range(8), (1, 3)):
            given = draw(number, images, wide(words))
            with torch.no_grad():
                truth = net(**{name: torch.from_numpy(x) for name, x in given.items()}).numpy()
            (made,) = session.run(None, given)
            assert made.shape == truth.shape
            np.testing.assert_allclose(made, truth, rtol=1e-5, atol=1e-6)
            listed += int((truth[..., 1] >= 0).sum())
    assert (listed == 0) == (words == "confidence_threshold: 2") and (listed == 0 or listed > 100)


def test_what_onnx_cannot_say_is_refused() -> None:
    words = "nms_param: {eta: 0.9}"
    text = SPEC.format(loc=48, conf=CLASSES * PRIORS, priors=48, classes=CLASSES, words=words)
    graph = driver.load_source(Source("d.yaml", text)).graph("deploy")
    with pytest.raises(SpecError) as caught:
        onnx_model(graph, {})
    (found,) = caught.value.diagnostics
    assert found.code == "NS701" and "eta must be 1, it is 0.9" in found.fact


def test_what_hangs_on_rounding_tells_nothing() -> None:
    """Two boxes whose overlap is the threshold to the last bit: whether the worse is listed is no fault; a plain case is none of these."""
    from netspec.exporters.certification.reference import hangs_on_rounding

    def keep(given: "list[np.ndarray]") -> "list[np.ndarray]":
        values = given[0]
        return [values[values > 0.5]]

    on_the_edge, plain = np.array([0.9, 0.5]), np.array([0.9, 0.4])
    assert hangs_on_rounding(keep, [on_the_edge], keep([on_the_edge]))  # type: ignore[arg-type]
    assert not hangs_on_rounding(keep, [plain], keep([plain]))  # type: ignore[arg-type]
