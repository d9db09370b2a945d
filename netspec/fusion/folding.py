"""Layers that vanish in a model's file: those that only scale and shift channels go into the
weights before them, those that pass on what they read into nothing.

Only of a net as it is served, whose statistics and weights are numbers.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from netspec.fusion.fusion import Chains, Example, Fusion, Pass
from netspec.ir.graph import Node, TypedGraph

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
    Arrays = Mapping[tuple[Node, int], Array]

__all__ = ["FOLDING", "fold", "is_scaling", "list_kept"]


def find(chains: Chains) -> Iterator[Fusion]:
    """Each layer with those behind it that vanish."""
    for head in chains.nodes:
        if not steady(chains, head):
            continue
        nodes, last = [head], head
        takes = folds(chains.typed, head) or is_scaling(chains.typed, head)
        while (after := chains.next(last)) is not None and vanishes(chains, after, takes):
            nodes.append(after)
            last = after
        # alone, too: statistics and their arithmetic become a weight and a bias
        if len(nodes) > 1 or (is_scaling(chains.typed, head) and chains.typed.weights[head]):
            chains.taken.update(nodes)
            yield Fusion(FOLDING.name, tuple(nodes), head.bottoms, "")


def steady(chains: Chains, node: Node) -> bool:
    """Whether a layer makes one value, and the same whatever was before."""
    typed = chains.typed
    stateful = any(True for _ in node.layer.state(*typed.bottoms(node)))
    return chains.free(node) and len(node.tops) == 1 and node.mode is None and not stateful


def vanishes(chains: Chains, node: Node, takes: bool) -> bool:
    """Whether a layer vanishes behind one that takes factors in, or does not."""
    if node.mode is not None:
        return False
    return node.layer.passes_on or (takes and is_scaling(chains.typed, node))


def is_scaling(typed: TypedGraph, node: Node) -> bool:
    """Whether all that a layer does is to scale and shift channels, of which there are so many."""
    bottoms = typed.bottoms(node)
    return node.layer.scaling(*bottoms) is not None and isinstance(bottoms[0].channels, int)


def folds(typed: TypedGraph, node: Node) -> bool:
    """Whether factors can go into a layer's own weights, which no other layer reads."""
    shared = {owner for pair in typed.shared.items() for owner, _ in pair}
    return node.layer.folds(*typed.bottoms(node)) and node not in shared


def list_kept(typed: TypedGraph, found: Iterable[Fusion]) -> Iterator[tuple[Node, str]]:
    """Each layer that only scales and still stands in the file, and what stands before it in place
    of weights that could take its factors. Behind it a layer that is not linear is the usual one: so
    factors wait for no weights that come after.
    """
    uses = typed.graph.uses()
    for fusion in found:
        head = fusion.nodes[0]
        if fusion.name != FOLDING.name or not is_scaling(typed, head):
            continue
        (value, *_), before = head.bottoms, head.bottoms[0].node
        if before is None:
            yield head, f"{value.name} is an input"
        elif len(uses[value]) > 1 and folds(typed, before):
            yield head, f"{len(uses[value])} layers read {value.name}"
        elif folds(typed, before):
            yield head, f"the weights of {before.name} are another's too, or stay apart"
        else:
            yield head, f"{before.name} has no weights that could take its factors"


def fold(typed: TypedGraph, fusion: Fusion, arrays: "Arrays") -> "tuple[Array, Array]":
    """The weight and the bias, float32, that stand for all layers; of layers without a matrix, the
    factor and the summand of each channel. arrays: weights by layer and place in it.
    """
    import numpy as np

    def own(node: Node) -> "dict[str, Array]":
        named = enumerate(typed.weights[node])
        # in float64, so that the result is rounded once
        return {w.name: np.asarray(arrays[node, i], np.float64).reshape(w.shape) for i, w in named}

    count = typed.types[fusion.last.tops[0]].channels
    factor, summand = np.ones(int(str(count))), np.zeros(int(str(count)))
    for node in fusion.nodes:
        made = node.layer.scaling(*typed.bottoms(node))
        if made is not None:
            a, b = made(**own(node))
            factor, summand = factor * a, summand * a + b
    head = fusion.nodes[0]
    if is_scaling(typed, head):
        return factor.astype(np.float32), summand.astype(np.float32)
    held = own(head)
    axis = typed.weights[head][0].outputs
    along = factor.reshape([-1 if i == axis else 1 for i in range(held["weight"].ndim)])
    summand = held.get("bias", 0.0) * factor + summand
    return (held["weight"] * along).astype(np.float32), summand.astype(np.float32)


CONV = "{name: conv, type: Convolution, num_output: 4, kernel_size: 3, weight_filler: msra}"
NORM = "{name: bn, type: BatchNorm}"
SCALE = "{name: scale, type: Scale, bias_term: true}"
FOLDING = Pass(
    "folding",
    "in an exported file, layers that only scale, shift or pass on are gone",
    find,
    (
        Example(f"[{CONV}, {NORM}, {SCALE}]", ("conv", "bn", "scale"), phase="test"),
        Example(f"[{NORM}, {SCALE}]", ("bn", "scale"), phase="test"),
        Example(f"[{NORM}, {{name: relu, type: ReLU}}, {CONV}]", ("bn",), phase="test"),
        Example("[{name: scale, type: Scale}]", ("scale",), shape="N,4", phase="test"),
        Example(
            "[{name: relu, type: ReLU}, {name: drop, type: Dropout}]",
            ("relu", "drop"),
            phase="test",
        ),
        Example(
            "[{name: fc, type: InnerProduct, num_output: 5, transpose: true, weight_filler: msra},"
            " {name: drop, type: Dropout}, {name: bn, type: BatchNorm}, {name: half, type: Power, scale: 0.5}]",
            ("fc", "drop", "bn", "half"),
            phase="test",
        ),
        Example(
            "[{name: conv, type: Convolution, num_output: 6, kernel_size: 2, group: 2, bias_term: false,"
            " weight_filler: msra}, {name: bn, type: BN}, {name: bias, type: Bias, filler: {value: 2}}]",
            ("conv", "bn", "bias"),
            phase="test",
        ),
        Example(
            "[{name: conv, type: Convolution, num_output: 3, kernel_size: 2, axis: 2, weight_filler: msra},"
            " {name: bn, type: BatchNorm}]",
            ("bn",),
            shape="N,2,4,5,5",
            phase="test",
        ),  # its filters stand along another axis than the statistics
        Example(
            f"[{CONV}, {{name: relu, type: ReLU}}, {{name: sum, type: Eltwise, bottom: [conv, relu]}}]",
            phase="test",
        ),
        Example(
            "[{name: bn, type: BatchNorm, use_global_stats: false}, {name: relu, type: ReLU}]",
            phase="test",
        ),
    ),
)
