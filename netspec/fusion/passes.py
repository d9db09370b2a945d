"""The passes in their order, and what they find in a graph, in words. The file to read first."""

from collections.abc import Iterable, Iterator

from netspec.fusion.dropped_pixels import DROPPED_PIXELS
from netspec.fusion.folding import FOLDING
from netspec.fusion.fusion import Fusion, Pass, find_all
from netspec.fusion.norm_and_scale import NORM_AND_SCALE
from netspec.fusion.overwriting import OVERWRITING
from netspec.fusion.widening import WIDENING
from netspec.ir.graph import TypedGraph

__all__ = ["FILE_PASSES", "PASSES", "explain_fusions", "fold_layers", "fuse"]

PASSES = (NORM_AND_SCALE, DROPPED_PIXELS, WIDENING, OVERWRITING)
"""In this order: a layer that one has taken is not there for the next."""
FILE_PASSES = (FOLDING,)
"""Those of a model's file, a net as it is served."""
SHOWN = 4


def fuse(typed: TypedGraph) -> tuple[Fusion, ...]:
    """What runs as one in torch."""
    return find_all(typed, PASSES)


def fold_layers(typed: TypedGraph) -> tuple[Fusion, ...]:
    """What runs as one in a model's file."""
    return find_all(typed, FILE_PASSES, blocks=False)


def explain_fusions(found: Iterable[Fusion], passes: Iterable[Pass] = PASSES) -> Iterator[str]:
    """A line for each pass that found something, then the first of what it found."""
    fusions = tuple(found)
    for one in passes:
        mine = [each for each in fusions if each.name == one.name]
        if mine:
            times = "once" if len(mine) == 1 else f"{len(mine)} times"
            yield f"{one.name} ({times}): {one.says}"
            for each in mine[:SHOWN]:
                yield f"  {', '.join(node.name for node in each.nodes)}"
            if len(mine) > SHOWN:
                yield f"  and {len(mine) - SHOWN} more"
