"""What the checks of sizes leave for others to ask: the sizes that disagree, and the layers that
may be why. Knows no way to mend.
"""

from collections.abc import Iterable, Iterator, Mapping

from netspec.diagnostics.evidence import Evidence, Missed
from netspec.diagnostics.model import Diagnostic
from netspec.frozen_classes import frozen
from netspec.ir.graph import Graph, Input, Node, Unknown, Value
from netspec.ir.layer import Layer
from netspec.ir.rule import Change
from netspec.ir.types import TensorType

__all__ = [
    "CHANNELS",
    "Disagreement",
    "accusable",
    "disagreement",
    "numbers_of",
    "sizes_of",
    "upward",
]


LARGEST = 6000
"""Layers of a net in which changes are tried."""


def accusable(d: Diagnostic) -> bool:
    """Whether a number elsewhere may be why a finding is there; in a net too large to try them none
    is looked for.
    """
    evidence = disagreement(d)
    return evidence is not None and not evidence.alone and len(evidence.graph.nodes) <= LARGEST


FARTHEST = 300
"""Layers that are looked at on the way up from an error."""


MAP = 3
"""Axes of a shape beyond which its last ones are space."""


CHANNELS = 8
"""Numbers from which on a parameter is taken for a count of channels, not for a window's size."""


@frozen
class Disagreement(Evidence):
    """Sizes that do not agree in a graph.

    node: the layer that shows it; nodes: those that may be why, nearest first; none: it and all
    that it depends on. sizes: what disagrees; others: further numbers that one may have been meant
    as. given: it is about a parameter that stands in the text; own: that parameter breaks its
    layer's own rule. alone: nothing elsewhere is to blame. changes: what the layer's rule names
    that may repair it; turned: the inputs it depends on whose channels stand last.
    """

    graph: Graph
    node: Node
    nodes: tuple[Node, ...] = ()
    sizes: tuple[int, ...] = ()
    others: tuple[int, ...] = ()
    given: bool = False
    own: bool = False
    alone: bool = False
    changes: tuple[Change, ...] = ()
    turned: tuple[Input, ...] = ()


def disagreement(d: Diagnostic) -> Disagreement | None:
    """The sizes that a finding rests on, if that is what it is about."""
    if isinstance(d.evidence, Missed):
        evidence = d.evidence.sizes
    else:
        evidence = d.evidence
    if isinstance(evidence, Disagreement):
        return evidence
    return None


def upward(node: Node) -> Iterator[Node]:
    """The node, then those that it depends on, level by level: both branches of a join are walked
    together.
    """
    level, seen = [node], {node}
    while level and len(seen) < FARTHEST:
        yield from level
        above = [v.node for each in level for v in each.bottoms if v.node is not None]
        level = [each for each in dict.fromkeys(above) if each not in seen]
        seen.update(level)


def numbers_of(layer: Layer) -> tuple[int, ...]:
    """Whole numbers among a layer's parameters that may be a count of channels."""
    return tuple(
        value for name in layer.params if type(value := layer.__dict__.get(name)) is int and value >= CHANNELS
    )


def sizes_of(values: Iterable[Value], types: Mapping[Value, TensorType | Unknown]) -> tuple[int, ...]:
    """Numbers among the sizes of values that a count may be meant to equal: of a map its
    channels.
    """
    found = [t.shape for value in values if isinstance(t := types.get(value), TensorType)]
    return tuple(
        size for shape in found for size in (shape[1:2] if len(shape) > MAP else shape) if type(size) is int
    )
