"""Lints on what the letter of an input promises, and on answers that are not the same twice: NS414,
NS415, NS419.
"""

import re
from collections.abc import Iterator

from netspec.analysis.batch_rows import mixing
from netspec.analysis.lint.view import Found, Lint, View, finding
from netspec.analysis.number_places import SHAPE, axes, within
from netspec.analysis.sizes.fixed import Fixed, find_fixed_sizes, reopen_size
from netspec.diagnostics.evidence import About
from netspec.diagnostics.model import Diagnostic, Edit, Fix, Label
from netspec.ir.dims import symbols
from netspec.ir.graph import Input, Node, TypedGraph
from netspec.ir.rule import Change
from netspec.record import as_written
from netspec.resolve.deploy import cut_to_outputs
from netspec.source import Span

__all__ = ["LINTS", "lint_drawn_answers", "lint_fixed_size", "lint_mixed_rows"]


def lint_fixed_size(view: View) -> Iterator[Found]:
    """NS414: a letter that only one number can stand for."""
    for one in find_fixed_sizes(view.typed):
        node, given = (
            one.node,
            [i for i in view.typed.graph.inputs if holds(view.typed, i, one.name)],
        )
        fixes = tuple(ways(view.typed, one, given))
        others = tuple(Label(i.span, f"any {one.name} here") for i in given if i.span is not None)
        fact = f"{node.name}: {one.text}, where {given[0].value.name} has any {one.name}"
        yield Found(
            node,
            Diagnostic(
                "NS414",
                fact,
                place(node, fixes),
                others=others,
                fixes=fixes,
                about=About(node.name, key=one.name),
            ),
        )


def place(node: Node, fixes: tuple[Fix, ...]) -> Span | None:
    """The number that a fix would change in the layer; else what it reads."""
    own = [span for span in map(node.places.spans.get, node.layer.params) if span is not None]
    edits = (edit.span for fix in fixes for edit in fix.edits)
    found = (
        e for e in edits if any(s.source is e.source and s.start <= e.start and e.end <= s.end for s in own)
    )
    return next(found, node.places["bottom" if "bottom" in node.places else "name"])


def lint_mixed_rows(view: View) -> Iterator[Found]:
    """NS415: outside training, what an output says of one sample depends on the others of the
    batch.
    """
    for node in mixing(view.typed) if view.kind == "test" else ():
        learnt = "batch_statistics" in node.layer.traits and "use_global_stats" in node.layer.params
        way: tuple[str, ...] = ()
        if node.mode == "TRAIN":
            way = ("its own phase is TRAIN: it takes the statistics of the batch in test, too",)
        elif learnt:
            way = (
                "without use_global_stats, training takes the statistics of the batch, and tests those that"
                " were gathered",
            )
        said = ("phase",) * (node.mode == "TRAIN")
        words = (*said, "use_global_stats", "bn_mode", "axis")
        at = next((name for name in words if name in node.places), "type")
        fact = "what comes out for one sample depends on the others in the batch, in test as well"
        yield finding("NS415", node, fact, at, *way, "a server runs each request of such a net alone")


def lint_drawn_answers(view: View) -> Iterator[Found]:
    """NS419: outside training, too, a layer draws its values, since its own phase is TRAIN."""
    drawing = [node for node in view.nodes if node.mode == "TRAIN" and node.layer.draws]
    if view.kind != "test" or not drawing:  # nearly every net
        return
    graph = view.typed.graph
    outputs = tuple(graph.blobs[name] for name, _ in view.resolved.outputs if name in graph.blobs)
    deployed = set(cut_to_outputs(graph, outputs).nodes)
    for node in drawing:
        if node in deployed:
            yield finding(
                "NS419",
                node,
                "its own phase is TRAIN: what it answers is drawn anew at each call, in test as well",
                "phase",
                "no model can be exported with it (NS701)",
            )


def holds(typed: TypedGraph, given: Input, name: str) -> bool:
    return any(name in symbols(size) for size in typed.types[given.value].shape)


def ways(typed: TypedGraph, one: Fixed, given: list[Input]) -> Iterator[Fix]:
    """The layers opened, or the input closed."""
    made = reopen_size(typed.graph, one)
    if made is not None and one.node in made:
        edits = [edit for node, change in made.items() for edit in rewritten(node, change) or (None,)]
        if len(made) > 1:
            further = f", and likewise in {', '.join(node.name for node in made if node is not one.node)}"
        else:
            further = ""
        yield Fix(
            f"write {made[one.node].text}{further}",
            tuple(e for e in edits if e is not None) if None not in edits else (),
        )
    for other in (i for i in typed.graph.inputs if i not in given):
        for written, axis in axes(other):
            # a batch with a letter here and a number there: the letter serves both
            if written.value == one.number and axis.axis == 0:
                yield Fix(
                    f"write {one.name} in place of {one.number} for {other.value.name}",
                    (Edit(written.span, one.name),),
                )
    closed = [edit for i in given for edit in letters(i, one)]
    if closed:
        yield Fix(
            f"write {one.number} in place of {one.name}, where the net is for that alone",
            tuple(closed),
        )


def rewritten(node: Node, change: Change) -> tuple[Edit, ...]:
    """Other numbers in the lists of a layer; none where these are not written number by number."""
    edits: list[Edit] = []
    for name, value in change.parameters.items():
        span, before, after = (
            node.places[name],
            as_written(node.layer.__dict__[name]),
            as_written(value),
        )
        found = (
            list(within(span))
            if span is not None and name in node.places and not node.places.sources.get(name)
            else []
        )
        if (
            not found
            or not isinstance(before, list)
            # digits are found without their sign: -1 as 1
            or [w.value for w in found] != [abs(n) if isinstance(n, int) else n for n in before]
        ):
            return ()
        edits += [
            Edit(w.span, str(new)) for w, old, new in zip(found, before, after, strict=True) if old != new
        ]
    return tuple(edits)


def letters(given: Input, one: Fixed) -> Iterator[Edit]:
    """The letter in an input's shape, each time the number in its place."""
    text = given.span and SHAPE.match(given.span.source.text, given.span.end)
    if text and given.span is not None:
        for match in re.finditer(rf"(?<![\w$]){re.escape(one.name)}(?!\w)", text[1]):
            at = text.start(1) + match.start()
            yield Edit(Span(given.span.source, at, at + len(one.name)), str(one.number))


LINTS: tuple[Lint, ...] = (lint_fixed_size, lint_mixed_rows, lint_drawn_answers)
