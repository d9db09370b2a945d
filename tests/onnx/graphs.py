"""Graphs made by hand for the builder's tests: one node whose ONNX form is a function of the test."""

from collections.abc import Callable
from typing import Any

import onnxruntime as ort

from netspec.emit.onnx_model import onnx_model
from netspec.ir.dims import Size, symbol
from netspec.ir.graph import Graph, Input, Node, TypedGraph, Value
from netspec.ir.layer import Layer
from netspec.ir.types import TensorType


def typed(text: str) -> TensorType:
    """`N,3,H+1` as a type."""
    names = {name: symbol(name) for name in ("N", "C", "H", "W", "T")}
    sizes: Any = eval(f"({text},)", {"__builtins__": {}}, names) if text else ()
    return TensorType(tuple(sizes))


States = dict[str, tuple[Size, ...]]


def single(
    build: Callable[..., Any], bottoms: tuple[str, ...], tops: tuple[str, ...], states: States | None = None
) -> TypedGraph:
    """A graph of one node `l` with inputs x0, x1, ... and tops y0, y1, ..."""

    class Probe(Layer):
        def onnx(self, g: Any, *bottoms: Any, **weights: Any) -> Any:
            return build(g, *bottoms)

        def state(self, *bottoms: Any, **none: Any) -> Any:
            return iter((states or {}).items())

    values = tuple(Value(f"x{i}") for i in range(len(bottoms)))
    node = Node("l", Probe(), values, tuple(f"y{i}" for i in range(len(tops))))
    types = dict(zip((*values, *node.tops), map(typed, (*bottoms, *tops)), strict=True))
    graph = Graph(
        "one",
        tuple(Input(v, types[v]) for v in values),
        (node,),
        node.tops,
        {v.name: v for v in (*values, *node.tops)},
    )
    return TypedGraph(graph, types, {node: ()})


def run(build: Callable[..., Any], bottoms: tuple[str, ...], top: str, *arrays: Any) -> Any:
    """What the node makes of these arrays under onnxruntime; the model is checked in full on the way."""
    model = onnx_model(single(build, bottoms, (top,)), {})
    return session(model).run(None, {f"x{i}": a for i, a in enumerate(arrays)})[0]


def session(model: Any) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
