"""Layers that make one answer of several nets': layer entries, as a spec has them. Knows no graph."""

from collections.abc import Mapping, Sequence
from typing import Any

from netspec.layers.common.heads import DEFAULT_HEADS

__all__ = ["PROBABILITY_HEADS", "heads_at_places", "mean_of", "shares_of"]

PROBABILITY_HEADS: tuple[dict[str, Any], ...] = (
    {"name": "loss", "type": "MultinomialLogisticLoss"},
    {"name": "accuracy", "type": "Accuracy", "include": {"phase": "TEST"}},
)
"""What measures shares of the classes that no softmax has made last."""


LEAST = 1e-20
"""Added to a share before its logarithm: that of 0 is then -46."""


def heads_at_places(output: str, heads: Sequence[Mapping[str, Any]], axis: int) -> list[dict[str, Any]]:
    """Heads that read scores, put on shares of classes that stand at more places than one: on their
    logarithms, of which a softmax makes the shares again. Options of the heads (ignored labels)
    stay; without any, the default ones, classes along an axis.
    """
    if not heads:
        words = {"SoftmaxWithLoss": "softmax_param", "Accuracy": "accuracy_param"}
        heads = [{**head, words[head["type"]]: {"axis": axis}} for head in DEFAULT_HEADS]
    scores = f"{output}.log"
    log = {"name": scores, "type": "Log", "bottom": output, "log_param": {"shift": LEAST}}
    return [log, *({**head, "bottom": [scores, *beside(head)]} for head in heads)]


def beside(head: Mapping[str, Any]) -> list[str]:
    """What a head reads besides the scores."""
    given = head.get("bottom")
    return list(given[1:]) if isinstance(given, (list, tuple)) else ["label"]


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
