"""Rules of Caffe's Net that no recorded case shows: propagate_down, one convolution for several bottoms, reshaped shared weights."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import netspec
from netspec.diagnostics import SpecError
from netspec.driver import load_source
from netspec.exporters.certification.certify import certify
from netspec.importers.prototxt import import_prototxt
from netspec.source import Source

CASES = Path(__file__).parent / "cases"
XAVIER = 'weight_filler { type: "xavier" }'


def compiled(text: str, phase: str = "test") -> nn.Module:
    return netspec.compile(load_source(Source("net.yaml", text)), phase=phase)


def imported(folder: Path, text: str) -> nn.Module:
    file = folder / "net.prototxt"
    file.write_text(text)
    return compiled(import_prototxt(file).text)


def test_propagate_down_false_stops_the_gradient(tmp_path: Path) -> None:
    net = imported(
        tmp_path,
        f"""input: "x" input_shape {{ dim: 2 dim: 3 }}
        layer {{ name: "f" type: "InnerProduct" bottom: "x" top: "f" inner_product_param {{ num_output: 3 {XAVIER} }} }}
        layer {{ name: "g" type: "InnerProduct" bottom: "f" top: "g" propagate_down: false
                 inner_product_param {{ num_output: 2 {XAVIER} }} }}
        layer {{ name: "s" type: "Eltwise" bottom: "g" bottom: "g" top: "s" propagate_down: true propagate_down: false }}""",
    )
    x = torch.ones(2, 3, requires_grad=True)
    net(x).sum().backward()
    assert x.grad is None and net.layer_parameters("f")[0].grad is None
    torch.testing.assert_close(
        net.layer_parameters("g")[1].grad, torch.full((2,), 2.0)
    )  # one of the two ways, two samples


def test_propagate_down_needs_a_value_for_each_bottom() -> None:
    with pytest.raises(SpecError) as found:
        compiled(
            "input: {x: [2, 3]}\nlayers:\n  - {name: r, type: ReLU, bottom: x, propagate_down: [true, false]}\n"
        )
    assert [d.code for d in found.value.diagnostics] == ["NS107"]


@pytest.mark.parametrize(("type_", "weights"), [("Convolution", 2), ("Deconvolution", 2)])
def test_one_convolution_for_several_bottoms(tmp_path: Path, type_: str, weights: int) -> None:
    """Caffe runs the same filters over each bottom; here that is a layer for each, whose weights are one tensor."""
    net = imported(
        tmp_path,
        f"""input: "a" input_shape {{ dim: 1 dim: 2 dim: 4 dim: 4 }} input: "b" input_shape {{ dim: 1 dim: 2 dim: 4 dim: 4 }}
        layer {{ name: "l" type: "{type_}" bottom: "a" bottom: "b" top: "p" top: "q" loss_weight: 1 loss_weight: 2
                 convolution_param {{ num_output: 3 kernel_size: 3 {XAVIER} }} }}""",
    )
    a, b = torch.randn(2, 1, 2, 4, 4)
    both, swapped = net.forward_blobs({"a": a, "b": b}), net.forward_blobs({"a": b, "b": a})
    torch.testing.assert_close(both["p"], swapped["q"])
    torch.testing.assert_close(both["q"], swapped["p"])
    torch.testing.assert_close(net.total_loss, swapped["p"].sum() + 2 * swapped["q"].sum())
    assert len(net.layer_parameters("l")) == weights == len(list(net.parameters()))


def test_a_net_with_a_reshaped_shared_weight_copies(tmp_path: Path) -> None:
    net = imported(tmp_path, (CASES / "net_shared_permissive.prototxt").read_text())
    with torch.no_grad():
        net.layer_parameters("ip1")[0].normal_()
    x = torch.randn(3, 6)
    before = net(x)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        torch.testing.assert_close(other(x), before)
        owner, view = other.layer_parameters("ip1")[0], other.layer_parameters("ip2")[0]
        assert view.data_ptr() == owner.data_ptr() != net.layer_parameters("ip1")[0].data_ptr()
        with torch.no_grad():
            view.add_(1.0)
        assert not torch.equal(other(x), before) and torch.equal(net(x), before)


@pytest.mark.onnx
@pytest.mark.parametrize("layer", ["type: BatchNorm, use_global_stats: false", "type: BN, bn_mode: LEARN"])
def test_the_batch_s_own_statistics_are_certified(layer: str) -> None:
    """Each output then reads the whole batch, so rounding may cost as much as a sum over it."""
    program = load_source(
        Source(
            "bn.yaml",
            f"input: {{x: [N, 3, 16, 16]}}\nlayers:\n  - {{name: bn, {layer}}}\n  - {{type: ReLU, name: r}}\n",
        )
    )
    typed, net = program.graph(), netspec.compile(program, phase="deploy")
    from netspec.emit.onnx_model import onnx_model

    weights = {
        ref.name: net.layer_parameters(ref.node.name)[ref.index].detach().numpy()
        for ref in typed.weight_refs()
    }
    certificate = certify(net, typed, onnx_model(typed, weights).SerializeToString())
    assert certificate.cases > 5 and np.isfinite(certificate.closest)


def test_a_layer_s_own_phase_is_its_behaviour_and_filters_nothing(tmp_path: Path) -> None:
    """Net::Init hands the net's phase to layers without one; FilterNet reads include and exclude only."""
    net = """input: "x" input_shape { dim: 2 dim: 50 }
        layer { name: "still" type: "Dropout" bottom: "x" top: "a" phase: TEST }
        layer { name: "drawn" type: "Dropout" bottom: "x" top: "b" phase: TRAIN }
        layer { name: "any" type: "Dropout" bottom: "x" top: "c" }"""
    x = torch.ones(2, 50)
    for phase, drawn in (("train", {"b", "c"}), ("test", {"b"})):
        file = tmp_path / "net.prototxt"
        file.write_text(net)
        text = import_prototxt(file).text
        for made in (compiled(text, phase), pickle.loads(pickle.dumps(compiled(text, phase)))):
            blobs = made.forward_blobs({"x": x})
            assert {name for name in "abc" if not torch.equal(blobs[name], x)} == drawn
            made.eval()
            blobs = made.forward_blobs({"x": x})
            assert {name for name in "abc" if not torch.equal(blobs[name], x)} == {"b"}


def test_a_layer_that_always_trains_is_not_exported() -> None:
    typed = load_source(
        Source("n.yaml", "input: {x: [N, 4]}\nlayers: [{name: d, type: Dropout, phase: TRAIN}]\n")
    ).graph()
    from netspec.emit.onnx_model import onnx_model

    with pytest.raises(SpecError) as found:
        onnx_model(typed, {})
    assert [d.code for d in found.value.diagnostics] == ["NS701"]
