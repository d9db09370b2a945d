"""Rules of layers that no recording covers, against their formulas written out plainly."""

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

import netspec
from netspec.data.data_layers.sources import ImageList
from netspec.diagnostics import SpecError
from netspec.driver import load_source
from netspec.layers.data_images import ImageData
from netspec.repair.check import check_source
from netspec.source import Source
from netspec.torch_modules.batch_norm import BatchNorm

pytestmark = pytest.mark.torch


def net(inputs: str, layer: str, folder: Path | None = None, phase: str = "test") -> Any:
    """A net of one layer; its spec stands in `folder`."""
    name = str((folder or Path("/nowhere")) / "one.yaml")
    return netspec.compile(
        load_source(Source(name, f"input: {{{inputs}}}\nlayers:\n  - {{name: l, {layer}}}\n")), phase=phase
    )


def fill(module: Any) -> Any:
    """The module with weights drawn from N(0, 0.3)."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in module.parameters():
            weight.normal_(0, 0.3)
    return module


# --- recurrent state -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["RNN", "LSTM"])
def test_state_goes_from_call_to_call(kind: str) -> None:
    made = fill(net("x: [T, N, 3], cont: [T, N]", f"type: {kind}, bottom: [x, cont], num_output: 4"))
    x, cont = torch.randn(6, 2, 3), torch.ones(6, 2)
    whole = made(x, cont)
    made.reset_state()
    parts = torch.cat([made(x[:4], cont[:4]), made(x[4:], cont[4:])])
    torch.testing.assert_close(parts, whole)
    made.reset_state()
    torch.testing.assert_close(made(x, cont), whole)
    assert not torch.allclose(made(x, cont), whole)
    assert made(torch.randn(6, 5, 3), torch.ones(6, 5)).shape == (6, 5, 4)  # other streams begin from zero
    torch.testing.assert_close(made(x, cont), whole)


@pytest.mark.parametrize(
    "filler",
    [
        "",
        ", weight_filler: xavier",
        ", weight_filler: msra",
        ", weight_filler: {type: xavier, variance_norm: FAN_OUT}",
    ],
)
@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("dialect", ["torch", "tf", "caffe"])
def test_a_transposed_matrix_starts_as_its_dialect_has_it(dialect: str, axis: int, filler: str) -> None:
    """PyTorch's fan_in is the inputs, however they are stored: the matrix turned has the same distribution. Caffe counts what is stored."""

    def made(words: str, outputs: int) -> Any:
        layer = f"type: InnerProduct, axis: {axis}, num_output: {outputs}{words}{filler}"
        text = f"dialect: {dialect}\ninput: {{x: [N, 2, 400]}}\nlayers:\n  - {{name: l, {layer}}}\n"
        torch.manual_seed(0)
        return netspec.compile(load_source(Source("one.yaml", text))).l

    inputs = 800 if axis == 1 else 400
    turned, plain = made(", transpose: true", 30), made("", 30)
    assert turned.weight.shape == (inputs, 30)
    alike = plain if dialect != "caffe" else made(", transpose: false", 30)
    if dialect == "caffe" and filler:  # n is 30 in place of the inputs, and the other way round
        ratio = (inputs / 30) ** (0.5 if "FAN_OUT" not in filler else -0.5)
        assert float(turned.weight.std() / alike.weight.std()) == pytest.approx(ratio, rel=0.1)
    elif filler or dialect == "torch":
        assert float(turned.weight.std()) == pytest.approx(float(alike.weight.std()), rel=0.05)
    else:
        assert not turned.weight.any()
    if dialect == "torch":
        assert float(turned.bias.abs().max()) == pytest.approx(inputs**-0.5, rel=0.2)


@pytest.mark.parametrize("mode", ["NEAREST", "LINEAR", "CUBIC"])
@pytest.mark.parametrize("scale", [1.5, 0.6, 0.75, 2.3, 0.29, 2.0, [1.25, 0.4]])
@pytest.mark.parametrize("size", [(7, 10), (5, 9), (100, 3)])
def test_resize_by_scale_is_upsample_under_dialect_torch(
    size: tuple[int, int], scale: Any, mode: str
) -> None:
    """Also where in * scale is no whole number: PyTorch divides places by the scale that is given."""
    words = f"type: Resize, scale: {scale}, mode: {mode}"
    torch.manual_seed(0)
    x = torch.randn(2, 3, *size)
    if min(int(n * s) for n, s in zip(size, np.broadcast_to(scale, 2), strict=True)) < 1:
        return
    given = tuple(scale) if isinstance(scale, list) else scale
    kind = {"NEAREST": "nearest", "LINEAR": "bilinear", "CUBIC": "bicubic"}[mode]
    wanted = torch.nn.Upsample(scale_factor=given, mode=kind)(x)
    text = f"input: {{x: [N, 3, H, W]}}\nlayers:\n  - {{name: l, {words}}}\n"
    made = {
        d: netspec.compile(load_source(Source("one.yaml", f"dialect: {d}\n{text}")))
        for d in ("torch", "caffe")
    }
    if (
        made["caffe"](x).shape == wanted.shape
    ):  # but where torch's own product is rounded down below a whole number
        torch.testing.assert_close(made["torch"](x), wanted)
    whole = all(float(n * s).is_integer() for n, s in zip(size, np.broadcast_to(scale, 2), strict=True))
    if whole:
        torch.testing.assert_close(made["torch"](x), made["caffe"](x))


STATES = {"RNN": "h0", "LSTM": "h0, c0", "GRU": "h0"}


@pytest.mark.parametrize("kind", STATES)
@pytest.mark.parametrize("words", ["", ", state_gradient: true", ", state_gradient: false"])
@pytest.mark.parametrize("dialect", ["caffe", "torch", "tf"])
def test_the_gradient_of_an_exposed_last_state(kind: str, words: str, dialect: str) -> None:
    """It is that of a small move of all weights and inputs, where it flows; else there is none, and that of the first top stays."""
    state, last = STATES[kind], STATES[kind].replace("0", "n")
    given = "".join(f", {name}: [1, N, 4]" for name in state.split(", "))
    layer = f"type: {kind}, bottom: [x, cont, {state}], top: [y, {last}], num_output: 4, expose_hidden: true{words}"
    text = f"dialect: {dialect}\ninput: {{x: [T, N, 3], cont: [T, N]{given}}}\nlayers:\n  - {{name: l, {layer}}}\noutput: [y, {last}]\n"
    made = fill(netspec.compile(load_source(Source("one.yaml", text)))).double()
    cont = torch.ones(5, 2).double()
    cont[2, 1] = 0
    given_tensors = {name: torch.randn(1, 2, 4).double() for name in state.split(", ")}
    moved = [*made.parameters(), x := torch.randn(5, 2, 3).double(), *given_tensors.values()]
    ways = [torch.randn_like(tensor) for tensor in moved]
    flows = "true" in words or (not words and dialect != "caffe")
    for top in ("y", *last.split(", ")):
        weight = torch.randn_like(made(x=x, cont=cont, **given_tensors)[top])

        def value(step: float = 0.0, top: str = top, weight: torch.Tensor = weight) -> torch.Tensor:
            with torch.no_grad():
                for tensor, way in zip(moved, ways, strict=True):
                    tensor.add_(way, alpha=step)
            return (made(x=x, cont=cont, **given_tensors)[top] * weight).sum()

        for tensor in moved:
            tensor.requires_grad_()
        measured = (value(1e-5).item() - value(-2e-5).item()) / 2e-5
        assert abs(measured) > 1e-3
        value(1e-5)
        found = value()
        if top == "y" or flows:
            gradients = torch.autograd.grad(found, moved, allow_unused=True)
            along = sum(
                float((g * way).sum()) for g, way in zip(gradients, ways, strict=True) if g is not None
            )
            assert along == pytest.approx(measured, rel=1e-6)
        else:
            assert not found.requires_grad


@pytest.mark.parametrize("kind", ["RNN", "LSTM"])
def test_cont_zero_forgets(kind: str) -> None:
    made = fill(net("x: [T, N, 3], cont: [T, N]", f"type: {kind}, bottom: [x, cont], num_output: 4"))
    x, cont = torch.randn(6, 2, 3), torch.ones(6, 2)
    cont[3] = 0
    y = made(x, cont)
    made.reset_state()
    torch.testing.assert_close(y[3:], made(x[3:], torch.ones(3, 2)))


def test_state_is_no_part_of_the_weights_and_carries_no_gradient() -> None:
    made = fill(net("x: [T, N, 3], cont: [T, N]", "type: LSTM, bottom: [x, cont], num_output: 4"))
    before = set(made.state_dict())
    x = torch.randn(5, 2, 3, requires_grad=True)
    made(x, torch.ones(5, 2))
    made(torch.randn(5, 2, 3), torch.ones(5, 2)).sum().backward()
    assert x.grad is None
    assert set(made.state_dict()) == before


def test_torch_dialect_carries_nothing_and_export_of_a_carrying_net_is_refused() -> None:
    layer = "type: LSTM, bottom: [x, cont], num_output: 4"
    text = f"dialect: torch\ninput: {{x: [T, N, 3], cont: [T, N]}}\nlayers:\n  - {{name: l, {layer}}}\n"
    free = fill(netspec.compile(load_source(Source("one.yaml", text))))
    x, cont = torch.randn(4, 2, 3), torch.ones(4, 2)
    torch.testing.assert_close(free(x, cont), free(x, cont))
    torch.export.export(free, (x, cont))
    with pytest.raises(RuntimeError, match="expose_hidden"):
        torch.export.export(fill(net("x: [T, N, 3], cont: [T, N]", layer)), (x, cont))


# --- losses ----------------------------------------------------------------------------------------------------------


def test_softmax_loss_is_bounded_whatever_the_scores_and_its_gradient_is_not() -> None:
    made = net("x: [N, 3], y: [N]", "type: SoftmaxWithLoss, bottom: [x, y]")
    x = torch.tensor([[0.0, 1e10, 0.0], [0.0, 0.0, 0.0]], requires_grad=True)
    loss = made(x, torch.tensor([0.0, 2.0]))
    loss.backward()
    assert loss.item() == pytest.approx((-math.log(1.1754943508222875e-38) + math.log(3)) / 2)
    torch.testing.assert_close(x.grad, torch.tensor([[-1.0, 1.0, 0.0], [1 / 3, 1 / 3, -2 / 3]]) / 2)


@pytest.mark.parametrize(
    ("words", "divisor"),
    [
        ("", 4),
        (", normalization: FULL", 6),
        (", normalization: BATCH_SIZE", 2),
        (", normalize: false", 2),
        (", normalization: NONE, normalize: true", 1),
    ],
)
def test_normalizations(words: str, divisor: int) -> None:
    made = net("x: [N, 3, W], y: [N, W]", f"type: SoftmaxWithLoss, bottom: [x, y], ignore_label: 9{words}")
    x, y = torch.randn(2, 3, 3), torch.tensor([[0, 9, 2], [1, 1, 9]])
    kept = torch.nn.functional.cross_entropy(x, y, ignore_index=9, reduction="sum")
    torch.testing.assert_close(made(x, y), kept / divisor)


def test_softmax_loss_gives_probabilities_as_a_second_top() -> None:
    made = net("x: [N, 3], y: [N]", "type: SoftmaxWithLoss, bottom: [x, y], top: [loss, prob]")
    x = torch.randn(4, 3)
    blobs = made.forward_blobs({"x": x, "y": torch.zeros(4)})
    torch.testing.assert_close(blobs["prob"], x.softmax(1))
    assert made.total_loss == blobs["loss"]


def test_smooth_l1_with_both_weights() -> None:
    made = net(
        "a: [N, 4], b: [N, 4], w: [N, 4], v: [N, 4]", "type: SmoothL1Loss, bottom: [a, b, w, v], sigma: 2"
    )
    a, b, w, v = (torch.randn(3, 4) for _ in range(4))
    d = w * (a - b)
    each = torch.where(d.abs() < 0.25, 2 * d * d, d.abs() - 0.125)
    torch.testing.assert_close(made(a, b, w, v), (v * each).sum() / 3)


# --- order and shape -------------------------------------------------------------------------------------------------


def test_shuffle_channel_deals_groups_out() -> None:
    x = torch.arange(6.0).reshape(1, 6, 1, 1)
    assert net("x: [N, 6, H, W]", "type: ShuffleChannel, group: 2")(x).flatten().tolist() == [
        0,
        3,
        1,
        4,
        2,
        5,
    ]


def test_eltwise_max_of_three_gives_the_gradient_to_one() -> None:
    made = net("a: [N], b: [N], c: [N]", "type: Eltwise, bottom: [a, b, c], operation: MAX")
    a, b, c = (torch.tensor(v, requires_grad=True) for v in ([1.0, 2, 1, 0], [1.0, 1, 1, 0], [1.0, 2, 3, 0]))
    made(a, b, c).sum().backward()
    assert [t.grad.tolist() for t in (a, b, c)] == [[0, 1, 0, 0], [1, 0, 0, 1], [0, 0, 1, 0]]


def test_emitted_file_holds_only_what_it_uses() -> None:
    from netspec.emit.torch_source import torch_source

    text = torch_source(
        load_source(
            Source(
                "one.yaml",
                "input: {x: [N, 8]}\nlayers:\n  - {name: Concat, type: InnerProduct, num_output: 2}\n",
            )
        ).graph()
    )
    assert "class InnerProduct" not in text and "class Concat" not in text


# --- data layers -----------------------------------------------------------------------------------------------------


def test_what_is_passed_in_comes_before_what_is_read() -> None:
    made = net(
        "", "type: DummyData, top: [x, y], data_filler: {type: constant, value: 2}, shape: [[2, 3], [4]]"
    )
    made.eval()
    blobs = made.forward_blobs({})
    assert blobs["x"].tolist() == [[2.0] * 3] * 2
    given = {"x": torch.zeros(1, 3), "y": torch.ones(4)}
    assert {name: made.forward_blobs(given)[name] is value for name, value in given.items()} == {
        "x": True,
        "y": True,
    }


def test_a_data_layer_without_files_must_be_fed() -> None:
    made = net("", "type: MemoryData, top: [x, y], batch_size: 2, channels: 1, height: 2, width: 2")
    with pytest.raises(RuntimeError, match="pass its values in"):
        made.forward_blobs({})
    assert made.forward_blobs({"x": torch.zeros(3, 1, 2, 2), "y": torch.zeros(3)})["y"].shape == (3, 1, 1, 1)


def test_input_section_says_the_shape_of_a_data_layer_s_top() -> None:
    text = (
        "input: {x: [N, 8], y: [N]}\nlayers:\n  - {name: d, type: HDF5Data, top: [x, y], source: gone.txt}\n"
    )
    text += "  - {name: ip, type: InnerProduct, bottom: x, num_output: 2}\n"
    made = netspec.compile(load_source(Source("one.yaml", text)))
    assert made(torch.zeros(3, 8), torch.zeros(3)).shape == (3, 2)
    assert [
        d.code for d in check_source(Source("one.yaml", text.replace("input: {x: [N, 8], y: [N]}\n", "")))
    ] == ["NS306"]


def test_image_list_is_read_in_order_blue_first(tmp_path: Path) -> None:
    for i in range(3):
        Image.fromarray(np.full((4, 6, 3), (10 * i, 20, 30), np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "list.txt").write_text("0.png 5\n1.png 6\n2.png 7\n")
    layer = "type: ImageData, top: [x, y], source: list.txt, batch_size: 2, mean_value: 10, scale: 0.5"
    made = net("", layer, tmp_path)
    first, second = made.forward_blobs({}), made.forward_blobs({})
    assert first["x"].shape == (2, 3, 4, 6)
    assert first["x"][1, :, 0, 0].tolist() == [10.0, 5.0, 0.0]
    assert (first["y"].tolist(), second["y"].tolist()) == ([5.0, 6.0], [7.0, 5.0])


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        ({}, (3, None, None)),
        ({"is_color": False}, (1, None, None)),
        ({"is_color": False, "new_height": 3, "new_width": 2}, (1, 3, 2)),
    ],
)
def test_an_image_list_says_what_it_holds(
    words: dict[str, Any], shape: tuple[int | None, ...], tmp_path: Path
) -> None:
    Image.fromarray(np.full((4, 6, 3), 30, np.uint8)).save(tmp_path / "0.png")
    (tmp_path / "list.txt").write_text("0.png 5\n")
    held = ImageList(ImageData(source="list.txt", **words), tmp_path)
    assert held.fields["image"].shape == shape
    assert held.batch(np.arange(1))["image"][0].shape == tuple(
        n or m for n, m in zip(shape, (3, 4, 6), strict=True)
    )


def test_sizes_that_must_be_known_are_all_named() -> None:
    text = "input: {x: [N, 3, W]}\nlayers:\n  - {name: l, type: LayerNorm, axis: 1, num_axes: 2, affine: false}\n"
    (found,) = check_source(Source("one.yaml", text))
    assert found.code == "NS304" and found.fact.endswith("the normalised sizes must be known: they are 3, W")


def test_statistics_that_nobody_gathered_count_as_zero() -> None:
    x = torch.randn(4, 3, 5)
    fresh = BatchNorm(3, eps=0.25).eval()
    assert torch.equal(fresh(x), x / 0.5)
    fresh.gather(torch.ones(3), torch.full((3,), 0.75))
    assert torch.allclose(fresh(x), x - 1)


def test_paths_of_layers_stay_inside_the_spec_s_folder(tmp_path: Path) -> None:
    made = net("", "type: ImageData, top: [x, y], source: ../../etc/passwd", tmp_path / "specs")
    with pytest.raises(SpecError) as error:
        made.forward_blobs({})
    assert error.value.diagnostics[0].code == "NS642"


def test_hdf5_output_appends_each_call(tmp_path: Path) -> None:
    made = net("x: [N, 2], y: [N]", "type: HDF5Output, bottom: [x, y], file_name: out.h5", tmp_path)
    x = torch.arange(6.0).reshape(3, 2)
    made(x, torch.tensor([0.0, 1, 2]))
    made(x[:1], torch.tensor([3.0]))
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["data"][:].tolist() == [*x.tolist(), x[0].tolist()]
        assert file["label"][:].tolist() == [0, 1, 2, 3]


# --- detection -------------------------------------------------------------------------------------------------------

REGIONS = torch.tensor([[0, 3.0, 2, 30, 40], [1, -4, 10, 17, 11], [1, 60, 60, 90, 90], [0, 0, 0, 0, 0]])


def whole(value: float) -> int:
    return math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


def cut(value: float, size: int) -> int:
    return int(min(max(value, 0), size))


def test_roi_pooling() -> None:
    made = net(
        "x: [N, 3, 13, 11], r: [R, 5]",
        "type: ROIPooling, bottom: [x, r], pooled_h: 3, pooled_w: 4, spatial_scale: 0.25",
    )
    x = torch.randn(2, 3, 13, 11)
    wanted = torch.zeros(len(REGIONS), 3, 3, 4)
    for k, (image, *corners) in enumerate(REGIONS.tolist()):
        left, top, right, bottom = (whole(0.25 * c) for c in corners)
        high, wide = max(bottom - top + 1, 1), max(right - left + 1, 1)
        for i in range(3):
            for j in range(4):
                h0, h1 = cut(math.floor(i * high / 3) + top, 13), cut(math.ceil((i + 1) * high / 3) + top, 13)
                w0, w1 = (
                    cut(math.floor(j * wide / 4) + left, 11),
                    cut(math.ceil((j + 1) * wide / 4) + left, 11),
                )
                if h1 > h0 and w1 > w0:
                    wanted[k, :, i, j] = x[int(image), :, h0:h1, w0:w1].amax((1, 2))
    torch.testing.assert_close(made(x, REGIONS), wanted)


def test_psroi_pooling() -> None:
    made = net(
        "x: [N, 8, 13, 11], r: [R, 5]",
        "type: PSROIPooling, bottom: [x, r], output_dim: 2, group_size: 2, spatial_scale: 0.25",
    )
    x = torch.randn(2, 8, 13, 11)
    wanted = torch.zeros(len(REGIONS), 2, 2, 2)
    for k, (image, *corners) in enumerate(REGIONS.tolist()):
        left, top, right, bottom = (0.25 * (whole(c) + (i > 1)) for i, c in enumerate(corners))
        high, wide = max(bottom - top, 0.1) / 2, max(right - left, 0.1) / 2
        for c, i, j in np.ndindex(2, 2, 2):
            h0, h1 = cut(math.floor(i * high + top), 13), cut(math.ceil((i + 1) * high + top), 13)
            w0, w1 = cut(math.floor(j * wide + left), 11), cut(math.ceil((j + 1) * wide + left), 11)
            if h1 > h0 and w1 > w0:
                wanted[k, c, i, j] = x[int(image), (c * 2 + i) * 2 + j, h0:h1, w0:w1].mean()
    torch.testing.assert_close(made(x, REGIONS), wanted)


def test_prior_boxes() -> None:
    made = net(
        "x: [N, 8, 2, 3], d: [N, 3, 20, 60]",
        "type: PriorBox, bottom: [x, d], min_size: 4, max_size: 9, aspect_ratio: 4, variance: [1, 2, 3, 4]",
    )
    boxes, variances = made(torch.zeros(1, 8, 2, 3), torch.zeros(1, 3, 20, 60))[0].reshape(2, -1, 4)
    assert len(boxes) == 2 * 3 * 4
    centre = torch.tensor([50.0, 15.0])  # of the last place, by step 20 x 10
    for box, (w, h) in zip(boxes[-4:], [(4, 4), (6, 6), (8, 2), (2, 8)], strict=True):
        corners = torch.tensor(
            [centre[0] - w / 2, centre[1] - h / 2, centre[0] + w / 2, centre[1] + h / 2]
        ) / torch.tensor([60.0, 20, 60, 20])
        torch.testing.assert_close(box, corners)
    assert variances[5].tolist() == [1, 2, 3, 4]


def test_detections_of_one_class_suppress_each_other() -> None:
    made = net(
        "l: [N, 12], c: [N, 6], p: [1, 2, 12]",
        "type: DetectionOutput, bottom: [l, c, p], num_classes: 2, nms_param: {nms_threshold: 0.5}, confidence_threshold: 0.2",
    )
    priors = torch.tensor([[0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.52], [0.6, 0.6, 0.9, 0.9]])
    stacked = torch.stack((priors.flatten(), torch.full((12,), 0.1)))[None]
    scores = torch.tensor([[0.2, 0.8, 0.1, 0.9, 0.7, 0.3]])
    rows = made(torch.zeros(1, 12), scores, stacked)
    assert rows.shape == (1, 1, 2, 7)
    expected = torch.tensor([[0, 1, 0.9, *priors[1]], [0, 1, 0.3, *priors[2]]])
    torch.testing.assert_close(rows[0, 0], expected)
    assert made(torch.zeros(1, 12), torch.zeros(1, 6), stacked)[0, 0].tolist() == [
        [0, -1, -1, -1, -1, -1, -1]
    ]


@pytest.mark.parametrize(
    ("words", "channels"),
    [
        ("type: Data, data_param: {source: s}", "C"),
        ("type: Data, data_param: {source: s, force_encoded_color: true}", "3"),
        ("type: Data, data_param: {source: s, force_encoded_color: true}, transform_param: {force_gray: true}", "3"),
        ("type: Data, data_param: {source: s}, transform_param: {force_color: true}", "3"),
        ("type: Data, data_param: {source: s}, transform_param: {force_gray: true}", "1"),
        ("type: Data, data_param: {source: s}, transform_param: {mean_value: [1, 2, 3, 4]}", "4"),
        ("type: Data, data_param: {source: s}, transform_param: {mean_value: [7]}", "C"),
        ("type: ImageData, image_data_param: {source: s}", "3"),
        ("type: ImageData, image_data_param: {source: s, is_color: false}", "1"),
        ("type: WindowData, window_data_param: {source: s}, transform_param: {crop_size: 7}", "3"),
    ],
)  # fmt: skip
def test_channels_of_pictures_that_are_not_at_hand(words: str, channels: str) -> None:
    text = f"netspec: 1\nlayers: [{{name: d, {words}, top: [data, label]}}]\n"
    typed = load_source(Source("data.yaml", text)).graph("train")
    (shape,) = (typed.types[i.value].shape for i in typed.graph.inputs if i.value.name == "data")
    assert str(shape[1]) == channels


@pytest.mark.parametrize(
    ("filler", "words"),
    [
        ("{type: gaussian, std: -0.01}", "weight_filler.std must be >= 0: it is -0.01"),
        ("{type: gaussian, sparse: -2}", "weight_filler.sparse must be >= -1: it is -2"),
        ("{type: uniform, min: 1, max: 0.5}", "uniform fills from min 1 to max 0.5: min must not exceed max"),
        ("{type: uniform, min: 1.5}", "uniform fills from min 1.5 to max 1: min must not exceed max"),
        ("{type: uniform, min: -1e38, max: 3e38}", "max 3e+38 - min -1e+38 is more than the 32 bits of a number hold"),
    ],
)  # fmt: skip
def test_a_filler_that_can_fill_nothing_is_refused(filler: str, words: str) -> None:
    text = f"input: {{data: [N, 4]}}\nlayers:\n  - {{name: ip, type: InnerProduct, num_output: 2, weight_filler: {filler}}}\n"
    (found,) = check_source(Source("s.yaml", text))
    assert (found.code, found.fact.removeprefix("InnerProduct ip: ")) == ("NS106", words)
    assert found.span is not None


@pytest.mark.parametrize(
    "filler",
    [
        "{type: gaussian, std: 0}",
        "{type: gaussian, sparse: 0}",
        "{type: uniform, min: 0.5, max: 0.5}",
        "{type: uniform, min: -1e38, max: 1e38}",
    ],
)
def test_a_filler_at_its_bounds_fills(filler: str) -> None:
    made = net("data: [N, 4]", f"type: InnerProduct, num_output: 2, weight_filler: {filler}")
    assert made.state_dict()["l.weight"].isfinite().all()
