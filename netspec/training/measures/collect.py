"""What each loss of a test net judges, measured as the batches pass. In: a compiled net and its
graph; out: a measure by loss.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from torch import Tensor, nn

from netspec.ir.graph import Node, TypedGraph
from netspec.training.measures.classes import MOST_CLASSES, Classes
from netspec.training.measures.labels import Labels
from netspec.training.measures.numbers import Numbers

__all__ = ["Measure", "measuring"]


class Measure(Protocol):
    """What adds up answers and truth, batch by batch."""

    def add(self, scores: Tensor, labels: Tensor, /) -> None: ...
    def result(self, names: Sequence[str] = ()) -> dict[str, Any]: ...


@contextmanager
def measuring(net: nn.Module, typed: TypedGraph) -> Iterator[dict[str, Measure]]:
    """A measure for each loss that says what it judges, fed by every call of the net inside."""
    found: dict[str, Measure] = {}
    handles = []
    layers: Mapping[str, tuple[str, ...]] = net.layers  # type: ignore[assignment]
    for node in typed.graph.nodes:
        made = measure_of(node, typed)
        if made is not None:
            found[node.name] = made
            module = net.get_submodule(layers[node.name][0])
            handles.append(module.register_forward_pre_hook(lambda m, args, to=made: to.add(*args[:2])))
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def measure_of(node: Node, typed: TypedGraph) -> Measure | None:
    """The measure of what a layer judges; None where it says nothing of it."""
    layer, bottoms = node.layer, typed.bottoms(node)
    if layer.answers == "classes":
        width, axis = bottoms[0].shape[layer.along(bottoms[0])], layer.along(bottoms[0])
        counted = layer.indices(*bottoms).get(1, width)
        if not isinstance(counted, int) or not 0 < counted <= MOST_CLASSES:
            return None
        return Classes(counted, axis, layer.ignored, "takes_scores" in layer.traits)
    if layer.answers == "labels":
        return Labels(layer.ignored, "takes_logits" in layer.traits)
    if layer.answers == "numbers":
        return Numbers()
    return None
