"""Layers that make one answer of several nets': layer entries, as a spec has them. Knows no graph."""

from collections.abc import Sequence
from typing import Any

__all__ = ["PROBABILITY_HEADS", "mean_of", "shares_of"]

PROBABILITY_HEADS: tuple[dict[str, Any], ...] = (
    {"name": "loss", "type": "MultinomialLogisticLoss"},
    {"name": "accuracy", "type": "Accuracy", "include": {"phase": "TEST"}},
)
"""What measures shares of the classes that no softmax has made last."""


def mean_of(name: str, bottoms: Sequence[str], factors: Sequence[float]) -> dict[str, Any]:
    """The sum of values with factors, under a name."""
    return {
        "name": name,
        "type": "Eltwise",
        "bottom": list(bottoms),
        "top": name,
        "eltwise_param": {"operation": "SUM", "coeff": list(factors)},
    }


def shares_of(name: str, scores: str, axis: int, exclusive: bool) -> dict[str, Any]:
    """Shares made of scores: of classes that exclude each other, or of each label by itself."""
    head = {"name": name, "bottom": scores, "top": name}
    if exclusive:
        return {**head, "type": "Softmax", "softmax_param": {"axis": axis}}
    return {**head, "type": "Sigmoid"}
