"""The deploy view: what the outputs need, and nothing that only training needs. Comes in: a wired
graph; goes out: a smaller one.
"""

from netspec.ir.graph import Graph, Node, Value
from netspec.ir.traits import JUDGING

__all__ = ["cut_to_outputs"]


def cut_to_outputs(graph: Graph, outputs: tuple[Value, ...]) -> Graph:
    """Keep what `outputs` need; without them, what is left when losses, metrics and what only they
    read go.
    """
    outputs = outputs or open_ends(graph)
    needed: set[Value] = set(outputs)
    nodes: list[Node] = []
    for node in reversed(graph.nodes):
        if needed.intersection(node.tops):
            nodes.append(node)
            needed.update(node.bottoms)
    inputs = tuple(i for i in graph.inputs if i.value in needed)
    return Graph(graph.name, inputs, tuple(reversed(nodes)), outputs, graph.blobs, graph.phase)


def open_ends(graph: Graph) -> tuple[Value, ...]:
    """Values that no kept layer reads.

    Of those that only dropped layers read: labels and weights (their second bottom and later) go;
    scores (the first bottom) go where another output comes from the same bottom.
    """
    kept = [node for node in graph.nodes if not node.layer.traits & JUDGING and node.tops]
    dropped = [node for node in graph.nodes if node.layer.traits & JUDGING]
    read = {value for node in kept for value in node.bottoms}
    ends = [value for node in kept for value in node.tops if value not in read]
    first = {node.bottoms[0] for node in dropped if node.bottoms}
    others = {value for node in dropped for value in node.bottoms[1:]}
    # where nothing would be left, all ends stay
    found = [value for value in ends if value not in others or value in first] or ends
    plain = [value for value in found if value not in first]
    beside = {bottom for value in plain if value.node for bottom in value.node.bottoms}
    return tuple(v for v in found if v in plain or not (v.node and beside.intersection(v.node.bottoms)))
