"""Fields and proofs of causality of whole nets against the gradients of every output unit."""

import random
from collections import Counter
from collections.abc import Iterator
from itertools import product

import pytest
import torch

import netspec
from netspec.analysis.field.receptive_field import Field, explain_unshifted, fields, later
from netspec.driver import load_source
from netspec.ir.field import Step, past
from netspec.ir.graph import TypedGraph
from netspec.source import Source

PADS = ("0", "1", "same", "causal", "causal", "full", "[[2, 0]]")
MODES = ("constant", "constant", "reflect", "symmetric", "replicate", "circular")


def words(draw: random.Random, name: str, last: str) -> list[str]:
    """The lines of one step of a random net over (N, 2, L)."""
    side = draw.choice(["same", "causal"])
    whole = draw.choice(["Softmax, axis: 2", "Reverse, axis: 2", "InstanceNorm", "LayerNorm, axis: 2"])
    k, s, d, pad = draw.randint(1, 4), draw.randint(1, 3), draw.randint(1, 3), draw.choice(PADS)
    window = f"kernel_size: {k}, stride: {s}, dilation: {d}, pad: {pad}"
    return draw.choice(
        [
            [f"{name}, type: Convolution, bottom: {last}, num_output: 2, {window}, pad_mode: {draw.choice(MODES)}"],
            [f"{name}, type: DepthwiseConvolution, bottom: {last}, num_output: 2, kernel_size: {k}, pad: {pad}"],
            [f"{name}, type: Pooling, bottom: {last}, pool: {draw.choice(['AVE', 'MAX', 'L2'])}, kernel_size: {max(k, s)}, stride: {s}"],
            [f"{name}, type: Deconvolution, bottom: {last}, num_output: 2, kernel_size: {k}, stride: {s}, dilation: {min(d, 2)}"],
            [f"{name}m, type: Convolution, bottom: {last}, num_output: 2, kernel_size: {k}, dilation: {d}, pad: {side}",
             f"{name}, type: Concat, bottom: [{name}m, {last}]"],
            [f"{name}m, type: Convolution, bottom: {last}, num_output: 2, kernel_size: {k}, pad: 0",
             f"{name}c, type: Crop, axis: 2, bottom: [{last}, {name}m], offset: {draw.randint(0, k - 1)}",
             f"{name}, type: Eltwise, bottom: [{name}m, {name}c]"],
            [f"{name}p, type: Pooling, bottom: {last}, kernel_size: {s + draw.randint(0, 1)}, stride: {s}, top: [{name}p, {name}k]",
             f"{name}, type: Upsample, bottom: [{name}p, {name}k], upsample_size: 24"],
            [f"{name}, type: Resize, bottom: {last}, mode: {draw.choice(['LINEAR', 'NEAREST'])}, scale: {draw.choice([2, 0.5, 1.5])}"],
            [f"{name}, type: {whole}, bottom: {last}"],
            [f"{name}, type: {draw.choice(['Softmax', 'LRN, local_size: 3', 'BatchNorm', 'Scale', 'ReLU'])}, bottom: {last}"],
        ]
    )  # fmt: skip


def text(lines: list[str], out: str, shape: str = "[1, 2, 24]") -> str:
    return (
        f"input: {{x: {shape}}}\nlayers:\n"
        + "".join(f"  - {{name: {line}}}\n" for line in lines)
        + f"output: {out}\n"
    )


def net(seed: int) -> str | None:
    """A random net; steps that do not fit are left out."""
    draw, lines, last = random.Random(seed), [], "x"
    for i in range(draw.randint(1, 5)):
        more = words(draw, f"l{i}", last)
        try:
            load_source(Source("net.yaml", text(lines + more, f"l{i}"))).graph()
        except netspec.SpecError:
            continue
        lines, last = lines + more, f"l{i}"
    return text(lines, last) if lines else None


def slopes(typed: TypedGraph, x: torch.Tensor) -> torch.Tensor:
    """|dy/dx| by place of the output and of the input, along the last axes."""
    module = netspec.compile(typed).double()
    for weight in module.parameters():
        torch.nn.init.uniform_(weight, 0.5, 1.5)
    found = torch.autograd.functional.jacobian(module, x)
    return found.abs().sum((0, 1, 3, 4))


EACH = 15


@pytest.mark.parametrize(
    "part", [0, 1, 2, *(pytest.param(part, marks=pytest.mark.slow) for part in range(3, 10))]
)
def test_no_gradient_outside_a_net_s_field(part: int) -> None:
    told = Counter(kind for seed in range(part * EACH, (part + 1) * EACH) for kind in held(seed))
    assert told["compared"] >= 10 and told["bounded"] >= 3, told
    assert told["causal"] >= 1 or part == 8, told  # of its fifteen nets none happens to be causal


def held(seed: int) -> Iterator[str]:
    """What could be held against torch in a net."""
    spec = net(seed)
    if spec is None:
        return
    torch.manual_seed(seed)
    typed = load_source(Source("net.yaml", spec)).graph()
    value, source, known = typed.graph.outputs[0], typed.graph.inputs[0].value, fields(typed)
    try:
        reached = slopes(typed, torch.rand(1, 2, 24, dtype=torch.float64) + 0.5) > 1e-12
    except RuntimeError as error:
        assert "out of bounds" in str(error)  # a mask of a larger image than Upsample's
        return
    yield "compared"
    found: Field | None = known[value][source][2]
    if found is not None:
        yield "bounded"
    for unit, at in product(range(reached.shape[0]), range(24)):
        if reached[unit, at] and found is not None:
            begin, end = (
                found.wide.begin + found.stride * unit,
                found.wide.end + found.edge + found.stride * unit,
            )
            assert (begin - 1e-6 <= at or found.edge) and at <= end + 1e-6, (
                f"unit {unit} reads pixel {at}:\n{spec}"
            )
    if later(typed, value, known) is None:
        yield "causal"
        assert found is not None
        ahead = [
            (u, t)
            for u, t in product(range(reached.shape[0]), range(24))
            if reached[u, t] and t > found.stride * u + 1e-6
        ]
        assert not ahead, f"called causal, but reads {ahead[:3]}:\n{spec}"


LSTM = "netspec: 1\ninput: {x: [6, 2, 3], cont: [6, 2], h: [1, 2, 4], c: [1, 2, 4]}\nlayers:\n"
PROOFS = [
    ("[1, 2, 9]", "a, type: Convolution, num_output: 1, kernel_size: 4, pad: causal, pad_mode: replicate", None),
    ("[1, 2, 9]", "a, type: Convolution, num_output: 1, kernel_size: 4, pad: causal, pad_mode: reflect", "it sees 3 steps of x ahead"),
    ("[1, 2, 9]", "a, type: Convolution, num_output: 1, kernel_size: 4, pad: causal, pad_mode: circular", "it sees the end of x"),
    ("[1, 9, 4]", "a, type: MultiHeadAttention, num_heads: 2, causal: true", None),
    ("[1, T, 4]", "a, type: MultiHeadAttention, num_heads: 2", "it sees the whole time axis"),
    ("[1, T, 4]", "a, type: LayerNorm, axis: 2", None),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "layer", "reason"), PROOFS)
def test_proofs_of_causality(shape: str, layer: str, reason: str | None) -> None:
    typed = load_source(Source("net.yaml", text([layer], "a", shape))).graph()
    found = later(typed, typed.graph.outputs[0], fields(typed))
    assert found is None if reason is None else str(found).startswith(reason)


def test_a_last_state_has_seen_every_step() -> None:
    lines = "  - {name: r, type: LSTM, bottom: [x, cont, h, c], num_output: 4, expose_hidden: true, top: [y, hn, cn]}\n"
    typed = load_source(Source("net.yaml", LSTM + lines)).graph()
    known = fields(typed)
    assert later(typed, typed.graph.blobs["y"], known) is None
    assert later(typed, typed.graph.blobs["hn"], known) == "it sees the whole time axis of x"


def test_the_statistics_of_a_batch_are_not_causal_in_training() -> None:
    lines = ["a, type: Convolution, num_output: 2, kernel_size: 2, pad: causal", "b, type: BatchNorm"]
    program = load_source(Source("net.yaml", text(lines, "b", "[N, 2, T]")))
    for phase, proven in (("test", True), ("train", False)):
        typed = program.graph(phase)
        assert (later(typed, typed.graph.blobs["b"], fields(typed)) is None) == proven


@pytest.mark.parametrize(("shape", "lines", "proven"), [
    ("[1, 1, 60]", ["a, type: Upsample, scale: 2", "b, type: Pooling, kernel_size: 2, stride: 3", "c, type: Upsample, scale: 3",
                    "d, type: Pooling, kernel_size: 2, stride: 2"], False),
    ("[1, 1, 60]", ["a, type: Upsample, scale: 2", "d, type: Pooling, kernel_size: 2, stride: 4"], True),
    ("[1, 9, 4]", ["d, type: MultiHeadAttention, num_heads: 2, causal: true"], False),
    ("[N, T, 4]", ["d, type: LayerNorm, axis: 2"], True),
    ("[N, 9]", ["d, type: InnerProduct, num_output: 2"], False),
])  # fmt: skip
def test_proofs_of_equivariance(shape: str, lines: list[str], proven: bool) -> None:
    typed = load_source(Source("net.yaml", text(lines, "d", shape))).graph()
    assert (explain_unshifted(typed, typed.graph.outputs[0], fields(typed)) is None) == proven


def test_a_causal_query_that_may_see_nothing_sees_nothing_later() -> None:
    layer = "{name: a, type: MultiHeadAttention, num_heads: 2, causal: true, bottom: [x, x, m]}"
    spec = f"input: {{x: [1, 5, 4], m: [1, 5]}}\nlayers:\n  - {layer}\n"
    typed = load_source(Source("net.yaml", spec)).graph()
    assert later(typed, typed.graph.outputs[0], fields(typed)) is None
    module = netspec.compile(typed).double()
    for weight in module.parameters():
        torch.nn.init.normal_(weight)
    x, m = (
        torch.randn(1, 5, 4, dtype=torch.float64, requires_grad=True),
        torch.tensor([[0.0, 0, 0, 1, 1]]).double(),
    )
    (slope,) = torch.autograd.grad(module(x, m)[0, 1].sum(), x)
    assert slope[0, :2].abs().min() > 0
    assert not slope[0, 2:].any()


@pytest.mark.parametrize(
    "layer",
    [
        "Reverse, axis: 1",
        "Softmax, axis: 1",
        "LayerNorm, axis: 1",
        "Slice, axis: 1, slice_point: 1, top: [z, a]",
    ],
)
def test_no_proof_where_nothing_tells_which_axis_is_time(layer: str) -> None:
    typed = load_source(Source("net.yaml", text([f"a, type: {layer}"], "a", "[1, 6, 4]"))).graph()
    assert (
        later(typed, typed.graph.outputs[0], fields(typed))
        == "nothing tells which axis of x is time: call its size T"
    )


@pytest.mark.parametrize(
    ("causal", "mask", "row"),
    [
        ("false", "[2, 5]", None),
        ("true", "[2, 5]", past(1)),
        ("false", "[2, 5, 5]", Step(1)),
        ("true", "[2, 5, 5]", Step(1)),
    ],
)
def test_a_token_reads_its_row_of_a_mask(causal: str, mask: str, row: Step | None) -> None:
    """Of a mask with a row for each query that row alone; of one for all, what attention itself sees."""
    layer = f"{{name: a, type: MultiHeadAttention, num_heads: 2, causal: {causal}, bottom: [x, x, m]}}"
    typed = load_source(
        Source("net.yaml", f"input: {{x: [2, 5, 4], m: {mask}}}\nlayers:\n  - {layer}\n")
    ).graph()
    node = typed.graph.blobs["a"].node
    assert node is not None
    assert node.layer.field(*typed.bottoms(node))[2] == (Step(0), row, None)
