"""`check --as` against torch: each layer as it is and as the other dialect fills it, on the same bottoms, with the same weights.

A layer must be listed where anything is seen to differ, and only there.
"""

import random
import re
from typing import Any

import pytest
import torch
from analysis_specs import net

from netspec import driver
from netspec.analysis.infer import Pass, infer
from netspec.compiled import compile
from netspec.diagnostics.model import Diagnostics
from netspec.frozen_classes import replace_fields
from netspec.ir.graph import Graph, Input, Node, TypedGraph
from netspec.ir.layer import Layer
from netspec.ir.types import TensorType
from netspec.read_options import Reading
from netspec.repair.check import check_as
from netspec.source import Source

BOTTOM = re.compile(r", since its bottoms? .* would be another$")


def listed(source: Source, dialect: str) -> tuple[set[str], set[str]]:
    """Layers that are another by themselves, and those that are so through their bottoms alone."""
    own, inherited = set(), set()
    for found in check_as(source, dialect):
        name = found.fact.split(" ")[0]
        (inherited if BOTTOM.search(found.fact) else own).add(name)
    return own, inherited - own


def alone(node: Node, layer: Layer, types: tuple[TensorType, ...]) -> TypedGraph | None:
    """A net of one layer over these bottoms; None where the layer refuses them."""
    values = dict.fromkeys(node.bottoms)
    tops = tuple(f"top{i}" for i in range(len(node.tops)))
    inputs = tuple(Input(v, t) for v, t in zip(node.bottoms, types, strict=True) if values.pop(v, 0) is None)
    made = Node("layer", layer, node.bottoms, tops, places=node.places)
    return infer(Graph("alone", inputs, (made,), made.tops, {v.name: v for v in made.tops}), Diagnostics())


def bottoms(node: Node, types: tuple[TensorType, ...], generator: torch.Generator) -> list[torch.Tensor]:
    """Random values; whole numbers below the count where the layer reads indices; marks of which some are 0."""
    counts = node.layer.indices(*types)
    seen: dict[Any, torch.Tensor] = {}
    for i, (value, type_) in enumerate(zip(node.bottoms, types, strict=True)):
        shape = [int(size) for size in type_.shape]  # type: ignore[arg-type]
        x = torch.randn(shape, generator=generator)
        if i in counts:
            x = torch.randint(0, int(counts[i]), shape, generator=generator).float()  # type: ignore[arg-type]
            x.view(-1)[0] = int(counts[i]) - 1  # type: ignore[arg-type] # the first sequence goes on: what a call left is read
        seen.setdefault(value, x)
    return list(seen.values())


def outcome(
    graph: TypedGraph, weights: dict[str, torch.Tensor] | None, given: list[torch.Tensor], training: bool
) -> Any:
    """What a layer gives in test, called twice; in training also what it has gathered, what its weights begin with, and what learns."""
    torch.manual_seed(0)
    module = compile(graph)
    start = [w.clone() for w in module.state_dict().values()] if training else []
    if weights is None:
        for w in module.state_dict().values():
            w.copy_(torch.rand(w.shape) + 0.5)
        weights = module.state_dict()
    if {k: w.shape for k, w in weights.items()} != {k: w.shape for k, w in module.state_dict().items()}:
        return None, weights
    module.load_state_dict({k: w.clone() for k, w in weights.items()})
    kept = {k: w.clone() for k, w in weights.items()}
    made = []
    with torch.no_grad():
        for mode in (False, False, True) if training else (False, False):
            torch.manual_seed(1)
            out = module.train(mode)(*given)
            made += list(out.values()) if isinstance(out, dict) else [out]
    if training:
        out = module(*given)
        learns = [top.requires_grad for top in (out.values() if isinstance(out, dict) else [out])]
        made += [*module.state_dict().values(), *start, torch.tensor(learns)]
    return made, kept


def alike(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    return all(
        x.shape == y.shape and torch.allclose(x, y, rtol=1e-5, atol=1e-6, equal_nan=True)
        for x, y in zip(a, b, strict=True)
    )


def sized(program: driver.Program, phase: str) -> TypedGraph:
    """The typed graph of a phase, 2 in place of the batch."""
    typed = program.graph(phase)
    types = {
        v: TensorType(tuple(s if isinstance(s, int) else 2 for s in t.shape), t.dtype)
        for v, t in typed.types.items()
    }
    inputs = tuple(i._replace(type=types[i.value], node=None) for i in typed.graph.inputs)
    found = infer(replace_fields(typed.graph, inputs=inputs, sources=()), Diagnostics())
    assert found is not None
    return found


def disagreements(text: str, dialect: str, phase: str = "test") -> list[str]:
    """Layers that are listed wrongly, or are missing."""
    source = Source("net.yaml", text)
    own, inherited = listed(source, dialect)
    here, there = (
        sized(driver.load_source(source), phase),
        driver.load_source(source, Reading(settings=(f"dialect={dialect}",))),
    )
    twins = {
        node.name: node
        for node in driver.wire(there.resolved, driver.state_of(phase, there.reading), Diagnostics()).nodes
    }
    training = there.resolved.file.train is not None or any(
        any(n.loss_weights) for g in there.graphs() for n in g.graph.nodes
    )
    generator, wrong = torch.Generator().manual_seed(0), []
    for node in here.graph.nodes:
        types = here.bottoms(node)
        mine, other = alone(node, node.layer, types), alone(node, twins[node.name].layer, types)
        assert mine is not None
        given = bottoms(node, types, generator)
        first, weights = outcome(mine, None, given, training)
        second = outcome(other, weights, given, training)[0] if other is not None else None
        if alike(first, second) == (node.name in own):
            wrong.append(
                f"{node.name} {node.layer.type}: {'listed though alike' if node.name in own else 'not listed'}"
            )
    return wrong + through_bottoms(here, there, phase, inherited, own)


def through_bottoms(
    here: TypedGraph, there: driver.Program, phase: str, inherited: set[str], own: set[str]
) -> list[str]:
    """Layers whose tops or weights have another shape in the whole net of the other dialect, or are refused there."""
    graph = driver.wire(there.resolved, driver.state_of(phase, there.reading), Diagnostics())
    types = {i.value.name: here.types[i.value] for i in here.graph.inputs}
    found = Pass(
        replace_fields(
            graph,
            inputs=tuple(i._replace(type=types[i.value.name], node=None) for i in graph.inputs),
            sources=(),
        )
    ).run()
    twins, broken, wrong = {node.name: node for node in graph.nodes}, {node for node, _ in found.errors}, []
    for node in here.graph.nodes:
        twin = twins[node.name]
        tops = [t for v in twin.tops if isinstance(t := found.types[v], TensorType)]
        if len(tops) < len(twin.tops) and twin not in broken:
            continue
        another = twin in broken or [t.shape for t in tops] != [t.shape for t in here.tops(node)]
        another = another or [w.shape for w in found.weights[twin]] != [w.shape for w in here.weights[node]]
        if another != (node.name in inherited) and node.name not in own:
            wrong.append(f"{node.name}: {'not listed' if another else 'listed'} for its bottom")
    return wrong


PADS = ("0", "1", "2", "same", "[[0, 1], [1, 0]]", "[[1, 0], [0, 2]]", "valid", "full", "causal")


def layer(draw: random.Random, name: str, last: str) -> list[str]:
    """One layer over images, of the types that dialects fill differently, or one that must not be listed."""
    k, s, pad, flags = draw.randint(1, 4), draw.randint(1, 3), draw.choice(PADS), ("true", "false")
    small = draw.choice(("0", "[[0, 1], [0, 1]]", "[[1, 0], [0, 0]]", "same", "1"))
    return [
        f"name: {name}, bottom: {last}, "
        + draw.choice(
            [
                f"type: Pooling, pool: {draw.choice(('MAX', 'AVE', 'AVE', 'L2'))}, kernel_size: {max(k, 2)}, stride: {s}, pad: {small}",
                f"type: Pooling, pool: AVE, kernel_size: {max(k, 2)}, stride: {s}, pad: {small}, round_mode: FLOOR",
                f"type: Pooling, pool: AVE, kernel_size: 3, stride: {s}, pad: 1, count_include_pad: {draw.choice(flags)}",
                f"type: Pooling, pool: {draw.choice(('MAX', 'AVE'))}, global_pooling: true",
                f"type: Convolution, num_output: 3, kernel_size: {k}, stride: {s}, pad: {pad}, bias_term: {draw.choice(flags)}",
                f"type: Convolution, num_output: 3, kernel_size: {k}, pad: same, weight_filler: xavier, dilation: {s}",
                f"type: DepthwiseConvolution, num_output: 3, kernel_size: {k}, stride: {s}, pad: same",
                f"type: Deconvolution, num_output: 3, kernel_size: {k}, stride: {s}, bias_filler: {{value: 1}}",
                f"type: Im2col, kernel_size: {k}, stride: {s}, pad: same",
                f"type: Subsampling, kernel_size: {k}, stride: {s}",
                f"type: BatchNorm, use_global_stats: {draw.choice(flags)}",
                "type: BatchNorm",
                f"type: BatchNorm, eps: {draw.choice(('0.001', '0.00001'))}",
                f"type: LRN, norm_region: {draw.choice(('ACROSS_CHANNELS', 'WITHIN_CHANNEL'))}",
                "type: LRN, local_size: 5, alpha: 0.0001",
                f"type: {draw.choice(('InstanceNorm', 'GroupNorm, group: 1', 'LayerNorm', 'MVN', 'ReLU', 'TanH'))}",
                f"type: InnerProduct, num_output: 4, axis: {draw.choice((1, 2, 3))}",
                "type: Scale, bias_term: true",
            ]
        )
    ]


def image_net(seed: int) -> str:
    """A random net of one to five layers over images; what does not fit is left out."""
    draw = random.Random(seed)
    rest = f"dialect: {draw.choice(('caffe', 'torch', 'tf'))}\n"
    rest += (
        "train: {data: digits, loss: [], solver: {base_lr: 0.1, max_iter: 9}}\n"
        if draw.random() < 0.4
        else ""
    )
    lines, last, shape = [], "data", f"[N, 3, {draw.randint(6, 11)}, {draw.randint(6, 11)}]"
    for i in range(draw.randint(1, 5)):
        more = layer(draw, f"l{i}", last)
        text = net(shape, "\n".join(lines + more), rest)
        if (
            driver.resolve_source(Source("net.yaml", text), diagnostics := Diagnostics()) is None
            or diagnostics.failed
        ):
            continue
        try:
            driver.load_source(Source("net.yaml", text)).graph("test")
        except driver.SpecError:
            continue
        lines, last = lines + more, f"l{i}"
    return net(shape, "\n".join(lines or ["name: l, type: ReLU"]), rest)


SEQUENCES = [
    f"type: {kind}, num_output: 3{more}, bottom: [{given}], top: [{tops}]"
    for kind in ("RNN", "LSTM", "GRU")
    for more, given, tops in [
        ("", "x, cont", "y"),
        (", carry_state: false", "x, cont", "y"),
        (
            ", expose_hidden: true",
            "x, cont, h, c" if kind == "LSTM" else "x, cont, h",
            "y, hn, cn" if kind == "LSTM" else "y, hn",
        ),
    ]
] + ["type: Embed, num_output: 3, input_dim: 5, bottom: cont, top: y"]


@pytest.mark.torch
@pytest.mark.parametrize(
    "seed", [*range(14), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(14, 40))]
)
def test_what_is_listed_is_what_torch_sees_differ(seed: int) -> None:
    text = image_net(seed)
    for dialect in ("caffe", "torch", "tf"):
        assert disagreements(text, dialect) == [], f"as {dialect}:\n{text}"


@pytest.mark.torch
@pytest.mark.parametrize("lines", SEQUENCES)
def test_layers_with_a_memory(lines: str) -> None:
    for rest in (
        "",
        "dialect: torch\n",
        "train: {data: digits, loss: [], solver: {base_lr: 0.1, max_iter: 9}}\n",
    ):
        inputs = "input: {x: [4, 2, 3], cont: [4, 2], h: [1, 2, 3], c: [1, 2, 3]}"
        text = f"netspec: 1\n{inputs}\n{rest}layers:\n  - {{name: l, {lines}}}\noutput: y\n"
        for dialect in ("caffe", "torch", "tf"):
            assert disagreements(text, dialect) == [], f"as {dialect}:\n{text}"


ZOO = (
    "lenet",
    "cifar10-quick",
    "nin-cifar",
    "char-rnn",
    "conv-autoencoder",
    "deepbind",
    "tdnn",
    "neocognitron",
)


@pytest.mark.torch
@pytest.mark.parametrize("name", ZOO)
def test_nets_of_the_zoo(name: str) -> None:
    text = driver.load(f"zoo:{name}").resolved.spec.source.text
    for dialect in ("caffe", "torch", "tf"):
        assert disagreements(text, dialect) == [], dialect
