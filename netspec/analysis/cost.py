"""What a net costs: parameters, statistics and fixed weights (a shared tensor once), and multiply-accumulates at N = 1."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netspec.ir.dims import Size, evaluate, product, total
from netspec.ir.graph import Node, TypedGraph

__all__ = ["LayerCost", "NetCost", "as_json", "cost"]


@dataclass(frozen=True)
class LayerCost:
    """One layer: shapes of its tops, the weights it owns by kind, and its MACs (a formula where H or W is open)."""

    name: str
    type: str
    tops: Mapping[str, tuple[Size, ...]]
    parameters: int
    statistics: int
    fixed: int
    macs: Size


@dataclass(frozen=True)
class NetCost:
    """All layers and their sums. parameters: what training changes; statistics: what it gathers; fixed: what it leaves alone."""

    name: str
    inputs: Mapping[str, tuple[Size, ...]]
    layers: tuple[LayerCost, ...]

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


def cost(typed: TypedGraph) -> NetCost:
    """Count the whole net. MACs are those of one sample: the symbol N is 1."""
    counts: dict[Node, dict[str, int]] = {node: {"parameter": 0, "statistic": 0, "fixed": 0} for node in typed.graph.nodes}
    for ref in typed.weight_refs():
        if not ref.shared:
            counts[ref.node][ref.kind] += int(product(ref.weight.shape))  # type: ignore[call-overload]
    one = {batch_symbol(typed): 1}
    layers = tuple(
        LayerCost(node.name, node.layer.type, {v.name: typed.types[v].shape for v in node.tops}, counts[node]["parameter"],
                  counts[node]["statistic"], counts[node]["fixed"], evaluate(typed.macs(node), one))
        for node in typed.graph.nodes)
    return NetCost(typed.graph.name, {i.value.name: typed.types[i.value].shape for i in typed.graph.inputs}, layers)


def batch_symbol(typed: TypedGraph) -> str:
    """N where a shape has it, else the symbol on axis 0 of the first input."""
    shapes = [typed.types[i.value].shape for i in typed.graph.inputs]
    if any(str(size) == "N" for shape in shapes for size in shape):
        return "N"
    return next((str(shape[0]) for shape in shapes if shape and not isinstance(shape[0], int)), "N")


def as_json(found: NetCost) -> dict[str, Any]:
    """The form of `netspec show --json`: shapes as `["N", 20, 24, 24]`, open MACs as null with a formula."""
    rows = [{"name": layer.name, "type": layer.type, "tops": {k: sizes(v) for k, v in layer.tops.items()}, "parameters": layer.parameters,
             "statistics": layer.statistics, "fixed": layer.fixed, **macs(layer.macs)} for layer in found.layers]
    totals = {"parameters": found.parameters, "statistics": found.statistics, "fixed": found.fixed, **macs(found.macs)}
    return {"name": found.name, "inputs": {k: sizes(v) for k, v in found.inputs.items()}, "layers": rows, "totals": totals}


def sizes(shape: tuple[Size, ...]) -> list[int | str]:
    return [size if isinstance(size, int) else str(size) for size in shape]


def macs(count: Size) -> dict[str, Any]:
    return {"macs": count} if isinstance(count, int) else {"macs": None, "macs_formula": str(count)}
