"""Lints on what is for nothing: dead branches, parameters that cannot learn. NS406, NS407, NS412,
NS429; on fillers: NS449.
"""

from collections.abc import Iterator

from netspec.analysis.lint.view import Found, Lint, View, finding
from netspec.ir.graph import Node, TypedGraph, Value
from netspec.ir.layer import FILLER_WORDS, Filler
from netspec.ir.traits import JUDGING
from netspec.resolve.deploy import cut_to_outputs

__all__ = [
    "LEARNING",
    "LINTS",
    "dead",
    "idle_filler",
    "lint_muted_losses",
    "lint_untrained",
    "zero_start",
    "zero_weights",
]

READERS = {
    word: [kind for kind, words in (*FILLER_WORDS.items(), ("values", ("values",))) if word in words]
    for word in Filler.params
    if word not in ("type", "value")
}
"""The types of filler that read a word which a constant does not."""


def dead(views: tuple[View, ...]) -> Iterator[Found]:
    """NS406: layers that no output, loss, metric or file needs, in any phase. Said of the last one
    of a branch.
    """
    alive: set[str] = set()
    for view in views:
        alive.update(node.name for node in find_needed(view))
    seen: set[str] = set()
    for view in views:
        for node in view.nodes:
            if (
                node.name not in alive
                and node.name not in seen
                and not any(view.uses.get(top) for top in node.tops)
            ):
                seen.add(node.name)
                named = [name for name, _ in view.resolved.outputs]
                need = (
                    f"{', '.join(named) or 'the outputs'} {'does' if len(named) == 1 else 'do'} not need it"
                )
                yield finding(
                    "NS406",
                    node,
                    f"nothing reads {node.tops[0].name}, and {need}",
                    "name",
                )


def find_needed(view: View) -> set[Node]:
    graph = view.typed.graph
    outputs = tuple(graph.blobs[name] for name, _ in view.resolved.outputs if name in graph.blobs)
    roots = cut_to_outputs(graph, outputs).outputs
    values, found = set(roots), set[Node]()
    for node in reversed(graph.nodes):
        ends = node.layer.traits & JUDGING or node.layer.writes or any(node.loss_weights) or not node.tops
        if ends or values.intersection(node.tops):
            found.add(node)
            values.update(node.bottoms)
    return found


def lint_untrained(view: View) -> Iterator[Found]:
    """NS407: no loss sends a gradient to the parameters of a layer."""
    if not any(any(node.loss_weights) for node in view.nodes):
        return
    reached = with_gradient(view)
    shared = {owner[0] for (node, _), owner in view.typed.shared.items() if node in reached}
    without = dict.fromkeys(
        ref.node for ref in view.typed.weight_refs() if ref.kind == "parameter" and not ref.shared
    )
    told = {node for node, _ in find_stopped_gradients(view)}
    for node in without:
        if node not in reached and node not in shared and node not in told:
            yield finding(
                "NS407",
                node,
                "no gradient of any loss reaches its weights",
                "name",
                "lr_mult: 0 says that they are not to learn",
            )


def lint_muted_losses(view: View) -> Iterator[Found]:
    """NS429: a loss asks a layer to learn through a top that sends no gradient back, as the last
    state of Caffe's recurrent layers.
    """
    reached = with_gradient(view)
    for node, tops in find_stopped_gradients(view):
        names = " and ".join(top.name for top in tops)
        if node in reached:
            fact = (
                f"a loss depends on {names}, whose gradient ends there: only that of {node.tops[0].name}"
                " goes on"
            )
        else:
            fact = f"a loss depends on {names} alone, whose gradient ends there: the layer is not trained"
        yield finding(
            "NS429",
            node,
            fact,
            "expose_hidden" if "expose_hidden" in node.places else "type",
            "Caffe drops it; state_gradient: true lets it flow",
        )


def find_stopped_gradients(view: View) -> list[tuple[Node, list[Value]]]:
    """The nodes with tops that send no gradient back, and those of them that one arrives at, where
    it would teach something.
    """
    values = set[Value]()
    with_gradient(view, values)
    return [
        (node, tops)
        for node in view.nodes
        if node.layer.silent
        and (tops := [node.tops[i] for i in sorted(node.layer.silent) if node.tops[i] in values])
    ]


def with_gradient(view: View, values: set[Value] | None = None) -> set[Node]:
    """Nodes whose tops a loss depends on by a path that gradients take. values: the ones that a
    gradient arrives at are put there.
    """
    values, found = set[Value]() if values is None else values, set[Node]()
    for node in reversed(view.nodes):
        heard = (top for i, top in enumerate(node.tops) if i not in node.layer.silent)
        if not (any(node.loss_weights) or any(top in values for top in heard)):
            continue
        found.add(node)
        blocked = node.layer.indices(*view.typed.bottoms(node)) if node.bottoms else {}
        for i, value in enumerate(node.bottoms):
            if i not in blocked and not node.layer.stops_gradient(i) and i not in node.stopped:
                values.add(value)
    return found


def zero_start(view: View) -> Iterator[Found]:
    """NS412: every layer gives nothing, so no layer gets a gradient. Only of nets that are
    trained.
    """
    if view.kind != "learning" and not any(any(node.loss_weights) for node in view.nodes):
        return
    # it is true of all of them: one place says it
    for node in zero_weights(view.typed)[:1]:
        note = "weight_filler: xavier, or msra before a ReLU; Caffe's default is constant 0"
        if "weight_filler" in node.places:
            at = "weight_filler"
        else:
            at = "type"
        yield finding("NS412", node, "its weights start at 0, and so do those of every other layer", at, note)


def idle_filler(view: View) -> Iterator[Found]:
    """NS449: a filler with the words of one type that is of Caffe's default, constant 0, as no type
    is said.
    """
    for node in view.nodes:
        for weight in view.typed.weights[node]:
            filler, at = weight.filler, f"{weight.name}_filler"
            if filler.type != "constant" or at not in node.places:
                continue
            for word, types in READERS.items():
                if getattr(filler, word) != Filler.params[word].default:
                    fact = f"{at} is constant {filler.value:g} and reads no {word}"
                    note = f"type says what it is, {' or '.join(types)}: left out it is constant"
                    yield finding("NS449", node, fact, at, note)
                    break


def zero_weights(typed: TypedGraph) -> list[Node]:
    """The layers whose multiplying weights are trained and start at 0, where that is true of all
    that have such weights, and none of them stands alone between the data and a loss; else none.

    `train` refuses such a net: of two in a row the first gives the second nothing to learn from, and
    the second lets no gradient through to the first. One alone learns, as logistic regression does.
    """
    zero: list[Node] = []
    for node in typed.graph.nodes:
        # biases have one axis, and may well start at 0
        weights = [w for w in typed.weights[node] if w.kind == "parameter" and len(w.shape) > 1]
        if not weights or "elementwise" in node.layer.traits:
            continue
        if any(w.filler.type != "constant" or w.filler.value != 0 for w in weights):
            return []
        zero.append(node)
    if stand_alone(typed, zero):
        return []
    return zero


def stand_alone(typed: TypedGraph, layers: list[Node]) -> list[Node]:
    """Those of some layers that reach both the data and a loss by a path without another of them."""
    cut = set(layers)
    fed = {given.value for given in typed.graph.inputs}
    for node in typed.graph.nodes:
        if node not in cut and (not node.bottoms or not fed.isdisjoint(node.bottoms)):
            fed.update(node.tops)
    judged = set[Value]()
    for node in reversed(typed.graph.nodes):
        if node not in cut and (any(node.loss_weights) or not judged.isdisjoint(node.tops)):
            judged.update(node.bottoms)
    return [n for n in layers if not fed.isdisjoint(n.bottoms) and not judged.isdisjoint(n.tops)]


LINTS: tuple[Lint, ...] = (idle_filler,)
LEARNING: tuple[Lint, ...] = (lint_untrained, lint_muted_losses, zero_start)
