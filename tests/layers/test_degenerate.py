"""Bottoms with too few axes, one channel or one pixel: the rules refuse them, or torch and onnxruntime run them to the shapes inferred."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

import netspec
from netspec.diagnostics import SpecError
from netspec.driver import load_source
from netspec.ir.graph import TypedGraph
from netspec.source import Source
from tests.each import each
from tests.layers import rows
from tests.layers.rows import Row

pytestmark = [pytest.mark.torch, pytest.mark.onnx]


def shrunk(shape: str) -> dict[str, str]:
    """A shape with less in it, by what is left."""
    parts = [part for part in shape.split(",") if part.strip()]
    found = {"scalar": ""}
    if parts:
        found["samples"] = parts[0]
    if len(parts) > 1:
        found["one channel"] = ",".join([parts[0], "1", *parts[2:]])
    if len(parts) > 2:
        found["one pixel"] = ",".join([*parts[:2], *["1"] * (len(parts) - 2)])
    return found


def variants(shapes: list[str]) -> list[tuple[str, ...]]:
    """One bottom shrunk, or all of them alike."""
    one = [
        (*shapes[:at], less, *shapes[at + 1 :])
        for at, shape in enumerate(shapes)
        for less in shrunk(shape).values()
    ]
    ways = ("scalar", "samples", "one channel", "one pixel")
    return [
        *dict.fromkeys([*one, *(tuple(shrunk(shape).get(way, shape) for shape in shapes) for way in ways)])
    ]


def cases() -> list[Row]:
    """The first row of each type with each number of bottoms."""
    found: dict[tuple[str, int], Row] = {}
    for row in rows.running():
        if row.example.bottoms and not row.cls.traits & {"data", "input"}:
            found.setdefault((row.cls.type, len(row.example.bottoms)), row)
    return list(found.values())


def graph_of(row: Row, sizes: dict[str, int], shapes: Sequence[str]) -> TypedGraph | None:
    """The row's graph with bottoms of these shapes; None where the rules refuse them."""
    lines = row.text(sizes).split("\n")
    given = {f"  b{i}: ": shape for i, shape in enumerate(shapes)}
    text = "\n".join(
        next((f"{key}[{shape}]" for key, shape in given.items() if line.startswith(key)), line)
        for line in lines
    )
    try:
        return load_source(Source("row.yaml", text)).graph("test")
    except SpecError:
        return None


def fed(graph: TypedGraph) -> dict[str, Any]:
    """Numbers below 1; 0 where indices are read."""
    (node,) = graph.graph.nodes
    indices = node.layer.indices(*graph.bottoms(node))
    shapes = {i.value.name: [int(str(s)) for s in graph.types[i.value].shape] for i in graph.graph.inputs}
    return {
        name: torch.zeros(shape) if i in indices else torch.rand(shape)
        for i, (name, shape) in enumerate(shapes.items())
    }


def runs(graph: TypedGraph) -> None:
    """torch makes the inferred shapes, and onnxruntime runs what can be exported."""
    net, feed = netspec.compile(graph), fed(graph)
    with torch.no_grad():
        made = rows.run(net, feed)
    for value in graph.graph.outputs:
        wanted, shape = graph.types[value].shape, made[value.name].shape
        assert len(wanted) == len(shape) and all(
            not isinstance(w, int) or w == s for w, s in zip(wanted, shape, strict=True)
        )
    rows.exported(graph, net, feed)


def test_there_are_enough_cases() -> None:
    assert len(cases()) >= 100


@each("row", cases())
def test_what_the_rules_take_runs(row: Row) -> None:
    sizes = rows.sizes_of(row, 1)[0]
    for shapes in variants([rows.inside(bottom, sizes) for bottom in row.example.bottoms]):
        graph = graph_of(row, sizes, shapes)
        if graph is not None and len(graph.graph.nodes) == 1:
            runs(graph)
