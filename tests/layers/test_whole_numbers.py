"""Blobs of whole numbers (places of maxima, labels) as bottoms of every layer type: each row runs, exports and agrees, as with floats."""

from typing import Any

import numpy as np
import pytest
import torch

import netspec
from netspec.diagnostics import SpecError
from netspec.driver import load_source
from netspec.emit.proof import prove
from netspec.ir.graph import TypedGraph
from netspec.source import Source
from tests.each import each
from tests.layers import rows
from tests.layers.rows import Row

pytestmark = pytest.mark.torch


def cases() -> list[tuple[Row, int]]:
    """The first row of each type with each number of bottoms, once for each bottom."""
    found: dict[tuple[str, int, int], tuple[Row, int]] = {}
    for row in rows.running():
        count = len(row.example.bottoms) if not row.cls.traits & {"data", "input"} else 0
        for at in range(count):
            found.setdefault((row.cls.type, count, at), (row, at))
    return list(found.values())


EVERY = cases()


def whole(row: Row, at: int, sizes: dict[str, int]) -> TypedGraph:
    """The row's graph, one of its bottoms of int64."""
    lines = row.text(sizes).split("\n")
    shape = f"  b{at}: "
    lines = [
        f"{shape}{{shape: {line.removeprefix(shape)}, dtype: int64}}" if line.startswith(shape) else line
        for line in lines
    ]
    return load_source(Source("row.yaml", "\n".join(lines))).graph("test")


def drawn(net: Any) -> Any:
    """The net with weights in [0.1, 1)."""
    torch.manual_seed(0)
    with torch.no_grad():
        for tensor in [*net.parameters(), *net.buffers()]:
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) * 0.9 + 0.1)
    return net


def tried(row: Row, at: int) -> bool:
    """One row with one bottom of whole numbers: as with the same numbers as floats; whether ONNX had a part in it."""
    sizes = rows.sizes_of(row, 1)[0]
    graph = whole(row, at, sizes)
    feed = {name: t.long() if name == f"b{at}" else t for name, t in rows.data(row, sizes, 0, 3).items()}
    net, plain = drawn(netspec.compile(graph)), drawn(netspec.compile(rows.at_sizes(row, sizes)))
    with torch.no_grad():
        torch.manual_seed(0)
        made = rows.run(net, feed)
        torch.manual_seed(0)
        wanted = rows.run(plain, {name: t.float() for name, t in feed.items()})
        rows.run(
            net.double(), {name: t if t.dtype == torch.int64 else t.double() for name, t in feed.items()}
        )
    net.float()
    answers = rows.exported(graph, net, feed)
    for value in graph.graph.outputs:
        if value.name not in made:
            continue
        assert str(made[value.name].dtype) == f"torch.{graph.types[value].dtype}"
        torch.testing.assert_close(made[value.name], wanted[value.name], check_dtype=False, equal_nan=True)
        if answers is not None:
            np.testing.assert_allclose(answers[value.name], made[value.name].numpy(), rtol=1e-3, atol=1e-4)
    return answers is not None


@each("case", EVERY[::2], lambda case: f"{case[0]}-{case[1]}")
def test_any_bottom_may_hold_whole_numbers(case: tuple[Row, int]) -> None:
    tried(*case)


def test_all_types_are_tried() -> None:
    assert len(EVERY) >= 210
    assert len({row.cls.type for row, _ in EVERY}) >= 105


def refused(row: Row, at: int) -> bool:
    """Whether whole numbers mean something else at a bottom than floats of its shape: a share of each class is none."""
    if not hasattr(row.cls, "by_shares") or at != 1 or row.example.bottoms[0] != row.example.bottoms[at]:
        return False
    with pytest.raises(SpecError, match="there must be a label for each place"):
        whole(row, at, rows.sizes_of(row, 1)[0])
    return True


@pytest.mark.slow
def test_so_it_is_with_every_row() -> None:
    held = [
        tried(row, at)
        for row in rows.running()
        for at in range(len(row.example.bottoms))
        if not row.cls.traits & {"data", "input"} and not refused(row, at)
    ]
    assert len(held) >= 630
    assert sum(held) >= 440  # the others are losses, measures and what has no form in ONNX


BLOCK = """
input: {x: [N, 3, 8, 8]}
blocks:
  norm:
    layers:
      - {name: n, type: LayerNorm}
layers:
  - {name: pool, type: Pooling, kernel_size: 2, stride: 2, top: [pool, at]}
  - {name: a, block: norm, bottom: pool}
  - {name: b, block: norm, bottom: at}
  - {name: up, type: Upsample, bottom: [a, at], scale: 2}
"""


def test_in_a_block_and_beside_a_reader_of_places() -> None:
    """One class serves both uses of a block; the reader of places gets whole numbers still."""
    graph = load_source(Source("net.yaml", BLOCK)).graph("test")
    converted = {node.name: graph.find_converted(node) for node in graph.graph.nodes}
    assert {name for name, places in converted.items() if places} == {"b.n"}
    net = netspec.compile(graph)
    assert all(tensor.isfinite().all() for tensor in net(torch.rand(2, 3, 8, 8)).values())
    vars(net.get_submodule(net.layers["b.n"][0]))["read_as_real"] = ()
    with pytest.raises(SpecError, match="reads other bottoms as real numbers"):
        prove(graph, net)
