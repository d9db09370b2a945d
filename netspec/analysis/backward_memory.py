"""How much memory the backward pass needs at once. In: a typed graph; out: bytes, weights and their
gradients apart.
"""

from collections.abc import Mapping
from itertools import accumulate

from netspec.analysis.memory import BYTES, find_kept, follow_gradients, last_uses, storage
from netspec.ir.dims import evaluate
from netspec.ir.graph import TypedGraph

__all__ = ["backward_memory"]


def backward_memory(typed: TypedGraph, sizes: Mapping[str, int]) -> int | None:
    """Peak bytes with sizes put in for the symbols; None where one stays open.

    What a layer keeps lives until the layer's own turn, and so does the value that it made; the
    gradient of a value lives from the turn of the last that reads it to that of its maker.
    """
    from netspec.fusion.passes import fuse

    fusions = fuse(typed)
    own = storage(typed, fusions, training=True)
    kept, extra = find_kept(typed, fusions, sizes)
    nodes = typed.graph.nodes
    step = {node: i for i, node in enumerate(nodes)}
    last = last_uses(typed, fusions, own)
    # what comes and goes at each step: the running sum is what is alive, in one pass
    change = [0] * (len(nodes) + 2)
    if extra is None:
        return None

    def live(size: int, first: int, end: int) -> None:
        change[first] += size
        change[end + 1] -= size

    # backward goes from the end: at a layer's turn those before it still hold what they keep
    for node, size in extra.items():
        live(size, step[node], len(nodes))
    lasting, learns = {own[value] for value in kept}, follow_gradients(typed)[1]
    for value in set(own.values()):
        count = evaluate(typed.types[value].size, sizes)
        if not isinstance(count, int):
            return None
        # what a data layer gives is there from the beginning, as any input is: no layer that runs makes it
        maker = step.get(value.node) if value.node is not None else None
        size, made = count * BYTES.get(typed.types[value].dtype, 4), maker or 0
        if value in lasting or maker is None:
            live(size, made, len(nodes))
        if value in learns:
            live(size, made, last.get(value, made))
    return max(accumulate(change))
