"""Training memory against what autograd saves of the compiled module: distinct storages, parameters and statistics left out."""

import random
from typing import Any

import pytest
import torch
from analysis_specs import net

from netspec import driver
from netspec.analysis.memory import BYTES, at_peak, find_kept, last_uses, storage
from netspec.compiled import compile
from netspec.fusion.passes import fuse
from netspec.ir.dims import Size, evaluate
from netspec.ir.graph import TypedGraph, Value
from netspec.source import Source

SIZES = {"N": 2, "T": 4, "S": 3, "C": 8, "H": 8, "W": 8, "D": 8, "M": 5, "V": 9, "L": 8}


def typed(text: str) -> TypedGraph:
    return driver.load_source(Source("spec.yaml", text)).graph("train")


def told(graph: TypedGraph) -> int:
    """Bytes that the layers are said to keep."""
    fusions = fuse(graph)
    own = storage(graph, fusions, training=True)
    values, extra = find_kept(graph, fusions, SIZES)
    assert extra is not None
    types = [graph.types[v] for v in {own[value] for value in values}]
    return sum(BYTES[t.dtype] * int(evaluate(t.size, SIZES)) for t in types) + sum(extra.values())  # type: ignore[arg-type]


def given(graph: TypedGraph) -> list[torch.Tensor]:
    """Data for the inputs: whole numbers where a layer takes indices."""
    counts: dict[Any, Size] = {}
    for node in graph.graph.nodes:
        counts.update(
            (node.bottoms[i], count) for i, count in node.layer.indices(*graph.bottoms(node)).items()
        )
    made = []
    for i in graph.graph.inputs:
        shape = [evaluate(size, SIZES) for size in graph.types[i.value].shape]
        whole = i.value in counts and evaluate(counts[i.value], SIZES)
        made.append(torch.randint(0, whole, shape).float() if whole else torch.rand(shape))  # type: ignore[arg-type]
    return made


def saved(graph: TypedGraph) -> int:
    """Bytes that autograd saves in a call in training."""
    torch.manual_seed(0)
    module, inputs = compile(graph).train(), given(graph)
    known = {t.untyped_storage()._cdata for t in [*module.parameters(), *module.buffers()]}
    held: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if (key := tensor.untyped_storage()._cdata) not in known:
            held[key] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        module(*inputs)
    return sum(tensor.untyped_storage().nbytes() for tensor in held.values())


CONV = "type: Convolution, num_output: 8, kernel_size: 3"
ONE = [
    "type: ReLU", "type: ReLU, negative_slope: 0.1", "type: ReLU6", "type: PReLU", "type: ELU", "type: Sigmoid", "type: TanH", "type: AbsVal",
    "type: BNLL", "type: Swish", "type: Swish, beta: 2", "type: GELU", "type: HardSigmoid", "type: HardSwish", "type: Clip, min: 0, max: 1",
    "type: Dropout", "type: Insanity", "type: Exp", "type: Power", "type: Power, power: 2, shift: 1",
    "type: Softmax", "type: BatchNorm", "type: BN", "type: Scale, bias_term: true", "type: Bias", "type: LayerNorm", "type: GroupNorm, group: 2",
    "type: InstanceNorm", "type: MVN", "type: MVN, normalize_variance: false", "type: Normalize", "type: LRN",
    "type: LRN, norm_region: WITHIN_CHANNEL", f"{CONV}, pad: 1", f"{CONV}, pad: same, stride: 2", f"{CONV}, pad: 1, pad_mode: reflect",
    f"{CONV}, pad: 1, pad_mode: circular", "type: DepthwiseConvolution, num_output: 8, kernel_size: 3",
    "type: Deconvolution, num_output: 4, kernel_size: 4, stride: 2", "type: LocallyConnected, num_output: 4, kernel_size: 3", "type: Im2col, kernel_size: 3",
    "type: Subsampling, kernel_size: 2, stride: 2", "type: InnerProduct, num_output: 9", "type: InnerProduct, num_output: 9, axis: 2", "type: RBF, num_output: 6",
    "type: Pooling, kernel_size: 2, stride: 2", "type: Pooling, kernel_size: 3, stride: 2, pad: 2", "type: Pooling, kernel_size: 2, stride: 3",
    "type: Pooling, pool: AVE, kernel_size: 3, stride: 2", "type: Pooling, pool: AVE, kernel_size: 3, stride: 2, pad: 2",
    "type: Pooling, pool: AVE, global_pooling: true", "type: Pooling, global_pooling: true", "type: Pooling, pool: L2, kernel_size: 3, stride: 2",
    "type: Pooling, pool: STOCHASTIC, kernel_size: 2, stride: 2", "type: AdaptivePooling, output_size: 3", "type: AdaptivePooling, output_size: 3, pool: MAX",
    "type: Flatten", "type: Permute, order: [0, 2, 3, 1]", "type: Tile, tiles: 2", "type: Reduction, axis: 1", "type: Reduction, axis: 1, operation: SUMSQ",
    "type: Interp, zoom_factor: 2", "type: Resize, scale: 2, mode: LINEAR", "type: Upsample", "type: PixelShuffle, upscale_factor: 2", "type: Reverse, axis: 3",
]  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("layer", ONE)
def test_a_layer_keeps_what_it_says(layer: str) -> None:
    """Behind a bias, which keeps nothing, and statistics of a few numbers apart."""
    graph = typed(net("[N, 8, 12, 12]", f"name: b, type: Bias\nname: l, {layer}"))
    assert abs(told(graph) - saved(graph)) <= 0.03 * saved(graph) + 300


JOINS = [
    "type: Eltwise, bottom: [a, b]", "type: Eltwise, operation: PROD, bottom: [a, b]", "type: Eltwise, operation: MAX, bottom: [a, b]",
    "type: Concat, bottom: [a, b]", "type: Crop, axis: 2, bottom: [a, b]", "type: Axpy, bottom: [g, a, b]",
]  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("layer", JOINS)
def test_a_join_keeps_what_it_says(layer: str) -> None:
    lines = f"name: a, type: Bias, bottom: data\nname: b, type: Bias, bottom: data\nname: g, type: Pooling, pool: AVE, global_pooling: true, bottom: a\nname: l, {layer}"
    graph = typed(net("[N, 8, 12, 12]", lines, "output: l\n"))
    assert abs(told(graph) - saved(graph)) <= 300


SEQUENCES = [
    "type: RNN, num_output: 16",
    "type: LSTM, num_output: 16",
    "type: GRU, num_output: 16",
    "type: LSTM, num_output: 16, carry_state: false",
]


@pytest.mark.torch
@pytest.mark.parametrize("layer", SEQUENCES)
def test_layers_with_a_memory_keep_what_they_say(layer: str) -> None:
    text = f"netspec: 1\ninput: {{x: [30, 2, 8], cont: [30, 2]}}\nlayers:\n  - {{name: l, {layer}, bottom: [x, cont]}}\n"
    graph = typed(text)
    assert abs(told(graph) / saved(graph) - 1) < 0.03


@pytest.mark.torch
@pytest.mark.parametrize("more", ["", ", dropout_ratio: 0.1", ", causal: true"])
def test_attention_keeps_what_it_says(more: str) -> None:
    graph = typed(
        net("[N, 24, 32]", f"name: b, type: Bias\nname: l, type: MultiHeadAttention, num_heads: 4{more}")
    )
    assert abs(told(graph) / saved(graph) - 1) < 0.03


ZOO = (
    "lenet", "lenet-1", "lenet-1989", "neocognitron", "nin-cifar", "cifar10-quick", "alexnet", "googlenet", "resnet-20", "mobilenet-v1", "char-rnn",
    "bidirectional-lstm", "wavenet", "conv-autoencoder", "vae-digits", "dcgan-digits", "deepbind", "unsharp", "u-net-shapes", "segnet-shapes",
)  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("name", ZOO)
def test_nets_of_the_zoo_keep_what_they_say(name: str) -> None:
    graph = driver.load(f"zoo:{name}").graph("train")
    assert abs(told(graph) / saved(graph) - 1) < 0.015


def test_nothing_is_kept_before_the_first_weight_that_learns() -> None:
    graph = typed(
        net(
            "[N, 8, 12, 12]",
            f"name: r, type: ReLU\nname: p, type: Pooling, kernel_size: 2, stride: 2\nname: c, {CONV}",
        )
    )
    assert told(graph) == saved(graph) == 4 * 2 * 8 * 6 * 6


@pytest.mark.torch
@pytest.mark.parametrize(
    "layers",
    [
        "name: c, type: Convolution, num_output: 8, kernel_size: 3\nname: b, type: BatchNorm\n"
        "name: s, type: Scale, bias_term: true\nname: r, type: ReLU\nname: d, type: InnerProduct, num_output: 4",
        "name: c, type: Convolution, num_output: 8, kernel_size: 3\nname: r, type: ReLU\n"
        "name: p, type: Pooling, kernel_size: 1, stride: 2, round_mode: FLOOR\nname: d, type: Convolution, num_output: 4, kernel_size: 1",
    ],
)
def test_layers_that_run_as_one_keep_nothing_in_between(layers: str) -> None:
    graph = typed(net("[N, 3, 12, 12]", layers))
    assert abs(told(graph) / saved(graph) - 1) < 0.01


def held_at_most(graph: TypedGraph) -> int:
    """The same as at_peak, anew for each step: what is made and still read, or kept, and what layers keep of their own."""
    fusions = fuse(graph)
    own = storage(graph, fusions, training=True)
    last, (values, extra) = last_uses(graph, fusions, own), find_kept(graph, fusions, SIZES)
    assert extra is not None
    kept = {own[value] for value in values}
    nodes = graph.graph.nodes
    born = {i.value: 0 for i in graph.graph.inputs}
    for step, node in enumerate(nodes):
        born |= {top: step for top in node.tops if own[top] is top}

    def size(value: Value) -> int:
        type_ = graph.types[value]
        return BYTES[type_.dtype] * int(evaluate(type_.size, SIZES))  # type: ignore[arg-type]

    return max(
        sum(
            size(v) for v, begun in born.items() if begun <= step and (last.get(v, step) >= step or v in kept)
        )
        + sum(extra.get(node, 0) for node in nodes[: step + 1])
        for step in range(len(nodes))
    )


OWN = (
    "Dropout",
    "LRN",
    "Softmax",
    "Normalize",
    "MVN",
    "LayerNorm, axis: -1",
    "Insanity",
    "ReLU",
    "Power, power: 2",
)


@pytest.mark.parametrize("seed", range(12))
def test_what_layers_keep_of_their_own_outlives_what_they_made(seed: int) -> None:
    """The most is held late, where tops have come and gone whose layers keep something."""
    draw = random.Random(seed)
    lines = ["name: c, type: Convolution, num_output: 4, kernel_size: 1"]
    for i in range(6):
        lines.append(f"name: l{i}, type: {draw.choice(OWN)}")
        if draw.random() < 0.5:
            lines.append(
                f"name: p{i}, type: Pooling, pool: AVE, kernel_size: 1, stride: {draw.choice((1, 2))}"
            )
    graph = typed(net("[N, 8, 24, 24]", "\n".join(lines)))
    found = at_peak(graph, SIZES, training=True)
    assert found is not None
    assert sum(found.values()) == held_at_most(graph)
