"""DetectionOutput in ONNX lists the very boxes that torch lists: whatever the code, the bounds, ties, and images without any."""

import itertools
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from test_planted_faults import constant, fresh

from netspec import compiled, driver
from netspec.diagnostics import SpecError
from netspec.emit.onnx_model import onnx_model
from netspec.exporters.certification.bench import values_of
from netspec.exporters.certification.certify import certify
from netspec.ir.boxes import Boxes
from netspec.ir.graph import TypedGraph
from netspec.seeing.samples import draw_numbers
from netspec.seeing.subject import open_subject
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


# --- a certificate of inputs that are boxes --------------------------------------------------------------------------

GIVEN = "priors: [1, 2, 240]"
JOINED = "near: [1, 2, 16], far: [1, 2, 224]"
FOUND = (
    "{{name: l, type: DetectionOutput, bottom: [loc, conf, {priors}], num_classes: 4, confidence_threshold: 0.2,"
    " background_label_id: 1, keep_top_k: 40, {words}nms_param: {{nms_threshold: 0.45, top_k: 20}}}}"
)
NETS = {
    "priors that are given": (FOUND, "priors", GIVEN, 240),
    "priors in two inputs": (
        "{{name: both, type: Concat, axis: 2, bottom: [near, far]}};;" + FOUND,
        "both",
        JOINED,
        240,
    ),
    "boxes of each class": (FOUND.replace("keep", "share_location: false, keep"), "priors", GIVEN, 960),
}
SUPPRESSED = "l/NonMaxSuppression"
WRONG = {
    "no box gives way": (SUPPRESSED, 3, 1.0),
    "the threshold is another's": (SUPPRESSED, 3, 0.5),
    "the default of the threshold": (SUPPRESSED, 3, 0.3),
    "every score counts": (SUPPRESSED, 4, -1e30),
    "top_k by one": ("l/Min", 1, 21),
    "top_k of all": ("l/Min", 1, 1000),
    "keep_top_k by one": ("l/LessOrEqual", 1, 39),
    "all boxes of an image": ("l/LessOrEqual", 1, 1000),
}


PAIRS = list(itertools.product(NETS, CODES))


@pytest.mark.parametrize(
    ("given", "code"),
    [pytest.param(*pair, marks=() if i == 1 else pytest.mark.slow) for i, pair in enumerate(PAIRS)],
)
def test_what_lists_too_much_or_too_little_gets_no_certificate(given: str, code: str) -> None:
    """Whoever gives the priors: they are drawn as boxes that overlap, not as noise, which hides who gives way."""
    layers, priors, inputs, loc = NETS[given]
    net = fresh(
        layers.format(priors=priors, words=f"code_type: {code}, "),
        f"loc: [N, {loc}], conf: [N, 240], {inputs}",
        fused=False,
    )
    whole = net.model.SerializeToString()
    assert certify(net.net, net.typed, whole, level="quick").unproven == ()
    missed = []
    for fault, (node, place, value) in WRONG.items():
        net.model.ParseFromString(whole)
        constant(node, place, lambda before, value=value: np.full_like(before, value))(net.model)  # type: ignore[misc]
        missed += [fault for _ in refused(net)]
    net.model.ParseFromString(whole)
    # the background is another class, which takes its number along
    fixed = {t.name: numpy_helper.to_array(t).tolist() for t in net.model.graph.initializer}
    readers = [n for n in net.model.graph.node for at in n.input if fixed.get(at) == [0, 2, 3]]
    for each in readers:
        place = next(i for i, at in enumerate(each.input) if fixed.get(at) == [0, 2, 3])
        constant(each.name, place, lambda labels: [1, 2, 3])(net.model)
    missed += ["the background" for _ in refused(net)]
    assert missed == [], ",".join(missed)


def refused(net: "object") -> "list[str]":
    """Nothing where certification names the layer as wrong."""
    try:
        certify(net.net, net.typed, net.model.SerializeToString())  # type: ignore[attr-defined]
    except SpecError as error:
        (found,) = error.diagnostics
        assert found.code == "NS703" and found.fact.startswith("DetectionOutput l: "), found.fact
        return []
    return ["missed"]


def test_inputs_hold_what_their_readers_say_even_behind_what_joins_them() -> None:
    layers, priors, inputs, loc = NETS["priors in two inputs"]
    net = fresh(layers.format(priors=priors, words=""), f"loc: [N, {loc}], conf: [N, 240], {inputs}")
    held = {given.value.name: values_of(given, net.typed) for given in net.typed.graph.inputs}
    assert held == {
        "loc": Boxes("offsets", 0.3),
        "conf": Boxes("scores", least=0.2),
        "near": Boxes("priors"),
        "far": Boxes("priors"),
    }


@pytest.mark.parametrize("count", [1, 6, 7, 100])
def test_drawn_priors_are_upright_and_overlap_by_every_share(count: int) -> None:
    corners, variances = (
        Boxes("priors").draw(np.random.default_rng(0), (1, 2, 4 * count)).reshape(2, count, 4)
    )
    assert (corners[:, 2:] > corners[:, :2]).all() and (variances > 0).all()
    if count < 100:
        return
    shared = np.minimum(corners[:, None, 2:], corners[:, 2:]) - np.maximum(
        corners[:, None, :2], corners[:, :2]
    )
    common, area = shared.clip(0).prod(-1), (corners[:, 2:] - corners[:, :2]).prod(-1)
    overlaps = (common / (area[:, None] + area - common))[np.triu_indices(count, 1)]
    assert all(((overlaps > low) & (overlaps <= low + 0.1)).any() for low in np.arange(0, 1, 0.1))


POOLED = "bottom: [x, rois], pooled_h: 2, pooled_w: 2, spatial_scale: 0.25"


def test_drawn_regions_lie_in_their_images() -> None:
    layer = f"{{name: l, type: ROIPooling, {POOLED}}}"
    net = graph_of(layer, "x: [3, 4, 8, 6], rois: [50, 5]")
    (said,) = net.graph.nodes[0].layer.holds(*net.bottoms(net.graph.nodes[0])).values()
    rows = said.draw(np.random.default_rng(0), (50, 5))
    assert set(rows[:, 0]) == {0, 1, 2} and (rows[:, 3:] > rows[:, 1:3]).all()
    centres = (rows[:, 1:3] + rows[:, 3:]) / 2
    assert (abs(centres / (24, 32) - 0.5) < 0.75).all() and (centres / (24, 32)).std(0).min() > 0.1


def test_drawn_images_have_the_size_of_their_map() -> None:
    layer = "{name: l, type: Proposal, bottom: [s, o, i], ratio: 1, scale: [2, 4]}"
    net = graph_of(layer, "s: [2, 4, 5, 6], o: [2, 8, 5, 6], i: [2, 3]")
    said = net.graph.nodes[0].layer.holds(*net.bottoms(net.graph.nodes[0]))
    assert said[2].draw(np.random.default_rng(0), (2, 3)).tolist() == [[80, 96, 1]] * 2


def graph_of(layer: str, inputs: str) -> TypedGraph:
    text = f"netspec: 1\nname: d\ninput: {{{inputs}}}\nlayers:\n  - {layer}\n"
    return driver.load_source(Source("d.yaml", text)).graph("deploy")


def test_views_of_a_net_that_reads_boxes_are_shown_such(tmp_path: Path) -> None:
    spec = tmp_path / "d.yaml"
    layer = f"{{name: l, type: ROIPooling, {POOLED}}}"
    spec.write_text(f"netspec: 1\nname: d\ninput: {{x: [3, 4, 8, 6], rois: [50, 5]}}\nlayers:\n  - {layer}\n")
    rows = draw_numbers(open_subject(str(spec)), 0).arrays["rois"]
    assert set(rows[:, 0]) == {0, 1, 2} and (rows[:, 3:] > rows[:, 1:3]).all()
