"""Whether samples stay apart in a layer, as `analysis/batch_rows.py` has it, against what changing one sample changes."""

from collections import Counter

import pytest
import torch

from netspec.analysis.batch_rows import APART, MIXED, UNKNOWN, Rows, rows_of
from netspec.driver import load_source
from netspec.ir.dims import evaluate
from netspec.source import Source
from tests.each import each
from tests.layers import rows
from tests.layers.rows import Row

pytestmark = pytest.mark.torch

RUNNING = [
    row
    for row in rows.running()
    if not row.cls.traits & {"data", "input", "stochastic", "loss", "metric"} and row.example.bottoms
]
TRIALS = 3
LISTED = "a list over all samples, each with its sample's number, as long as the values make it"
UNSAID = {
    "BatchReindex": "a row of the output is the row that a number says",
    "BoxAnnotatorOHEM": "regions of the whole batch are ranked together, in training alone",
    "BoxOutput": LISTED,
    "DetectionOutput": LISTED,
    "Filter": "rows that a selector drops move up the others",
    "PSROIPooling": "the number of a region's sample stands in its values",
    "PriorBox": "no value is read, and no axis of the output counts samples",
    "Proposal": LISTED,
    "ROIPooling": "the number of a region's sample stands in its values",
    "Reshape": "the batch axis becomes part of another one, or is split",
}
"""Types some rows of which are not proven to keep samples apart, and why not: of their outputs nothing is promised."""


def reached(
    row: Row, sizes: dict[str, int], axes: dict[str, int], at: int, seed: int
) -> dict[str, torch.Tensor]:
    """Which elements of the outputs change where sample `at` of every input changes."""
    feed = rows.data(row, sizes)
    graph = rows.typed(row)
    node = rows.node(graph)
    assert node is not None
    indices = node.layer.indices(*graph.bottoms(node))
    generator = torch.Generator().manual_seed(seed)
    other = {}
    for i, (name, array) in enumerate(feed.items()):
        fresh = torch.rand(array.shape, generator=generator) * 3 - 1.5
        if i in indices:
            most = int(str(evaluate(indices[i], sizes)))
            fresh = (array + 1) % most if array.dim() < 3 else array.flip(-1)
        if name in axes:
            mine = torch.arange(array.shape[axes[name]]) == at
            fresh = torch.where(
                mine.reshape([-1 if k == axes[name] else 1 for k in range(array.dim())]), fresh, array
            )
        else:
            fresh = array
        other[name] = fresh
    with torch.no_grad():
        before, after = rows.run(rows.net(row), feed), rows.run(rows.net(row), other)
    same = (
        name for name in before if before[name].shape == after[name].shape
    )  # of some the number of rows depends on values
    return {
        name: ~torch.isclose(before[name], after[name], rtol=1e-6, atol=1e-9, equal_nan=True) for name in same
    }


def tried(row: Row) -> Counter[str]:
    """Every top of a row held to what is said of it; how often each state was met."""
    graph = rows.typed(row)
    found = rows_of(graph)
    axes = {i.value.name: found[i.value][i.value].axis for i in graph.graph.inputs if found[i.value]}
    sizes = next(
        (
            s
            for s in rows.sizes_of(row)
            if all(count(graph, i, axes, s) > 1 for i in graph.graph.inputs if i.value.name in axes)
        ),
        None,
    )
    if not axes or sizes is None:
        return Counter()
    met: Counter[str] = Counter()
    changed = [[reached(row, sizes, axes, at, seed) for at in (0, 1)] for seed in range(TRIALS)]
    for top in graph.graph.outputs:
        states = [found[top].get(i.value) for i in graph.graph.inputs if i.value.name in axes]
        if (
            any(top.name not in each for pair in changed for each in pair)
            or not states
            or any(s is None for s in states)
        ):
            continue
        met.update(s.state for s in states if s is not None)
        both = [a[top.name] & b[top.name] for a, b in changed]
        if all(s is not None and s.state == APART for s in states):
            assert len({s.axis for s in states if s is not None}) == 1
            axis = states[0].axis  # type: ignore[union-attr]
            for a, b in changed:
                alone = [
                    x[top.name].movedim(axis, 0).flatten(1).any(1) if x[top.name].dim() > 1 else x[top.name]
                    for x in (a, b)
                ]
                assert not (alone[0] & alone[1]).any(), f"two samples reach one unit of axis {axis}"
                if all(s is not None and s.own for s in states):
                    assert not alone[0][1:].any(), "sample 0 reaches further"
        elif all(s is not None and s.state == MIXED for s in states):
            assert any(each.any() for each in both), "said to mix samples, and does not"
    return met


def count(graph, given, axes, sizes) -> int:  # type: ignore[no-untyped-def]
    return int(str(evaluate(graph.types[given.value].shape[axes[given.value.name]], sizes)))


@each("row", RUNNING)
def test_samples_stay_apart_as_said(row: Row) -> None:
    if tried(row)[UNKNOWN]:
        assert row.cls.type in UNSAID


def test_nothing_is_left_unsaid_without_need() -> None:
    """Every type of the table has a row of which nothing is proven."""
    unknown = {
        row.cls.type
        for row in RUNNING
        for found in rows_of(rows.typed(row)).values()
        for r in found.values()
        if r.state == UNKNOWN
    }
    assert unknown == {*UNSAID}


@pytest.mark.parametrize("shape", ["4, T", "4, 3, H, W", "4, 3"])
def test_rows_of_a_fixed_batch_begin_along_its_first_axis(shape: str) -> None:
    """Whatever else is open."""
    text = f"netspec: 1\ninput: {{data: [{shape}]}}\nlayers: [{{name: act, type: ReLU}}]\n"
    typed = load_source(Source("fixed.yaml", text)).graph()
    (given,), (made,) = (i.value for i in typed.graph.inputs), typed.graph.outputs
    assert rows_of(typed)[made][given] == Rows(APART, 0)
