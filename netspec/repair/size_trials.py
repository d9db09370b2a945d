"""Tells quickly which changes of a number cannot mend a net: the layers that it makes are typed
anew, not the text.

In: a graph with its errors, and shapes that some values should have; out: yes or no for an edit.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from netspec.analysis.evidence import Disagreement, accusable, disagreement, upward
from netspec.analysis.infer import BUGS, Pass
from netspec.analysis.number_places import Axis, axes
from netspec.diagnostics.evidence import First
from netspec.diagnostics.model import Diagnostic, Edit
from netspec.ir.dims import Size, symbols
from netspec.ir.graph import UNKNOWN, Graph, Node, Unknown, Value
from netspec.ir.layer import Layer
from netspec.ir.rule import Fact, RuleError
from netspec.ir.types import TensorType
from netspec.repair.size_candidates import Suspect, suspects
from netspec.repair.size_literals import Use, find_missing_pad, uses

__all__ = ["Trials"]

Shape = tuple[Size, ...]
VISITS, PASSED = 200_000, 16
"""Layers that all trials together may type; so many that are only passed by count as one."""
NEAR = 10_000
"""Layers among which the number to blame is looked for, over all findings."""


class Change(NamedTuple):
    """What an edit makes of a graph."""

    layers: Mapping[Node, Layer]
    inputs: Mapping[Value, TensorType]


class Trials:
    """Changes of one number each, tried on one graph."""

    def __init__(self, graph: Graph, goals: Mapping[Value, Shape]) -> None:
        self.graph = graph
        self.goals = goals
        self.base = Pass(graph).run()
        self.pinned = pins(fact for _, fact in self.base.facts)
        self.wrong = dict.fromkeys(node for node, _ in self.base.errors)
        self.left, self.near = VISITS, NEAR
        self.accused: dict[int, tuple[Disagreement, tuple[Suspect, ...]]] = {}
        self.order = {node: i for i, node in enumerate(graph.nodes)}
        self.makes: dict[tuple[int, int], list[Use | Axis]] = {}
        self.pads: dict[tuple[int, int], list[Use]] = {}
        for kernel, use in (
            (kernel, Use(node, "pad"))
            for node in graph.nodes
            if (kernel := find_missing_pad(node)) is not None
        ):
            self.pads.setdefault((kernel.span.start, kernel.span.end), []).append(use)
        for written, made in (pair for node in graph.nodes for pair in uses(node)):
            self.makes.setdefault((written.span.start, written.span.end), []).append(made)
        for written, axis in (pair for given in graph.inputs for pair in axes(given)):
            self.makes.setdefault((written.span.start, written.span.end), []).append(axis)

    def suspects(self, d: Diagnostic) -> tuple[Suspect, ...]:
        """The numbers that may be why a finding is there, the likeliest first; none for one that is
        on no sizes.
        """
        evidence = disagreement(d)
        if evidence is None or not accusable(d):
            return ()
        if id(evidence) not in self.accused:
            nodes = evidence.nodes or (tuple(upward(evidence.node)) if self.near > 0 else ())
            self.near -= 0 if evidence.nodes else len(nodes)
            self.accused[id(evidence)] = evidence, suspects(evidence, nodes) if nodes else ()
        return self.accused[id(evidence)][1]

    def refutes(self, edit: Edit) -> bool:
        """Whether a layer still refuses, or a goal is missed, with the edit made; False where it is
        not known what the number makes.
        """
        change = self.change([edit]) if self.left > 0 else None
        return change is not None and not self.mends(change)

    def remaining(self, edits: Sequence[Edit]) -> set[str] | None:
        """The layers, by name, that refuse with edits made; None where that is not known."""
        change = self.change(edits) if self.left > 0 else None
        if change is not None:
            return {node.name for node in self.refusing(change, dict(change.inputs))}
        return None

    def first(self, edit: Edit) -> First | None:
        """The first layer whose tops are others with the edit made, and what it would give; None
        where that is not known.
        """
        change = self.change([edit])
        if change is None:
            return None
        types: dict[Value, TensorType | Unknown] = dict(change.inputs)
        for node in sorted(change.layers, key=self.order.__getitem__):
            made = self.retype(node, change.layers[node], types, Pass(self.graph))
            other = next((types[top] for top in node.tops if made and top in types), None)
            if other is not None:
                return First(node.name, edit.text, str(other))
        return None

    def change(self, edits: Iterable[Edit]) -> Change | None:
        """What edits make; None where that is not known."""
        made: list[tuple[Use | Axis, int]] = []
        for edit in edits:
            place = edit.span.start, edit.span.end
            if edit.adds is not None:
                made += [(each, edit.adds.value) for each in self.pads.get(place, [])]
            else:
                made += [(each, int(edit.text)) for each in self.makes.get(place, [])]
        return find_change(made)

    def mends(self, change: Change) -> bool:
        types: dict[Value, TensorType | Unknown] = dict(change.inputs)
        if next(self.refusing(change, types), None) is not None:
            return False
        return all(self.shape(value, types) == shape for value, shape in self.goals.items())

    def refusing(self, change: Change, types: dict[Value, TensorType | Unknown]) -> Iterator[Node]:
        """The layers that refuse with a change made, in order. `types` begins with what became of
        the inputs, and is filled.
        """
        rules = Pass(self.graph)
        if change.inputs:
            first = 0
        else:
            first = min((self.order[node] for node in change.layers), default=0)
        yield from (node for node in self.wrong if self.order[node] < first)
        self.left -= (len(self.order) - first) // PASSED
        for node in self.graph.nodes[first:]:
            if node in change.layers or any(v in types for v in node.bottoms):
                self.left -= 1 + len(node.tops) // PASSED
                if not self.retype(node, change.layers.get(node, node.layer), types, rules):
                    types.update(dict.fromkeys(node.tops, UNKNOWN))
                    yield node
            elif node in self.wrong:
                yield node

    def shape(self, value: Value, types: Mapping[Value, TensorType | Unknown]) -> Shape | None:
        found = types.get(value, self.base.types.get(value))
        if isinstance(found, TensorType):
            return found.shape
        return None

    def retype(self, node: Node, layer: Layer, types: dict[Value, TensorType | Unknown], rules: Pass) -> bool:
        """Type a layer; only tops that became others are noted. False where it refuses, or leaves
        one number of an open size.

        Behind a layer that refuses nothing is said.
        """
        bottoms = [types[v] if v in types else self.base.types.get(v, UNKNOWN) for v in node.bottoms]
        known = tuple(b for b in bottoms if isinstance(b, TensorType))
        if len(known) < len(bottoms):
            types.update(dict.fromkeys(node.tops, UNKNOWN))
            return True
        try:
            found = rules.ruling(layer, known, len(node.tops))
        except (RuleError, *BUGS):
            return False
        types.update(
            (value, top)
            for value, top in zip(node.tops, found.tops, strict=True)
            if top != self.base.types.get(value)
        )
        return self.pinned >= pins(found.facts)


def pins(facts: Iterable[Fact]) -> set[tuple[str, int]]:
    """The open sizes of which one number is asked, and the number: N == 16."""
    pairs = (
        pair
        for fact in facts
        if fact.kind == "same"
        for pair in ((fact.left, fact.right), (fact.right, fact.left))
    )
    return {
        (str(size), number)
        for size, number in pairs
        if isinstance(number, int) and str(size) in symbols(size)
    }


def find_change(made: Iterable[tuple[Use | Axis, int]]) -> Change | None:
    """The layers and inputs that other numbers make; None where that is not known."""
    parameters: dict[Node, dict[str, object]] = {}
    inputs: dict[Value, TensorType] = {}
    for each, number in made:
        if isinstance(each, Use):
            if not each.factor:
                return None
            parameters.setdefault(each.node, {})[each.name] = each.make_value(number)
        else:
            given = inputs.get(each.given.value, each.given.type)
            if given is None or given.rank <= each.axis:
                return None
            inputs[each.given.value] = given._replace(
                shape=(*given.shape[: each.axis], number, *given.shape[each.axis + 1 :])
            )
    if parameters or inputs:
        return Change({node: node.layer.replace(**own) for node, own in parameters.items()}, inputs)
    return None
