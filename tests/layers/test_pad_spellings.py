"""A border is what it is, however it is written: every windowed layer, shapes, weights, values, and the exported file alike."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch

import netspec
from netspec import driver
from netspec.driver import load_source
from netspec.emit.onnx_model import onnx_model
from netspec.layers import every
from netspec.source import Source

pytestmark = [pytest.mark.torch, pytest.mark.onnx]

WORDS = {
    "Convolution": ("num_output: 3, group: 1", "num_output: 2, pad_value: 0.5"),
    "DepthwiseConvolution": ("num_output: 4",),
    "Im2col": ("",),
    "Deconvolution": ("num_output: 3",),
    "MappedConvolution": ("num_output: 2, table: [[0, 1], [1]]",),
    "LocallyConnected": ("num_output: 2",),
    "Pooling": (
        "pool: MAX",
        "pool: AVE",
        "pool: LP, norm_type: 3",
        "pool: AVE, round_mode: FLOOR",
        "pool: AVE, count_include_pad: false",
    ),
}
SHAPE = (2, 2, 4, 5)
PLACES = [(1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2)]
"""Kernel and stride: those beyond the kernel too."""


def test_every_layer_with_a_pad_is_here() -> None:
    assert {layer.type for layer in every() if "pad" in layer.params} == set(WORDS)


def spellings(kernel: int, dilation: int = 1) -> Iterator[tuple[str, list[str]]]:
    """Ways to write the same borders, by the border."""
    margin = dilation * (kernel - 1)
    for n in (0, 1):
        same = [
            f"pad: {n}",
            f"pad: [{n}]",
            f"pad: [{n}, {n}]",
            f"pad: [[{n}, {n}]]",
            f"pad: [[{n}, {n}], [{n}, {n}]]",
            f"pad: [{n}, [{n}, {n}]]",
        ]
        same += [f"pad_h: {n}, pad_w: {n}"]
        yield f"{n}", same
    yield (
        "rows",
        ["pad: [1, 0]", "pad: [[1, 1], [0, 0]]", "pad: [1, [0, 0]]", "pad_h: 1", "pad_h: 1, pad_w: 0"],
    )
    yield "uneven", ["pad: [[0, 1]]", "pad: [[0, 1], [0, 1]]"]
    b, e = margin // 2, margin - margin // 2
    yield "same", ["pad: same", f"pad: [[{b}, {e}]]", f"pad: [[{b}, {e}], [{b}, {e}]]"]
    yield "full", ["pad: full", f"pad: {margin}", f"pad: [[{margin}, {margin}]]"]
    yield "causal", ["pad: causal", f"pad: [[{margin}, 0]]"]
    yield "valid", ["pad: valid", "pad: 0", "pad: [[0, 0], [0, 0]]"]


def made(kind: str, words: str) -> tuple[tuple[int, ...], Any] | str:
    """Shape and the module's text; the code where the layer is refused."""
    text = f"netspec: 1\ninput: {{data: {list(SHAPE)}}}\nlayers:\n  - {{name: l, type: {kind}, {words}}}\n"
    try:
        program = load_source(Source("one.yaml", text))
        typed = program.graph()
    except netspec.SpecError as error:
        return error.diagnostics[0].code
    node = typed.graph.nodes[-1]
    shape = typed.tops(node)[0].shape
    module = node.layer.torch(*typed.bottoms(node))
    run(f"{kind} {words}", shape, repr(module), program)
    return shape, module


SEEN: dict[str, Any] = {}


def run(what: str, shape: Any, module: str, program: driver.Program) -> None:
    """torch makes what was said, and onnxruntime the same: once for each module."""
    if module in SEEN:
        assert SEEN[module] == shape
        return
    SEEN[module] = shape
    typed, net = program.graph(), netspec.compile(program)
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in net.parameters():
            weight.normal_()
        x = torch.randn(SHAPE)
        y = net(x)
    y = y[0] if isinstance(y, tuple) else y
    assert tuple(y.shape) == shape, f"{what}: said {shape}, torch makes {tuple(y.shape)}"
    arrays = {name: tensor.detach().numpy() for name, tensor in net.state_dict().items()}
    session = ort.InferenceSession(
        onnx_model(typed, arrays).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    z = session.run(None, {"data": x.numpy()})[0]
    np.testing.assert_allclose(z, y.numpy(), rtol=1e-4, atol=1e-5, err_msg=what)


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", WORDS)
def test_spellings_of_one_border_are_one_layer(kind: str, step: int) -> None:
    """By default every fifth pairing of words with a window."""
    told = 0
    for words, (kernel, stride) in [*product(WORDS[kind], PLACES)][::step]:
        for border, ways in spellings(kernel):
            rounding = (
                ", round_mode: FLOOR"
                if kind == "Pooling"
                and border in ("same", "full", "causal", "valid")
                and "FLOOR" not in words
                else ""
            )
            found = [
                made(
                    kind,
                    f"{words + ', ' if words else ''}kernel_size: {kernel}, stride: {stride}{rounding}, {way}",
                )
                for way in ways
                if not (kind == "Deconvolution" and way.split()[-1].isalpha())
            ]
            for way, each in zip(ways, found, strict=False):
                told += not isinstance(each, str)
                assert each == found[0], f"{kind} {words} {kernel} {stride} {way}"
    assert told > 60 // step


def test_no_border_on_one_window() -> None:
    """A step beyond the window, rounded up: three windows, of which the last begins behind the input."""
    for way in ("pad: 0", "pad: [[0, 0], [0, 0]]", "pad: [0, 0]"):
        assert made("Pooling", f"kernel_size: 1, stride: 2, {way}")[0] == (2, 2, 3, 3)


def test_global_pooling_takes_no_border_in_any_spelling() -> None:
    for way in ("pad: 0", "pad: [[0, 0], [0, 0]]", "pad: [0, 0]", "pad: [[0, 0]]", "pad: valid"):
        assert made("Pooling", f"global_pooling: true, {way}")[0] == (2, 2, 1, 1)
    for way in ("pad: 1", "pad: [[0, 1]]", "pad: same"):
        assert made("Pooling", f"global_pooling: true, {way}") == "NS120"
