"""The weights of classes that a loss asks for by `balanced`. In: a training graph, the labels of
its training data; out: numbers by layer, and nets that have them.

They are fixed when a training starts and kept in its record: a run that goes on, and whoever
measures it, has the same.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from netspec.data.labels import labels_of
from netspec.data.source import Array, Source
from netspec.diagnostics import fail
from netspec.ir.graph import Node, TypedGraph
from netspec.training.batches.data_layers import LayerBatches
from netspec.training.batches.loader import Batches

__all__ = ["ClassWeights", "balance", "count_classes", "set_class_weights"]

ClassWeights = Mapping[str, Sequence[float]]
"""By layer, a number for each class."""


def balance(
    graphs: Sequence[TypedGraph], names: Mapping[str, str], batches: Batches | LayerBatches
) -> dict[str, tuple[float, ...]]:
    """The weights of each layer of a training that balances its classes: n / (K n_k) for n_k of n
    labels, as scikit-learn's compute_class_weight has it.

    names: leads from an input to the net's argument. Raises SpecError NS696.
    """
    found: dict[str, tuple[float, ...]] = {}
    for typed, node in ((each, node) for each in graphs for node in each.graph.nodes):
        if node.layer.balanced and node.name not in found:
            at, width = next(iter(node.layer.indices(*typed.bottoms(node)).items()), (0, 0))
            source, field = find_labels(node, names.get(node.bottoms[at].name, "") if at else "", batches)
            counts = count_classes(source, field, int(str(width)), node.layer.ignored)
            found[node.name] = weights_of(counts, node, source)
    return found


def find_labels(node: Node, argument: str, batches: Batches | LayerBatches) -> tuple[Source, str]:
    """The source of a layer's labels, and their field. Raises SpecError NS696 where no data feed
    them.
    """
    for part in batches.parts if isinstance(batches, LayerBatches) else (batches,):
        if argument in part.feed.fields:
            return part.source, part.feed.fields[argument]
    fact = f"{node.name}: balanced counts the labels of the training data, and its labels are none of these"
    raise fail("NS696", fact, span=node.places["class_weight"])


def count_classes(source: Source, field: str, width: int, ignored: Sequence[int]) -> Array:
    """How many labels there are of each class; what they may be was checked before."""
    counts = np.zeros(width, np.int64)
    for labels in labels_of(source, field):
        flat = labels.reshape(-1)
        known = flat[(flat >= 0) & (flat < width) & ~np.isin(flat, ignored)]
        counts += np.bincount(known.astype(np.int64), minlength=width)
    return counts


def weights_of(counts: Array, node: Node, source: Source) -> tuple[float, ...]:
    """Weights by which each class counts as much as every other."""
    absent = np.flatnonzero(counts == 0)
    if len(absent):
        names = source.classes or ()
        number = int(absent[0])
        name = names[number] if number < len(names) else str(number)
        fact = f"{node.name}: class {name} has no label in the training data, no weight balances it"
        raise fail("NS696", fact, span=node.places["class_weight"])
    return tuple(float(w) for w in counts.sum() / (len(counts) * counts.astype(np.float64)))


def set_class_weights(net: nn.Module, weights: ClassWeights) -> None:
    """Give a compiled net the weights of its layers; those that it lacks are passed over. Raises
    SpecError NS683 for another number of classes.
    """
    layers: Mapping[str, tuple[str, ...]] = net.layers  # type: ignore[assignment]
    for name, values in weights.items():
        if name not in layers:
            continue
        for module in net.get_submodule(layers[name][0]).modules():
            held = module._buffers.get("class_weight")
            if held is None:
                continue
            if len(held) != len(values):
                raise fail(
                    "NS683",
                    f"class_weight of {name} has {len(values)} numbers for {len(held)} classes",
                )
            held.copy_(torch.tensor(values, dtype=held.dtype))
