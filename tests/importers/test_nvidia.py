"""NVIDIA's BatchNorm, which scales and shifts too: the fork's three orders of its blobs give the numbers of the fork."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.diagnostics import SpecError
from netspec.importers.caffe import Converted, convert

pytestmark = pytest.mark.torch

PLAIN = """
name: "m"
input: "data" input_shape { dim: 2 dim: 3 dim: 4 dim: 5 }
layer { name: "bn" type: "BatchNorm" bottom: "data" top: "n" batch_norm_param { eps: 0.01 %s } }
layer { name: "sum" type: "Power" bottom: "n" top: "sum" power_param { shift: 1 } }
"""
MEAN, VARIANCE, SCALE, SHIFT = ([0.5, -1.0, 2.0], [0.2, 1.5, 3.0], [1.5, 0.7, -2.0], [0.1, 0.2, -0.3])
OTHER = [0.0]
ORDERS = {
    "since 0.16": (1, [MEAN, VARIANCE, [1.0], SCALE, SHIFT]),
    "since 0.16, count 0": (1, [MEAN, VARIANCE, OTHER, SCALE, SHIFT]),
    "0.15": (4, [SCALE, SHIFT, MEAN, VARIANCE, OTHER]),
    "0.15 of the CPU": (1, [SCALE, SHIFT, MEAN, VARIANCE, OTHER]),
    "0.14": (4, [SCALE, SHIFT, OTHER, MEAN, VARIANCE]),
}


def varint(n: int) -> bytes:
    return bytes([n & 127 | 128]) + varint(n >> 7) if n > 127 else bytes([n])


def piece(field: int, payload: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(payload)) + payload


def model(axes: int, blobs: list[list[float]]) -> bytes:
    shapes = [(len(b),) if axes == 1 else (1, len(b), 1, 1) for b in blobs]
    packed = [
        piece(7, piece(7, piece(1, bytes(shape))) + piece(5, struct.pack(f"<{len(b)}f", *b)))
        for shape, b in zip(shapes, blobs, strict=True)
    ]
    return piece(100, piece(1, b"bn") + piece(2, b"BatchNorm") + b"".join(packed))


def converted(folder: Path, words: str, content: bytes | None, **options: Any) -> Converted:
    (folder / "net.prototxt").write_text(PLAIN % words, encoding="utf-8")
    if content is not None:
        (folder / "net.caffemodel").write_bytes(content)
        options["weights"] = folder / "net.caffemodel"
    return convert(folder / "net.prototxt", **options)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    "words", ["scale_bias: true", "", "scale_filler { type: 'constant' value: 3 } use_global_stats: false"]
)
def test_every_order_gives_the_forks_numbers(order: str, words: str, tmp_path: Path) -> None:
    import torch

    import netspec

    done = converted(tmp_path, words, model(*ORDERS[order]))
    assert ("NS040" in [d.code for d in done.findings]) == (words == "")
    assert done.tensors is not None
    assert {row.status for row in done.rows} == {"kept"}
    net: Any = netspec.compile(
        netspec.driver.load_source(netspec.source.Source("net.yaml", done.text)).graph("test")
    )
    for name in ("bn", "bn_scale"):
        for tensor, stored in zip(
            net.layer_parameters(name),
            [t for n, t in done.tensors.items() if n.startswith(f"{name}.")],
            strict=True,
        ):
            tensor.data.copy_(torch.from_numpy(stored))
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    mean, variance, scale, shift = (np.array(v).reshape(1, 3, 1, 1) for v in (MEAN, VARIANCE, SCALE, SHIFT))
    expected = scale * (x - mean) / np.sqrt(variance + 0.01) + shift + 1
    np.testing.assert_allclose(net(torch.from_numpy(x)).detach().numpy(), expected, rtol=1e-5, atol=1e-5)


def test_what_the_fork_says_of_fillers_and_statistics(tmp_path: Path) -> None:
    words = "scale_bias: true scale_filler { value: 3 } bias_filler { value: 4 } use_global_stats: false engine: CUDNN"
    done = converted(tmp_path, words, None)
    assert done.tree["layers"][0] == {
        "name": "bn",
        "type": "BatchNorm",
        "top": "n",
        "batch_norm_param": {"eps": 0.01},
    }
    assert done.tree["layers"][1]["scale_param"] == {
        "bias_term": True,
        "filler": {"value": 3},
        "bias_filler": {"value": 4},
    }
    assert [(d.code, d.span.begin[0] if d.span else 0) for d in done.findings] == [("NS025", 4)] * 2


def test_three_blobs_stay_one_layer(tmp_path: Path) -> None:
    done = converted(tmp_path, "", model(1, [MEAN, VARIANCE, [2.0]]))
    assert [layer["name"] for layer in done.tree["layers"]] == ["bn", "sum"]
    assert done.findings == []


def test_a_scale_of_that_name_is_another_layer(tmp_path: Path) -> None:
    text = PLAIN.replace('name: "sum"', 'name: "bn_scale"')
    (tmp_path / "net.prototxt").write_text(text % "scale_bias: true", encoding="utf-8")
    assert [layer["name"] for layer in convert(tmp_path / "net.prototxt").tree["layers"]] == [
        "bn",
        "bn_scale_2",
        "bn_scale",
    ]


def test_a_finding_of_a_spec_that_is_not_written_stands_in_the_prototxt(tmp_path: Path) -> None:
    text = (
        PLAIN % "" + 'layer { name: "odd" type: "Power" bottom: "sum" top: "odd" power_param { wrong: 3 } }\n'
    )
    (tmp_path / "net.prototxt").write_text(text, encoding="utf-8")
    (tmp_path / "net.caffemodel").write_bytes(model(1, [MEAN, VARIANCE, [1.0]]))
    with pytest.raises(SpecError) as caught:
        convert(tmp_path / "net.prototxt", weights=tmp_path / "net.caffemodel")
    (finding,) = caught.value.diagnostics
    assert finding.code == "NS102"
    assert finding.span is not None
    assert finding.span.source.name == str(tmp_path / "net.prototxt")
    assert finding.span.begin[0] == 6
