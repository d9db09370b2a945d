"""How much memory the values of a net need at the same time. In: a typed graph; out: bytes, weights apart."""

from collections.abc import Mapping

from netspec.ir.dims import Size, evaluate
from netspec.ir.graph import TypedGraph, Value

__all__ = ["activation_memory", "at_peak"]

BYTES = {"float32": 4, "int64": 8}


def activation_memory(typed: TypedGraph, sizes: Mapping[str, int], *, training: bool) -> int | None:
    """Peak bytes with sizes put in for the symbols; None where one stays open.

    Inference: a value lives from the layer that makes it to the last that reads it, outputs to the end. Training: all values live
    to the end, since the backward pass reads them. A view of another value takes nothing of its own, but keeps that one alive.
    PyTorch comes near: the caller holds the inputs besides, a block's caller the block's, and some layers need work space (VGG-16: 1.02
    times as much in inference, U-Net 1.3, ResNet-18 1.6). For the backward pass it keeps less where a layer needs only its result
    (0.6 to 0.95 times as much), and indices of MAX pooling besides (LeNet: 1.34).
    """
    found = at_peak(typed, sizes, training=training)
    return None if found is None else sum(found.values())


def at_peak(typed: TypedGraph, sizes: Mapping[str, int], *, training: bool) -> dict[Value, int] | None:
    """The values alive when most bytes are, with their bytes."""
    own = storage(typed, training=training)
    weights: dict[Value, int] = {}
    for value in set(own.values()):
        count: Size = evaluate(typed.types[value].size, sizes)
        if not isinstance(count, int):
            return None
        weights[value] = count * BYTES.get(typed.types[value].dtype, 4)
    if training:
        return {value: weights[value] for value in own if own[value] is value}
    return peak(typed, own, weights)


def storage(typed: TypedGraph, *, training: bool) -> dict[Value, Value]:
    """The value whose memory each value uses: its own, or where it is only a view, its bottom's. Dropout in inference is its bottom."""
    own: dict[Value, Value] = {i.value: i.value for i in typed.graph.inputs}
    for node in typed.graph.nodes:
        idle = "dropout" in node.layer.traits and not training and node.mode != "TRAIN"
        view = "view" in node.layer.traits or idle
        for top in node.tops:
            own[top] = own[node.bottoms[0]] if view else top
    return own


def peak(typed: TypedGraph, own: Mapping[Value, Value], weights: Mapping[Value, int]) -> dict[Value, int]:
    """Walk the layers in order: tops come to life, then what is not read any more dies."""
    nodes = typed.graph.nodes
    last = {own[value]: step for step, node in enumerate(nodes) for value in (*node.tops, *node.bottoms)}
    last.update({own[value]: len(nodes) for value in typed.graph.outputs if value in own})
    alive = {i.value: weights[i.value] for i in typed.graph.inputs}
    now = most = sum(alive.values())
    best = dict(alive)
    ending: dict[int, list[Value]] = {}
    for value, step in last.items():
        ending.setdefault(step, []).append(value)
    for step, node in enumerate(nodes):
        for top in node.tops:
            if own[top] is top:
                alive[top] = weights[top]
                now += weights[top]
        if now > most:
            most, best = now, dict(alive)
        for value in ending.get(step, ()):
            now -= alive.pop(value, 0)
    return best
