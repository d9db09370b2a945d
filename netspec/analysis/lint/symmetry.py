"""Lints on units that nothing tells apart. NS422."""

from collections.abc import Iterator

from netspec.analysis.lint.training import zero_weights
from netspec.analysis.lint.view import Found, Lint, View, finding
from netspec.ir.graph import Node, Value
from netspec.ir.layer import Weight

__all__ = ["LEARNING"]

PASSING = frozenset(("batch_statistics", "elementwise", "joins", "pooling", "view"))
"""Traits of layers that do the same to every unit."""


def lint_alike_units(view: View) -> Iterator[Found]:
    """NS422: the weights of a layer start equal, and so do those of every layer that reads it: its
    units compute the same, get the same gradient and so compute the same for ever (Goodfellow,
    Bengio, Courville 2016, Deep Learning, section 8.4).
    """
    if not any(any(node.loss_weights) for node in view.nodes) or zero_weights(view.typed):
        return
    for node in view.nodes:
        units, group = (getattr(node.layer, name, 1) for name in ("num_output", "group"))
        if units == 1 or group != 1:
            continue
        if not mixing_weights(view, node) or not starts_equal(view, node):
            continue
        readers = find_readers(view, node)
        if readers:
            names = " and ".join(dict.fromkeys(reader.name for reader in readers))
            yield finding(
                "NS422",
                node,
                f"all its weights start equal, and so do those of {names}: nothing tells its {units}"
                " units apart",
                "weight_filler" if "weight_filler" in node.places else "type",
                "weight_filler: xavier, or msra before a ReLU, for one of them; Caffe's default is"
                " constant 0",
            )


def mixing_weights(view: View, node: Node) -> list[Weight]:
    """Weights that are trained and by which a unit reads several."""
    if "elementwise" in node.layer.traits:
        return []
    return [w for w in view.typed.weights[node] if w.kind == "parameter" and len(w.shape) > 1]


def starts_equal(view: View, node: Node) -> bool:
    trained = (w for w in view.typed.weights[node] if w.kind == "parameter")
    return all(w.filler.type == "constant" for w in trained)


def find_readers(view: View, node: Node) -> list[Node]:
    """The layers that mix what a layer gives, all of them with equal weights; none where something
    else tells its units apart: a loss, random numbers, other blobs, another filler.
    """
    alike, found, waiting = set[Value](node.tops), list[Node](), list(node.tops)
    while waiting:
        for reader in view.uses.get(waiting.pop(), ()):
            traits = reader.layer.traits
            if "metric" in traits:
                continue
            if not starts_equal(view, reader):
                return []
            if mixing_weights(view, reader):
                found.append(reader)
            elif (
                not PASSING.isdisjoint(traits)
                and traits.isdisjoint(("stochastic", "dropout"))
                and ("joins" in traits or alike.issuperset(reader.bottoms))
            ):
                new = [top for top in reader.tops if top not in alike]
                alike.update(new)
                waiting += new
            else:
                return []
    return found


LEARNING: tuple[Lint, ...] = (lint_alike_units,)
