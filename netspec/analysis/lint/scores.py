"""Lints on scores that cannot say what their loss asks for: NS420, NS421."""

import math
from collections.abc import Iterator

from netspec.analysis.lint.joins import PAIRS, find_unchanged
from netspec.analysis.lint.view import Found, Lint, View, finding, place_of
from netspec.ir.dims import Size
from netspec.ir.graph import Node, TypedGraph

__all__ = ["LINTS", "find_held_scores", "find_single_scores", "takes_one_score"]

FAR = (350.0, 700.0)
"""So far out that what a layer makes of both is its bound, if it has one; e^700 is still a number."""
FREE = 20.0
"""How far apart bounds are that hold nothing back: e^-20 is 2e-9."""


def find_held_scores(view: View) -> Iterator[Found]:
    """NS420: scores that a layer keeps within bounds, or drops, just before their loss."""
    for node in view.nodes:
        asked = {does for asks, does, _ in PAIRS if asks in node.layer.traits}
        if not asked or not node.bottoms:
            continue
        scores = find_unchanged(node.bottoms[0], ("view",))
        before = scores.node
        if before is None or asked & before.layer.traits:
            continue  # NS405 says that it is done twice
        read = view.typed.bottoms(node)[0]
        if fact := tell_held(before, asked, read.shape[node.layer.along(read)]):
            note = f"read {before.bottoms[0].name} instead"
            yield finding("NS420", node, fact, "bottom", note, others=place_of(scores, "made here"))


def tell_held(before: Node, asked: set[str], classes: Size) -> str:
    """What a layer does to the scores of a loss; nothing where they are free. asked: what the loss
    does to them, by the trait of a layer that does it.
    """
    if "dropout" in before.layer.traits:
        return f"{before.name} drops scores: the loss then asks nothing of the units that made them"
    low, high = find_bounds(before)
    if before.layer.rectifies:
        return f"{before.name} makes scores below 0 a 0: those get no gradient, and may never rise again"
    if low is None or high is None or high - low >= FREE:
        return ""
    kept = f"{before.name} keeps scores between {low:g} and {high:g}:"
    if "logistic" in asked:
        return f"{kept} a target of 1 costs ln(1 + e^{-high:g}) = {math.log1p(math.exp(-high)):.3g} at least"
    if not isinstance(classes, int) or classes < 2:
        return ""
    least = math.log1p((classes - 1) * math.exp(low - high))
    return f"{kept} with {classes} classes the loss stays above ln(1 + {classes - 1} e^{low - high:g}) = {least:.3g}"


def find_bounds(node: Node) -> tuple[float | None, float | None]:
    """Between which numbers the top of an elementwise layer lies; None where it has no end."""
    if "elementwise" not in node.layer.traits or len(node.bottoms) != 1:
        return None, None
    ends = [{settle(node.layer.maps(sign * x)) for x in FAR} for sign in (-1, 1)]
    low, high = (end.pop() if len(end) == 1 else None for end in ends)
    return low, high


def settle(value: float | None) -> float | None:
    """A value without what is left of e^-350."""
    return value if value is None else round(value, 9)


def find_single_scores(view: View) -> Iterator[Found]:
    """NS421: a softmax of one number."""
    for node in view.nodes:
        if node.layer.traits.isdisjoint(("takes_scores", "normalizes_scores")) or not node.bottoms:
            continue
        scores = view.typed.bottoms(node)[0]
        if not takes_one_score(view.typed, node):
            continue
        fact = f"the softmax of one score is 1, whatever {node.bottoms[0].name} is"
        if "loss" in node.layer.traits:
            fact += ": the loss is 0, and nothing is learned"
        note = "two classes take two scores; of one score Sigmoid and SigmoidCrossEntropyLoss make yes or no"
        yield finding(
            "NS421", node, fact, "bottom", note, others=place_of(node.bottoms[0], f"gives {scores}")
        )


def takes_one_score(typed: TypedGraph, node: Node) -> bool:
    """Whether a softmax, of a layer or of a loss, is one of a single number."""
    scores = typed.bottoms(node)[0]
    return scores.shape[node.layer.along(scores)] == 1


LINTS: tuple[Lint, ...] = (find_held_scores, find_single_scores)
