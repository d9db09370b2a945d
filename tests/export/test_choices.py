"""What certification tries: which sizes, data, masks, steps, weights, probes and samples, each against counting by hand."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest

from netspec.analysis.infer import Pass
from netspec.driver import load_source
from netspec.exporters.certification import plan, probes, sampled, samples
from netspec.exporters.certification.cases import (
    BEYOND,
    KINDS,
    LARGEST,
    PICTURES,
    Case,
    LegalSizes,
    array,
    cases,
    crop_cases,
    number,
)
from netspec.exporters.certification.drawn import is_summand, matrix, values_for
from netspec.frozen_classes import replace_fields
from netspec.ir.dims import evaluate, symbol
from netspec.ir.graph import TypedGraph
from netspec.ir.layer import Weight
from netspec.ir.types import TensorType
from netspec.source import Source

DOWN = "{name: down, type: Convolution, num_output: 3, kernel_size: 2, stride: 2}"
UP = "{name: up, type: Deconvolution, num_output: 3, kernel_size: 2, stride: 2}"


def typed(layers: str, inputs: str) -> TypedGraph:
    lines = "".join(f"  - {line.strip()}\n" for line in layers.strip().splitlines())
    return load_source(Source("small.yaml", f"netspec: 1\ninput: {{{inputs}}}\nlayers:\n{lines}")).graph(
        "deploy"
    )


def planned(layers: str, inputs: str, least: Mapping[str, int] = {}, pictures: bool = False) -> list[Case]:
    graph = typed(layers, inputs)
    return cases(graph, {i.value.name: graph.types[i.value] for i in graph.graph.inputs}, least, pictures)


# --- sizes -----------------------------------------------------------------------------------------------------------

WINDOW = "{name: c, type: Convolution, num_output: 2, kernel_size: 5, stride: 2}\n{name: p, type: Pooling, kernel_size: 3, stride: 2}"
SHORTER = "{name: a, type: Convolution, num_output: 2, kernel_size: 3, bottom: x}\n{name: e, type: Eltwise, bottom: [a, y]}"
NETS = {
    "window": (WINDOW, "data: [N, 3, H, W]"),
    "even": (f"{DOWN}\n{UP}\n{{name: sum, type: Eltwise, bottom: [data, up]}}", "data: [N, 3, H, W]"),
    "batch of four": ("{name: r, type: Reshape, shape: [-1, 4, 6]}", "data: [N, 6]"),
    "unequal": (SHORTER, "x: [N, 2, H], y: [N, 2, L]"),
}


def runs(graph: TypedGraph, sizes: Mapping[str, int]) -> bool:
    """Brute force: the rules run on these numbers, every weight keeps its shape, every tensor has elements."""
    inputs = tuple(
        given._replace(
            type=TensorType(
                tuple(evaluate(s, sizes) for s in graph.types[given.value].shape),
                graph.types[given.value].dtype,
            )
        )
        for given in graph.graph.inputs
    )
    found = Pass(replace_fields(graph.graph, inputs=inputs)).run()
    return (
        not found.errors
        and all(
            [w.shape for w in found.weights[n]] == [w.shape for w in graph.weights[n]]
            for n in graph.graph.nodes
        )
        and all(s >= 1 for t in found.types.values() for s in t.shape)  # type: ignore[operator]
    )


@pytest.mark.parametrize("name", NETS)
def test_sizes_are_legal_where_the_rules_run(name: str) -> None:
    graph = typed(*NETS[name])
    names = sorted(
        {str(s) for i in graph.graph.inputs for s in graph.types[i.value].shape if not isinstance(s, int)}
    )
    legal = LegalSizes(graph, {})
    ranges = [range(1, 10) if n != "N" else range(1, 6) for n in names]
    found = {sizes: legal.legal(dict(zip(names, sizes, strict=True))) for sizes in product(*ranges)}
    assert found == {sizes: runs(graph, dict(zip(names, sizes, strict=True))) for sizes in found}
    assert set(found.values()) == {True, False}


def test_a_bound_of_the_contract_counts_besides() -> None:
    legal = LegalSizes(typed(*NETS["window"]), {"H": 20})
    assert [h for h in range(1, 30) if legal.legal({"N": 1, "H": h, "W": 7})] == list(range(20, 30))
    assert legal.first(["H", "W"], ["N"]) == {"N": 1, "H": 20, "W": 20}


def test_the_first_sizes_are_the_least() -> None:
    def first(name: str) -> dict[str, int] | None:
        graph = typed(*NETS[name])
        return LegalSizes(graph, {}).first([n for n in ("H", "L", "W") if n in NETS[name][1]], ["N"])

    assert first("window") == {"N": 1, "H": 7, "W": 7}
    assert first("even") == {"N": 1, "H": 2, "W": 2}
    assert first("unequal") == {"N": 1, "H": 3, "L": 1}
    assert LegalSizes(typed(*NETS["batch of four"]), {}).first([], ["N"]) == {"N": 4}
    many = typed("{name: r, type: Reshape, shape: [-1, 16, 3]}", "data: [N, 3]")
    assert LegalSizes(many, {}).first([], ["N"]) == {"N": 16}
    none = typed("{name: r, type: Reshape, shape: [-1, 5, 3]}", "data: [N, 3]")
    assert LegalSizes(none, {}).first([], ["N"]) is None
    assert cases(none, {"data": none.types[none.graph.inputs[0].value]}, {}) == []


def test_the_next_size_is_the_least_above() -> None:
    legal = LegalSizes(typed(*NETS["even"]), {})
    base = {"N": 1, "H": 2, "W": 2}
    assert [legal.next(base, ("H",), above) for above in (0, 1, 2, 3)] == [
        {**base, "H": h} for h in (2, 2, 4, 4)
    ]
    assert legal.next(base, ("H", "W"), 4) == {"N": 1, "H": 6, "W": 6}
    assert legal.next(base, ("H",), LARGEST - 1) == {**base, "H": LARGEST}
    assert legal.next(base, ("H",), LARGEST) is None
    every = LegalSizes(typed(*NETS["window"]), {})
    base = {"N": 1, "H": 7, "W": 7}
    assert [every.next(base, ("W",), LARGEST + by) for by in (-2, -1, 0)] == [
        {**base, "W": LARGEST - 1},
        {**base, "W": LARGEST},
        None,
    ]


def test_the_cases_of_a_net() -> None:
    """Kinds of data in turn at sizes wider than ten, batches in turn; then the least sizes, then each axis by itself, twice."""
    found = planned(*NETS["window"])
    assert [str(c) for c in found] == [
        "normal N=1 H=11 W=11", "borders N=2 H=11 W=11", "planes N=3 H=11 W=11", "normal N=7 H=11 W=11",
        "ties N=1 H=11 W=11", "small N=2 H=11 W=11", "large N=3 H=11 W=11",
        "normal N=2 H=7 W=7", "ties N=2 H=12 W=11", "borders N=2 H=13 W=11", "normal N=2 H=11 W=12", "ties N=2 H=11 W=13",
    ]  # fmt: skip
    assert [c.seed for c in found] == list(range(len(found)))
    wide = planned("{name: c, type: Convolution, num_output: 2, kernel_size: 9}", "data: [N, 3, H, W]")
    assert str(wide[0]) == "normal N=1 H=14 W=14", "half as much again as the least"
    assert [str(c) for c in planned(*NETS["even"])][-5:] == [
        "normal N=2 H=2 W=2", "ties N=2 H=14 W=12", "borders N=2 H=16 W=12", "normal N=2 H=12 W=14", "ties N=2 H=12 W=16"
    ]  # fmt: skip


def test_the_cases_of_nets_with_less_to_choose() -> None:
    fixed = planned("{name: ip, type: InnerProduct, num_output: 3}", "data: [2, 4]")
    assert [(c.kind, dict(c.sizes)) for c in fixed] == [(kind, {}) for kind in KINDS]
    batch = planned("{name: ip, type: InnerProduct, num_output: 3}", "data: [N, 4]", pictures=True)
    assert [str(c) for c in batch] == [f"{kind} N={(1, 2, 3, 7)[i % 4]}" for i, kind in enumerate(PICTURES)]
    four = planned("{name: r, type: Reshape, shape: [-1, 8, 6]}", "data: [N, 6]")
    assert {str(c) for c in four} == {f"{kind} N=8" for kind in KINDS}, (
        "no batch of those tried will do: the one that does"
    )
    bound = planned(
        "{name: c, type: Convolution, num_output: 2, kernel_size: 3}",
        "data: [N, 3, H, W]",
        {"H": 20, "W": 12},
    )
    assert [str(c) for c in bound[7:]] == ["normal N=2 H=20 W=20"], (
        "what only the crop bounds has cases of its own"
    )


def test_crops_are_tried_at_every_parity_each_axis_by_itself() -> None:
    base = Case("planes", {"N": 3, "H": 1, "W": 1}, 9)
    found = crop_cases(base, [("H", 27), ("W", 20)])
    assert [(c.sizes["H"] - 27, c.sizes["W"] - 20) for c in found] == list(BEYOND)
    assert {(a % 2, b % 2) for a, b in BEYOND} == set(product((0, 1), (0, 1)))
    assert {(0, 0), (1, 0), (0, 1)} <= set(BEYOND) and all(min(pair) >= 0 for pair in BEYOND)
    assert (
        any(a == b > 0 for a, b in BEYOND)
        and any(a > b > 0 for a, b in BEYOND)
        and any(b > a > 0 for a, b in BEYOND)
    )
    assert [c.kind for c in found] == ["normal", "natural"] * 4
    assert [c.seed for c in found] == list(range(8)) and all(c.sizes["N"] == 3 for c in found)
    assert [c.sizes["H"] for c in crop_cases(base, [("H", 5)])] == [5 + a for a, _ in BEYOND]
    assert [(c.kind, c.sizes, c.seed) for c in crop_cases(base, [])] == [
        ("normal", base.sizes, 0),
        ("natural", base.sizes, 1),
    ]


# --- data ------------------------------------------------------------------------------------------------------------

SHAPE = (symbol("N"), 3, symbol("H"), 6)


def made(
    kind: str,
    values: Any = "real",
    shape: Sequence[Any] = SHAPE,
    seed: int = 3,
    index: int = 0,
    dtype: str = "float32",
) -> Any:
    found = array(Case(kind, {"N": 4, "H": 5}, seed), TensorType(tuple(shape), dtype), values, index)
    assert found.dtype == dtype
    return found


def test_data_follow_case_and_input() -> None:
    for kind in dict.fromkeys((*KINDS, *PICTURES)):
        assert made(kind).shape == (4, 3, 5, 6)
        np.testing.assert_array_equal(made(kind), made(kind))
        for values in ("real", "pixels") if kind not in ("white", "black") else ("real",):
            assert not np.array_equal(made(kind, values), made(kind, values, seed=4))
            assert not np.array_equal(made(kind, values), made(kind, values, index=1))


def test_real_numbers() -> None:
    plain = made("normal")
    assert 0.8 < plain.std() < 1.2 and abs(plain.mean()) < 0.3
    np.testing.assert_allclose(made("small"), 0.1 * plain, rtol=1e-6)
    np.testing.assert_allclose(made("large"), 10 * plain, rtol=1e-6)
    assert set(np.unique(made("ties"))) == {-1, 0, 1}
    assert {*np.unique(made("two"))} == {-1, 1}
    flat = made("planes")
    assert (flat == flat[:, :, :1, :1]).all() and len(np.unique(flat)) == 12
    assert (made("planes", shape=(4, 7)) == 0.5).all()


def test_the_rim_alone() -> None:
    """Corners in the first sample, whole edges in the others; without space the first and the last feature."""
    found = made("borders") != 0
    rows, columns = np.isin(np.arange(5), (0, 4))[:, None], np.isin(np.arange(6), (0, 5))[None]
    assert (found[0] == (rows & columns)).all()
    assert (found[1:] == (rows | columns)).all()
    assert (made("borders", shape=(4, 7))[:, 1:-1] == 0).all() and made("borders", shape=(4, 7))[
        :, [0, -1]
    ].all()
    assert made("borders", shape=()).shape == ()


def test_what_a_photograph_has() -> None:
    """Neighbours alike, channels alike, samples not."""
    found = made("natural", shape=(4, 3, 40, 50))
    assert (
        np.abs(np.diff(found, axis=3)).mean() < 0.5 * found.std()
        and np.abs(np.diff(found, axis=2)).mean() < 0.5 * found.std()
    )
    assert np.corrcoef(found[0, 0].ravel(), found[0, 1].ravel())[0, 1] > 0.9
    assert abs(np.corrcoef(found[0, 0].ravel(), found[1, 0].ravel())[0, 1]) < 0.9
    assert 0.5 < found.std() < 2
    assert made("natural", shape=(4, 7)).shape == (4, 7)


def test_pixels() -> None:
    for kind in PICTURES:
        found = made(kind, "pixels")
        assert found.min() >= 0 and found.max() <= 255 and (found == np.round(found)).all(), kind
    np.testing.assert_array_equal(
        made("normal", "pixels"), np.round(128 + 50 * made("normal", dtype="float64")).clip(0, 255)
    )
    assert set(np.unique(made("two", "pixels"))) == {0, 255}
    for kind, level in (("white", 255), ("black", 0)):
        found = made(kind, "pixels")
        assert (
            (found[::2] == level).all()
            and (found[1::2, ..., :-1] == level).all()
            and (found[1::2, ..., -1] == 255 - level).all()
        )
        assert (made(kind, "pixels", shape=(4, 6)) == level).all()


@pytest.mark.parametrize("most", [1, 2, 29, 30, 31, 100])
def test_whole_numbers_lie_below_their_bound_and_masks_name_no_place_twice(most: int) -> None:
    found = made("normal", most, dtype="int64")
    assert found.min() >= 0 and found.max() < most
    assert most < 29 or found.max() > most / 2
    planes = found.reshape(12, 30)
    assert all(len(set(plane)) == 30 for plane in planes) == (most >= 30)
    assert most < 30 or not (planes[0] == planes[1]).all()
    assert made("normal", symbol("H"), shape=(4, 50), dtype="int32").max() == 4, (
        "a bound that is a size of the case"
    )
    one = made("normal", most, shape=(4, 3, 1), dtype="int64")
    assert one.min() >= 0 and one.max() < most


def test_sizes_in_a_case() -> None:
    case = Case("normal", {"H": 6}, 0)
    assert [
        number(s, case) for s in (3, symbol("H"), 2 * symbol("H") - 1, symbol("kept"), symbol("kept") + 4)
    ] == [3, 6, 11, 1, 1]


# --- steps -----------------------------------------------------------------------------------------------------------


def named(count: int) -> list[Case]:
    return [Case("normal", {"N": i + 1}, i) for i in range(count)]


def told(steps: Sequence[plan.Step]) -> list[str]:
    return [f"{step.how[0]}{step.weights[0]}{step.case.sizes['N']}" for step in steps]


@pytest.mark.parametrize(("count", "wanted"), [
    (1, "ld1 lo1 wo1 wd1 lo1 wo1"),
    (2, "ld1 lo1 wo2 wd1 ld2 lo2 wo2"),
    (6, "ld1 lo1 wo2 wd1 ld2 ld3 ld4 ld5 ld6 lo2 wo3 wo4 wo6"),
])  # fmt: skip
def test_the_most_telling_steps_come_first(count: int, wanted: str) -> None:
    """l: every layer alone, w: the whole; d: drawn weights, o: its own."""
    assert told(list(plan.in_order(named(count)))) == wanted.split()


def test_work_is_products_and_elements() -> None:
    """4 * 3 products a sample and 3 elements of a top; the pooling's are 5 * 4 * 2."""
    ip = typed("{name: ip, type: InnerProduct, num_output: 3}", "data: [N, 4]")
    assert plan.work(ip, Case("normal", {"N": 5}, 0)) == 5 * (4 * 3 + plan.ELEMENT * 3)
    pool = typed(
        "{name: p, type: Pooling, kernel_size: 2, stride: 2, top: [p, m], top_count: 2}".replace(
            ", top_count: 2", ""
        ),
        "data: [N, 2, 10, 8]",
    )
    macs = evaluate(pool.macs(pool.graph.nodes[0]), {"N": 1})
    assert plan.work(pool, Case("normal", {"N": 1}, 0)) == macs + plan.ELEMENT * 2 * (5 * 4 * 2)  # type: ignore[operator]


def chosen(
    costs: Mapping[int, float],
    budget: float,
    monkeypatch: pytest.MonkeyPatch,
    steps: Sequence[plan.Step] | None = None,
) -> list[str]:
    monkeypatch.setattr(plan, "work", lambda _, case: costs.get(case.sizes["N"], 1.0))
    found = plan.affordable(None, steps or list(plan.in_order(named(6))), budget, named(1)[0])  # type: ignore[arg-type]
    assert all(step.cost == costs.get(step.case.sizes["N"], 1.0) for step in found)
    return told(found)


def test_steps_end_with_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    every = told(list(plan.in_order(named(6))))
    assert chosen({}, 40, monkeypatch) == every
    cheap = dict.fromkeys(range(1, 7), 0.5)
    assert chosen(cheap, 20, monkeypatch) == every
    same = [plan.Step("whole", "own", named(1)[0])] * 9
    for budget in range(1, 12):
        assert len(chosen({1: 1.0}, budget, monkeypatch, same)) == min(max(budget, plan.ALWAYS), 9), (
            "four are made whatever they cost"
        )


def test_a_step_beyond_its_share_gets_the_least_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    first, rest = (
        ["ld1", "lo1", "wo2", "wd1"],
        ["ld2", "ld3", "ld4", "ld5", "ld6", "lo2", "wo3", "wo4", "wo6"],
    )
    budget = 4000.0
    assert chosen({3: 100.0}, budget, monkeypatch) == [*first, *rest], "a fortieth is its share"
    assert chosen({3: 100.1}, budget, monkeypatch) == [*first, *[r.replace("3", "1") for r in rest]]
    assert chosen({2: 101.0}, budget, monkeypatch)[:4] == first, (
        "one of the first four, of the whole, keeps its sizes"
    )
    layers = [plan.Step("layers", "drawn", case) for case in named(2)[1:] * 5]
    assert chosen({2: 101.0}, budget, monkeypatch, layers) == ["ld1"] * 5, "layers alone have no such leave"


def test_quick_is_the_first_five_and_drawn_weights_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "work", lambda _, case: 1.0)
    full, left = plan.plan_steps(None, named(6), "full")  # type: ignore[arg-type]
    assert (told(full), left) == (
        ["ld1", "wd1", "ld2", "ld3", "ld4", "ld5", "ld6", "lo1", "wo2", "lo2", "wo3", "wo4", "wo6"],
        0,
    )
    quick, left = plan.plan_steps(None, named(6), "quick")  # type: ignore[arg-type]
    assert (told(quick), left) == (["ld1", "wd1", "ld2", "lo1", "wo2"], 8)
    assert plan.BUDGET["quick"] < plan.BUDGET["full"]


def test_samples_take_a_quarter_of_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plan.BUDGET, "full", 800.0)
    for cost, wanted in ((200.0, 10), (400.0, 5), (401.0, 4), (2000.0, 1), (9000.0, 1), (0.0, 2000)):
        monkeypatch.setattr(plan, "work", lambda _, case, cost=cost: cost)
        assert plan.affordable_samples(None, named(1)[0], 10, "full") == wanted  # type: ignore[arg-type]


# --- weights ---------------------------------------------------------------------------------------------------------


def weight(name: str, kind: str = "parameter", value: float | None = None) -> Weight:
    graph = typed("{name: ip, type: InnerProduct, num_output: 3}", "data: [N, 4]")
    usual = graph.weights[graph.graph.nodes[0]][0]
    filler = (
        usual.filler
        if value is None
        else replace_fields(graph.weights[graph.graph.nodes[0]][1].filler, value=value)
    )
    return usual._replace(name=name, kind=kind, filler=filler)  # type: ignore[attr-defined, no-any-return]


def test_which_weights_mix() -> None:
    shapes = {
        (5,): False,
        (): False,
        (3, 4): True,
        (1, 1): True,
        (2, 3, 3): True,
        (1, 5, 1): False,
        (1, 1, 1): False,
        (5, 2, 1, 1): True,
    }
    assert {shape: matrix(shape) for shape in shapes} == shapes


def test_which_numbers_are_added() -> None:
    assert [is_summand(weight(n, value=v)) for n, v in (("bias", None), ("shift", 1.0), ("slope", 0.25), ("gain", 1.0), ("gain", 0.0))] == [
        True, True, False, False, True
    ]  # fmt: skip


def test_drawn_values_hide_nothing() -> None:
    def drawn(w: Weight, shape: tuple[int, ...]) -> Any:
        return values_for(np.random.default_rng(0), w, shape)

    for shape in ((400,), (1, 400, 1)):
        statistic, bias, factor = (
            drawn(w, shape)
            for w in (weight("mean", "statistic"), weight("bias"), weight("slope", value=0.25))
        )
        assert 0.5 <= statistic.min() < 0.6 and 1.4 < statistic.max() <= 1.5
        assert 0.3 <= np.abs(bias).min() < 0.35 and 1.15 < np.abs(bias).max() <= 1.2
        assert (
            0.3 < (bias > 0).mean() < 0.7
            and (factor > 0).all()
            and factor.min() >= 0.3
            and 1.1 < factor.max() <= 1.2
        )
    rows = drawn(weight("weight"), (50, 6, 5, 5))
    spread = rows.reshape(50, -1).std(1) * 150**0.5
    assert 0.6 < spread.min() < 0.85 and 1.2 < spread.max() < 1.6
    assert drawn(weight("weight"), (4, 0)).shape == (4, 0)


# --- probes ----------------------------------------------------------------------------------------------------------


def test_an_answer_allows_twice_what_rounding_may_cost() -> None:
    """Of ours, of torch's in float32, or by the length of the sums: the greatest, twice."""
    truth = np.array([[4.0, -8.0], [0.0, 2.0]])
    ours, single = truth + np.array([[0, 0.5], [0, 0]]), truth - np.array([[0.25, 0], [0, 0]])
    for got, other, fan_in in ((ours, truth, 0), (truth, single, 0), (truth, truth, 16), (ours, single, 16)):
        off = max(
            np.abs(got - truth).max(),
            probes.FACTOR * np.abs(other - truth).max(),
            probes.FACTOR * probes.EPS * fan_in**0.5 * 8,
        )
        said = probes.answer(got, truth, other, fan_in)
        assert said == {"shape": [2, 2], "values": [*said["values"]], "tolerance": pytest.approx(2 * off)}
        assert (
            set(said["values"]) <= set(got.ravel())
            and said["values"][0] == got[0, 0]
            and said["values"][-1] == got[1, 1]
        )
    endless = probes.answer(np.array([np.inf, 1.0]), np.array([np.inf, 1.0]), np.array([np.inf, 1.0]), 1)
    assert endless["tolerance"] == pytest.approx(2 * probes.FACTOR * probes.EPS)
    assert probes.answer(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 3)), 1) == {
        "shape": [0, 3],
        "values": [],
        "tolerance": 0.0,
    }


# --- real samples ----------------------------------------------------------------------------------------------------


def grouped(sizes: Sequence[int], fixed: int | None) -> list[samples.Take]:
    """Takes of samples, one row of `sizes[i]` numbers i each, with their numbers as labels."""
    graph = typed("{name: r, type: ReLU}", "data: [N, W]")
    raw = {"data": [np.full(size, i, np.float64) for i, size in enumerate(sizes)]}
    every = {"data": np.arange(len(sizes), dtype=np.float64)[:, None], "label": np.arange(len(sizes))}
    return samples.group_samples(graph, raw, every, fixed)


@pytest.mark.parametrize(("sizes", "fixed", "wanted"), [
    ([3, 3, 3], None, [[0, 1, 2]]), ([3, 4, 3, 5, 4], None, [[0, 2], [1, 4], [3]]), ([3] * 5, 2, [[0, 1], [2, 3]]),
    ([3, 4, 3, 4, 3], 2, [[0, 2], [1, 3]]),
    ([3, 3], 3, []), ([3, 3, 3], 3, [[0, 1, 2]]), ([3, 3, 3], 1, [[0], [1], [2]]),
])  # fmt: skip
def test_samples_of_one_size_go_together(
    sizes: list[int], fixed: int | None, wanted: list[list[int]]
) -> None:
    found = grouped(sizes, fixed)
    assert [[int(row[0]) for row in take.raw["data"]] for take in found] == wanted
    for take, numbers in zip(found, wanted, strict=True):
        assert take.count == len(numbers) and take.raw["data"].shape[1] == sizes[numbers[0]]
        assert take.every["label"].tolist() == take.prepared["data"][:, 0].tolist() == numbers
        assert take.raw["data"].dtype == take.prepared["data"].dtype == np.float32
        first = take.choose([0])
        assert (
            first.count,
            len(first.raw["data"]),
            len(first.prepared["data"]),
            len(first.every["label"]),
        ) == (1, 1, 1, 1)
        assert take.choose(range(take.count)[::-1]).every["label"].tolist() == numbers[::-1]


@pytest.mark.parametrize(("fixed", "most", "wanted"), [
    (False, 5, [2, 2, 1]), (False, 2, [2]), (False, 3, [2, 1]), (False, 0, [1]), (False, 9, [2, 2, 1]),
    (True, 5, [2, 2, 1]), (True, 4, [2, 2]), (True, 3, [2, 1]), (True, 1, [2]), (True, 0, [2]),
])  # fmt: skip
def test_the_first_of_so_many(fixed: bool, most: int, wanted: list[int]) -> None:
    """One at least; a net that takes a fixed number gets its takes whole."""
    takes = tuple(grouped([3, 3, 4, 4, 5], None))
    found = samples.firsts(samples.Samples(takes, None, (), fixed), most)  # type: ignore[arg-type]
    assert [take.count for take in found] == wanted


def test_a_fixed_count_is_that_of_the_batch() -> None:
    relu = "{name: r, type: ReLU, bottom: data}"
    for inputs, wanted in (("data: [4, 3]", 4), ("data: [N, 3]", None), ("data: []", None)):
        assert samples.find_fixed_count(typed(relu, inputs)) == wanted
    assert (
        samples.find_fixed_count(
            typed(relu + "\n{name: s, type: ReLU, bottom: more}", "data: [N, 3], more: [2, 3]")
        )
        == 2
    )


def test_what_is_a_distribution_over_classes() -> None:
    """Real numbers on axis 1, two at least, none below 0, sums of 1 but for rounding."""
    yes = [
        np.full((3, 4), 0.25),
        np.full((2, 2, 5), 0.5, np.float32),
        np.array([[1.0, 0.0]]),
        np.array([[0.5005, 0.5]]),
    ]
    no = [
        np.ones((3, 1)),
        np.array([[1, 0]]),
        np.array([[1.5, -0.5]]),
        np.array([0.5, 0.5]),
        np.zeros((0, 4)),
        np.array([[0.502, 0.5]]),
    ]
    assert [sampled.distribution(values) for values in (*yes, *no)] == [True] * len(yes) + [False] * len(no)


def test_where_the_best_classes_are_the_same() -> None:
    truth = np.array([[0.25, 0.75], [0.625, 0.375], [0.5, 0.5]])
    assert sampled.best_classes(truth, truth, 0.0) == (3, 3, None)
    turned = truth[:, ::-1].copy()
    assert sampled.best_classes(turned, truth, 0.25)[:2] == (1, 3)
    assert sampled.best_classes(turned, truth, 0.25)[2] is None, (
        "0.5 apart: two values may be off by 0.25 each"
    )
    found = sampled.best_classes(turned, truth, 0.2)[2]
    assert found is not None and (found.distance, found.tolerance) == (0.5, 0.4)
    assert found.text == "the best class of sample 0 is 0 with onnxruntime, 1 with torch"
    second = sampled.best_classes(np.stack((truth[0], turned[1])), truth[:2], 0.1)[2]
    assert second is not None and second.text.startswith("the best class of sample 1 is 1")
