"""What runs as one computes what its layers compute one by one: every example row of every pass, and the zoo."""

import copy
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from netspec import driver
from netspec.compiled import compile as compiled
from netspec.emit.onnx_model import onnx_model
from netspec.exporters.certification.certify import certify
from netspec.exporters.model_file import arrays
from netspec.fusion.fusion import Example
from netspec.fusion.passes import FILE_PASSES, PASSES, fold_layers, fuse
from netspec.ir.graph import TypedGraph
from netspec.source import Source
from tests.each import each

pytestmark = pytest.mark.torch

TIGHT = {torch.float32: 1e-5, torch.float64: 1e-12}
SIZES = {"N": 3, "T": 7}


def rows() -> list[tuple[str, int, Example]]:
    return [(each.name, i, example) for each in PASSES for i, example in enumerate(each.examples)]


def graph(example: Example, extra: str = "") -> TypedGraph:
    text = f"netspec: 1\nname: row\ninput: {{data: [{example.shape}]}}\nlayers: {example.layers}\n{extra}"
    return driver.load_source(Source("row.yaml", text)).graph(example.phase)


@cache
def nets(example: Example) -> tuple[TypedGraph, Any, Any]:
    typed = graph(example)
    torch.manual_seed(5)
    fused = compiled(typed, example.phase)
    apart = compiled(typed, example.phase, fused=False)
    with torch.no_grad():
        for tensor in fused.state_dict().values():
            tensor.copy_(torch.rand_like(tensor) + 0.5)
    apart.load_state_dict(fused.state_dict())
    return typed, fused, apart


def draw(typed: TypedGraph, dtype: torch.dtype) -> Tensor:
    (given,) = typed.graph.inputs
    shape = [SIZES.get(str(size), size) for size in typed.types[given.value].shape]
    x = torch.randn([int(n) for n in shape], dtype=dtype, generator=torch.Generator().manual_seed(3))
    return x.requires_grad_()


def step(net: Any, x: Tensor) -> tuple[list[Tensor], list[Tensor], dict[str, Tensor]]:
    """Outputs, gradients of the input and all parameters, and the buffers after two calls."""
    net.zero_grad()
    x.grad = None
    for _ in range(2):
        y = net(x)
    outputs = list(y.values()) if isinstance(y, dict) else [y]
    weights = [torch.linspace(-1, 2, o.numel(), dtype=o.dtype).view_as(o) for o in outputs]
    sum((o * w).sum() for o, w in zip(outputs, weights, strict=True)).backward()
    grads = [t.grad if t.grad is not None else torch.zeros_like(t) for t in (x, *net.parameters())]
    return [o.detach() for o in outputs], grads, dict(net.named_buffers())


def close(one: list[Tensor], two: list[Tensor], tight: float) -> None:
    for a, b in zip(one, two, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        assert (a - b).abs().max() <= tight * max(1.0, float(b.abs().max()))


@each("row", rows)
def test_a_row_fuses_as_it_says(row: tuple[str, int, Example]) -> None:
    name, _, example = row
    found = [f for f in fuse(graph(example)) if f.name == name]
    assert [tuple(node.name for node in f.nodes) for f in found] == ([example.fused] if example.fused else [])


@each("row", rows)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_row_computes_the_same(row: tuple[str, int, Example], dtype: torch.dtype) -> None:
    typed, fused, apart = nets(row[2])
    one, two = (copy.deepcopy(net).to(dtype) for net in (fused, apart))
    made, wanted = (step(net, draw(typed, dtype)) for net in (one, two))
    close(made[0], wanted[0], TIGHT[dtype])
    close(made[1], wanted[1], TIGHT[dtype] * 10)
    for name, tensor in wanted[2].items():
        assert torch.equal(made[2][name], tensor), name


@each("row", rows)
def test_a_row_keeps_names(row: tuple[str, int, Example]) -> None:
    _, fused, apart = nets(row[2])
    assert list(fused.state_dict()) == list(apart.state_dict())
    assert fused.layers == apart.layers and fused.blobs == apart.blobs
    for name in fused.layers:
        one, two = fused.layer_parameters(name), apart.layer_parameters(name)
        assert [t.shape for t in one] == [t.shape for t in two]


@each("row", rows)
def test_who_listens_hears_each_layer(row: tuple[str, int, Example]) -> None:
    typed, fused, apart = nets(row[2])
    one, two = copy.deepcopy(fused), copy.deepcopy(apart)
    x = draw(typed, torch.float32).detach()
    name = typed.graph.inputs[0].value.name
    made, wanted = one.forward_blobs({name: x}), two.forward_blobs({name: x})
    assert list(made) == list(wanted)
    for blob in wanted:
        assert made[blob].shape == wanted[blob].shape, blob
        assert torch.allclose(made[blob], wanted[blob], atol=1e-5), blob


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("shift: 0", "Log"),
        ("shift: -1", "Log"),
        ("shift: 99", "Exp"),
        ("shift: 9e9", "Exp"),
        ("shift: -800", "Sigmoid"),
        ("shift: 1e20", "Power, power: 2"),
        ("shift: -2", "Power, power: 0.5"),
        ("shift: 0", "Power, power: -1"),
    ],
)
def test_what_is_no_number_of_float32_is_not_folded(first: str, then: str) -> None:
    layers = f"[{{name: one, type: Power, scale: 0, {first}}}, {{name: two, type: {then}}}]"
    typed = graph(Example(layers, phase="test"))
    assert not [each for each in (*fuse(typed), *fold_layers(typed)) if each.name == "constants"]


def folding_rows() -> list[tuple[str, int, Example]]:
    rows = [(each.name, i, example) for each in FILE_PASSES for i, example in enumerate(each.examples)]
    return [(name, i, example._replace(phase="test")) for name, i, example in rows]


@each("row", folding_rows)
def test_what_is_folded_is_what_the_row_says(row: tuple[str, int, Example]) -> None:
    name, _, example = row
    found = [
        tuple(node.name for node in each.nodes) for each in fold_layers(graph(example)) if each.name == name
    ]
    assert found == ([example.fused] if example.fused else [])


@each("row", folding_rows)
def test_a_folded_file_computes_what_torch_does(row: tuple[str, int, Example]) -> None:
    typed, _, net = nets(row[2])
    files = [onnx_model(typed, arrays(net, typed), fused=fused) for fused in (True, False)]
    for file in files:
        assert certify(net, typed, file.SerializeToString(), level="quick").unproven == ()
    assert len(files[0].graph.node) <= len(files[1].graph.node)
    made = {name for node in files[0].graph.node for name in node.output}
    assert made.isdisjoint(row[2].fused[:-1])
    assert not any(node.op_type == "Identity" for node in files[0].graph.node)
