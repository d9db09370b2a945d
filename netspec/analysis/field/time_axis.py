"""Which axis is time, and which layers do something else at every place of a map.

In: a layer, its bottoms, the axes along which they move with the input. Knows no layer type:
weights whose shape grows with such an axis belong to places.
"""

from collections.abc import Sequence

from netspec.ir.layer import Layer
from netspec.ir.rule import RuleError
from netspec.ir.types import TensorType

__all__ = ["find_named_time", "place_bound"]


def find_named_time(given: TensorType) -> int | None:
    """The axis of an input that is called T; else axis 0 where axis 1 is N, as recurrent layers
    have it; None where no letter tells.
    """
    names = [str(size) for size in given.shape]
    if "T" in names:
        return names.index("T")
    if len(names) > 1 and names[1] == "N":
        return 0
    return None


def place_bound(layer: Layer, bottoms: Sequence[TensorType], moving: Sequence[frozenset[int]]) -> bool:
    """Whether a shift of its bottoms along their moving axes does more to a layer's tops than shift
    them.

    So it is with weights of their own for every place (locally connected, biases per position), and
    with a bottom that stays as it is while the others move (a table of positions).
    """
    if not any(moving):
        return False
    still = [b for b, axes in zip(bottoms, moving, strict=True) if not axes]
    along = frozenset().union(*moving)
    if any(b.rank > max(along) and any(b.shape[axis] != 1 for axis in along) for b in still):
        return True
    try:
        weights = shapes(layer, bottoms)
        if not weights:
            return False
        return weights != shapes(layer, [longer(b, axes) for b, axes in zip(bottoms, moving, strict=True)])
    except RuleError:
        # a layer that refuses more room has one place for each of its weights, for all that is known
        return True


def shapes(layer: Layer, bottoms: Sequence[TensorType]) -> list[object]:
    return [weight.shape for weight in layer.weights(*bottoms)]


def longer(bottom: TensorType, axes: frozenset[int]) -> TensorType:
    """The bottom with more room along some axes."""
    return bottom._replace(
        # 840 = lcm(1, ..., 8): strides divide the longer axis as they divide the given one
        shape=tuple(size + 840 if axis in axes else size for axis, size in enumerate(bottom.shape))
    )
