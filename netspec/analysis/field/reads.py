"""What the tops of a node read of its bottoms: what its layer says of itself, and what only its
place in the net tells.

In: a typed graph and a node; out: per bottom a step for each axis. Knows no layer type.
"""

from weakref import WeakKeyDictionary

from netspec.ir.field import Reads, same_place, whole_batch, window_steps
from netspec.ir.graph import Node, TypedGraph, Value

__all__ = ["behind", "find_batch_mixer", "reads", "reads_of"]


KNOWN: "WeakKeyDictionary[TypedGraph, dict[object, tuple[Reads, ...]]]" = WeakKeyDictionary()
"""Answers that were given already, by node, and by layer and bottoms: fields, rows and lints ask
for those of the same nodes, and copies of a block share their layers.
"""


def reads(typed: TypedGraph, node: Node) -> tuple[Reads, ...]:
    """Per bottom, what one unit of the first top reads."""
    known = KNOWN.setdefault(typed, {})
    if node not in known:
        known[node] = find_reads(typed, node, known)
    return known[node]


def find_reads(typed: TypedGraph, node: Node, known: dict[object, tuple[Reads, ...]]) -> tuple[Reads, ...]:
    """The same, not looked up by its node."""
    if "unpools" in node.layer.traits and len(node.bottoms) == 2:
        looks = read_unpooled(typed, node)
        return looks, looks
    if of_batch(node, ""):
        return tuple(whole_batch(bottom.rank) for bottom in typed.bottoms(node))
    key = (id(node.layer), typed.bottoms(node))
    if key not in known:
        known[key] = node.layer.field(*key[1])
    return known[key]


def reads_of(typed: TypedGraph, top: Value, first: Value, looks: Reads) -> Reads:
    """What a unit of any top reads: along an axis of another length than the first top's, as of a
    last state, the whole.
    """
    a, b = typed.types[top].shape, typed.types[first].shape
    if a == b:
        return looks
    return tuple(step if i < min(len(a), len(b)) and a[i] == b[i] else None for i, step in enumerate(looks))


def read_unpooled(typed: TypedGraph, node: Node) -> Reads:
    """A value goes back to anywhere in the window that it was pooled from; where the mask is not
    that pooling's, to anywhere at all.

    A mask counts places row by row: they are the same in two images whose axes after the first are
    as long.
    """
    top, maker = typed.tops(node)[0], node.bottoms[1].node
    if maker is None or not maker.bottoms or not {"pooling", "windowed"} <= maker.layer.traits:
        return same_place(2)
    image = maker.layer.bottom(typed.bottoms(maker)[0])
    if image.shape[3:] != top.shape[3:]:
        return same_place(2)
    return (
        *same_place(2),
        *window_steps(maker.layer.window(image), image.space, image.rank, transposed=True)[2:],
    )


def of_batch(node: Node, phase: str) -> bool:
    """Whether a node takes the statistics of the batch in a phase, so that each of its units
    depends on every place of every sample. Without a phase: whether it does so in each.
    """
    return (node.mode or phase).upper() == "TRAIN" and node.layer.batch_in_training


def find_batch_mixer(typed: TypedGraph, value: Value) -> str | None:
    """The layer that lets each unit depend on the whole batch, in words."""
    found = next((node for node in behind(typed, value) if of_batch(node, typed.graph.phase)), None)
    if found is not None:
        return f"{found.name} takes the statistics of the whole batch in training"
    return None


def behind(typed: TypedGraph, value: Value) -> list[Node]:
    """The nodes that a value is made by, in order."""
    needed: set[Value] = {value}
    for node in reversed(typed.graph.nodes):
        if needed.intersection(node.tops):
            needed.update(node.bottoms)
    return [node for node in typed.graph.nodes if needed.intersection(node.tops)]
