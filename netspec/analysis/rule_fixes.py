"""Fixes for what a layer's rule refuses: the changes that the rule names, typed anew, and an
input's shape turned round.

In: findings with the sizes that disagree; out: the same with fixes. Reads and checks no text.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from netspec.analysis.evidence import Disagreement, disagreement
from netspec.analysis.infer import Pass
from netspec.analysis.number_places import SHAPE
from netspec.diagnostics.model import Diagnostic, Edit, Fix
from netspec.ir.graph import Graph, Input, Node
from netspec.ir.rule import Change
from netspec.ir.types import show_shape
from netspec.source import Span

__all__ = ["offer_turned_input", "with_rule_fixes"]

VISITS = 24_000
"""Layers that all trials of changes in one graph may visit. A change that was not tried is not
offered.
"""
VARIABLE = re.compile(r"""["']?\$(\w+|\{\s*\w+\s*\})["']?""")
"""A value that is one variable's."""


class Walks:
    """Changes tried on one graph, as many as it may cost."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.base = Pass(graph).run()
        self.wrong = {node for node, _ in self.base.errors}
        self.left = VISITS

    def mends(self, node: Node, change: Change) -> bool:
        """Whether the net has one error less, and no other, with the change made; no where too much
        was tried before.
        """
        self.left -= len(self.graph.nodes)
        if self.left < 0:
            return False
        # layers above the change answer from what they said before
        tried = Pass(self.graph, {node: node.layer.replace(**change.parameters)}, self.base.rulings).run()
        return {n for n, _ in tried.errors} <= self.wrong - {node}


def with_rule_fixes(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The findings, those on one graph's sizes with the changes that clear them."""
    trials: dict[Graph, Walks] = {}
    return [
        replace(d, fixes=(*d.fixes, *fixes_for(evidence, trials))) if (evidence := disagreement(d)) else d
        for d in found
    ]


def fixes_for(evidence: Disagreement, trials: dict[Graph, Walks]) -> Iterator[Fix]:
    """What clears a disagreement; where an input is turned round, nothing in the layers does."""
    for given in evidence.turned:
        yield from offer_turned_input(given)
    for change in evidence.changes if not evidence.turned else ():
        if evidence.graph not in trials:
            trials[evidence.graph] = Walks(evidence.graph)
        if trials[evidence.graph].mends(evidence.node, change):
            yield Fix(change.text, edits_for(evidence.node, change))


def edits_for(node: Node, change: Change) -> tuple[Edit, ...]:
    """Replace the values where they stand, a variable's where it got it; what is not there yet or
    calculated needs the reader's hand.
    """
    edits = []
    for name, value in change.parameters.items():
        if name not in node.places:
            return ()
        span, given = node.places[name], node.places.sources.get(name, ())
        if given and span is not None:
            if len(given) > 1 or not VARIABLE.fullmatch(span.text):
                return ()
            span = given[0]
        if span is not None:
            edits.append(Edit(span, spell(value)))
    return tuple(edits)


def spell(value: object) -> str:
    """A value as YAML has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return str(list(value))
    return str(value)


def offer_turned_input(given: Input) -> Iterator[Fix]:
    """The shape with its last axis behind the first."""
    if given.type is None:
        return
    first, *sides, channels = given.type.shape
    words = f"write {show_shape((first, channels, *sides))}, the channels before the height and the width"
    text = given.span and SHAPE.match(given.span.source.text, given.span.end)
    parts = text[1][1:-1].split(",") if text else []
    if text and given.span is not None and len(parts) == given.type.rank:
        made = ", ".join(part.strip() for part in (parts[0], parts[-1], *parts[1:-1]))
        yield Fix(words, (Edit(Span(given.span.source, text.start(1), text.end(1)), f"[{made}]"),))
    else:
        yield Fix(words)
