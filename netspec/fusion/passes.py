"""The passes in their order, and what they find in a graph, in words. The file to read first."""

from collections.abc import Iterable, Iterator, Sized

from netspec.diagnostics.words import count_of
from netspec.fusion.constants import CONSTANTS
from netspec.fusion.dropped_pixels import DROPPED_PIXELS
from netspec.fusion.folding import FOLDING, list_kept
from netspec.fusion.fusion import Fusion, Pass, find_all
from netspec.fusion.norm_and_scale import NORM_AND_SCALE
from netspec.fusion.overwriting import OVERWRITING
from netspec.fusion.widening import WIDENING
from netspec.ir.graph import TypedGraph

__all__ = ["FILE_PASSES", "PASSES", "explain_fusions", "explain_kept", "fold_layers", "fuse"]

PASSES = (NORM_AND_SCALE, DROPPED_PIXELS, WIDENING, CONSTANTS, OVERWRITING)
"""In this order: a layer that one has taken is not there for the next."""
FILE_PASSES = (CONSTANTS, FOLDING)
"""Those of a model's file, a net as it is served."""
SHOWN = 4


def fuse(typed: TypedGraph) -> tuple[Fusion, ...]:
    """What runs as one in torch."""
    return find_all(typed, PASSES)


def fold_layers(typed: TypedGraph) -> tuple[Fusion, ...]:
    """What runs as one in a model's file."""
    return find_all(typed, FILE_PASSES, blocks=False)


def explain_kept(typed: TypedGraph) -> Iterator[str]:
    """Which layers that only scale stay in a model's file, and why."""
    kept = [*list_kept(typed, fold_layers(typed))]
    if kept:
        yield f"kept ({count(kept)}): layers that only scale, and no weights stand before them"
        yield from (f"  {node.name}: {why}" for node, why in kept[:SHOWN])
        yield from more(kept)


def count(found: Sized) -> str:
    if len(found) == 1:
        return "once"
    return count_of(len(found), "time")


def more(found: Sized) -> Iterator[str]:
    if len(found) > SHOWN:
        yield f"  and {len(found) - SHOWN} more"


def explain_fusions(found: Iterable[Fusion], passes: Iterable[Pass] = PASSES) -> Iterator[str]:
    """A line for each pass that found something, then the first of what it found."""
    fusions = tuple(found)
    for one in passes:
        mine = [each for each in fusions if each.name == one.name]
        if mine:
            yield f"{one.name} ({count(mine)}): {one.says}"
            for each in mine[:SHOWN]:
                yield f"  {', '.join(node.name for node in each.nodes)}"
            yield from more(mine)
