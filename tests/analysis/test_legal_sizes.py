"""Legal sizes against brute force: typing the net again for each size, and running it in torch on the meta device."""

import random
from collections.abc import Sequence

import pytest
from analysis_specs import codes, net, typed

from netspec.analysis.infer import Pass
from netspec.analysis.sizes.coupling import joint
from netspec.analysis.sizes.legal import LIMIT, legal_sizes
from netspec.analysis.sizes.progressions import Progression, compress
from netspec.frozen_classes import replace_fields
from netspec.ir.dims import evaluate, symbol
from netspec.ir.graph import TypedGraph
from netspec.ir.types import TensorType

CONV = "type: Convolution, num_output: 4, kernel_size"
POOL = "type: Pooling, kernel_size: 2, stride: 2"


def unet(depth: int, rest: str) -> str:
    """A U-Net of valid convolutions; the crops are centred for the size that the notes give."""
    lines, size = [], 0
    for i in range(depth):
        lines += [f"name: a{i}, {CONV}: 3", f"name: b{i}, {CONV}: 3", f"name: p{i}, {POOL}{rest}"]
    lines += [f"name: m1, {CONV}: 3", f"name: m2, {CONV}: 3"]
    size = 4
    for i in reversed(range(depth)):
        lines += [f"name: u{i}, type: Deconvolution, num_output: 4, kernel_size: 2, stride: 2",
                  f"name: c{i}, type: Crop, bottom: [b{i}, u{i}], offset: {size}",
                  f"name: j{i}, type: Concat, bottom: [c{i}, u{i}]", f"name: d{i}, {CONV}: 3", f"name: e{i}, {CONV}: 3"]  # fmt: skip
        size = 2 * (size + 4)
    return "\n".join(lines)


FCN = f"""name: c1, {CONV}: 3, pad: 30
name: p1, {POOL}
name: c2, {CONV}: 3, pad: 1
name: p2, {POOL}
name: c3, {CONV}: 7
name: s3, type: Convolution, num_output: 2, kernel_size: 1
name: up2, type: Deconvolution, num_output: 2, kernel_size: 4, stride: 2
name: s2, type: Convolution, bottom: p1, num_output: 2, kernel_size: 1
name: cut, type: Crop, bottom: [s2, up2], offset: 5
name: sum, type: Eltwise, bottom: [up2, cut]
name: up, type: Deconvolution, num_output: 2, kernel_size: 4, stride: 2
name: out, type: Crop, bottom: [up, data], offset: 19"""
NETS = {
    "u-net": ("[N, 1, H, W]", unet(2, ", round_mode: EXACT")),
    "u-net rounding": ("[N, 1, H, 60]", unet(2, "")),
    "fcn": ("[N, 3, H, W]", FCN),
    "pools exact": ("[N, 1, H, W]", "\n".join(f"name: p{i}, {POOL}, round_mode: EXACT" for i in range(5))),
    "pools thirds": ("[N, 1, H, W]", f"name: a, {POOL}, round_mode: EXACT\nname: b, type: Pooling, kernel_size: 3, stride: 3, round_mode: EXACT\nname: c, {CONV}: 5"),
    "pools up": ("[N, 1, H, W]", "\n".join(f"name: p{i}, type: Pooling, kernel_size: 3, stride: 2, pad: 1" for i in range(4))),
    "spp": ("[N, 4, H, W]", "name: s, type: SPP, pyramid_height: 3\nname: ip, type: InnerProduct, num_output: 3"),
    "flatten": ("[N, 3, 40, 24]", f"name: c, {CONV}: 5, stride: 2\nname: p, {POOL}\nname: f, type: Flatten\nname: ip, type: InnerProduct, num_output: 3"),
    "lenet": ("[N, 1, 28, 28]", f"name: c1, {CONV}: 5\nname: p1, {POOL}\nname: c2, {CONV}: 5\nname: p2, {POOL}\nname: ip, type: InnerProduct, num_output: 10"),
    "wave": ("[N, 1, T]", f"name: c, {CONV}: 2, pad: causal\nname: p, {POOL}, round_mode: FLOOR\nname: d, {CONV}: 9"),
    "fixed wave": ("[N, 4, 100]", f"name: c, {CONV}: 8\nname: p, type: Pooling, kernel_size: 4, stride: 4, round_mode: FLOOR\nname: ip, type: InnerProduct, num_output: 9"),
    "gradual skip": ("[N, 4, H, W]", f"name: p, {POOL}, round_mode: FLOOR\nname: u, type: Deconvolution, num_output: 4, kernel_size: 2, stride: 2\nname: e, type: Eltwise, bottom: [u, data]"),
    "tf same": ("[N, 4, H, W]", f"name: c, {CONV}: 3, stride: 2, pad: same_tf\nname: d, {CONV}: 3, stride: 3, pad: same\nname: e, {CONV}: 4"),
    "mirror": ("[N, 4, H, W]", f"name: c, {CONV}: 9, pad: 4, pad_mode: reflect"),
    "slices": ("[N, 4, H, W]", "name: s, type: Slice, axis: 2, slice_point: [2, 7], top: [a, b, c]\nname: e, type: Pooling, bottom: c, kernel_size: 3"),
    "thirds": ("[N, 4, H, W]", "name: s, type: Slice, axis: 3, top: [a, b, c]\nname: e, type: Eltwise, bottom: [a, b, c]"),
}  # fmt: skip
EXACT = ("u-net", "pools exact", "pools thirds")
"""Nets that demand more than torch does."""


def numbers(graph: TypedGraph, sizes: dict[str, int]) -> TypedGraph:
    """The graph with numbers put in for the input's symbols, or for its spatial axes where these are numbers."""
    (given,) = graph.graph.inputs
    type_ = graph.types[given.value]
    letters = {1: ("L",), 2: ("H", "W")}[type_.axes]
    space = tuple(
        sizes.get(name, size) if isinstance(size, int) else evaluate(size, sizes)
        for name, size in zip(letters, type_.space, strict=True)
    )
    fixed = given._replace(type=TensorType((type_.batch, type_.channels, *space)))
    return replace_fields(graph, graph=replace_fields(graph.graph, inputs=(fixed,)))


def takes(graph: TypedGraph, sizes: dict[str, int]) -> bool:
    """Brute force: the rules run on these numbers, and every weight keeps its shape."""
    found = Pass(numbers(graph, sizes).graph).run()
    return not found.errors and all(
        [w.shape for w in found.weights[n]] == [w.shape for w in graph.weights[n]] for n in graph.graph.nodes
    )


def chosen(progressions: Sequence[Progression]) -> set[int]:
    """Sizes where an answer turns if it is off by one: about the first and second steps of a progression, and about its end."""
    some = [*progressions[:3], *progressions[-1:]]
    edges = [p.start + k * p.step for p in some for k in (0, 1, 2)] + [p.last or LIMIT for p in some]
    return {n for edge in edges for n in (edge - 1, edge, edge + 1) if 1 <= n <= LIMIT}


def tried(progressions: Sequence[Progression], few: bool) -> list[int]:
    """All the small sizes and some of the large; few: the smallest, some, and those where the answer turns."""
    upto, drawn = (40, 24) if few else (256, 200)
    return sorted(
        {*range(1, upto + 1), *random.Random(0).sample(range(257, LIMIT + 1), drawn), *chosen(progressions)}
    )


def inside(progressions: tuple[Progression, ...], n: int) -> bool:
    return any(
        n >= p.start and (n - p.start) % p.step == 0 and (p.last is None or n <= p.last) for p in progressions
    )


@pytest.mark.parametrize("few", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NETS)
def test_no_false_accept_and_no_false_reject(name: str, few: bool) -> None:
    graph = typed(net(*NETS[name]))
    found = legal_sizes(graph)
    assert found.axes
    for axis in found.axes:
        rest = {o: found.given.get(o) for o in axis.coupled if o != found.batch}
        for n in tried(axis.progressions, few):
            sizes = {axis.name: n, **{o: size or n for o, size in rest.items()}}
            others = {o.name: first(o.progressions) for o in found.axes if o.name not in sizes}
            if None in others.values():
                pytest.fail("an axis without legal sizes")
            assert inside(axis.progressions, n) == takes(graph, {**others, **sizes}), (axis.name, n)


def first(progressions: tuple[Progression, ...]) -> int | None:
    return progressions[0].start if progressions else None


@pytest.mark.torch
@pytest.mark.parametrize("name", NETS)
def test_torch_runs_what_is_legal_and_refuses_what_it_cannot(name: str) -> None:
    torch = pytest.importorskip("torch")
    from netspec.compiled import compile

    graph = typed(net(*NETS[name]))
    found = legal_sizes(graph)
    module = compile(graph).to("meta")
    type_ = graph.types[graph.graph.inputs[0].value]
    for n in (*range(1, 65), *random.Random(1).sample(range(65, 600), 6)):
        sizes = {axis.name: n for axis in found.axes}
        filled = numbers(graph, sizes)
        shape = (2, *filled.graph.inputs[0].type.shape[1:])
        assert len(shape) == type_.rank
        legal = found.refuses(sizes) is None
        try:
            out = module(torch.empty(shape, device="meta"))
        except (RuntimeError, ValueError):
            assert not legal, n
            continue
        if legal:
            types = Pass(filled.graph).run().types
            outs = list(out.values()) if isinstance(out, dict) else [out]
            assert [tuple(o.shape[1:]) for o in outs] == [types[v].shape[1:] for v in graph.graph.outputs], n
        elif name not in EXACT and not reads_nothing(name):
            pytest.fail(f"torch runs {name} at {n}, which is said to be illegal: {found.refuses(sizes)}")


def reads_nothing(name: str) -> bool:
    """Nets where torch accepts what the rules refuse: windows of padding only, slices of nothing or of unequal length."""
    return name in ("spp", "slices", "thirds", "fcn", "u-net rounding")


def test_the_known_nets() -> None:
    def texts(shape: str, layers: str) -> list[str]:
        return [axis.text for axis in legal_sizes(typed(net(shape, layers))).axes]

    assert texts("[N, 1, H, W]", unet(4, ", round_mode: EXACT")) == ["H = 188 + 16n", "W = 188 + 16n"]
    assert texts("[N, 1, 572, 572]", unet(4, ", round_mode: EXACT")) == ["H = 188 + 16n", "W = 188 + 16n"]
    assert texts("[N, 1, H, H]", f"name: c, {CONV}: 3") == ["H >= 3"]
    assert texts(*NETS["lenet"]) == ["H = 25..28", "W = 25..28"]
    assert texts("[N, 4, H, W]", "name: s, type: SPP, pyramid_height: 3")[0] == "H = 4, or H >= 6"
    assert texts("[N, 4]", "name: ip, type: InnerProduct, num_output: 3") == []


def test_the_failing_layer_is_named_for_the_nearest_illegal_sizes() -> None:
    (axis, _) = legal_sizes(typed(net("[N, 1, 572, 572]", unet(4, ", round_mode: EXACT")))).axes
    assert (axis.given, axis.where) == (572, "axis 2 of data")
    assert [(v.sizes, v.node.name) for v in axis.illegal] == [({"H": 571}, "p0"), ({"H": 573}, "p0")]
    assert "2 divides H - 6 = 565 does not hold" in axis.illegal[0].why


def test_coupled_axes_are_said_to_be() -> None:
    height, width = legal_sizes(typed(net(*NETS["flatten"]))).axes
    assert (height.coupled, width.coupled) == (("W",), ("H",))
    free = legal_sizes(typed(net(*NETS["u-net"]))).axes
    assert [axis.coupled for axis in free] == [(), ()]


def test_axes_that_only_share_what_each_demands_are_not_coupled() -> None:
    """(H - 4)*(W - 4) >= 0 says nothing that H >= 5 and W >= 5 do not."""
    found = legal_sizes(typed(net("[N, 4, H, W]", f"name: c, {CONV}: 5\nname: f, type: Flatten")))
    assert [(axis.text, axis.coupled) for axis in found.axes] == [("H >= 5", ()), ("W >= 5", ())]
    assert joint(found) == ()


def test_a_size_that_takes_another_with_it_meets_what_that_one_must() -> None:
    """W = H is assumed: what W must be by itself counts."""
    found = legal_sizes(
        typed(net("[N, 4, H, W]", f"name: c, {CONV}: [1, 7]\nname: r, type: Reshape, shape: [0, -1, 5]"))
    )
    assert [axis.text for axis in found.axes] == [
        "H = 10 + 5n, or H = 11 + 5n",
        "W = 10 + 5n, or W = 11 + 5n",
    ]
    assert [axis.assumed["W"] for axis in found.axes if axis.name == "H"] == [symbol("H")]


def test_a_count_of_samples_is_one_and_is_said_to_matter() -> None:
    found = legal_sizes(typed(net("[N, 4, H, 9]", "name: r, type: Reshape, shape: [-1, 7]")))
    (axis,) = found.axes
    assert (axis.text, axis.coupled, axis.assumed) == ("H = 7 + 7n", ("N",), {"N": 1})
    assert joint(found) == ("H and N are coupled by r: 7 divides 36*H*N",)
    bound = legal_sizes(
        typed(net("[N, H]", "name: s, type: Reduction, axis: 1\nname: r, type: Reshape, shape: [-1, 4]"))
    )
    assert joint(bound) == ("N is bound by r: 4 divides N",)
    assert [axis.text for axis in bound.axes] == ["H >= 1"]
    assert bound.refuses({"H": 5}) is None
    assert bound.refuses({"N": 4, "H": 5}) is None
    assert bound.refuses({"N": 3, "H": 5}) is not None
    kept = (
        "netspec: 1\ninput: {x: [N, 1, W], s: [N, 1]}\nlayers:\n  - {name: f, type: Filter, bottom: [x, s]}\n"
    )
    (axis,) = legal_sizes(typed(kept + "  - {name: r, type: Reshape, shape: [-1, 7]}\n")).axes
    assert (axis.text, axis.assumed) == ("W = 7 + 7n", {"kept": 1})


def test_a_period_too_long_to_be_seen_is_not_said_to_end() -> None:
    layers = f"name: a, {CONV}: 1, stride: 37\nname: b, type: Pooling, kernel_size: 41, stride: 41, round_mode: EXACT"
    (axis,) = legal_sizes(typed(net("[N, 4, T]", layers))).axes
    assert axis.text == "T = 1481..1517, or T = 2998..3034 (none was tried beyond 4096)"


def test_letters_of_fixed_axes_are_not_the_batch_s() -> None:
    found = legal_sizes(
        typed(
            net(
                "[H, 3, 28, 28]",
                "name: r, type: Reshape, shape: [-1, 49]\nname: i, type: InnerProduct, num_output: 3",
            )
        )
    )
    assert [(axis.name, axis.text, axis.coupled) for axis in found.axes] == [
        ("H2", "H2 = 7 + 7n", ("H", "W2")),
        ("W2", "W2 = 7 + 7n", ("H", "H2")),
    ]


def test_coupled_axes_without_a_common_size_are_said_to_be_without_one() -> None:
    text = "netspec: 1\ninput: {x: [N, 2, H], y: [N, 2, H2]}\nlayers:\n  - {name: p, type: Convolution, bottom: x, num_output: 2, kernel_size: 3}\n"
    found = legal_sizes(typed(text + "  - {name: e, type: Eltwise, bottom: [p, y]}\n"))
    assert [axis.text for axis in found.axes] == [
        "H: no size from 1 to 4096 will do with H2 = H",
        "H2: no size from 1 to 4096 will do with H = H2",
    ]
    assert found.refuses({"H": 9, "H2": 7}) is None


SMALL = [
    ("[N, 2, D, 1, 1]", "name: p, type: Pooling, pool: AVE, kernel_size: 3, pad: 1"),
    ("[N, 2, D, 1, 1]", "name: l, type: LRN, local_size: 3, norm_region: WITHIN_CHANNEL"),
    ("[N, 2, H, 1]", "name: i, type: InstanceNorm"),
    ("[N, 2, H]", "name: g, type: GroupNorm, group: 2"),
]


@pytest.mark.torch
@pytest.mark.parametrize(("shape", "layer"), SMALL)
def test_maps_of_one_place_run_where_they_are_legal(shape: str, layer: str) -> None:
    """torch's AvgPool3d refuses a volume smaller than its window, its GroupNorm a group of one value."""
    torch = pytest.importorskip("torch")
    from netspec.compiled import compile

    graph = typed(net(shape, layer))
    (axis,) = legal_sizes(graph).axes
    assert axis.text == f"{axis.name} >= 1"
    for n in (1, 2, 5):
        sizes = [
            1 if str(size) == "N" else n if str(size) == axis.name else int(str(size))
            for size in graph.types[graph.graph.inputs[0].value].shape
        ]
        assert compile(graph)(torch.rand(*sizes)).shape == tuple(sizes)


OPEN_CHANNELS = [
    "type: DepthwiseConvolution, num_output: 4, kernel_size: 3",
    "type: InstanceNorm",
    "type: LayerNorm, axis: 1, affine: false",
]


@pytest.mark.parametrize("layer", OPEN_CHANNELS)
def test_a_module_that_needs_a_number_says_so_in_check(layer: str) -> None:
    text = net("[N, 4, H, W]", f"name: r, type: Reshape, shape: [0, -1, 4]\nname: a, {layer}")
    assert codes(text) == ["NS304"]


def test_sizes_are_refused_with_the_first_requirement_they_break() -> None:
    found = legal_sizes(typed(net(*NETS["pools exact"])))
    assert found.refuses({"H": 64, "W": 96}) is None
    broken = found.refuses({"H": 64, "W": 80})
    assert broken is not None
    assert broken.node.name == "p4"


@pytest.mark.parametrize("seed", range(20))
def test_compression_loses_nothing(seed: int) -> None:
    draw = random.Random(seed)
    step, begin = draw.randint(1, 40), draw.randint(0, 300)
    kept = {r for r in range(step) if draw.random() < 0.3}
    legal = [n % step in kept if n > begin else draw.random() < 0.5 for n in range(1, LIMIT + 1)]
    found = compress(legal)
    assert [inside(found, n) for n in range(1, LIMIT + 1)] == legal
    assert sum(p.last is None for p in found) <= step


def test_a_gap_at_the_limit_is_no_period() -> None:
    legal = [n % 32 in (7, 8) and n > 8 for n in range(1, LIMIT + 1)]
    assert compress(legal) == (Progression(39, 32), Progression(40, 32))


def test_sizes_without_a_period_are_listed() -> None:
    squares = [int(n**0.5) ** 2 == n for n in range(1, LIMIT + 1)]
    found = compress(squares)
    assert all(p.last is not None for p in found)
    assert [inside(found, n) for n in range(1, LIMIT + 1)] == squares


@pytest.mark.parametrize(
    ("given", "limit"),
    [(2048, 4096), (2049, 2049 + 4096), (5000, 5000 + 4096), (65536, 65536 + 4096), (65537, 4096)],
)
def test_sizes_behind_the_given_one_are_tried_too_where_it_is_not_too_far(given: int, limit: int) -> None:
    layers = f"name: p, {POOL}, round_mode: EXACT"
    (axis,) = legal_sizes(typed(net(f"[1, 1, {given - given % 2}]", layers))).axes
    if given % 2 == 0:
        assert axis.limit == limit
