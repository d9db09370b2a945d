"""What a definition claims of its module, `kept` and `field`, against autograd: of every example row, none listed by hand."""

import copy
import math
import weakref
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import torch

from netspec.ir.field import Reads, Step
from netspec.ir.graph import Node, TypedGraph
from tests.each import each
from tests.layers import rows
from tests.layers.rows import Row

pytestmark = pytest.mark.torch


@cache
def learning() -> list[Row]:
    return [
        row
        for row in rows.running()
        if rows.node(rows.typed(row)) is not None
        and row.tops
        and row.example.bottoms
        and "no_gradient" not in row.cls.traits
    ]


LEARNING = each("row", learning, parts=4)
FEW = 40
"""Bytes of statistics that a claim may leave out, and the share of all that is kept."""
SHARE = 0.1
ABOUT = 4
"""How far off the claim of a layer may be whose `Kept` says that it depends on the values."""


DRAWS = 6


class Held:
    """A tensor that autograd keeps; gone when nothing needs it."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor


def run(
    row: Row, graph: TypedGraph, sizes: dict[str, int], learning: int | None = None
) -> tuple[Any, list[Any], list[Any], dict[int, int]]:
    """The module after a call in training, its bottoms, its tops, and the bytes that autograd keeps by storage.

    Gradients are asked for bottom `learning` alone, or for all that can have one; parameters and statistics are left out.
    """
    node = rows.node(graph)
    net = copy.deepcopy(rows.net(row)).train()
    net.reset_state()
    indices = node.layer.indices(*graph.bottoms(node))
    bottoms = list(rows.data(row, sizes, 0.1, 0.9).values())
    for i, x in enumerate(bottoms):
        x.requires_grad_(i not in indices and not node.layer.stops_gradient(i) and learning in (None, i))
    known = {t.untyped_storage().data_ptr() for t in (*net.parameters(), *net.buffers())}
    held: weakref.WeakSet[Held] = weakref.WeakSet()

    def pack(tensor: torch.Tensor) -> Held:
        kept = Held(tensor)
        held.add(kept)
        return kept

    torch.manual_seed(1)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept.tensor):
        made = net(*bottoms)
    tops = list(made.values()) if isinstance(made, dict) else [made]
    storages = {k.tensor.untyped_storage().data_ptr(): k.tensor.untyped_storage().nbytes() for k in held}
    return bottoms, tops, {at: size for at, size in storages.items() if at not in known}


def claimed(node: Node, graph: TypedGraph, bottoms: list[Any], tops: list[Any]) -> tuple[set[int], int]:
    """The storages of bottoms and tops that the layer says are kept, and the bytes that these and its own come to."""
    kept = node.layer.kept(graph.bottoms(node), graph.tops(node))
    passing = [bottoms[i] for i in kept.passing if bottoms[i].requires_grad]
    named = [*(bottoms[i] for i in kept.bottoms), *(tops[i] for i in kept.tops if i < len(tops)), *passing]
    sizes = {x.untyped_storage().data_ptr(): x.untyped_storage().nbytes() for x in named}
    assert isinstance(kept.own, int)
    return set(sizes), sum(sizes.values()) + kept.own


def misclaimed(row: Row, graph: TypedGraph, sizes: dict[str, int], learning: int | None = None) -> str:
    """What is wrong with the claim, empty if nothing is."""
    node = rows.node(graph)
    bottoms, tops, saved = run(row, graph, sizes, learning)
    storages, claim = claimed(node, graph, bottoms, tops)
    needless = storages - set(saved)
    if needless:
        names = [
            f"bottom {i}" for i, x in enumerate(bottoms) if x.untyped_storage().data_ptr() in needless
        ] or ["a top"]
        return f"{', '.join(names)} is said to be kept: autograd keeps it not"
    total = sum(saved.values())
    if node.layer.kept(graph.bottoms(node), graph.tops(node)).about:
        return (
            ""
            if total / ABOUT <= claim <= total * ABOUT
            else f"about {claim} bytes are said to be kept: autograd keeps {total}"
        )
    off = abs(claim - total) > FEW + SHARE * total
    return f"{claim} bytes are said to be kept: autograd keeps {total}" if off else ""


@LEARNING
def test_a_layer_keeps_for_the_backward_pass_what_it_says(row: Row) -> None:
    """Where all bottoms learn; of a loss it is enough that its first one does: targets and weights are given."""
    sizes = rows.sizes_of(row, 1)[0]
    graph = rows.at_sizes(row, sizes)
    node = rows.node(graph)
    if any(not isinstance(size, int) for top in graph.tops(node) for size in top.shape):
        return  # how much there is to keep is only known after running
    wrong = misclaimed(row, graph, sizes)
    if wrong and "loss" in row.cls.traits:
        wrong = misclaimed(row, graph, sizes, 0)
    assert not wrong, wrong


def lines(top: torch.Tensor, x: torch.Tensor, axis: int) -> Iterator[tuple[int, torch.Tensor]]:
    """Places along an axis of the top, ends and middle, and where x has a gradient from any of the units there."""
    count = top.shape[axis]
    for place in sorted({0, count // 2, max(count - 2, 0), count - 1}):
        units = top.select(axis, place)
        (slope,) = torch.autograd.grad(
            (units * torch.rand_like(units)).sum(), x, retain_graph=True, allow_unused=True
        )
        if slope is not None and slope.any():
            yield place, slope


def ends(slope: torch.Tensor, axis: int) -> tuple[int, int]:
    """The first and the last place along an axis where a gradient is."""
    there = slope.ne(0).movedim(axis, 0).reshape(slope.shape[axis], -1).any(1).nonzero().flatten()
    return int(there[0]), int(there[-1])


def reach(step: Step, place: int) -> tuple[float, float]:
    """The stretch that a step claims, which the bottom may cut off."""
    first, last = step.stride * place + step.first, step.stride * place + step.last
    return (math.ceil(first - 1e-6) if first > -math.inf else first), (
        math.floor(last + 1e-6) if last < math.inf else last
    )


def drawn(
    row: Row, graph: TypedGraph, sizes: dict[str, int], draw: int
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Bottoms, other ones for each draw, and the first top."""
    torch.manual_seed(draw)
    indices = rows.node(graph).layer.indices(*graph.bottoms(rows.node(graph)))
    given = list(rows.data(row, sizes, 0.1, 0.9).values())
    bottoms = [
        x if i in indices else (x if draw == 0 else torch.rand_like(x) * 0.8 + 0.1).requires_grad_()
        for i, x in enumerate(given)
    ]
    return bottoms, next(iter(rows.run(rows.net(row), dict(enumerate(bottoms))).values()))


def gaps(reads: Reads, x: torch.Tensor, top: torch.Tensor) -> dict[int, tuple[float, float]]:
    """Per axis how much of the claimed field no gradient reaches, before and behind; fails where one reaches further."""
    found: dict[int, tuple[float, float]] = {}
    for axis, step in enumerate(reads):
        if step is None or step.edge or step.back:  # a border of the bottom's own units
            continue
        size, slack = x.shape[step.axis], 0 if isinstance(step.stride, int) else 1
        begins, stops = [], []
        for place, slope in lines(top, x, axis):
            (first, last), (least, most) = ends(slope, step.axis), reach(step, place)
            assert least <= first and last <= most, (
                f"place {place} on axis {axis} reads {first} to {last}: the claim is {step}"
            )
            begins.append((least < 0, max(first - max(least, 0) - slack, 0)))
            stops.append((most >= size, max(min(most, size - 1) - last - slack, 0)))
        if begins:  # where the bottom cuts no stretch off, that stretch is the one to look at
            found[axis] = min(begins)[1], min(stops)[1]
    return found


@LEARNING
def test_gradients_reach_the_whole_field_and_nothing_outside(row: Row) -> None:
    """What units of the first top say that they read along an axis, against what their gradients reach; None is a claim of nothing.

    A unit may choose among what it reads, as the greatest of a window: then other values are drawn.
    """
    sizes = rows.sizes_of(row, 1)[0]
    graph = rows.at_sizes(row, sizes)
    layer, types = rows.node(graph).layer, graph.bottoms(rows.node(graph))
    for i, reads in enumerate(layer.field(*types)):
        if i in layer.indices(*types) or layer.stops_gradient(i):
            continue
        left: dict[int, tuple[float, float]] = {}
        for draw in range(DRAWS):
            bottoms, top = drawn(row, graph, sizes, draw)
            if not top.requires_grad or top.shape != graph.tops(rows.node(graph))[0].shape:
                return
            seen = gaps(reads, bottoms[i], top)
            left = {axis: tuple(map(min, left.get(axis, gap), gap)) for axis, gap in seen.items()}  # type: ignore[misc]
            if not any(map(any, left.values())):
                break
        assert not any(map(any, left.values())), f"bottom {i}: {reads} leaves {left} unread"
