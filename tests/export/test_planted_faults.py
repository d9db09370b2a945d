"""More than a hundred wrong lowerings, each planted in the model of a small net with the weights that its fillers make: caught, and its layer named.

A bias of zeros, statistics of nothing and slopes of a quarter hide what their place is; the certificate must see it all the same.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from nets import arrays
from onnx import helper, numpy_helper

from netspec import compiled
from netspec.diagnostics import SpecError
from netspec.driver import load_source
from netspec.emit.onnx_model import onnx_model
from netspec.exporters.certification.certify import certify
from netspec.source import Source

pytestmark = [pytest.mark.onnx, pytest.mark.torch]

IMAGE = "data: {shape: [N, 3, 8, 9], image: {mean_value: [104, 117, 123], scale: 0.02, color: bgr}}"


class Net(NamedTuple):
    typed: Any
    net: Any
    model: Any


def fresh(layers: str, inputs: str, fused: bool = True) -> Net:
    """The net of these layers, weights as filled."""
    lines = "".join(f"  - {line.strip()}\n" for line in layers.split(";;"))
    typed = load_source(
        Source("small.yaml", f"netspec: 1\nname: small\ninput: {{{inputs}}}\nlayers:\n{lines}")
    ).graph("deploy")
    torch.manual_seed(0)
    net = compiled.compile(typed)
    return Net(typed, net, onnx_model(typed, arrays(net, typed), fused=fused))


# --- what may be planted ---------------------------------------------------------------------------------------------


def nodes(graph: Any) -> Any:
    """All nodes, those of inner graphs too."""
    for each in graph.node:
        yield each
        for a in each.attribute:
            if a.HasField("g"):
                yield from nodes(a.g)


def node(model: Any, name: str) -> Any:
    return next(n for n in nodes(model.graph) if n.name == name)


def attribute(name: str, **values: Any) -> Callable[[Any], None]:
    def plant(model: Any) -> None:
        kept = [a for a in node(model, name).attribute if a.name not in values]
        del node(model, name).attribute[:]
        node(model, name).attribute.extend(
            [*kept, *(helper.make_attribute(k, v) for k, v in values.items() if v is not None)]
        )

    return plant


def operator(name: str, op: str, *without: str) -> Callable[[Any], None]:
    def plant(model: Any) -> None:
        node(model, name).op_type = op
        attribute(name, **dict.fromkeys(without))(model)

    return plant


def reads(name: str, **inputs: str) -> Callable[[Any], None]:
    """Input number i of a node (`_1`) is another tensor; none with an empty name."""

    def plant(model: Any) -> None:
        for place, tensor in inputs.items():
            node(model, name).input[int(place[1:])] = tensor
        while node(model, name).input[-1] == "":
            del node(model, name).input[-1]

    return plant


def constant(name: str, place: int, change: Callable[[Any], Any]) -> Callable[[Any], None]:
    """The constant that a node reads as its input `place` becomes another; other readers keep theirs."""

    def plant(model: Any) -> None:
        reader = node(model, name)
        before = next(t for t in model.graph.initializer if t.name == reader.input[place])
        value = numpy_helper.to_array(before)
        made = np.asarray(change(value.copy()), value.dtype)
        model.graph.initializer.append(numpy_helper.from_array(made, f"{name}/planted{place}"))
        reader.input[place] = f"{name}/planted{place}"

    return plant


def swapped(name: str, i: int, j: int) -> Callable[[Any], None]:
    def plant(model: Any) -> None:
        reader = node(model, name)
        reader.input[i], reader.input[j] = reader.input[j], reader.input[i]

    return plant


def passed(name: str) -> Callable[[Any], None]:
    """A node hands on its first input."""

    def plant(model: Any) -> None:
        n = node(model, name)
        n.op_type = "Identity"
        del n.input[1:], n.attribute[:]

    return plant


def between(name: str, place: int, op: str, **attributes: Any) -> Callable[[Any], None]:
    """One more operator before an input of a node."""

    def plant(model: Any) -> None:
        reader = node(model, name)
        at = list(model.graph.node).index(reader)
        more = helper.make_node(op, [reader.input[place]], ["planted"], **attributes)
        reader.input[place] = "planted"
        model.graph.node.insert(at, more)

    return plant


def outputs_swapped(name: str, i: int = 0, j: int = 1) -> Callable[[Any], None]:
    def plant(model: Any) -> None:
        n = node(model, name)
        n.output[i], n.output[j] = n.output[j], n.output[i]

    return plant


def forgotten(state: str) -> Callable[[Any], None]:
    """The state goes out as it came in."""

    def plant(model: Any) -> None:
        for n in nodes(model.graph):
            n.output[:] = ["forgotten" if o == f"{state}.next" else o for o in n.output]
        model.graph.node.append(helper.make_node("Identity", [state], [f"{state}.next"]))

    return plant


def flip(model: Any, name: str, place: int) -> None:
    """The last two axes of a weight the other way round, in the graph."""
    big = np.iinfo(np.int64).min
    constants = {"starts": [-1, -1], "ends": [big, big], "axes": [2, 3], "steps": [-1, -1]}
    for key, value in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), key))
    reader = node(model, name)
    model.graph.node.insert(0, helper.make_node("Slice", [reader.input[place], *constants], ["flipped"]))
    reader.input[place] = "flipped"


def leaky(model: Any, slope: float) -> None:
    n = node(model, "l")
    n.op_type = "LeakyRelu"
    del n.input[1:]
    n.attribute.append(helper.make_attribute("alpha", slope))


def first_of_ties(model: Any) -> None:
    """The best of the axis as it lies, not of the turned one."""
    n = node(model, "l")
    n.op_type, made = "Identity", "planted"
    del n.attribute[:]
    n.input[0] = made
    model.graph.node.insert(0, helper.make_node("Cast", ["planted/index"], [made], to=1))
    model.graph.node.insert(0, helper.make_node("ArgMax", ["data"], ["planted/index"], axis=1, keepdims=1))


def both(*faults: Callable[[Any], None]) -> Callable[[Any], None]:
    def plant(model: Any) -> None:
        for fault in faults:
            fault(model)

    return plant


CONV = "{name: l, type: Convolution, num_output: 4, kernel_size: 3, weight_filler: msra}"
WIDE = "{name: l, type: Convolution, num_output: 6, kernel_size: 3, pad: [1, 0], stride: [2, 1], dilation: [1, 2], weight_filler: msra}"
DENSE = "{name: l, type: InnerProduct, num_output: 72, weight_filler: xavier}"
EMBED = "{name: l, type: Embed, input_dim: 7, num_output: 5, weight_filler: xavier}"
LRN = "{name: l, type: LRN, local_size: 3, alpha: 0.5, beta: 0.6, k: 2}"
POWER = "{name: l, type: Power, power: 2, scale: 0.3, shift: 1.5}"
AVE = "{name: l, type: Pooling, pool: AVE, kernel_size: 3, stride: 2, pad: 1}"
MAX = "{name: l, type: Pooling, kernel_size: 3, stride: 2}"
LSTM = "{name: l, type: LSTM, num_output: 3, bottom: [data, cont], weight_filler: xavier}"
GRU = "{name: l, type: GRU, num_output: 3, bottom: [data, cont], weight_filler: xavier}"
RNN = "{name: l, type: RNN, num_output: 3, bottom: [data, cont], weight_filler: xavier}"
ATTENTION = "{name: l, type: MultiHeadAttention, num_heads: 2}"
BOTH = "{name: a, type: Power, scale: 2, bottom: data};;{name: l, type: Concat, bottom: [data, a]}"
SUM = "{name: a, type: Power, scale: 2, shift: 1, bottom: data};;{name: l, type: Eltwise, bottom: [data, a], coeff: [1, -0.5]}"
TIME, PLAIN, ODD, OPEN = (
    "data: [T, N, 4], cont: [T, N]",
    "data: [N, 3, 8, 9]",
    "data: [N, 3, 8, 8]",
    "data: [N, 3, H, W]",
)

FAULTS: dict[str, tuple[str, str, Callable[[Any], None]]] = {
    "conv: a bias of zeros is dropped": (CONV, PLAIN, reads("l", _2="")),
    "conv: pads begin and end": (WIDE, PLAIN, attribute("l", pads=[0, 0, 2, 0])),
    "conv: pads of the axes": (WIDE, PLAIN, attribute("l", pads=[0, 1, 0, 1])),
    "conv: strides of the axes": (WIDE, PLAIN, attribute("l", strides=[1, 2])),
    "conv: dilation ignored": (WIDE, PLAIN, attribute("l", dilations=[1, 1])),
    "conv: dilations of the axes": (WIDE, PLAIN, attribute("l", dilations=[2, 1])),
    "conv: group ignored": (
        "{name: l, type: Convolution, num_output: 3, kernel_size: 3, group: 3, weight_filler: msra}",
        PLAIN,
        attribute("l", group=1),
    ),
    "conv: kernel flipped": (CONV, ODD, lambda m: flip(m, "l", 1)),
    "conv: kernel transposed": (CONV, ODD, between("l", 1, "Transpose", perm=[0, 1, 3, 2])),
    "deconv: a bias of zeros is dropped": (
        "{name: l, type: Deconvolution, num_output: 2, kernel_size: 3, stride: 2, weight_filler: msra}",
        PLAIN,
        reads("l", _2=""),
    ),
    "deconv: output padding": (
        "{name: l, type: Deconvolution, num_output: 2, kernel_size: 3, stride: 2, weight_filler: msra}",
        PLAIN,
        attribute("l", output_padding=[1, 1]),
    ),
    "deconv: pads": (
        "{name: l, type: Deconvolution, num_output: 2, kernel_size: 3, stride: 2, pad: 1, weight_filler: msra}",
        PLAIN,
        attribute("l", pads=[0, 0, 2, 2]),
    ),
    "dense: a bias of zeros is dropped": (DENSE, "data: [N, 72]", reads("l", _2="")),
    "dense: transB": (DENSE, "data: [N, 72]", attribute("l", transB=0)),
    "dense: alpha": (DENSE, "data: [N, 72]", attribute("l", alpha=0.999)),
    "dense: axes flattened in another order": (DENSE, "data: [N, 2, 6, 6]", between("l/Reshape", 0, "Transpose", perm=[0, 1, 3, 2])),
    "batch norm: mean and variance swapped": ("{name: l, type: BatchNorm}", PLAIN, swapped("l", 3, 4)),
    "batch norm: eps dropped": ("{name: l, type: BatchNorm, eps: 0.001}", PLAIN, attribute("l", epsilon=0.0)),
    "batch norm: another eps": ("{name: l, type: BatchNorm}", PLAIN, attribute("l", epsilon=1e-3)),
    "batch norm: the factor of the mean": ("{name: l, type: BatchNorm}", PLAIN, reads("l", _3="l.mean")),
    "batch norm: the factor of the variance": ("{name: l, type: BatchNorm}", PLAIN, reads("l", _4="l.variance")),
    "batch norm: no reciprocal": ("{name: l, type: BatchNorm}", PLAIN, passed("l/Reciprocal")),
    "own batch norm: slope and bias swapped": ("{name: l, type: BN}", PLAIN, swapped("l", 1, 2)),
    "own batch norm: mean for bias": ("{name: l, type: BN}", PLAIN, reads("l", _2="l/Reshape_2")),
    "scale: a bias of zeros is dropped": ("{name: l, type: Scale, bias_term: true}", PLAIN, passed("l")),
    "scale: a factor of ones is dropped": ("{name: l, type: Scale, bias_term: true}", PLAIN, passed("l/Mul")),
    "scale: bias first": ("{name: l, type: Scale, bias_term: true}", PLAIN, both(operator("l/Mul", "Add"), operator("l", "Mul"))),
    "bias: dropped": ("{name: l, type: Bias}", PLAIN, passed("l")),
    "bias: along another axis": ("{name: l, type: Bias}", "data: [N, 3, 3, 3]", constant("l/Reshape", 1, lambda s: s[::-1])),
    "prelu: the default slope": ("{name: l, type: PReLU}", PLAIN, lambda m: leaky(m, 0.25)),
    "prelu: no slope": ("{name: l, type: PReLU}", PLAIN, lambda m: leaky(m, 0.0)),
    "prelu: along another axis": ("{name: l, type: PReLU}", "data: [N, 3, 3, 3]", constant("l/Reshape", 1, lambda s: s[::-1])),
    "relu: its slope": ("{name: l, type: ReLU, negative_slope: 0.1}", PLAIN, attribute("l", alpha=0.01)),
    "relu: none": ("{name: l, type: ReLU}", PLAIN, operator("l", "Identity")),
    "relu: the size": ("{name: l, type: ReLU}", PLAIN, operator("l", "Abs")),
    "elu: alpha": ("{name: l, type: ELU, alpha: 0.7}", PLAIN, attribute("l", alpha=1.0)),
    "relu6: relu": (f"{CONV};;{{name: r, type: ReLU6}}", IMAGE, reads("r", _2="")),
    "relu6: another bound": (f"{CONV};;{{name: r, type: ReLU6}}", IMAGE, constant("r", 2, lambda x: x + 0.5)),
    "sigmoid: hard": ("{name: l, type: Sigmoid}", PLAIN, operator("l", "HardSigmoid")),
    "tanh: sigmoid": ("{name: l, type: TanH}", PLAIN, operator("l", "Sigmoid")),
    "abs: none": ("{name: l, type: AbsVal}", PLAIN, operator("l", "Identity")),
    "gelu: by tanh": ("{name: l, type: GELU}", PLAIN, attribute("l", approximate="tanh")),
    "swish: no product": ("{name: l, type: Swish}", PLAIN, passed("l")),
    "exp: the base": ("{name: l, type: Exp, base: 2, scale: 0.5, shift: 0.1}", PLAIN, passed("l/Mul_1")),
    "exp: the shift": ("{name: l, type: Exp, base: 2, scale: 0.5, shift: 0.1}", PLAIN, passed("l/Add")),
    "log: the shift": ("{name: l, type: Log, base: 10, scale: 0.5, shift: 20}", PLAIN, constant("l/Add", 1, lambda x: x - 1)),
    "log: the base": ("{name: l, type: Log, base: 10, scale: 0.5, shift: 20}", PLAIN, passed("l")),
    "power: the shift": (POWER, PLAIN, passed("l/Add")),
    "power: the scale": (POWER, PLAIN, passed("l/Mul")),
    "power: the exponent": (POWER, PLAIN, passed("l")),
    "threshold: its own value counts": ("{name: l, type: Threshold}", PLAIN, operator("l/Greater", "GreaterOrEqual")),
    "lrn: alpha": (LRN, PLAIN, attribute("l", alpha=0.5 / 3)),
    "lrn: beta": (LRN, PLAIN, attribute("l", beta=0.75)),
    "lrn: k": (LRN, PLAIN, attribute("l", bias=1.0)),
    "lrn: size": (LRN, PLAIN, attribute("l", size=5)),
    "softmax: another axis": ("{name: l, type: Softmax}", PLAIN, attribute("l", axis=-1)),
    "softmax: its logarithm": ("{name: l, type: Softmax}", PLAIN, operator("l", "LogSoftmax")),
    "pooling: ceil to floor": (MAX, PLAIN, attribute("l", ceil_mode=0)),
    "pooling: ceil to floor where the size divides": (MAX, OPEN, attribute("l", ceil_mode=0)),
    "pooling: the border does not count": (AVE, PLAIN, attribute("l", count_include_pad=0)),
    "pooling: average for maximum": (MAX, PLAIN, operator("l", "AveragePool", "storage_order")),
    "pooling: window": (MAX, PLAIN, attribute("l", kernel_shape=[2, 3], pads=[0, 0, 1, 0])),
    "pooling: pads": (AVE, PLAIN, attribute("l", pads=[0, 1, 2, 1])),
    "sum: its coefficient": (SUM, PLAIN, constant("l/Mul", 1, lambda x: -x)),
    "sum: product": (SUM, PLAIN, operator("l", "Mul")),
    "sum: maximum": (SUM, PLAIN, operator("l", "Max")),
    "sum: one bottom twice": (SUM, PLAIN, reads("l/Mul", _0="data")),
    "concat: order": (BOTH, PLAIN, swapped("l", 0, 1)),
    "concat: axis": (BOTH, PLAIN, attribute("l", axis=2)),
    "slice: order": ("{name: l, type: Slice, top: [p, q], slice_point: 2}", "data: [N, 4, 5, 5]", outputs_swapped("l")),
    "slice: points": (
        "{name: l, type: Slice, top: [p, q], slice_point: 1}",
        "data: [N, 4, 5, 5]",
        constant("l", 1, lambda s: s[::-1]),
    ),
    "flatten: axes in another order": ("{name: l, type: Flatten}", PLAIN, between("l", 0, "Transpose", perm=[0, 1, 3, 2])),
    "permute: its inverse": ("{name: l, type: Permute, order: [0, 2, 3, 1]}", ODD, attribute("l", perm=[0, 3, 1, 2])),
    "tile: repeated element by element": ("{name: l, type: Tile, tiles: 2}", PLAIN, constant("l", 1, lambda s: np.roll(s, 1))),
    "reduction: its factor": ("{name: l, type: Reduction, axis: 1, operation: MEAN, coeff: 2}", PLAIN, passed("l")),
    "reduction: sum for mean": (
        "{name: l, type: Reduction, axis: 1, operation: MEAN, coeff: 2}",
        PLAIN,
        operator("l/ReduceMean", "ReduceSum"),
    ),
    "argmax: of ties the other one": ("{name: l, type: ArgMax, axis: 1}", PLAIN, first_of_ties),
    "crop layer: offset": (
        "{name: a, type: Pooling, kernel_size: 3, stride: 1};;{name: l, type: Crop, bottom: [data, a], offset: 1}",
        PLAIN,
        lambda m: (constant("l", 1, lambda x: x - 1)(m), constant("l", 2, lambda x: x - 1)(m)),
    ),
    "layer norm: eps": ("{name: l, type: LayerNorm}", PLAIN, attribute("l", epsilon=1e-2)),
    "layer norm: a bias of zeros is dropped": ("{name: l, type: LayerNorm}", PLAIN, reads("l", _2="")),
    "instance norm: eps": ("{name: l, type: InstanceNorm}", PLAIN, attribute("l/InstanceNormalization", epsilon=1e-3)),
    "mvn: no variance": ("{name: l, type: MVN}", PLAIN, passed("l")),
    "normalize: no scale": ("{name: l, type: Normalize}", PLAIN, passed("l")),
    "upsample: rounded": ("{name: l, type: Upsample, scale: 2}", PLAIN, attribute("l", nearest_mode="ceil")),
    "upsample: half pixels": (
        "{name: l, type: Interp, height: 17, width: 20}",
        PLAIN,
        attribute("l", coordinate_transformation_mode="half_pixel"),
    ),
    "upsample: nearest for linear": (
        "{name: l, type: Interp, height: 17, width: 20}",
        PLAIN,
        attribute("l", mode="nearest", coordinate_transformation_mode="asymmetric"),
    ),
    "dropout: scales": ("{name: l, type: Dropout}", PLAIN, between("l", 0, "Neg")),
    "shuffle: groups": ("{name: l, type: ShuffleChannel, group: 2}", "data: [N, 6, 4, 4]", attribute("l/Transpose", perm=[0, 1, 2, 3])),
    "embed: a bias of zeros is dropped": (EMBED, "data: [N, T]", passed("l")),
    "lstm: order of the gates": (LSTM, TIME, outputs_swapped("l/Split", 0, 2)),
    "lstm: a bias of zeros is dropped": (LSTM, TIME, reads("l/Gemm", _2="")),
    "lstm: cont ignored": (LSTM, TIME, passed("l/Mul")),
    "lstm: no tanh of the cell": (LSTM, TIME, passed("l/Tanh_1")),
    "lstm: the state is forgotten": (LSTM, TIME, forgotten("l.c")),
    "gru: order of the gates": (GRU, TIME, outputs_swapped("l/Split_2")),
    "gru: the state is forgotten": (GRU, TIME, forgotten("l.h")),
    "rnn: the second bias is dropped": (RNN, TIME, reads("l/Gemm_2", _2="")),
    "group norm: eps": ("{name: l, type: GroupNorm, group: 2}", "data: [N, 4, 4, 4]", attribute("l/InstanceNormalization", epsilon=1e-3)),
    "group norm: a bias of zeros is dropped": ("{name: l, type: GroupNorm, group: 2}", "data: [N, 4, 4, 4]", passed("l")),
    "pixel shuffle: channels the other way": ("{name: l, type: PixelShuffle, upscale_factor: 2}", "data: [N, 8, 4, 4]", attribute("l", mode="DCR")),
    "attention: no scale": (ATTENTION, "data: [N, 4, 4]", passed("l/Mul")),
    "attention: along the queries": (ATTENTION, "data: [N, 4, 4]", attribute("l/Softmax", axis=2)),
    "attention: keys for values": (ATTENTION, "data: [N, 4, 4]", outputs_swapped("l/Split", 1, 2)),
    "pyramid: mean for maximum": ("{name: l, type: SPP, pyramid_height: 2}", "data: [N, 2, 8, 9]", operator("l/GlobalMaxPool", "GlobalAveragePool")),
    "adaptive pooling: maximum for mean": (
        "{name: l, type: AdaptivePooling, pool: AVE, output_size: 2}",
        "data: [N, 2, 7, 9]",
        operator("l/ReduceMean_1", "ReduceMax"),
    ),
    "clip: its bound": ("{name: l, type: Clip, min: -0.5, max: 0.7}", PLAIN, constant("l", 2, lambda x: x + 0.01)),
    "hard swish: no product": ("{name: l, type: HardSwish}", PLAIN, operator("l", "HardSigmoid")),
    "flip: none": ("{name: l, type: Flip}", PLAIN, passed("l")),
    "reverse: another axis": ("{name: l, type: Reverse, axis: 1}", "data: [N, 3, 3, 3]", constant("l", 3, lambda x: x + 1)),
    "rbf: the root": ("{name: l, type: RBF, num_output: 4}", "data: [N, 4]", operator("l", "ReduceL2")),
    "subsampling: a bias of zeros is dropped": ("{name: l, type: Subsampling, kernel_size: 2, stride: 2}", "data: [N, 3, 8, 8]", passed("l")),
    "lrn within a channel: the border does not count": (
        "{name: l, type: LRN, local_size: 3, alpha: 0.3, beta: 0.75, norm_region: WITHIN_CHANNEL}",
        "data: [N, 2, 6, 6]",
        attribute("l/AveragePool", count_include_pad=0),
    ),
    "prelu of one slope: the default": ("{name: l, type: PReLU, channel_shared: true}", PLAIN, lambda m: leaky(m, 0.25)),
}  # fmt: skip


CULPRIT = {"relu6": "r"}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_lowering_is_caught_and_its_layer_named(fault: str) -> None:
    layers, inputs, plant = FAULTS[fault]
    net = fresh(f"{layers};;{{name: z, type: Power, scale: 2, bottom: {last(layers)}}}", inputs, fused=False)
    plant(net.model)
    with pytest.raises(SpecError) as raised:
        certify(net.net, net.typed, net.model.SerializeToString())
    (found,) = raised.value.diagnostics
    assert found.code == "NS703"
    assert found.fact.split(": ")[0].split()[1] == CULPRIT.get(fault.split(":", maxsplit=1)[0], "l")


def last(layers: str) -> str:
    return "q" if "Slice" in layers else "r" if "name: r" in layers else "l"


@pytest.mark.parametrize("layers", sorted({(layers, inputs) for layers, inputs, _ in FAULTS.values()}))
def test_without_a_fault_it_passes(layers: tuple[str, str]) -> None:
    net = fresh(layers[0], layers[1])
    found = certify(net.net, net.typed, net.model.SerializeToString(), level="quick")
    assert found.layers > 0
    assert found.unproven == ()


# --- the contract of pictures ----------------------------------------------------------------------------------------

CUT = "data: {{shape: [N, 3, {h}, {w}], image: {{{words}mean_value: [104, 117, 123], std_value: [2, 3, 5], scale: 0.02, color: bgr, crop_size: [{h}, {w}]}}}}"


def rounded_up(model: Any) -> None:
    """The crop begins at the ceiling of (size - crop) / 2."""
    divide = node(model, "data/Div")
    at = list(model.graph.node).index(divide)
    model.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "planted/one"))
    model.graph.node.insert(at, helper.make_node("Add", [divide.input[0], "planted/one"], ["planted/more"]))
    divide.input[0] = "planted/more"


CONTRACT: dict[str, tuple[str, Callable[[Any], None]]] = {
    "the crop, rounded up": ("the crop", rounded_up),
    "the crop, at the corner": ("the crop", constant("data/Div", 1, lambda x: x * 1000)),
    "the crop, its axes": ("the crop", constant("data/Slice", 3, lambda x: x[::-1])),
    "the order of colours, none": ("the order of colours", passed("data/Gather")),
    "the order of colours, turned": (
        "the order of colours",
        constant("data/Gather", 1, lambda x: np.roll(x, 1)),
    ),
    "mean_value, none": ("mean_value", passed("data/Sub_1")),
    "mean_value, in rgb": ("mean_value", constant("data/Sub_1", 1, lambda x: x[::-1])),
    "std_value, none": ("std_value", passed("data/Div_1")),
    "std_value, in rgb": ("std_value", constant("data/Div_1", 1, lambda x: x[::-1])),
    "std_value, multiplied": ("std_value", operator("data/Div_1", "Mul")),
    "the scale, none": ("the scale", passed("data/Mul")),
    "the scale, divided": ("the scale", operator("data/Mul", "Div")),
}


@pytest.mark.parametrize("size", [(7, 7), (8, 8), (6, 9)])
@pytest.mark.parametrize("fault", CONTRACT)
def test_a_wrong_contract_is_the_contract_s(fault: str, size: tuple[int, int]) -> None:
    if fault == "the crop, its axes" and size[0] == size[1]:
        size = (6, 9)
    word, plant = CONTRACT[fault]
    net = fresh(CONV, CUT.format(h=size[0], w=size[1], words=""))
    plant(net.model)
    with pytest.raises(SpecError) as raised:
        certify(net.net, net.typed, net.model.SerializeToString())
    (found,) = raised.value.diagnostics
    assert found.code == "NS703"
    assert found.fact.startswith(f"the image contract of data, {word}: ")


@pytest.mark.parametrize("crop", [5, 6])
def test_an_exact_size_s_crop_is_held_too(crop: int) -> None:
    net = fresh(CONV, CUT.format(h=crop, w=crop, words="resize: [10, 11], "))
    certify(net.net, net.typed, net.model.SerializeToString(), level="quick")
    rounded_up(net.model)
    with pytest.raises(SpecError) as raised:
        certify(net.net, net.typed, net.model.SerializeToString())
    assert raised.value.diagnostics[0].fact.startswith("the image contract of data, the crop: ")


def renamed(tensor: str) -> Callable[[Any], None]:
    """A tensor under another name, wherever it is made, read or given."""

    def plant(model: Any) -> None:
        for each in nodes(model.graph):
            for names in (each.input, each.output):
                names[:] = [f"{name}_" if name == tensor else name for name in names]
        for given in (*model.graph.output, *model.graph.initializer):
            given.name = f"{given.name}_" if given.name == tensor else given.name

    return plant


def reshaped(tensor: str) -> Callable[[Any], None]:
    """A weight without its last row."""

    def plant(model: Any) -> None:
        held = next(t for t in model.graph.initializer if t.name == tensor)
        held.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(held)[:-1].copy(), tensor))

    return plant


@pytest.mark.parametrize(
    ("plant", "fact"),
    [
        (renamed("z"), "Power z: the model has no tensor z"),
        (reshaped("l.bias"), "l.bias is [3] in the model, [4] in the net"),
        (reads("z", _0="nowhere"), "onnxruntime cannot run it"),
    ],
    ids=["output", "shape", "broken"],
)
def test_what_a_model_lacks_is_named(plant: Callable[[Any], None], fact: str) -> None:
    net = fresh(f"{CONV};;{{name: z, type: Power, scale: 2}}", "data: [N, 3, 6, 7]", fused=False)
    plant(net.model)
    with pytest.raises(SpecError) as raised:
        certify(net.net, net.typed, net.model.SerializeToString(), level="quick")
    (found,) = raised.value.diagnostics
    assert fact in found.fact, (found.code, found.fact, found.notes)
