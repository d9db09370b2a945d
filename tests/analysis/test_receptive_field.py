"""Receptive fields against the support of gradients, and what is read off them."""

import random

import pytest
from analysis_specs import net, typed

from netspec.analysis.field.receptive_field import Extent, Field, explain_unshifted, fields, join, later
from netspec.ir.graph import TypedGraph


def field(graph: TypedGraph, blob: str, axis: int = 2) -> Field | None:
    (axes,) = fields(graph)[graph.graph.blobs[blob]].values()
    return next((f for f in axes if f is not None and f.axis == axis), None)


def numbers(text: str, blob: str, axis: int = 2) -> tuple[object, ...]:
    found = field(typed(text), blob, axis)
    assert found is not None
    return found.wide.size, found.narrow.size, found.stride, found.wide.begin


CONV = "type: Convolution, num_output: 2, kernel_size"
KNOWN = [
    (net("[N, 1, 28, 28]", f"name: a, {CONV}: 5\nname: b, type: Pooling, kernel_size: 2, stride: 2\nname: c, {CONV}: 5"), "c", (14, 14, 2, 0)),
    (net("[N, 3, 64, 64]", "\n".join(f"name: a{i}, {CONV}: 3, dilation: {d}, pad: {d}" for i, d in enumerate((1, 1, 2, 4, 8, 16, 1)))), "a6",
     (67, 67, 1, -33)),
    (net("[N, 1, 4000]", "\n".join(f"name: a{i}, {CONV}: 2, dilation: {2**i}, pad: causal" for i in range(10))), "a9", (1024, 1024, 1, -1023)),
    (net("[N, 2, 32, 32]", f"name: a, {CONV}: 3, pad: 1\nname: e, type: Eltwise, bottom: [a, data]"), "e", (3, 1, 1, -1)),
    (net("[N, 2, 32, 32]", f"name: a, {CONV}: 3\nname: c, type: Crop, bottom: [data, a], offset: 1\nname: e, type: Concat, bottom: [a, c]"), "e", (3, 1, 1, 0)),
    (net("[N, 2, 32, 32]", "name: u, type: Deconvolution, num_output: 2, kernel_size: 4, stride: 2, pad: 1"), "u", (2, 2, 0.5, -1)),
    (net("[N, 2, 32, 32]", "name: u, type: LRN, norm_region: WITHIN_CHANNEL, local_size: 5"), "u", (5, 5, 1, -2)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "blob", "expected"), KNOWN)
def test_known_fields(text: str, blob: str, expected: tuple[object, ...]) -> None:
    assert numbers(text, blob) == expected


def test_axes_apart_and_axes_seen_whole() -> None:
    text = net("[N, 1, 40, 40]", f"name: a, {CONV}: [3, 7], stride: [1, 2]\nname: p, type: Permute, order: [0, 1, 3, 2]\n"
               "name: m, type: Reduction, axis: 3, bottom: a\nname: s, type: Softmax, bottom: a, axis: 2")  # fmt: skip
    assert numbers(text, "a", 2)[0] == 3
    assert numbers(text, "a", 3)[0] == 7
    graph = typed(text)
    assert [
        f.axis
        for f in fields(graph)[graph.graph.blobs["p"]][graph.graph.inputs[0].value][2:]
        if f is not None
    ] == [3, 2]
    assert field(graph, "m", 3) is None
    assert field(graph, "s", 2) is None
    assert numbers(text, "s", 3)[0] == 7


def chain(seed: int) -> tuple[str, int]:
    """A random net over 1-D data with means in place of maxima, so that gradients have full support."""
    draw = random.Random(seed)
    lines, last = [], "data"
    for i in range(draw.randint(2, 6)):
        kind = draw.choice(("conv", "conv", "pool", "up", "skip", "branch"))
        k, s, d = draw.randint(1, 4), draw.randint(1, 3), draw.randint(1, 3)
        if kind == "conv":
            lines.append(
                f"name: l{i}, type: Convolution, bottom: {last}, num_output: 2, kernel_size: {k}, stride: {s}, dilation: {d}, pad: {draw.randint(0, 3)}"
            )
        elif kind == "pool":
            lines.append(
                f"name: l{i}, type: Pooling, bottom: {last}, pool: AVE, kernel_size: {max(k, s)}, stride: {s}, round_mode: FLOOR"
            )
        elif kind == "up":
            lines.append(
                f"name: l{i}, type: Deconvolution, bottom: {last}, num_output: 2, kernel_size: {k + s}, stride: {s}, pad: {draw.randint(0, 1)}"
            )
        elif kind == "skip":
            lines.append(
                f"name: m{i}, type: Convolution, bottom: {last}, num_output: 2, kernel_size: 3, dilation: {d}, pad: same"
            )
            lines.append(f"name: l{i}, type: Concat, bottom: [m{i}, {last}]")
        else:
            lines.append(
                f"name: m{i}, type: Convolution, bottom: {last}, num_output: 2, kernel_size: {2 * k + 1}, pad: same"
            )
            lines.append(
                f"name: n{i}, type: Convolution, bottom: {last}, num_output: 2, kernel_size: 3, pad: same"
            )
            lines.append(f"name: l{i}, type: Eltwise, bottom: [m{i}, n{i}]")
        last = f"l{i}"
    return net("[N, 2, 400]", "\n".join(lines)), len(lines)


@pytest.mark.torch
@pytest.mark.parametrize("seed", range(40))
def test_fields_are_the_support_of_gradients(seed: int) -> None:
    """Within the field always; over some phase of the transposed layers exactly as wide."""
    torch = pytest.importorskip("torch")
    from netspec.compiled import compile

    text, _ = chain(seed)
    graph = typed(text)
    module = compile(graph).double()
    for weight in module.parameters():
        torch.nn.init.uniform_(weight, 0.5, 1.0)
    x = torch.ones(1, 2, 400, dtype=torch.float64, requires_grad=True)
    out = module(x)
    found = field(graph, graph.graph.outputs[0].name)
    assert found is not None
    middle, widths = out.shape[-1] // 2, []
    for unit in range(max(0, middle - 18), min(out.shape[-1], middle + 18)):
        (gradient,) = torch.autograd.grad(out[0, :, unit].sum(), x, retain_graph=True)
        seen = gradient.abs().sum((0, 1)).nonzero().flatten()
        begin, end = found.wide.begin + found.stride * unit, found.wide.end + found.stride * unit
        assert begin - 1e-6 <= int(seen[0])
        assert int(seen[-1]) <= end + 1e-6
        if begin >= 0 and end < 400:
            widths.append(int(seen[-1] - seen[0]) + 1)
    if widths:
        assert max(widths) == found.wide.size


def test_a_recurrent_layer_sees_the_past_only() -> None:
    text = "netspec: 1\ninput: {x: [T, N, 5], cont: [T, N]}\nlayers:\n  - {name: h, type: LSTM, bottom: [x, cont], num_output: 4}\n"
    graph = typed(text)
    known = fields(graph)
    assert later(graph, graph.graph.blobs["h"], known) is None
    assert known[graph.graph.blobs["h"]][graph.graph.inputs[0].value][0].wide.size == float("inf")


@pytest.mark.parametrize(("layers", "reason"), [
    (f"name: a, {CONV}: 2, pad: causal", None),
    (f"name: a, {CONV}: 3, pad: 1", "it sees 1 step of data ahead"),
    (f"name: a, {CONV}: 2, pad: causal\nname: b, type: Softmax, axis: 2", "it sees the whole time axis of data"),
    (f"name: a, {CONV}: 2, pad: causal\nname: b, type: MVN", "it sees the whole time axis of data"),
    (f"name: a, {CONV}: 4, stride: 2, pad: causal\nname: b, type: BatchNorm", None),
])  # fmt: skip
def test_causality(layers: str, reason: str | None) -> None:
    graph = typed(net("[N, 2, T]", layers))
    assert later(graph, graph.graph.outputs[0], fields(graph)) == reason


@pytest.mark.torch
@pytest.mark.parametrize("seed", range(20))
def test_a_proof_of_causality_holds_in_torch(seed: int) -> None:
    torch = pytest.importorskip("torch")
    from netspec.compiled import compile

    draw = random.Random(seed)
    pads = [draw.choice(("causal", "causal", "same", "1")) for _ in range(3)]
    graph = typed(
        net(
            "[N, 2, 32]",
            "\n".join(f"name: a{i}, {CONV}: {draw.randint(1, 3)}, pad: {pad}" for i, pad in enumerate(pads)),
        )
    )
    module = compile(graph).double()
    for weight in module.parameters():
        torch.nn.init.uniform_(weight, 0.5, 1.0)
    x = torch.ones(1, 2, 32, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(module(x)[0, :, 15].sum(), x)
    assert (later(graph, graph.graph.outputs[0], fields(graph)) is None) == bool(
        (gradient[..., 16:] == 0).all()
    )


def test_equivariance_needs_every_stride_on_the_way() -> None:
    down = f"name: a, {CONV}: 3\nname: p, type: Pooling, kernel_size: 2, stride: 2"
    graph = typed(net("[N, 1, 64, 64]", down))
    assert explain_unshifted(graph, graph.graph.blobs["p"], fields(graph)) is None
    graph = typed(
        net(
            "[N, 1, 64, 64]",
            down
            + "\nname: u, type: Deconvolution, num_output: 1, kernel_size: 2, stride: 2\nname: q, type: Flatten",
        )
    )
    assert "only shifts by 2" in str(explain_unshifted(graph, graph.graph.blobs["u"], fields(graph)))
    assert explain_unshifted(graph, graph.graph.blobs["q"], fields(graph)) == "axis 2 of data is seen whole"


@pytest.mark.parametrize(
    ("layer", "moves"),
    [
        (f"{CONV}: 3", True),
        ("type: LocallyConnected, num_output: 1, kernel_size: 3", False),
        ("type: MappedConvolution, num_output: 1, kernel_size: 3", True),
        ("type: MappedConvolution, num_output: 1, kernel_size: 3, untie_biases: true", False),
        ("type: Scale", True),
        ("type: Scale, axis: 1, num_axes: 3", False),
        ("type: PReLU", True),
    ],
)
def test_weights_for_every_place_are_not_equivariant(layer: str, moves: bool) -> None:
    graph = typed(net("[N, 1, 8, 8]", f"name: a, {layer}\nname: b, type: ReLU"))
    reason = explain_unshifted(graph, graph.graph.blobs["b"], fields(graph))
    assert reason == (None if moves else "a does something else at every place")


def test_a_table_of_positions_is_not_equivariant() -> None:
    graph = typed(
        net(
            "[N, 1, 8, 8]",
            "name: p, type: Parameter, shape: [1, 1, 8, 8]\nname: s, type: Eltwise, bottom: [data, p]",
        )
    )
    assert (
        explain_unshifted(graph, graph.graph.blobs["s"], fields(graph))
        == "s does something else at every place"
    )


@pytest.mark.parametrize("seed", range(4))
def test_what_two_branches_see_together(seed: int) -> None:
    """The hull of both; where one holds the other, up to a common end too, it is that one, with all that it knows."""
    draw = random.Random(seed)
    for _ in range(200):
        a, b = (
            Extent(
                draw.choice((1, 2)),
                first := draw.randint(-4, 3),
                first + draw.choice((0, 0, 2)),
                0,
                2,
                draw.randint(1, 6),
            )
            for _ in "ab"
        )
        inside = [
            all(one.begin <= n <= one.end for n in (two.begin, two.end)) for one, two in ((a, b), (b, a))
        ]
        found = a.join(b)
        assert (found.begin, found.end) == (min(a.begin, b.begin), max(a.end, b.end))
        assert found.stride == max(a.stride, b.stride) or any(inside)
        assert found is a if inside[0] else found is b if inside[1] else True


def test_two_branches_along_one_axis() -> None:
    """The widest, the narrowest by its size, the shift that moves both, the farther of the edges."""
    near, far = Extent(1, 0, 0, 0, 1, 3), Extent(1, -2, -2, -2, 1, 7)
    a, b = Field(2, near, near, 2, 1), Field(2, far, far, 3, 5)
    for x, y in ((a, b), (b, a)):
        assert join((x, None), (y, None)) == (Field(2, far, near, 6, 5), None)
    assert join((a,), (a,)) == (a,)
    for other in (None, b._replace(axis=3), Field(2, far._replace(stride=2), far)):
        assert join((a,), (other,)) == (None,)
