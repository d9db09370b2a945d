"""Certification: sound models pass, each planted fault is found and blamed on its layer, in whatever way it shows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from nets import Made, made
from onnx import helper, numpy_helper

from netspec.diagnostics import SpecError
from netspec.exporters.certification.certify import Certificate, certify

pytestmark = [pytest.mark.onnx, pytest.mark.torch]

CLASSIC = """
{name: conv1, type: Convolution, num_output: 4, kernel_size: 3, pad: 1}
{name: bn1, type: BatchNorm}
{name: scale1, type: Scale, bias_term: true}
{name: relu1, type: ReLU, bottom: scale1, top: scale1}
{name: pool1, type: Pooling, pool: AVE, kernel_size: 3, stride: 2, pad: 1}
{name: norm1, type: LRN, local_size: 3, alpha: 0.5}
{name: pool2, type: Pooling, pool: MAX, kernel_size: 2, stride: 2}
{name: cat, type: Concat, bottom: [pool2, pool2], axis: 1}
{name: ip1, type: InnerProduct, num_output: 6}
{name: prob, type: Softmax}
"""


def certified(net: Made) -> Certificate:
    return certify(net.net, net.typed, net.model.SerializeToString())


def blamed(net: Made) -> str:
    """The fact of the one finding; the layer is named at its beginning."""
    with pytest.raises(SpecError) as raised:
        certified(net)
    (found,) = raised.value.diagnostics
    assert found.code == "NS703"
    return found.fact


def node(model: Any, name: str) -> Any:
    return next(n for n in model.graph.node if n.name == name)


def attribute(model: Any, name: str, key: str, value: Any) -> None:
    """Change one attribute of one node."""
    kept = [a for a in node(model, name).attribute if a.name != key]
    assert len(kept) == len(node(model, name).attribute) - 1
    del node(model, name).attribute[:]
    node(model, name).attribute.extend([*kept, helper.make_attribute(key, value)])


def weight(model: Any, name: str, change: Callable[[Any], Any]) -> None:
    tensor = next(t for t in model.graph.initializer if t.name == name)
    tensor.CopyFrom(
        numpy_helper.from_array(
            np.ascontiguousarray(change(numpy_helper.to_array(tensor).copy()), np.float32), name
        )
    )


def test_a_sound_model_passes() -> None:
    found = certified(made(CLASSIC))
    assert found.cases >= 7
    assert {"N=1", "N=2", "N=3", "N=7"} == set(found.sizes)
    assert 0 < found.closest <= 1
    assert found.left_out == 0


def test_a_net_without_any_rounding_passes() -> None:
    """Differences of 0 against tolerances of 0: a net that only moves numbers."""
    assert certified(made("{name: flat, type: Flatten}")).largest_difference == 0


FAULTS: dict[str, tuple[str, Callable[[Any], None]]] = {
    "eps": ("BatchNorm bn1", lambda m: attribute(m, "bn1", "epsilon", 1e-3)),
    "ceil to floor": ("Pooling pool1", lambda m: attribute(m, "pool1", "ceil_mode", 0)),
    "ceil to floor, last": ("Pooling pool2", lambda m: attribute(m, "pool2", "ceil_mode", 0)),
    "count_include_pad": ("Pooling pool1", lambda m: attribute(m, "pool1", "count_include_pad", 0)),
    "axis of softmax": ("Softmax prob", lambda m: attribute(m, "prob", "axis", 0)),
    "axis of concat": ("Concat cat", lambda m: attribute(m, "cat", "axis", 2)),
    "bias": ("Convolution conv1", lambda m: weight(m, "conv1.bias", lambda b: b + 1e-3)),
    "bias of the last layer": ("InnerProduct ip1", lambda m: weight(m, "ip1.bias", lambda b: b[::-1])),
    "one weight": (
        "Convolution conv1",
        lambda m: weight(m, "conv1.weight", lambda w: w + 1e-4 * (w == w.flat[50])),
    ),
    "flipped kernel": (
        "Convolution conv1",
        lambda m: weight(m, "conv1.weight", lambda w: w[..., ::-1, ::-1]),
    ),
    "pads": ("Convolution conv1", lambda m: attribute(m, "conv1", "pads", [0, 1, 2, 1])),
    "strides": ("Pooling pool2", lambda m: attribute(m, "pool2", "strides", [2, 1])),
    "size of lrn": ("LRN norm1", lambda m: attribute(m, "norm1", "size", 5)),
    "alpha of lrn": ("LRN norm1", lambda m: attribute(m, "norm1", "alpha", 0.5 / 3)),
    "operator": ("Pooling pool1", lambda m: change_operator(m, "pool1", "MaxPool")),
    "no relu": ("ReLU relu1", lambda m: change_operator(m, "relu1", "Identity")),
    "operator that does not exist": ("ReLU relu1", lambda m: change_operator(m, "relu1", "Rely")),
}


def change_operator(model: Any, name: str, op: str) -> None:
    node(model, name).op_type = op
    if op == "MaxPool":
        kept = [a for a in node(model, name).attribute if a.name != "count_include_pad"]
        del node(model, name).attribute[:]
        node(model, name).attribute.extend(kept)


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_found_and_blamed_on_their_layer(fault: str) -> None:
    net = made(CLASSIC, fused=False)
    layer, plant = FAULTS[fault]
    plant(net.model)
    assert blamed(net).startswith(f"{layer}: ")


FOLDED = "Convolution conv1, BatchNorm bn1, Scale scale1"
FOLDED_FAULTS: dict[str, tuple[str, Callable[[Any], None]]] = {
    "weight": (FOLDED, lambda m: weight(m, "conv1/folded_weight", lambda w: w * (1 + 1e-6))),
    "one bias": (FOLDED, lambda m: weight(m, "conv1/folded_bias", lambda b: b + 1e-3 * (b == b[1]))),
    "pads": (FOLDED, lambda m: attribute(m, "conv1", "pads", [0, 1, 2, 1])),
    "no relu": ("ReLU relu1", lambda m: change_operator(m, "relu1", "Identity")),
    "axis of concat": ("Concat cat", lambda m: attribute(m, "cat", "axis", 2)),
    "ceil to floor": ("Pooling pool1", lambda m: attribute(m, "pool1", "ceil_mode", 0)),
    "operator that does not exist": (FOLDED, lambda m: change_operator(m, "conv1", "Konv")),
}


@pytest.mark.parametrize("fault", FOLDED_FAULTS)
def test_planted_faults_are_found_in_what_is_folded(fault: str) -> None:
    net = made(CLASSIC)
    layer, plant = FOLDED_FAULTS[fault]
    plant(net.model)
    assert blamed(net).startswith(f"{layer}: ")


def test_a_fold_that_is_wrong_for_all_weights_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both sides of the comparison of weights use one function: what it makes is judged by what the net computes."""
    from netspec.layers.batch_norm import BatchNorm

    monkeypatch.setattr(
        BatchNorm, "fold_statistics", lambda self, mean, variance, scale_factor: (variance, mean)
    )
    assert blamed(made(CLASSIC)).startswith(f"{FOLDED}: ")


def test_the_finding_has_place_numbers_and_case() -> None:
    net = made(CLASSIC)
    weight(net.model, "ip1.bias", lambda b: b + 0.5 * np.eye(6)[2])
    with pytest.raises(SpecError) as raised:
        certified(net)
    (found,) = raised.value.diagnostics
    assert found.span is not None
    assert found.span.text == "ip1"
    assert "0.5 apart" in found.fact
    assert "at [2] of ip1.bias" in found.fact
    assert found.notes == ("the weights in the file, before anything was run",)
    net = made(CLASSIC)
    attribute(net.model, "prob", "axis", 0)
    with pytest.raises(SpecError) as raised:
        certified(net)
    (found,) = raised.value.diagnostics
    assert found.notes == ("case: normal N=1",)


def test_a_fault_that_the_output_hides_is_found_inside() -> None:
    """The second half of the bias does not reach the output: its blob differs all the same."""
    net = made("""
    {name: conv1, type: Convolution, num_output: 4, kernel_size: 1}
    {name: threshold, type: Threshold, threshold: -1000}
    """)
    weight(net.model, "conv1.bias", lambda b: b + 0.01)
    assert blamed(net).startswith("Convolution conv1: ")


def test_layers_that_jump_are_judged_on_what_they_were_given() -> None:
    """Rounding turns some thresholds and some argmax over: no fault of theirs, and what follows is judged from there."""
    net = made(
        """
    {name: conv1, type: Convolution, num_output: 8, kernel_size: 3, pad: 1}
    {name: conv2, type: Convolution, num_output: 8, kernel_size: 3, pad: 1}
    {name: best, type: ArgMax, axis: 1}
    {name: more, type: Power, scale: 3, shift: 1}
    """,
        "data: [N, 3, 40, 40]",
    )
    assert certified(net).cases >= 7
    weight(net.model, "conv2.bias", lambda b: b + 0.01 * np.eye(8)[0])
    assert blamed(net).startswith("Convolution conv2: ")


def test_open_sizes_take_the_least_legal_ones_and_more() -> None:
    net = made(
        """
    {name: conv1, type: Convolution, num_output: 4, kernel_size: 5, stride: 2}
    {name: pool1, type: Pooling, kernel_size: 3, stride: 2}
    """,
        "data: [N, 3, H, W]",
    )
    found = certified(net)
    assert "N=2 H=7 W=7" in found.sizes
    assert "N=2 H=12 W=11" in found.sizes
    assert "N=2 H=11 W=13" in found.sizes


def test_sizes_follow_the_facts() -> None:
    """Down and up again: H and W must be even."""
    net = made(
        """
    {name: down, type: Convolution, num_output: 3, kernel_size: 2, stride: 2}
    {name: up, type: Deconvolution, num_output: 3, kernel_size: 2, stride: 2}
    {name: sum, type: Eltwise, bottom: [data, up]}
    """,
        "data: [N, 3, H, W]",
    )
    sizes = [dict(part.split("=") for part in s.split()) for s in certified(net).sizes]
    assert all(int(s["H"]) % 2 == int(s["W"]) % 2 == 0 for s in sizes)
    assert len({s["H"] for s in sizes}) > 2


def test_fixed_batch_and_fixed_size() -> None:
    assert certified(made("{name: ip, type: InnerProduct, num_output: 3}", "data: [1, 4]")).sizes == ()


def test_whole_numbers_go_where_a_layer_reads_indices() -> None:
    assert (
        certified(made("{name: words, type: Embed, input_dim: 7, num_output: 5}", "data: [N, T]")).cases >= 7
    )


def test_several_inputs_and_outputs() -> None:
    net = made(
        """
    {name: a, type: InnerProduct, num_output: 3, bottom: left}
    {name: b, type: InnerProduct, num_output: 3, bottom: right}
    {name: sum, type: Eltwise, bottom: [a, b]}
    {name: both, type: Concat, bottom: [a, b]}
    """,
        "left: [N, 4], right: [N, 5]",
    )
    assert {o.name for o in net.model.graph.output} == {"sum", "both"}
    certified(net)
    weight(net.model, "b.weight", lambda w: w * 1.001)
    assert blamed(net).startswith("InnerProduct b: ")


def test_state_is_carried_from_call_to_call() -> None:
    """The second call starts from what the first left: a model that forgets is found."""
    lines = "{name: rec, type: RNN, num_output: 3, bottom: [data, cont]}"
    net = made(lines, "data: [T, N, 4], cont: [T, N]")
    certified(net)
    state = next(o.name for o in net.model.graph.output if o.name.endswith(".next"))
    for n in net.model.graph.node:
        n.output[:] = ["remembered" if o == state else o for o in n.output]
    net.model.graph.node.append(helper.make_node("Identity", [state.removesuffix(".next")], [state]))
    assert blamed(net).startswith("RNN rec: ")


def test_shared_weights_of_another_shape() -> None:
    net = made(
        """
    {name: a, type: InnerProduct, num_output: 6, bias_term: false, param: [{name: w, share_mode: PERMISSIVE}]}
    {name: b, type: InnerProduct, num_output: 6, bias_term: false, transpose: true, bottom: data, param: {name: w, share_mode: PERMISSIVE}}
    """,
        "data: [N, 4]",
    )
    assert sum(t.name.endswith(".weight") for t in net.model.graph.initializer) == 1
    certified(net)


def test_a_net_that_takes_no_size_is_refused() -> None:
    net = made(
        "{name: c, type: Convolution, num_output: 2, kernel_size: 5000, bias_term: false}", "data: [N, 1, W]"
    )
    with pytest.raises(SpecError) as raised:
        certified(net)
    assert [d.code for d in raised.value.diagnostics] == ["NS706"]


def test_rounding_that_a_layer_blows_up_is_no_fault_but_its_eps_is() -> None:
    """Over a constant plane InstanceNorm divides what rounding left of the mean by sqrt(eps)."""
    net = made("{name: norm, type: InstanceNorm}", "data: [N, 3, 11, 11]")
    assert certified(net).cases >= 7
    attribute(net.model, "norm/InstanceNormalization", "epsilon", 1e-3)
    assert blamed(net).startswith("InstanceNorm norm: ")


def test_the_same_file_gets_the_same_certificate() -> None:
    assert certified(made(CLASSIC)) == certified(made(CLASSIC))


def test_work_is_counted_and_what_is_left_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from netspec.exporters.certification import plan

    whole = certified(made(CLASSIC))
    assert (whole.partial, whole.left_out) == (False, 0)
    monkeypatch.setitem(plan.BUDGET, "full", whole.work / 4)
    less = certified(made(CLASSIC))
    assert less.partial
    assert less.left_out > 0
    assert less.work < whole.work
    assert less.metadata()["netspec.certified"] == "partial"


def test_an_output_of_which_nothing_is_known_is_not_certified() -> None:
    from netspec.exporters.certification.certificate import Tally
    from netspec.exporters.certification.compare import Difference

    net, tally = made(CLASSIC), Tally()
    (value,) = net.typed.graph.outputs
    names = {value: "prob"}
    tally.output(value, "prob", Difference(0.5, 1.0, 2.0, void=True))
    with pytest.raises(SpecError) as raised:
        tally.demand((value,), names)
    assert raised.value.diagnostics[0].code == "NS716"
    tally.layer(value, "prob", Difference(1e-7, 1e-6, 2.0))
    tally.demand((value,), names)


def test_a_loud_channel_hides_no_quiet_one() -> None:
    """One filter a million times larger than the others, and the bias of another dropped."""
    lines = """
    {name: conv1, type: Convolution, num_output: 4, kernel_size: 3}
    {name: more, type: Power, scale: 2}
    """
    net = made(lines, fused=False)
    with torch.no_grad():
        net.net.layer_parameters("conv1")[0][2] *= 1e6
    held = {
        "conv1.weight": net.net.layer_parameters("conv1")[0],
        "conv1.bias": net.net.layer_parameters("conv1")[1],
    }
    for name, tensor in held.items():
        weight(net.model, name, lambda _, tensor=tensor: tensor.detach().numpy())
    certified(net)
    conv = node(net.model, "conv1")
    net.model.graph.initializer.append(numpy_helper.from_array(np.array([1, 1, 1, 0], np.float32), "planted"))
    net.model.graph.node.insert(0, helper.make_node("Mul", [conv.input[2], "planted"], ["planted/bias"]))
    conv.input[2] = "planted/bias"
    assert blamed(net).startswith("Convolution conv1: ")


def test_progress_is_told_on_a_terminal_alone(capsys: pytest.CaptureFixture[str]) -> None:
    from netspec.cli.export import Told

    told = Told()
    now = told.start
    told.clock = lambda: now  # type: ignore[method-assign]
    for terminal, waited, shown in (
        (False, 9, False),
        (True, 0, False),
        (True, 1.9, False),
        (True, 2.1, True),
    ):
        told.terminal, now = terminal, told.start + waited
        told(1, 5, "each layer")
        assert ("certifying, step 1 of 5: each layer" in capsys.readouterr().err) == shown == told.shown
    told.clear()
    assert capsys.readouterr().err.startswith("\r")
