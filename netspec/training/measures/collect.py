"""What each loss of a test net judges, measured as the batches pass. In: a compiled net and its
graph; out: a measure by loss, and the first number of a batch that is not finite.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from netspec.diagnostics import fail
from netspec.ir.graph import Node, TypedGraph
from netspec.training.batches.data_layers import LayerBatches
from netspec.training.batches.loader import Batches
from netspec.training.measures.classes import MOST_CLASSES, Classes
from netspec.training.measures.labels import Labels
from netspec.training.measures.numbers import Numbers

__all__ = ["Measure", "check_finite", "measuring"]


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


def check_finite(batches: Batches | LayerBatches, batch: Mapping[str, Tensor]) -> None:
    """Raises SpecError NS693 for the first sample of a batch, the one handed out last, that holds a
    number which is not finite.
    """
    for part in batches.parts if isinstance(batches, LayerBatches) else (batches,):
        for name, field in part.feed.fields.items():
            values = batch[name]
            if not values.is_floating_point() or bool(torch.isfinite(values).all()):
                continue
            rows = values.movedim(part.source.fields[field].batch_axis, 0).flatten(1)
            row = int(torch.isfinite(rows).all(1).logical_not().nonzero()[0])
            wrong = rows[row][torch.isfinite(rows[row]).logical_not()]
            index = int(part.indices.at(part.position - len(rows), len(rows))[row])
            fact = f"{part.source.where(index)}: field {field} holds {float(wrong[0]):g}"
            more = f", and {len(wrong) - 1} more numbers that are not finite" if len(wrong) > 1 else ""
            raise fail("NS693", fact + more, path=part.source.name)
