"""What a net costs, at N = 1: weights by kind (a shared tensor once), multiply-accumulates, units,
connections, memory, intensity.

DEFINITIONS says of each number what it counts; the command line and the manual print them from
there.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from netspec.frozen_classes import frozen, replace_fields
from netspec.ir.dims import Size, evaluate, product, total
from netspec.ir.graph import Node, TypedGraph, Value
from netspec.ir.types import TensorType

__all__ = [
    "DEFINITIONS",
    "LayerCost",
    "NetCost",
    "as_json",
    "batch_symbol",
    "cost",
    "weight_counts",
]

KINDS = {"parameter": "parameters", "statistic": "statistics", "fixed": "fixed"}
DEFINITIONS = {
    "parameters": "numbers that training changes; a shared weight counts once, at its first owner",
    "statistics": "numbers that training gathers: batch norm's mean and variance",
    "fixed": "weights that training leaves alone: lr_mult 0, or fixed by the layer",
    "MACs": (
        "multiply-accumulates for N = 1 of convolutions, transposed convolutions, dense, recurrent and"
        " attention products; all else counts 0"
    ),
    "units": (
        "outputs of layers that own weights, N = 1: hidden, with input and output units counted apart (LeCun"
        " et al. 1989)"
    ),
    "connections": (
        "inputs read per unit, those in the padding too, plus one where it has a bias, over all units; a"
        " layer that only scales or normalises reads one; N = 1"
    ),
    "memory": (
        "bytes of the values that are alive at the same time, at most, N = 1; views (Flatten, Slice, Crop)"
        " take none; in training what the layers keep for the backward pass stays: values that are read"
        " again, masks, indices, padded copies; weights, gradients and work space are not counted"
    ),
    "intensity": (
        "operations (two per MAC) for each byte of input, output and weights that a layer reads or writes, in"
        " float32"
    ),
}


@frozen
class LayerCost:
    """One layer: shapes of its tops, its weights by kind, and counts (formulas where H or W is
    open). moved: elements read and written.
    """

    name: str
    type: str
    tops: Mapping[str, tuple[Size, ...]]
    parameters: int
    statistics: int
    fixed: int
    macs: Size
    units: Size = 0
    connections: Size = 0
    moved: Size = 0

    @property
    def intensity(self) -> float | None:
        """Operations per byte; None where a size is open."""
        return ratio(self.macs, self.moved)


@frozen
class NetCost:
    """All layers and their sums. units: hidden, input, output. sample: the graph of one sample that
    was counted.
    """

    name: str
    inputs: Mapping[str, tuple[Size, ...]]
    layers: tuple[LayerCost, ...]
    units: Mapping[str, Size]
    output_layers: frozenset[str]
    sample: TypedGraph

    @cached_property
    def memory(self) -> dict[str, int | None]:
        """Bytes by use, inference and training; None where a size is open."""
        from netspec.analysis.memory import activation_memory

        return {
            use: activation_memory(self.sample, {}, training=use == "training")
            for use in ("inference", "training")
        }

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    @property
    def statistics(self) -> int:
        return sum(layer.statistics for layer in self.layers)

    @property
    def fixed(self) -> int:
        return sum(layer.fixed for layer in self.layers)

    @property
    def macs(self) -> Size:
        return total(layer.macs for layer in self.layers)

    @property
    def connections(self) -> Size:
        return total(layer.connections for layer in self.layers)

    @property
    def intensity(self) -> float | None:
        return ratio(self.macs, total(layer.moved for layer in self.layers))


def ratio(macs: Size, moved: Size) -> float | None:
    """2 macs operations over 4 moved bytes."""
    if isinstance(macs, int) and isinstance(moved, int) and moved:
        return 2 * macs / (4 * moved)
    return None


def cost(typed: TypedGraph) -> NetCost:
    """Count the whole net. Counts are those of one sample: the symbol N is 1."""
    counts = weight_counts(typed)
    weighed = {node for node, weights in typed.weights.items() if any(w.kind != "statistic" for w in weights)}
    sample = one_sample(typed)
    layers = tuple(
        layer_cost(typed, sample, node, counts[node], node in weighed) for node in typed.graph.nodes
    )
    shapes = {i.value.name: typed.types[i.value].shape for i in typed.graph.inputs}
    last = frozenset(node.name for node in output_layers(typed, weighed))
    given = total(sample.types[i.value].size for i in typed.graph.inputs)
    return NetCost(typed.graph.name, shapes, layers, units(layers, last, given), last, sample)


def one_sample(typed: TypedGraph) -> TypedGraph:
    """The graph with 1 put in for the batch: its sizes are numbers, unless H or W is open."""
    one = {batch_symbol(typed): 1}
    return replace_fields(
        typed,
        types={
            v: TensorType(tuple(evaluate(size, one) for size in t.shape), t.dtype)
            for v, t in typed.types.items()
        },
    )


def macs_of_each(typed: TypedGraph) -> dict[Node, Size]:
    """Multiply-accumulate operations of each node, for one sample."""
    one = {batch_symbol(typed): 1}
    known: dict[object, Size] = {}  # copies of a block share their layers
    found = {}
    for node in typed.graph.nodes:
        key = (id(node.layer), typed.bottoms(node), typed.tops(node))
        if key not in known:
            known[key] = evaluate(typed.macs(node), one)
        found[node] = known[key]
    return found


def weight_counts(typed: TypedGraph) -> dict[Node, dict[str, int]]:
    """Numbers in the weights that each node owns, by kind: parameters, statistics, fixed."""
    counts = {node: dict.fromkeys(KINDS.values(), 0) for node in typed.graph.nodes}
    for ref in typed.weight_refs():
        if not ref.shared:
            size = product(ref.weight.shape)
            assert isinstance(size, int), "a weight's sizes are numbers (NS304)"
            counts[ref.node][KINDS[ref.kind]] += size
    return counts


def layer_cost(
    typed: TypedGraph, sample: TypedGraph, node: Node, counts: Mapping[str, int], weighed: bool
) -> LayerCost:
    bottoms, tops = sample.bottoms(node), sample.tops(node)
    read = total(
        [
            *(t.size for t in bottoms),
            *(t.size for t in tops),
            *(product(w.shape) for w in typed.weights[node]),
        ]
    )
    return LayerCost(
        node.name,
        node.layer.type,
        {v.name: typed.types[v].shape for v in node.tops},
        counts["parameters"],
        counts["statistics"],
        counts["fixed"],
        sample.macs(node),
        tops[0].size if weighed and tops else 0,
        node.layer.connections(bottoms, tops) if weighed else 0,
        read,
    )


def units(layers: tuple[LayerCost, ...], last: frozenset[str], given: Size) -> dict[str, Size]:
    """Units by place. The output layers, `last`, are those that own weights with none behind them
    on the way to an output.
    """
    hidden, output = (
        total(layer.units for layer in layers if (layer.name in last) == behind) for behind in (False, True)
    )
    return {"hidden": hidden, "input": given, "output": output}


def output_layers(typed: TypedGraph, weighed: set[Node]) -> set[Node]:
    found: set[Node] = set()
    waiting: list[Value] = list(typed.graph.outputs)
    seen: set[Value] = set()
    while waiting:
        value = waiting.pop()
        if value in seen or value.node is None:
            continue
        seen.add(value)
        if value.node in weighed:
            found.add(value.node)
        else:
            # what has no weights passes the question on to what it reads
            waiting += value.node.bottoms
    return found


def batch_symbol(typed: TypedGraph) -> str:
    """N where a shape has it, else the symbol on axis 0 of the first input."""
    shapes = [typed.types[i.value].shape for i in typed.graph.inputs]
    if any(str(size) == "N" for shape in shapes for size in shape):
        return "N"
    return next((str(shape[0]) for shape in shapes if shape and not isinstance(shape[0], int)), "N")


def as_json(found: NetCost) -> dict[str, Any]:
    """The form of `netspec show --json`: shapes as `["N", 20, 24, 24]`, open counts as null with a
    formula.
    """
    inputs = {k: sizes(v) for k, v in found.inputs.items()}
    return {
        "name": found.name,
        "inputs": inputs,
        "layers": [layer_json(layer) for layer in found.layers],
        "totals": totals_json(found),
    }


def layer_json(layer: LayerCost) -> dict[str, Any]:
    weights = {"parameters": layer.parameters, "statistics": layer.statistics, "fixed": layer.fixed}
    links = {
        **count("units", layer.units),
        **count("connections", layer.connections),
        "intensity": layer.intensity,
    }
    return {"name": layer.name, "type": layer.type, "tops": {k: sizes(v) for k, v in layer.tops.items()}, **weights,
            **count("macs", layer.macs), **links}  # fmt: skip


def totals_json(found: NetCost) -> dict[str, Any]:
    weights = {"parameters": found.parameters, "statistics": found.statistics, "fixed": found.fixed}
    apart = {place: number if isinstance(number, int) else None for place, number in found.units.items()}
    links = {
        "units": apart,
        **count("connections", found.connections),
        "activation_memory": dict(found.memory),
        "intensity": found.intensity,
    }
    return {**weights, **count("macs", found.macs), **links}


def sizes(shape: tuple[Size, ...]) -> list[int | str]:
    return [size if isinstance(size, int) else str(size) for size in shape]


def count(name: str, number: Size) -> dict[str, Any]:
    if isinstance(number, int):
        return {name: number}
    return {name: None, f"{name}_formula": str(number)}
