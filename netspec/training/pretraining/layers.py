"""The layers that are pre-trained: full matrices of a net, what they read and what follows them. In: a
compiled net and names; out: PretrainedLayers, or NS639. Knows no layer type.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from netspec.diagnostics import Diagnostic, SpecError, fail
from netspec.diagnostics.model import write_nearest
from netspec.diagnostics.suggest import nearest
from netspec.ir.dims import product
from netspec.ir.graph import Node, TypedGraph
from netspec.source import Span

__all__ = ["PretrainedLayer", "find_layers", "read_bottom"]

CLOSE = 1e-4


class PretrainedLayer(NamedTuple):
    """A layer to pre-train: its matrix (outputs, inputs) and biases, if it has some, as the net holds
    them; after: what its output goes through next, if that works unit by unit; logistic: whether that
    is a sigmoid; below: whether what it reads comes out of one.
    """

    name: str
    module: nn.Module
    weight: Tensor
    bias: Tensor | None
    after: nn.Module | None
    logistic: bool
    below: bool


class Reached(Exception):  # noqa: N818 - no error: it ends a forward pass where enough is known
    """What a layer reads."""

    def __init__(self, value: Tensor) -> None:
        self.value = value


def find_layers(
    net: Any, typed: TypedGraph, names: Sequence[str], place: Span | None
) -> list[PretrainedLayer]:
    """The layers of these names. NS639: there is none of that name, it is no full matrix, or one that it
    reads of comes after it.
    """
    nodes = {node.name: node for node in typed.graph.nodes}
    found = []
    for name in names:
        if name not in nodes:
            near = nearest(name, nodes)
            note = () if near else (f"there are {', '.join(list(nodes)[:6])}",)
            fact = f"pretrain: there is no layer {name}"
            raise SpecError([Diagnostic("NS639", fact, place, fixes=write_nearest(near, None), notes=note)])
        found.append(make_layer(net, typed, nodes[name], place))
    for i, name in enumerate(names):
        below = [each for each in names[i + 1 :] if nodes[each] in nodes_below(nodes[name])]
        if below:
            fact = (
                f"pretrain: layers learn from below: {name} reads what {below[0]} makes, which is named later"
            )
            raise fail("NS639", fact, span=place)
    return found


def nodes_below(node: Node) -> set[Node]:
    """All nodes that a node reads of."""
    found: set[Node] = set()
    waiting = [node]
    while waiting:
        new = {value.node for value in waiting.pop().bottoms if value.node is not None} - found
        found |= new
        waiting += new
    return found


def make_layer(net: Any, typed: TypedGraph, node: Node, place: Span | None) -> PretrainedLayer:
    held = weights_of(net, typed, node)
    weight, bias = held.get("weight"), held.get("bias")
    if weight is None or not is_full(typed, node, weight):
        fact = f"pretrain: {node.name} is no full matrix of weights over all that it reads"
        raise fail("NS639", fact, span=place)
    after = follower(typed, node)
    module = None if after is None else net.get_submodule(net.layers[after.name][0])
    return PretrainedLayer(
        node.name,
        net.get_submodule(net.layers[node.name][0]),
        weight,
        bias,
        module,
        after is not None and "logistic" in after.layer.traits,
        comes_of_sigmoid(node),
    )


def weights_of(net: Any, typed: TypedGraph, node: Node) -> Mapping[str, Tensor]:
    path, *names = net.layers[node.name]
    module = net.get_submodule(path)
    return {
        weight.name: getattr(module, name) for weight, name in zip(typed.weights[node], names, strict=True)
    }


def is_full(typed: TypedGraph, node: Node, weight: Tensor) -> bool:
    """Whether a layer's top is its matrix times all of a sample: (outputs, inputs), two axes."""
    if len(node.bottoms) != 1 or len(node.tops) != 1 or weight.ndim != 2:
        return False
    read, made = typed.types[node.bottoms[0]].shape, typed.types[node.tops[0]].shape
    return len(made) == 2 and made[1] == weight.shape[0] and product(read[1:]) == weight.shape[1]


def follower(typed: TypedGraph, node: Node) -> Node | None:
    """The layer that works on each unit of another's top by itself, right behind it."""
    for each in typed.graph.nodes:
        by_unit = "elementwise" in each.layer.traits and "stochastic" not in each.layer.traits
        if each.bottoms == node.tops and by_unit and not typed.weights[each]:
            return each
    return None


def comes_of_sigmoid(node: Node) -> bool:
    """Whether what a layer reads is a sigmoid's top, seen through what leaves values as they are."""
    maker = node.bottoms[0].node
    while maker is not None and maker.layer.traits & {"dropout", "rearranges", "view"}:
        maker = maker.bottoms[0].node
    return maker is not None and "logistic" in maker.layer.traits


def read_bottom(net: nn.Module, layer: PretrainedLayer, batch: Mapping[str, Tensor]) -> Tensor:
    """What a layer reads of a batch, (samples, inputs); the layers behind it are not run."""

    def stop(module: nn.Module, given: tuple[Any, ...]) -> None:
        raise Reached(given[0])

    handle = layer.module.register_forward_pre_hook(stop)
    try:
        with torch.no_grad():
            net(**batch)
    except Reached as reached:
        return reached.value.detach().reshape(len(reached.value), -1)
    finally:
        handle.remove()
    raise AssertionError(f"{layer.name} was not run")
