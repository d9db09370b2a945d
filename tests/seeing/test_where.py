"""Views that say where and why, held to nets whose answer is known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from netspec.data.samples import Sample
from netspec.seeing.backward import rectifying_back
from netspec.seeing.registry import find_view
from netspec.seeing.seen import Asked
from netspec.seeing.subject import NetSubject, open_subject
from netspec.seeing.tensors import gradient_of
from netspec.seeing.unrolled import place_taps, shared_gradient
from netspec.seeing.views import matrix
from tests.seeing.test_views import see

pytestmark = pytest.mark.torch

SIDE = 16


def net_of(folder: Path, layers: list[dict[str, Any]], channels: int = 1, **more: Any) -> NetSubject:
    shape = ["N", channels, SIDE, SIDE]
    text = {"netspec": 1, "name": "planted", "input": {"data": shape}, "layers": layers, **more}
    path = folder / "net.yaml"
    path.write_text(yaml.safe_dump(text, sort_keys=False))
    subject = open_subject(str(path))
    assert isinstance(subject, NetSubject)
    return subject


@pytest.fixture
def single(tmp_path: Path) -> NetSubject:
    """Its only score is a 3x3 bright spot, wherever it lies: one unit, a maximum, one weight."""
    return net_of(
        tmp_path,
        [
            {"name": "spot", "type": "Convolution", "num_output": 1, "kernel_size": 3, "pad": 1, "weight_filler": {"type": "constant", "value": 1}, "bias_filler": {"type": "constant", "value": -6}},
            {"name": "relu", "type": "ReLU"},
            {"name": "best", "type": "Pooling", "pool": "MAX", "global_pooling": True},
            {"name": "score", "type": "InnerProduct", "num_output": 1, "weight_filler": {"type": "constant", "value": 1}},
        ],
    )  # fmt: skip


def planted(y: int, x: int, seed: int) -> Any:
    picture = np.random.default_rng(seed).random((1, 1, SIDE, SIDE)).astype(np.float32) * 0.3
    picture[0, 0, y - 1 : y + 2, x - 1 : x + 2] = 1
    return picture


def peak(values: Any) -> tuple[float, float]:
    """The middle of what is brightest."""
    found = np.argwhere(values >= values.max() * 0.99)
    return tuple(found.mean(0))  # type: ignore[return-value]


def test_all_point_at_the_planted_place(single: NetSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, hits = np.random.default_rng(0), dict.fromkeys(("saliency", "occlusion", "cam", "deconv"), 0)
    for seed in range(100):
        y, x = (int(n) for n in rng.integers(2, SIDE - 2, 2))
        sample = Sample("planted", {"data": planted(y, x, seed)})
        for name in hits:
            module = find_view(name)
            monkeypatch.setattr(module, "samples_of", lambda *words, sample=sample: [sample])
            seen = module.see(single, Asked(window=3, layer={"cam": "relu", "deconv": "spot"}.get(name)))
            if name == "deconv":
                place = tuple(seen.values["units"][0]["places"][0])
            else:
                place = peak(seen.arrays[name])
            hits[name] += abs(place[0] - y) <= 1 and abs(place[1] - x) <= 1
    assert hits == dict.fromkeys(hits, 100)


def test_deconv_goes_back_by_the_adjoint(tmp_path: Path) -> None:
    """<Ax, y> = <x, A'y> for a net without rectifiers; with them, what comes back is rectified."""
    conv = {"type": "Convolution", "bias_term": False, "weight_filler": "xavier"}
    layers = [
        {"name": "c1", **conv, "num_output": 4, "kernel_size": 3, "stride": 2},
        {"name": "c2", **conv, "num_output": 3, "kernel_size": 3},
    ]
    net = net_of(tmp_path, layers)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((1, 1, SIDE, SIDE)).astype(np.float32)
    made = net.run({"data": x})["c2"]
    y = rng.standard_normal(made.shape).astype(np.float32)
    with rectifying_back(net) as count:
        back = gradient_of(net, Sample("", {"data": x}), "data", lambda out: out["c2"] * torch.from_numpy(y))
    assert count == 0
    assert float((made * y).sum()) == pytest.approx(float((x * back).sum()), rel=1e-5)
    rectified = net_of(tmp_path, [*layers[:1], {"name": "r", "type": "ReLU"}, *layers[1:]])
    plain = rectified.net.get_submodule("r")
    with rectifying_back(rectified) as count:
        back = gradient_of(rectified, Sample("", {"data": x}), "data", lambda out: out["c2"])
    assert count == 1 and rectified.net.get_submodule("r") is plain
    w1, w2 = (rectified.net.layer_parameters(n)[0].detach() for n in ("c1", "c2"))  # type: ignore[operator]
    ones = torch.ones(made.shape)
    middle = torch.nn.functional.conv_transpose2d(ones, w2).clamp_min(0)
    wanted = torch.nn.functional.conv_transpose2d(middle, w1, stride=2, output_padding=1)
    np.testing.assert_allclose(back, wanted.numpy(), rtol=1e-4, atol=1e-5)


def test_cam_is_grad_cam_where_both_are_defined(tmp_path: Path) -> None:
    layers = [
        {"name": "c", "type": "Convolution", "num_output": 5, "kernel_size": 3, "weight_filler": "xavier"},
        {"name": "mean", "type": "Pooling", "pool": "AVE", "global_pooling": True},
        {"name": "score", "type": "InnerProduct", "num_output": 3, "weight_filler": "xavier"},
        {"name": "prob", "type": "Softmax"},
    ]
    net = net_of(tmp_path, layers)
    grad, cam = see("cam", net, label="1"), see("cam", net, label="1", method="cam")
    a, b = grad.arrays["weights"], cam.arrays["weights"]
    np.testing.assert_allclose(a * grad.arrays["cam"].size, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("pad", "stride", "dilation"), [(0, 1, 1), (1, 1, 1), (1, 2, 1), (0, 1, 2), (2, 2, 2)]
)
def test_matrix_is_the_modules_jacobian(tmp_path: Path, pad: int, stride: int, dilation: int) -> None:
    words = {"kernel_size": 3, "pad": pad, "stride": stride, "dilation": dilation, "weight_filler": "xavier"}
    net = net_of(tmp_path, [{"name": "c", "type": "Convolution", "num_output": 2, **words}], 2)
    seen = see("matrix", net, unit=1, window=6)
    module = net.module("c")
    x = torch.randn(1, 2, 6, 6)
    jacobian = torch.autograd.functional.jacobian(module, x)[0, 1, :, :, 0, 0].flatten(0, 1).flatten(1)
    np.testing.assert_array_equal(seen.arrays["matrix"], jacobian.numpy())
    g = torch.randn(module(x).shape)
    (module(x) * g).sum().backward()
    wanted = module.weight.grad[1, 0].flatten().numpy()  # type: ignore[union-attr,index]
    got = shared_gradient(seen.arrays["taps"], g[0, 1].numpy(), x[0, 0].numpy(), 9)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_a_transposed_convolution_is_the_matrix_transposed(tmp_path: Path) -> None:
    words = {"kernel_size": 3, "stride": 1, "weight_filler": "xavier", "bias_term": False}
    net = net_of(tmp_path, [{"name": "d", "type": "Deconvolution", "num_output": 1, **words}])
    seen = see("matrix", net)
    assert seen.values["transposed"] and seen.values["shape"] == [4, 16]
    jacobian = torch.autograd.functional.jacobian(net.module("d"), torch.randn(1, 1, 2, 2))
    np.testing.assert_array_equal(
        seen.arrays["matrix"].T, jacobian[0, 0, :, :, 0, 0].flatten(0, 1).flatten(1).numpy()
    )


def test_the_tables_of_the_notes(tmp_path: Path) -> None:
    """3x3 over 4x4: the 4x16 matrix, entry by entry; four taps round a ring of four: a 4x4 circulant."""
    taps, out = place_taps((4, 4), (3, 3), (1, 1), (0, 0), (0, 0), (1, 1), False)
    assert out == (2, 2) and taps.shape == (4, 16)
    names = matrix.tap_names([3, 3])
    rows = [[names[k] if k >= 0 else "0" for k in row] for row in taps.tolist()]
    assert rows[0] == [
        "w00",
        "w01",
        "w02",
        "0",
        "w10",
        "w11",
        "w12",
        "0",
        "w20",
        "w21",
        "w22",
        "0",
        "0",
        "0",
        "0",
        "0",
    ]
    assert rows[1] == [
        "0",
        "w00",
        "w01",
        "w02",
        "0",
        "w10",
        "w11",
        "w12",
        "0",
        "w20",
        "w21",
        "w22",
        "0",
        "0",
        "0",
        "0",
    ]
    assert rows[2] == [
        "0",
        "0",
        "0",
        "0",
        "w00",
        "w01",
        "w02",
        "0",
        "w10",
        "w11",
        "w12",
        "0",
        "w20",
        "w21",
        "w22",
        "0",
    ]
    assert rows[3] == [
        "0",
        "0",
        "0",
        "0",
        "0",
        "w00",
        "w01",
        "w02",
        "0",
        "w10",
        "w11",
        "w12",
        "0",
        "w20",
        "w21",
        "w22",
    ]
    ring, out = place_taps((4,), (4,), (1,), (0,), (3,), (1,), True)
    assert out == (4,)
    assert ring.tolist() == [[(c - r) % 4 for c in range(4)] for r in range(4)]


def test_the_gradient_lies_in_the_field(tmp_path: Path) -> None:
    conv = {"type": "Convolution", "kernel_size": 3, "num_output": 2, "weight_filler": "xavier", "pad": 1}
    net = net_of(
        tmp_path,
        [
            {"name": "a", **conv},
            {"name": "p", "type": "Pooling", "pool": "AVE", "kernel_size": 2, "stride": 2},
            {"name": "b", **conv},
        ],
    )
    seen = see("field", net)
    gradient, window = seen.arrays["gradient"], seen.values["window"]
    inside = np.zeros(gradient.shape, bool)
    inside[window[0][0] : window[0][1] + 1, window[1][0] : window[1][1] + 1] = True
    assert (gradient[~inside] == 0).all() and (gradient[inside] > 0).all()
    assert window[0][1] - window[0][0] + 1 == seen.values["fields"][0]["size"] == 8


def test_graphs_fold_blocks_and_show_differences(tmp_path: Path) -> None:
    seen = see("net", "zoo:resnet-20")
    whole = see("net", "zoo:resnet-20", method="layers")
    assert len(seen.values["boxes"]) < len(whole.values["boxes"]) / 3
    assert sum(b["weights"] for b in seen.values["boxes"]) == sum(b["weights"] for b in whole.values["boxes"])
    known = set()
    for box in seen.values["boxes"]:
        assert set(box["reads"]) <= known
        known.add(box["name"])
    changed = see("net", "zoo:lenet", diff=True, inputs=("zoo:lenet-digits",))
    assert {box["mark"] for box in changed.values["boxes"]} > {""} and changed.values["changes"]


def test_a_thousand_layers_take_a_second(tmp_path: Path) -> None:
    import resource

    conv = {"type": "Convolution", "kernel_size": 1, "num_output": 2, "weight_filler": "xavier"}
    net = net_of(tmp_path, [{"name": f"c{i}", **conv} for i in range(1000)])
    begin = resource.getrusage(resource.RUSAGE_SELF)
    seen = see("net", net)
    end = resource.getrusage(resource.RUSAGE_SELF)
    assert len(seen.values["boxes"]) == 1001
    assert end.ru_utime - begin.ru_utime < 3  # takes a fifth of it


def test_units_and_classes_that_are_not_there(single: NetSubject) -> None:
    from netspec.diagnostics import SpecError

    for words in (
        {"view": "saliency", "label": "dog"},
        {"view": "matrix", "unit": 7},
        {"view": "cam", "method": "x"},
    ):
        with pytest.raises(SpecError, match="NS757"):
            see(words.pop("view"), single, **words)  # type: ignore[arg-type]
