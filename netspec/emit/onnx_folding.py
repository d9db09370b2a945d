"""Layers that a model holds as one: their weights' names and shapes there, their node. In: Fusions
of fusion/folding.py; out: Folds. Knows no layer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netspec.emit.onnx_builder import Operand
from netspec.emit.onnx_idioms import Builder
from netspec.fusion.constants import find_constant
from netspec.fusion.folding import fold, is_scaling
from netspec.fusion.fusion import Fusion
from netspec.fusion.passes import fold_layers
from netspec.ir.dims import untrace
from netspec.ir.graph import Node, TypedGraph

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["Fold", "find_folds", "fold_all"]


@dataclass(frozen=True, eq=False)
class Fold:
    """Layers that are one node. weight, bias: the names in the model of what is made of their
    weights; empty where they have none. shape: of the weight; its channels are the bias's.
    """

    fusion: Fusion
    weight: str = ""
    bias: str = ""
    shape: tuple[int, ...] = ()
    channels: int = 0

    @property
    def number(self) -> float | None:
        """The number that it is everywhere."""
        return find_constant(self.fusion)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor that it has, by its name in the model."""
        if not self.weight:
            return {}
        return {self.weight: self.shape, self.bias: (self.channels,)}

    def build(self, typed: TypedGraph, g: Builder, x: Operand, weight: Operand, bias: Operand) -> Any:
        """The node: that of the first layer with other weights, or a scaling of the channels."""
        head = self.fusion.nodes[0]
        if not is_scaling(typed, head):
            return head.layer.onnx(g, x, weight=weight, bias=bias)
        # mean 0, variance 1, eps 0: x * weight + bias in one node
        zeros, ones = (g.const((value,) * self.channels, "float32") for value in (0.0, 1.0))
        return g.BatchNormalization(x, weight, bias, zeros, ones, epsilon=0.0)


def find_folds(typed: TypedGraph, unique: Callable[[str], str]) -> dict[Node, Fold]:
    """What a model holds as one, by the last of its layers. unique: gives a name that is free."""
    return {each.last: fold_of(typed, each, unique) for each in fold_layers(typed)}


def fold_of(typed: TypedGraph, fusion: Fusion, unique: Callable[[str], str]) -> Fold:
    if find_constant(fusion) is not None or not any(is_scaling(typed, node) for node in fusion.nodes):
        return Fold(fusion)
    head, channels = fusion.nodes[0], typed.types[fusion.last.tops[0]].channels
    shape = typed.weights[head][0].shape if not is_scaling(typed, head) else (channels,)
    weight, bias = (unique(f"{head.name}/folded_{word}") for word in ("weight", "bias"))
    return Fold(fusion, weight, bias, tuple(int(str(untrace(s))) for s in shape), int(str(channels)))


def fold_all(
    typed: TypedGraph, folds: "Mapping[Node, Fold]", arrays: "Mapping[str, Array]"
) -> "dict[str, Array]":
    """The arrays of all folds by their names in the model. arrays: weights by the spec's names."""
    names = {(ref.node, ref.index): ref.name for ref in typed.weight_refs()}
    held = {place: arrays[name] for place, name in names.items() if name in arrays}
    found: dict[str, Array] = {}
    for each in folds.values():
        if each.weight:
            found |= dict(zip(each.shapes, fold(typed, each.fusion, held), strict=True))
    return found
