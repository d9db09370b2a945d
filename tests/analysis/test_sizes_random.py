"""Legal sizes of random nets: solved, written into a model, read by the server; against typing the net for each size, and torch."""

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from analysis_specs import net, typed
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_legal_sizes import NETS, inside, numbers, takes
from test_legal_sizes import tried as sizes_tried

from netspec import driver
from netspec.analysis.infer import Pass
from netspec.analysis.sizes.legal import LIMIT, legal_sizes
from netspec.diagnostics.model import SpecError
from netspec.exporters.sizes import sizes_of
from netspec.ir.graph import TypedGraph
from netspec.serving.sizes import Conditions, Refusal, around, conditions

WAYS = st.sampled_from(
    (
        "conv",
        "down",
        "pool",
        "up",
        "skip",
        "fork",
        "unet",
        "crop",
        "dilated",
        "causal",
        "resize",
        "exact",
        "turn",
        "spp",
        "mirror",
    )
)


def block(draw: Any, i: int, last: str) -> tuple[list[str], str]:
    """One more piece of a net behind the blob `last`: its layers, and the blob it leaves."""
    way, k, s, p = draw(WAYS), draw(st.integers(1, 5)), draw(st.integers(1, 3)), draw(st.integers(0, 2))
    conv = "type: Convolution, num_output: 2"
    if way == "skip":
        return [
            f"name: m{i}, {conv}, bottom: {last}, kernel_size: {k}, pad: {p}",
            f"name: l{i}, type: Eltwise, bottom: [m{i}, {last}]",
        ], f"l{i}"
    if way == "fork":
        return [
            f"name: m{i}, {conv}, bottom: {last}, kernel_size: {k}, stride: {s}, pad: {p}",
            f"name: n{i}, type: Pooling, bottom: {last}, kernel_size: {max(k, s)}, stride: {s}, pad: {min(p, max(k, s) - 1)}",
            f"name: l{i}, type: Concat, bottom: [m{i}, n{i}]",
        ], f"l{i}"
    if way == "unet":
        rest = ", round_mode: EXACT" if p else ""
        return [
            f"name: p{i}, type: Pooling, bottom: {last}, kernel_size: 2, stride: 2{rest}",
            f"name: m{i}, {conv}, kernel_size: {k}",
            f"name: u{i}, type: Deconvolution, num_output: 2, kernel_size: 2, stride: 2",
            f"name: c{i}, type: Crop, bottom: [{last}, u{i}], offset: {k}",
            f"name: l{i}, type: Concat, bottom: [c{i}, u{i}]",
        ], f"l{i}"
    if way == "crop":
        return [
            f"name: m{i}, {conv}, bottom: {last}, kernel_size: {k}",
            f"name: l{i}, type: Crop, bottom: [{last}, m{i}], offset: {p}",
        ], f"l{i}"
    if way == "turn":
        return [f"name: m{i}, type: Permute, bottom: {last}, order: [0, 1, 3, 2]",
                f"name: l{i}, type: Eltwise, bottom: [m{i}, {last}]"], f"l{i}"  # fmt: skip
    plain = {
        "conv": f"{conv}, kernel_size: {k}, pad: {p}",
        "down": f"{conv}, kernel_size: {k}, stride: {s}, pad: {p}",
        "pool": f"type: Pooling, kernel_size: {max(k, 2)}, stride: {s}, pad: {min(p, max(k, 2) - 1)}",
        "up": f"type: Deconvolution, num_output: 2, kernel_size: {k}, stride: {s}, pad: {p}",
        "dilated": f"{conv}, kernel_size: {k}, dilation: {s}, pad: {p}",
        "causal": f"{conv}, kernel_size: {k}, dilation: {s}, pad: causal",
        "resize": f"type: Interp, {'zoom' if p else 'shrink'}_factor: {s}",
        "exact": f"type: Pooling, kernel_size: {max(k, s)}, stride: {s}, round_mode: EXACT",
        "mirror": f"{conv}, kernel_size: {k}, pad: {p}, pad_mode: reflect",
        "spp": f"{conv}, kernel_size: {k}, stride: {s}, pad: same",
    }[way]
    return [f"name: l{i}, bottom: {last}, {plain}"], f"l{i}"


@st.composite
def nets(draw: Any, shape: str = "[N, 2, H, W]") -> str:
    """A net of one to five pieces; some end in spatial pyramid pooling."""
    lines, last = [], "data"
    for i in range(draw(st.integers(1, 5))):
        more, last = block(draw, i, last)
        lines += more
    if draw(st.booleans()) and draw(st.booleans()):
        lines.append(f"name: s, type: SPP, bottom: {last}, pyramid_height: {draw(st.integers(1, 3))}")
    return net(shape, "\n".join(lines))


def accepted(text: str) -> TypedGraph | None:
    """The typed net; None where no size at all would do, or a layer takes numbers only."""
    try:
        return typed(text)
    except SpecError:
        return None


def read(graph: TypedGraph) -> Conditions | None:
    """What a server reads out of the model's file."""
    return conditions(sizes_of(graph))


def broken(found: Conditions | None, sizes: dict[str, int]) -> str | None:
    """The layer that the server would name; None where it takes the sizes."""
    demand = found.find_broken({"N": 1, **sizes}) if found is not None else None
    return None if demand is None else str(demand["layer"])


def test_a_requirement_made_twice_keeps_its_first_place() -> None:
    """The server names the first layer that fails, as the solver does."""
    pool, conv = "type: Pooling, kernel_size: 5", "type: Convolution, num_output: 2, kernel_size: 5"
    text = "netspec: 1\ninput: {x: [N, 2, H, W], y: [N, 2, V, W]}\nlayers:\n"
    graph = typed(
        text + f"  - {{name: p, bottom: x, {pool}}}\n  - {{name: c, bottom: y, {conv}}}\noutput: [p, c]\n"
    )
    for sizes in ({"H": 9, "W": 4, "V": 4}, {"H": 9, "W": 9, "V": 4}, {"H": 4, "W": 4, "V": 9}):
        found = legal_sizes(graph).refuses(sizes)
        assert found is not None
        assert broken(read(graph), sizes) == found.node.name


SOME = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("more", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_solver_server_and_brute_force_agree(more: int) -> None:
    """more: how many times as many sizes are tried."""
    tried = 0

    @SOME
    @given(nets(), st.integers(0, 2**32))
    def agree(text: str, seed: int) -> None:
        nonlocal tried
        graph = accepted(text)
        if graph is None:
            return
        tried += 1
        found, data, draw = legal_sizes(graph), read(graph), random.Random(seed)
        alike = [{"H": n, "W": n} for n in range(1, 16 * more + 1)]
        for sizes in alike + [
            {"H": draw.randint(1, 300), "W": draw.randint(1, 300)} for _ in range(15 * more)
        ]:
            legal = takes(graph, sizes)
            refused = found.refuses(sizes)
            assert (refused is None) == legal, sizes
            assert broken(data, sizes) == (None if refused is None else refused.node.name), sizes
            for axis in found.axes:
                if legal and not set(axis.coupled) - {found.batch}:
                    assert inside(axis.progressions, sizes[axis.name]), sizes

    agree()
    assert tried >= 10


def test_each_axis_alone_is_solved_exactly() -> None:
    tried = 0

    @SOME
    @given(nets("[N, 2, H, 48]"))
    def solved(text: str) -> None:
        nonlocal tried
        graph = accepted(text)
        if graph is None:
            return
        (axis,) = legal_sizes(graph).axes
        tried += 1
        for n in sizes_tried(axis.progressions, few=True):
            assert inside(axis.progressions, n) == takes(graph, {"H": n}), n

    solved()
    assert tried >= 10


@pytest.mark.torch
def test_torch_runs_whatever_is_legal() -> None:
    """On the meta device, with the shapes that inference gives."""
    torch = pytest.importorskip("torch")
    from netspec.compiled import compile

    nets_run = sizes_run = 0

    @SOME
    @given(nets(), st.integers(0, 2**32))
    def run(text: str, seed: int) -> None:
        nonlocal nets_run, sizes_run
        graph = accepted(text)
        if graph is None:
            return
        found, module, draw = legal_sizes(graph), compile(graph).to("meta"), random.Random(seed)
        trials = [{"H": n, "W": n} for n in range(1, 40)] + [
            {"H": draw.randint(1, 300), "W": draw.randint(1, 300)} for _ in range(10)
        ]
        legal = [sizes for sizes in trials if found.refuses(sizes) is None]
        nets_run, sizes_run = nets_run + bool(legal), sizes_run + len(legal)
        for sizes in legal[:6] + legal[-4:]:
            types = Pass(numbers(graph, sizes).graph).run().types
            out = module(torch.empty((2, 2, sizes["H"], sizes["W"]), device="meta"))
            outs = list(out.values()) if isinstance(out, dict) else [out]
            assert [tuple(o.shape[1:]) for o in outs] == [types[v].shape[1:] for v in graph.graph.outputs], (
                sizes
            )

    run()
    assert nets_run >= 8 and sizes_run >= 100


@pytest.mark.parametrize("name", [name for name, (shape, _) in NETS.items() if "H" in shape or "T" in shape])
def test_the_server_says_what_inference_says(name: str) -> None:
    graph = typed(net(*NETS[name]))
    found, data = legal_sizes(graph), read(graph)
    letters = list(found.places)
    draw = random.Random(1)
    trials = [dict.fromkeys(letters, n) for n in range(1, 129)] + [
        {x: draw.randint(1, LIMIT) for x in letters} for _ in range(100)
    ]
    for sizes in trials:
        assert (broken(data, sizes) is None) == (found.refuses(sizes) is None), sizes


TURNED = """netspec: 1
input: {data: [N, 2, H, W]}
layers:
  - {name: m0, type: Permute, bottom: data, order: [0, 1, 3, 2]}
  - {name: l0, type: Eltwise, bottom: [m0, data]}
"""


def test_sizes_that_are_offered_are_legal() -> None:
    """Three pairs of sizes for each net: few nets refuse any one. Of one net height and width hang together."""
    kinds = Counter[str]()

    @settings(SOME, max_examples=40)
    @example(TURNED, [(239, 243), (12, 14), (7, 399)])
    @given(nets(), st.lists(st.tuples(st.integers(1, 400), st.integers(1, 400)), min_size=3, max_size=3))
    def offered(text: str, pairs: list[tuple[int, int]]) -> None:
        graph = accepted(text)
        data = read(graph) if graph is not None else None
        for height, width in pairs if data is not None else ():
            sizes = {"N": 1, "H": height, "W": width}
            refusal = data.refusal(sizes)  # type: ignore[union-attr]
            if refusal is not None:
                kinds.update(offers(data, sizes, refusal))

    offered()
    assert kinds["together"] >= 2 and kinds["apart"] >= 2, kinds


def offers(data: Conditions, sizes: dict[str, int], refusal: Refusal) -> Iterator[str]:
    """The kind of each offer; each is legal."""
    for choice in refusal.together:
        assert (
            data.find_broken({**sizes, **choice, **{k: v[0] for k, v in refusal.nearest.items() if v}})
            is None
        )
        yield "together"
    if not refusal.together and set(refusal.nearest) and all(refusal.nearest.values()):
        for which in (0, -1):
            assert data.find_broken({**sizes, **{k: v[which] for k, v in refusal.nearest.items()}}) is None
            yield "apart"


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 9), st.none() | st.integers(0, 9)), max_size=4),
    st.integers(1, 80),
)
def test_the_nearest_of_progressions(rows: list[tuple[int, int, int | None]], size: int) -> None:
    progressions = [
        (start, step, None if count is None else start + count * step) for start, step, count in rows
    ]
    legal = [
        n
        for n in range(1, 400)
        if any(n >= a and (n - a) % s == 0 and (z is None or n <= z) for a, s, z in progressions)
    ]
    below, above = [n for n in legal if n <= size], [n for n in legal if n >= size]
    assert around(progressions, size) == sorted({*below[-1:], *above[:1]})


OPEN_SPECS = (
    "box",
    "deepbind",
    "fcn-16s",
    "fcn-32s",
    "fcn-8s",
    "gabor",
    "laplacian",
    "single-layer",
    "sobel",
    "unsharp",
    "wavenet",
)
ALSO_OPENED = ("u-net", "lenet", "conv-autoencoder", "tdnn", "dilated-context", "nin-cifar")


@pytest.mark.parametrize("name", OPEN_SPECS + ALSO_OPENED)
def test_zoo_against_brute_force(name: str) -> None:
    brute_force(name, few=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPEN_SPECS + ALSO_OPENED)
def test_zoo_against_brute_force_at_every_size(name: str) -> None:
    brute_force(name, few=False)


def brute_force(name: str, few: bool) -> None:
    graph = driver.load(f"zoo:{name}").graph()
    found = legal_sizes(graph)
    data = read(graph) if name in OPEN_SPECS else None
    for axis in found.axes:
        rest = {o: found.given.get(o) for o in axis.coupled if o != found.batch}
        others = {o.name: o.progressions[0].start for o in found.axes if o.name != axis.name}
        for n in sizes_tried(axis.progressions, few):
            sizes = {**others, **{o: size or n for o, size in rest.items()}, axis.name: n}
            legal = takes(graph, sizes)
            assert inside(axis.progressions, n) == legal, (axis.name, n)
            if name in OPEN_SPECS:
                assert (broken(data, sizes) is None) == legal, (axis.name, n)


def meta_agrees(name: str, sizes: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    from netspec.compiled import compile

    graph = driver.load(f"zoo:{name}").graph()
    found = legal_sizes(graph)
    module = compile(graph).to("meta")
    channels = graph.types[graph.graph.inputs[0].value].shape[1]
    for n in sizes:
        try:
            module(torch.empty((1, channels, *(n for _ in found.axes)), device="meta"))
        except (RuntimeError, ValueError):
            runs = False
        else:
            runs = True
        assert runs == (found.refuses({axis.name: n for axis in found.axes}) is None), n


@pytest.mark.torch
@pytest.mark.parametrize("name", ["deepbind", "gabor", "single-layer", "box"])
def test_zoo_on_the_meta_device(name: str) -> None:
    meta_agrees(name, (*range(1, 40), 200, 333))


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.parametrize("name", OPEN_SPECS)
def test_zoo_on_the_meta_device_at_every_size(name: str) -> None:
    meta_agrees(name, (*range(1, 257), *random.Random(3).sample(range(257, LIMIT + 1), 200)))
