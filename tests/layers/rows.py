"""The example rows of every layer type, and what it takes to run one: its spec, sizes for its symbols, data, its modules."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import product as combinations
from typing import Any

import numpy as np
import onnxruntime
import torch

from netspec import layers
from netspec.compiled import compile as compiled
from netspec.diagnostics import SpecError
from netspec.driver import Program, load_source
from netspec.emit.onnx_model import onnx_model
from netspec.ir.dims import Size, evaluate, symbol, symbols
from netspec.ir.graph import Node, TypedGraph
from netspec.ir.layer import Example, Layer
from netspec.ir.types import TensorType
from netspec.source import Source

SMALL = (2, 3, 4, 5, 6, 8, 9, 12, 16, 23, 30)
"""Sizes tried for the symbols of a row."""


@dataclass(frozen=True)
class Row:
    """One example of one layer type."""

    cls: type[Layer]
    example: Example
    index: int

    def __str__(self) -> str:
        return f"{self.cls.type}-{self.index:02d}"

    @property
    def accepted(self) -> bool:
        return self.example.code is None

    @property
    def tops(self) -> int:
        given = self.example.outputs
        return given if given is not None else len(self.example.tops) or 1

    def text(self, sizes: Mapping[str, int] | None = None, parameters: str | None = None) -> str:
        """A spec of this one layer; with sizes, its symbols are numbers."""
        lines = ["netspec: 1", "name: one", f"dialect: {self.example.dialect}"]
        bottoms = [f"b{i}" for i in range(len(self.example.bottoms))]
        if bottoms:
            lines += [
                "input:",
                *(f"  {b}: [{inside(t, sizes)}]" for b, t in zip(bottoms, self.example.bottoms, strict=True)),
            ]
        tops = [f"t{i}" for i in range(self.tops)]
        wiring = (f", bottom: [{', '.join(bottoms)}]" if bottoms else "") + f", top: [{', '.join(tops)}]"
        own = (
            (self.example.parameters if parameters is None else parameters)
            .strip()
            .removeprefix("{")
            .removesuffix("}")
        )
        return "\n".join(
            [
                *lines,
                "layers:",
                f"  - {{name: l, type: {self.cls.type}{wiring}{', ' + own if own else ''}}}",
                "",
            ]
        )


def inside(shape: str, sizes: Mapping[str, int] | None) -> str:
    """`N, 3, 4` with the symbols that have a size replaced by it."""
    text = shape.removeprefix("(").removesuffix(")")
    return re.sub(r"[A-Za-z_]\w*", lambda m: str((sizes or {}).get(m[0], m[0])), text)


@cache
def every() -> tuple[Row, ...]:
    return tuple(Row(cls, example, i) for cls in layers.every() for i, example in enumerate(cls.examples()))


def accepted() -> list[Row]:
    return [row for row in every() if row.accepted]


def running() -> list[Row]:
    """Those that are accepted, to be run: where a bottom is a whole picture, a tenth of its width and height does as well."""
    return [lighter(row) for row in accepted()]


def lighter(row: Row) -> Row:
    shrunk = [re.sub(r"\b\d{3},\d{3}$", shrink, bottom) for bottom in row.example.bottoms]
    if (*shrunk,) == row.example.bottoms or len(shrunk) > 1:
        return row
    return replace(row, example=row.example._replace(bottoms=(*shrunk,), tops=(), outputs=row.tops))


def shrink(sizes: re.Match[str]) -> str:
    return ",".join(str(int(size) // 10) for size in sizes[0].split(","))


def source(row: Row, sizes: Mapping[str, int] | None = None, parameters: str | None = None) -> Source:
    return Source("row.yaml", row.text(sizes, parameters))


@cache
def program(row: Row) -> Program:
    return load_source(source(row))


@cache
def typed(row: Row) -> TypedGraph:
    return program(row).graph("test")


def at_sizes(row: Row, sizes: Mapping[str, int]) -> TypedGraph:
    return load_source(source(row, sizes)).graph("test")


def node(graph: TypedGraph) -> Node | None:
    """The layer; None where it is an input of the graph and no node of it."""
    return graph.graph.nodes[0] if graph.graph.nodes else None


def layer(row: Row) -> Layer:
    return first_draft(program(row))


def first_draft(read: Program) -> Layer:
    return next(iter(read.resolved.drafts.values())).layer


def bottom_types(row: Row) -> tuple[TensorType, ...]:
    return tuple(type_of(text) for text in row.example.bottoms)


def type_of(text: str) -> TensorType:
    """`N,H//2,W - 3` as a type."""
    if text.strip() in ("", "()"):
        return TensorType(())
    names = {name: symbol(name) for name in re.findall(r"[A-Za-z_]\w*", text)}
    return TensorType(tuple(eval(size, {"__builtins__": {}}, names) for size in text.split(",")))


@cache
def sizes_of(row: Row, count: int = 3) -> list[dict[str, int]]:
    """Legal sizes for the row's symbols, the batch 2 where it can be; [{}] for a row of numbers."""
    graph = typed(row)
    names = sorted({name for t in bottom_types(row) for s in t.shape for name in symbols(s)})
    names = names or sorted(
        {name for i in graph.graph.inputs for s in graph.types[i.value].shape for name in symbols(s)}
    )
    found: list[dict[str, int]] = []
    for values in candidates(len(names)):
        sizes = dict(zip(names, values, strict=True))
        if legal(graph, sizes):
            found.append(sizes)
        if len(found) == count:
            break
    assert found, f"{row} has no legal sizes among {SMALL}"
    return found


@cache
def candidates(count: int) -> list[tuple[int, ...]]:
    """Values for some symbols: unlike ones first, since they tell axes apart."""
    generator = np.random.default_rng(0)
    tuples = (
        list(combinations(SMALL, repeat=count))
        if count <= 3
        else [tuple(map(int, t)) for t in generator.choice(SMALL, (5000, count))]
    )
    return sorted(tuples, key=lambda t: (-len(set(t)), sum(t) > 40, abs(sum(t) - 6 * count)))


def legal(graph: TypedGraph, sizes: Mapping[str, int]) -> bool:
    made = [evaluate(s, sizes) for t in graph.types.values() for s in t.shape]
    return all(fact.holds(sizes) for _, fact in graph.facts) and all(
        not isinstance(s, int) or s >= 1 for s in made
    )


def numbers(shape: tuple[Size, ...], sizes: Mapping[str, int]) -> tuple[int | None, ...]:
    """The shape with sizes put in; None where a size is only known after running."""
    return tuple(s if isinstance(s := evaluate(size, sizes), int) else None for size in shape)


@cache
def net(row: Row) -> Any:
    torch.manual_seed(0)
    made = compiled(typed(row), "test")
    with torch.no_grad():
        for tensor in made.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) * 0.9 + 0.1)
    return made


def data(row: Row, sizes: Mapping[str, int], low: float = -1.5, high: float = 1.5) -> dict[str, Any]:
    """Random values for the inputs; whole numbers where the layer reads such."""
    graph, generator = typed(row), np.random.default_rng(7)
    one = node(graph)
    indices = one.layer.indices(*graph.bottoms(one)) if one is not None else {}
    found: dict[str, Any] = {}
    for i, given in enumerate(graph.graph.inputs):
        shape = numbers(graph.types[given.value].shape, sizes)
        if i in indices:
            most = evaluate(indices[i], sizes)
            found[given.value.name] = distinct(generator, int(str(most)), shape)
        else:
            found[given.value.name] = torch.from_numpy(
                np.asarray(generator.uniform(low, high, shape), np.float32)
            )
    return found


def distinct(generator: Any, most: int, shape: Any) -> Any:
    """Whole numbers below `most`; along the last axes all different where there are enough of them, as a pooling's mask has them."""
    plane = shape[2:]
    count = int(np.prod(plane))
    if len(shape) > 2 and most >= count > 1:
        planes = [generator.permutation(most)[:count].reshape(plane) for _ in range(int(np.prod(shape[:2])))]
        return torch.from_numpy(np.asarray(planes, np.float32).reshape(shape))
    return torch.from_numpy(np.asarray(generator.integers(0, most, shape), np.float32))


def run(module: Any, feed: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs by name, with no state left from a call before."""
    module.reset_state()
    made = module(*feed.values())
    return (
        made
        if isinstance(made, dict)
        else {}
        if made is None
        else dict(zip(module.outputs, (made,), strict=True))
    )


UNEXPORTED = frozenset(("NS701", "NS708"))


def exported(graph: TypedGraph, module: Any, feed: Mapping[str, Any]) -> dict[str, Any] | None:
    """What onnxruntime answers of a compiled net of one layer, its states at 0; None where ONNX has no form of the layer."""
    arrays = {
        r.name: module.layer_parameters(r.node.name)[r.index].detach().numpy()
        for r in graph.weight_refs()
        if not r.shared
    }
    try:
        model = onnx_model(graph, arrays).SerializeToString()
    except SpecError as refused:
        assert {d.code for d in refused.diagnostics} <= UNEXPORTED, refused
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    empty = {
        i.name: np.zeros([s if isinstance(s, int) else 1 for s in i.shape], np.float32)
        for i in session.get_inputs()
    }
    given = {name: feed[name].numpy() if name in feed else zeros for name, zeros in empty.items()}
    return dict(zip((o.name for o in session.get_outputs()), session.run(None, given), strict=True))
