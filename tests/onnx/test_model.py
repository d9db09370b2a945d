"""The exported model as a document: names, types, weights, metadata, state, the input contract; and what is refused."""

from typing import Any

import numpy as np
import onnx
import pytest
import torch
from graphs import session, single
from onnx import checker, numpy_helper

from netspec import compiled
from netspec.diagnostics import SpecError
from netspec.driver import Program, load_source
from netspec.emit.onnx_model import onnx_model, outline_model
from netspec.imaging.decode import prepare
from netspec.ir.dims import symbol
from netspec.source import Source

pytestmark = [pytest.mark.onnx, pytest.mark.torch]

NET = """
netspec: 1
name: small
input: {data: [N, 3, H, W]}
layers:
  - {name: inception_3a/1x1, type: Convolution, num_output: 4, kernel_size: 3, stride: 2, weight_filler: xavier}
  - {name: relu, type: ReLU, bottom: inception_3a/1x1, top: inception_3a/1x1}
  - {name: neg, type: Power, scale: -1, bottom: inception_3a/1x1, top: inception_3a/1x1}
  - {name: pool, type: Pooling, pool: AVE, global_pooling: true}
  - {name: ip1, type: InnerProduct, num_output: 5, weight_filler: xavier, param: [{name: w}, {name: b}]}
  - {name: ip2, type: InnerProduct, num_output: 5, bottom: pool, param: [{name: w}, {name: b}]}
  - {name: sum, type: Eltwise, bottom: [ip1, ip2]}
"""


def program(text: str) -> Program:
    return load_source(Source("spec.yaml", text))


def built(text: str, phase: str = "deploy", **more: Any) -> tuple[Any, Any]:
    """The torch module and the model."""
    typed = program(text).graph(phase)
    net: Any = compiled.compile(typed)
    arrays = {
        r.name: net.layer_parameters(r.node.name)[r.index].detach().numpy()
        for r in typed.weight_refs()
        if not r.shared
    }
    return net, onnx_model(typed, arrays, **more)


def dims(value: Any) -> list[int | str]:
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


def test_names_are_the_spec_s() -> None:
    _, model = built(NET)
    nodes = {n.name: list(n.output) for n in model.graph.node}
    assert nodes["inception_3a/1x1"] == ["inception_3a/1x1/inception_3a/1x1"]
    assert nodes["relu"] == ["inception_3a/1x1/relu"]
    assert nodes["neg"] == ["inception_3a/1x1"]
    assert nodes["ip1"] == ["ip1"]
    assert {n.split("/")[0] for n in nodes} == {"inception_3a", "relu", "neg", "pool", "ip1", "ip2", "sum"}
    assert len(nodes) == len(model.graph.node)
    assert model.graph.name == "small"
    assert model.producer_name == "netspec"


def test_types_of_every_blob_with_symbols_and_arithmetic() -> None:
    _, model = built(NET)
    assert [(i.name, dims(i)) for i in model.graph.input] == [("data", ["N", 3, "H", "W"])]
    assert [(o.name, dims(o)) for o in model.graph.output] == [("sum", ["N", 5])]
    inner = {v.name: dims(v) for v in model.graph.value_info}
    assert (
        inner["inception_3a/1x1"]
        == inner["inception_3a/1x1/relu"]
        == ["N", 4, "(H + 1)//2 - 1", "(W + 1)//2 - 1"]
    )
    assert inner["ip1"] == ["N", 5]
    made = {o for n in model.graph.node for o in n.output}
    assert set(inner) <= made
    checker.check_model(model, full_check=True)


def test_a_shared_weight_is_one_initializer_under_its_owner_s_name() -> None:
    _, model = built(NET)
    weights = {t.name: tuple(t.dims) for t in model.graph.initializer if "const" not in t.name}
    assert weights == {
        "inception_3a/1x1.weight": (4, 3, 3, 3),
        "inception_3a/1x1.bias": (4,),
        "ip1.weight": (5, 4),
        "ip1.bias": (5,),
    }


def test_computes_what_torch_does() -> None:
    net, model = built(NET)
    x = torch.randn(3, 3, 9, 12)
    with torch.no_grad():
        np.testing.assert_allclose(
            session(model).run(None, {"data": x.numpy()})[0], net(x).numpy(), rtol=1e-5, atol=1e-6
        )


def test_an_input_keeps_its_name_where_a_layer_overwrites_it() -> None:
    net, model = built(
        "netspec: 1\ninput: {data: [N, 3]}\nlayers:\n  - {name: relu, type: ReLU, bottom: data, top: data}\n"
    )
    assert [i.name for i in model.graph.input] == ["data"]
    assert [o.name for o in model.graph.output] == ["data/relu"]
    x = torch.randn(2, 3)
    np.testing.assert_array_equal(session(model).run(None, {"data": x.numpy()})[0], net(x).numpy())


def test_a_layer_that_only_hands_on_is_an_identity() -> None:
    layers = "  - {name: drop, type: Dropout}\n  - {name: two, type: Split, top: [a, b]}\n"
    _, model = built(f"netspec: 1\ninput: {{data: [N, 3]}}\nlayers:\n{layers}")
    assert [(n.op_type, list(n.output)) for n in model.graph.node] == [
        ("Identity", ["drop"]),
        ("Identity", ["a"]),
        ("Identity", ["b"]),
    ]
    assert [n.name for n in model.graph.node] == ["drop", "two/Identity", "two"]


def test_metadata() -> None:
    _, model = built(NET, metadata={"netspec.version": "1", "netspec.labels": "[]"})
    assert {p.key: p.value for p in model.metadata_props} == {"netspec.version": "1", "netspec.labels": "[]"}


def test_equal_constants_are_one_tensor() -> None:
    def build(g: Any, x: Any) -> Any:
        return g.Mul(g.Add(g.Mul(x, 2.0), (1.0, 2.0, 3.0)), 2.0)

    model = onnx_model(single(build, ("N,3",), ("N,3",)), {})
    assert sorted(numpy_helper.to_array(t).tolist() for t in model.graph.initializer if not t.dims) == [2.0]
    assert len(model.graph.initializer) == 2


def test_state_is_an_input_and_an_output() -> None:
    def build(g: Any, x: Any) -> Any:
        y = g.Add(x, g.state("h"))
        g.keep("h", y)
        return y

    graph = single(build, ("N,3",), ("N,3",), {"h": (symbol("N"), 3)})
    model = onnx_model(graph, {})
    assert [(i.name, dims(i)) for i in model.graph.input] == [("x0", ["N", 3]), ("l.h", ["N", 3])]
    assert [(o.name, dims(o)) for o in model.graph.output] == [("y0", ["N", 3]), ("l.h.next", ["N", 3])]
    assert outline_model(graph).states["l.h"][0] == "l.h.next"
    x, h = np.ones((2, 3), np.float32), np.full((2, 3), 5, np.float32)
    assert [made[0, 0] for made in session(model).run(None, {"x0": x, "l.h": h})] == [6, 6]


def test_scan_runs_along_an_axis_forwards_and_backwards() -> None:
    for reverse in (False, True):

        def build(g: Any, x: Any, start: Any, reverse: bool = reverse) -> Any:
            def step(total: Any, piece: Any) -> tuple[Any, Any]:
                new = g.Add(total, piece)
                return new, new

            return g.scan(step, [start], [x], axis=1, reverse=reverse)[1]

        model = onnx_model(single(build, ("N,T", "N"), ("N,T",)), {})
        x = np.arange(10, dtype=np.float32).reshape(2, 5)
        wanted = x[:, ::-1].cumsum(1)[:, ::-1] if reverse else x.cumsum(1)
        found = session(model).run(None, {"x0": x, "x1": np.zeros(2, np.float32)})[0]
        np.testing.assert_array_equal(found, wanted)


def test_every_layer_that_onnx_cannot_hold_is_named() -> None:
    typed = program("""
netspec: 1
input: {data: [N, 4], label: [N]}
layers:
  - {name: ip, type: InnerProduct, num_output: 4, bottom: data}
  - {name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}
  - {name: right, type: Accuracy, bottom: [ip, label]}
""").graph("test")
    with pytest.raises(SpecError) as raised:
        onnx_model(typed, {})
    assert [(d.code, d.span and d.span.text) for d in raised.value.diagnostics] == [
        ("NS701", "SoftmaxWithLoss"),
        ("NS701", "Accuracy"),
    ]


def test_weights_must_fit() -> None:
    typed = program(NET).graph()
    good = {r.name: np.zeros(r.weight.shape, np.float32) for r in typed.weight_refs()}  # type: ignore[arg-type]
    for weights in ({}, {**good, "ip1.weight": np.zeros((4, 5), np.float32)}):
        with pytest.raises(SpecError) as raised:
            onnx_model(typed, weights)
        assert [d.code for d in raised.value.diagnostics] == ["NS702"]
    assert "ip1.weight has [4, 5]: the net needs [5, 4]" in raised.value.diagnostics[0].fact


def test_a_fault_of_the_emitter_is_a_bug_with_the_layer_s_name() -> None:
    with pytest.raises(SpecError) as raised:
        onnx_model(single(lambda g, x: g.Relu(x), ("N,3",), ("N,4",)), {})
    assert [d.code for d in raised.value.diagnostics] == ["NS901"]
    with pytest.raises(SpecError) as raised:
        onnx_model(single(lambda g, x: g.Rely(x), ("N,3",), ("N,3",)), {})
    assert "Rely is neither an operator of ONNX" in raised.value.diagnostics[0].fact


# --- the input contract ----------------------------------------------------------------------------------------------

IMAGE = """
netspec: 1
input:
  data: {{shape: [N, 3, 6, 5], image: {{{words}}}}}
layers:
  - {{name: out, type: Power, scale: 1}}
"""


CONTRACTS = (
    "mean_value: [104, 117, 123]",
    "scale: 0.0078125, mean_value: 127.5",
    "color: bgr, mean_value: [1, 2, 3], scale: 2",
    "crop_size: [6, 5], mean_value: [4, 5, 6]",
    "color: bgr, crop_size: [6, 5]",
    "{}",
)


@pytest.mark.parametrize("words", CONTRACTS)
def test_the_model_takes_pixels_as_files_hold_them(words: str) -> None:
    """Red first, resized but not cropped; the training's own arithmetic says what the net then sees."""
    text = IMAGE.format(words="" if words == "{}" else words)
    contract = program(text).graph().graph.inputs[0].contract
    _, model = built(text)
    shape = (2, 3, 9, 8) if "crop" in words else (2, 3, 6, 5)
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    wanted = prepare(pixels[:, ::-1] if contract.color == "bgr" else pixels, contract)
    np.testing.assert_array_equal(session(model).run(None, {"data": pixels.astype(np.float32)})[0], wanted)


def test_a_crop_opens_height_and_width_unless_resize_says_both() -> None:
    _, model = built(IMAGE.format(words="crop_size: [6, 5]"))
    assert dims(model.graph.input[0]) == ["N", 3, "data_H", "data_W"]
    _, model = built(IMAGE.format(words="crop_size: [6, 5], resize: [8, 8]"))
    assert dims(model.graph.input[0]) == ["N", 3, 8, 8]


def test_the_model_loads_in_onnx_s_own_runtime() -> None:
    """A second opinion on the document: onnx's reference evaluator."""
    from onnx.reference import ReferenceEvaluator

    net, model = built(NET)
    x = torch.randn(2, 3, 7, 7)
    found = ReferenceEvaluator(onnx.load_model_from_string(model.SerializeToString())).run(
        None, {"data": x.numpy()}
    )[0]
    with torch.no_grad():
        np.testing.assert_allclose(found, net(x).numpy(), rtol=1e-4, atol=1e-5)


def test_nodes_of_one_name_are_numbered_from_1() -> None:
    """A layer's main node has its name, the others its name and their operator's; a second one of these counts on."""
    graph = single(
        lambda g, x: g.typed(g.Add(g.Neg(g.Neg(g.Abs(g.Neg(x)))), 1.0), x.type), ("N,3",), ("N,3",)
    )
    model = onnx_model(graph, {})
    assert [node.name for node in model.graph.node] == ["l/Neg", "l/Abs", "l/Neg_1", "l/Neg_2", "l"]
