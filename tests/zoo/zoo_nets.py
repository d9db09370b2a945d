"""The zoo's specs as the tests need them: loaded once, with sizes for their symbols, data, and weights that keep activations near 1."""

from collections.abc import Mapping
from functools import cache, lru_cache
from math import prod
from typing import Any

import numpy as np
import torch
from alike import bare
from thin import thinned

from netspec.compiled import compile as compiled
from netspec.frozen_classes import replace_fields
from netspec.ir.dims import evaluate, symbols
from netspec.ir.graph import TypedGraph, Value, WeightRef
from netspec.ir.layer import Filler
from tests.zoo import kinds

torch.set_num_threads(1)  # several workers with a thread per core each would wait for one another

PATHS = {name: str(path) for name, path in kinds.SPECS.items()}
THIN = "thin:"
TINY = 1_000_000
"""Parameters up to which a net is run on numbers as it is by default; larger ones run thin, and as they are under the marker slow."""
SMALL = 30_000_000
"""Parameters up to which a net is compared with a recorded one by default."""
LARGE = 200_000_000
"""Parameters up to which a net is built at all."""


@cache
def typed(name: str) -> TypedGraph:
    """The deployed net as tests run it; `thin:NAME` has an eighth of its channels."""
    if name.startswith(THIN):
        narrow = thinned(typed(name.removeprefix(THIN)))
        assert narrow is not None
        return narrow
    return scored(kinds.program(name).graph())


@cache
def narrow(name: str) -> str:
    """The net to run on numbers by default: itself where it is small, a thin one of the same structure where its layers take that."""
    return name if parameters(name) <= TINY or thinned(typed(name)) is None else THIN + name


def scored(found: TypedGraph) -> TypedGraph:
    """A deployed net with inputs without their image contracts, and what the last layers read as outputs too, first.

    A softmax hides differences: its bottom does not.
    """
    inputs = tuple(i._replace(contract=None) for i in found.graph.inputs)
    behind = [
        v
        for output in found.graph.outputs
        if output.node is not None
        for v in output.node.bottoms
        if v.node is not None
    ]
    kept = {v.name: v for v in (*behind, *found.graph.outputs)}
    return replace_fields(
        found, graph=replace_fields(found.graph, inputs=inputs, outputs=tuple(kept.values()))
    )


def parameters(name: str) -> int:
    return sum(prod(map(int, ref.weight.shape)) for ref in typed(name).weight_refs() if not ref.shared)  # type: ignore[arg-type]


@cache
def sizes(name: str) -> Mapping[str, int]:
    """The least legal sizes: batch 2, all other symbols alike."""
    graph = typed(name)
    names = frozenset(s for t in graph.types.values() for size in t.shape for s in symbols(size)) - {"N"}
    for length in range(1, 1500):
        found = {"N": 2, **dict.fromkeys(names, length)}
        if all(fact.holds(found) for _, fact in graph.facts) and all(
            least(evaluate(s, found)) for t in graph.types.values() for s in t.shape
        ):
            return found
    raise AssertionError(f"{name} has no legal size up to 1500")


def least(size: object) -> bool:
    return not isinstance(size, int) or size >= 1


def shape(name: str, value: Value, **more: int) -> tuple[int, ...]:
    found = tuple(evaluate(s, {**sizes(name), **more}) for s in typed(name).types[value].shape)
    assert all(isinstance(s, int) for s in found)
    return found  # type: ignore[return-value]


def feed(name: str, **more: int) -> dict[str, torch.Tensor]:
    """Numbers around 0 for the inputs; whole numbers where a layer reads such."""
    graph, rng = typed(name), np.random.default_rng(3)
    found = {}
    for given in graph.graph.inputs:
        most = index_limit(graph, given.value)
        own = shape(name, given.value, **more)
        array = rng.normal(size=own) if most is None else rng.integers(0, min(most, int(most)), own)
        found[given.value.name] = torch.from_numpy(np.asarray(array, np.float32))
    return found


def index_limit(graph: TypedGraph, value: Value) -> int | None:
    """How many whole numbers an input may hold, where it holds such."""
    for node in graph.graph.nodes:
        limits = node.layer.indices(*graph.bottoms(node))
        for i, limit in limits.items():
            if node.bottoms[i] is value and isinstance(limit, int):
                return limit
    return None


@lru_cache(maxsize=8)
def ready(name: str) -> Any:
    """The net with weights under which activations neither vanish nor grow: what is compared must differ where the nets do."""
    torch.manual_seed(0)
    net: Any = compiled(typed(name)).eval()
    graph = typed(name)
    with torch.no_grad():
        for ref in graph.weight_refs():
            if not ref.shared and ref.kind != "fixed" and not keeps_sign(ref.weight.filler):
                fill(ref.weight.name, ref.kind, net.layer_parameters(ref.node.name)[ref.index])
    return net


def keeps_sign(filler: Filler) -> bool:
    """Weights that the spec wants positive stay as it fills them."""
    return filler.type == "uniform" and filler.min >= 0


def fill(name: str, kind: str, tensor: torch.Tensor) -> None:
    if kind == "statistic":
        tensor.fill_(1.0) if tensor.numel() == 1 else tensor.uniform_(
            0.5, 1.5
        ) if "var" in name else tensor.normal_(0.0, 0.1)
    elif tensor.dim() >= 2:
        tensor.normal_(0.0, (2 / max(tensor.numel() // tensor.shape[0], 1)) ** 0.5)
    elif "bias" in name:
        tensor.normal_(0.0, 0.1)
    else:
        tensor.uniform_(0.5, 1.5)


def role(ref: WeightRef) -> str:
    """What a weight is for: see `alike.numbers`."""
    if ref.kind == "statistic":
        return ref.weight.name
    return "weight" if len(bare(ref.weight.shape)) > 1 else "shift" if "bias" in ref.weight.name else "scale"  # type: ignore[arg-type]
