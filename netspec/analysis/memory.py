"""How much memory the values of a net need at the same time. In: a typed graph; out: bytes, weights
apart.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from netspec.ir.dims import Size, evaluate
from netspec.ir.graph import Node, TypedGraph, Value
from netspec.ir.layer import Kept

if TYPE_CHECKING:
    from netspec.fusion.fusion import Fusion

__all__ = ["activation_memory", "at_peak"]

BYTES = {"float32": 4, "int64": 8}


def activation_memory(typed: TypedGraph, sizes: Mapping[str, int], *, training: bool) -> int | None:
    """Peak bytes with sizes put in for the symbols; None where one stays open.

    Inference: a value lives from the layer that makes it to the last that reads it, outputs to the
    end. Training: what a layer's module keeps for the backward pass (`Layer.kept`) lives to the end
    besides; nothing is kept before the first weight that is trained. A view of another value takes
    nothing of its own, but keeps that one alive; layers that run as one (netspec/fusion) make
    nothing in between. PyTorch comes near in inference: the caller holds
    the inputs besides, a block's caller the block's, and some layers need work space, as MAX
    pooling does, whose indices are made though nobody reads them (VGG-16: 1.02 times as much, U-Net
    1.3, ResNet-18 1.6). What it keeps for the backward pass is told within 1.5 %, for most nets to
    the byte.
    """
    found = at_peak(typed, sizes, training=training)
    if found is None:
        return None
    return sum(found.values())


def at_peak(typed: TypedGraph, sizes: Mapping[str, int], *, training: bool) -> dict[Value, int] | None:
    """The values alive when most bytes are, with their bytes; what a layer keeps of its own counts
    with its first top.
    """
    from netspec.fusion.passes import fuse  # `check` asks for no memory mostly, and starts without

    fusions = fuse(typed)
    own = storage(typed, fusions, training=training)
    last = last_uses(typed, fusions, own)
    weights: dict[Value, int] = {}
    for value in set(own.values()):
        count: Size = evaluate(typed.types[value].size, sizes)
        if not isinstance(count, int):
            return None
        weights[value] = count * BYTES.get(typed.types[value].dtype, 4)
    if not training:
        return peak(typed, last, weights, frozenset(), {})
    values, extra = find_kept(typed, fusions, sizes)
    if extra is None:
        return None
    lasting = frozenset(own[value] for value in values)
    return peak(typed, last, weights, lasting, extra)


def find_kept(
    typed: TypedGraph, fusions: Sequence["Fusion"], sizes: Mapping[str, int]
) -> tuple[set[Value], dict[Node, int] | None]:
    """The values that layers read again in the backward pass, and the bytes that each keeps of its
    own; None where a size stays open.
    """
    nodes, learns = follow_gradients(typed)
    values, extra = set[Value](), dict[Node, int]()
    nothing = {fusion.last for fusion in fusions if fusion.is_view}
    nothing |= {node for fusion in fusions if not fusion.keeps for node in fusion.nodes}
    for node in nodes:
        if idle(node, training=True) or node in nothing:
            found = Kept()
        else:
            found = node.layer.kept(typed.bottoms(node), typed.tops(node))
        values |= {node.bottoms[i] for i in found.bottoms} | {node.tops[i] for i in found.tops}
        values |= {node.bottoms[i] for i in found.passing if node.bottoms[i] in learns}
        count = evaluate(found.own, sizes)
        if not isinstance(count, int):
            return values, None
        extra[node] = count
    return values - {v for fusion in fusions for v in fusion.between}, extra


def follow_gradients(typed: TypedGraph) -> tuple[list[Node], set[Value]]:
    """The layers that gradients come to, in order, and the values that they reach."""
    nodes, values = list[Node](), set[Value]()
    for node in typed.graph.nodes:
        reached = any(v in values and i not in node.stopped for i, v in enumerate(node.bottoms))
        trained = any(w.kind == "parameter" for w in typed.weights[node])
        if "no_gradient" not in node.layer.traits and (reached or trained):
            nodes.append(node)
            values.update(top for i, top in enumerate(node.tops) if i not in node.layer.silent)
    return nodes, values


def idle(node: Node, *, training: bool) -> bool:
    """Whether a dropout passes its bottom on."""
    # a layer's own phase counts before that of the net
    return node.layer.passes_on and (node.mode or ("TRAIN" if training else "TEST")) != "TRAIN"


def storage(typed: TypedGraph, fusions: Sequence["Fusion"], *, training: bool) -> dict[Value, Value]:
    """The value whose memory each value uses: its own, or where it is only a view, its bottom's.
    Dropout in inference is its bottom; what layers that run as one would make in between is their
    top.
    """
    own: dict[Value, Value] = {i.value: i.value for i in typed.graph.inputs}
    views = {fusion.last for fusion in fusions if fusion.is_view}
    made = {value: fusion.last.tops[0] for fusion in fusions for value in fusion.between}
    for node in typed.graph.nodes:
        view = "view" in node.layer.traits or idle(node, training=training) or node in views
        for top in node.tops:
            own[top] = own[node.bottoms[0]] if view else made.get(top, top)
    return own


def last_uses(typed: TypedGraph, fusions: Sequence["Fusion"], own: Mapping[Value, Value]) -> dict[Value, int]:
    """The place of the layer that reads or makes a value last; behind all layers for outputs. Layers
    that run as one do so in the place of the last of them.
    """
    nodes = typed.graph.nodes
    step = {node: i for i, node in enumerate(nodes)}
    step |= {node: step[fusion.last] for fusion in fusions for node in fusion.nodes}
    last: dict[Value, int] = {}
    for node in nodes:
        for value in (*node.tops, *node.bottoms):
            last[own[value]] = max(last.get(own[value], 0), step[node])
    return last | {own[value]: len(nodes) for value in typed.graph.outputs if value in own}


def peak(
    typed: TypedGraph,
    last: Mapping[Value, int],
    weights: Mapping[Value, int],
    lasting: frozenset[Value],
    extra: Mapping[Node, int],
) -> dict[Value, int]:
    """Walk the layers in order: tops come to life, then what is not read any more dies, unless it
    is lasting. extra stays. weights: bytes of the values that have memory of their own.
    """
    alive = {i.value: weights[i.value] for i in typed.graph.inputs}
    now = most = sum(alive.values())
    best = dict(alive)
    ending: dict[int, list[Value]] = {}
    for value, step in last.items():
        ending.setdefault(step, []).append(value)
    for step, node in enumerate(typed.graph.nodes):
        for top in node.tops:
            if top in weights:
                alive[top] = weights[top]
                now += weights[top]
        if extra.get(node) and node.tops:
            alive[node.tops[0]] = alive.get(node.tops[0], 0) + extra[node]
            now += extra[node]
        # the peak is while a layer runs: its tops are there, and its bottoms still
        if now > most:
            most, best = now, dict(alive)
        for value in ending.get(step, ()):
            if value not in lasting:
                if value.node is not None and value is value.node.tops[0]:
                    stays = extra.get(value.node, 0)
                else:
                    stays = 0
                now -= alive.pop(value, 0) - stays
                alive.update({value: stays} if stays else {})
    return best
