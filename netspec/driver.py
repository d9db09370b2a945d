"""The compiler, phase by phase: text -> Located -> Spec -> Resolved -> Graph -> TypedGraph. This is
the file to read first.

Each phase takes the findings so far and stops the run where it reported errors.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from netspec.analysis.evidence import disagreement
from netspec.analysis.expect.budget import expect
from netspec.analysis.expect.words import check_words
from netspec.analysis.infer import infer
from netspec.analysis.learning_rate.courses import read_length
from netspec.analysis.lint.run import lint
from netspec.analysis.sizes.feasible import feasible
from netspec.diagnostics.model import Diagnostic, Diagnostics, SpecError
from netspec.diagnostics.suggest import limit_cost
from netspec.frozen_classes import fresh, frozen
from netspec.garbage_collection import no_collection
from netspec.ir.graph import Graph, TypedGraph
from netspec.read_options import PLAIN, Reading
from netspec.resolve.resolve import Resolved, resolve, wire
from netspec.resolve.wiring import NetState, keeps_layer
from netspec.source import Source
from netspec.syntax.expand import expand
from netspec.syntax.printable import check_names
from netspec.syntax.reader import read, read_file
from netspec.syntax.spec import Cut, Spec
from netspec.syntax.subjects import name_subjects

if TYPE_CHECKING:
    from netspec.analysis.players import Part

# What only a net that trains needs is imported where one does: all others would pay for it at every
# start.

__all__ = [
    "Looked",
    "Program",
    "bare_findings",
    "blames_number",
    "findings",
    "load",
    "load_source",
    "look",
    "resolve_source",
    "state_of",
    "with_file_types",
]


OPEN_SIZE = "NS304"
TRAINING = "training "
"""Before the phase, in the name of a view that has losses and metrics."""


class Looked(NamedTuple):
    """What was looked at for some findings: layers, once for each look, values that variables and
    defaults added, the spec, as far as it was one, and what it means, as far as that is known.
    """

    layers: int
    values: int = 0
    spec: Spec | None = None
    resolved: Resolved | None = None
    measured: bool = False
    """Whether nothing kept budgets and lints from looking at the whole net."""


@frozen
class Program:
    """A spec that was read and understood, how it was read, and the warnings on it.

    >>> typed = netspec.load("zoo:lenet").graph()
    >>> [str(size) for size in typed.types[typed.graph.outputs[0]].shape]
    ['N', '10']
    """

    resolved: Resolved
    reading: Reading
    warnings: tuple[Diagnostic, ...] = ()
    views: dict[str, TypedGraph] = fresh(default_factory=dict)
    """The graphs that were typed already, by phase; those of training under TRAINING and the phase.
    They do not change, so each is wired and typed once.
    """

    @property
    def name(self) -> str:
        """The net's, "net" for one without."""
        return self.resolved.file.name or "net"

    def graph(self, phase: str = "deploy") -> TypedGraph:
        """The typed graph of a phase ("train", "test") or of the deployed net. Raises SpecError."""
        if phase not in self.views:
            diagnostics = Diagnostics()
            typed = type_graph(self.resolved, phase, self.reading, diagnostics)
            if typed is None or diagnostics.failed:
                raise SpecError(diagnostics.sorted())
            self.views[phase] = typed
        return self.views[phase]

    def sized_graph(self) -> TypedGraph:
        """The typed graph of the deployed net to ask which sizes it takes; where those in the file
        do not fit, with letters for them.

        Raises SpecError where the sizes of the inputs' space are not what is wrong.
        """
        try:
            return self.graph()
        except SpecError:
            graph = with_file_types(
                wire(self.resolved, state_of("deploy", self.reading), Diagnostics(), deploy=True)
            )
            from netspec.analysis.sizes.legal import with_letters

            typed = infer(with_letters(graph), Diagnostics())
            if typed is None:
                raise
            return typed

    def training_graph(self, phase: str = "train") -> TypedGraph:
        """The typed graph that training runs in a phase ("train", "test"): with losses and metrics,
        without what they do not need.

        Raises SpecError.
        """
        name = TRAINING + phase
        if name not in self.views:
            self.graph(phase)
            diagnostics = Diagnostics()
            typed = training_graph(self.resolved, phase, self.reading, diagnostics, self.views)
            if typed is None or diagnostics.failed:
                raise SpecError(diagnostics.sorted())
            self.views[name] = typed
        return self.views[name]

    def players(self) -> "tuple[Part, ...]":
        """Who learns which part of the net, in turn; none where one learns everything. Raises
        SpecError.
        """
        from netspec.analysis.players import parts

        diagnostics = Diagnostics()
        found = parts(self.resolved, self.training_graph("train"), diagnostics)
        if diagnostics.failed:
            raise SpecError(diagnostics.sorted())
        return found

    def graphs(self) -> list[TypedGraph]:
        """The typed graphs of test and train, without one that the spec does not describe. Raises
        SpecError if it describes neither.
        """
        found, faults = [], []
        for phase in ("test", "train"):
            try:
                found.append(self.graph(phase))
            except SpecError as error:
                faults.append(error)
        if not found:
            raise faults[0]
        return found

    def resolved_text(self) -> str:
        """The complete spec that this program stands for: flat layers, every default written out.
        Raises SpecError.
        """
        from netspec.emit.resolved_spec import write_resolved_spec

        return write_resolved_spec(
            self.resolved,
            {state_of(typed.graph.phase, self.reading): typed for typed in self.graphs()},
        )


def resolve_source(source: Source, diagnostics: Diagnostics, reading: Reading = PLAIN) -> Resolved | None:
    """Text to Resolved: everything that does not depend on the phase."""
    return resolve_spec(expand_source(source, diagnostics, reading), diagnostics, reading)


def expand_source(
    source: Source, diagnostics: Diagnostics, reading: Reading, *, glimpse: bool = False, late: bool = False
) -> Spec | None:
    """Text to Spec."""
    tree = read(source, diagnostics)
    if tree is None:
        return None
    return expand(source, tree, diagnostics, settings=reading.settings, glimpse=glimpse, late=late)


def resolve_spec(spec: Spec | None, diagnostics: Diagnostics, reading: Reading) -> Resolved | None:
    """Spec to Resolved."""
    if spec is None or not check_names(spec, diagnostics):
        return None
    return resolve(spec, diagnostics, reading.allow_code)


def state_of(phase: str, reading: Reading) -> NetState:
    """Caffe's NetState of a phase."""
    return NetState("TRAIN" if phase.lower() == "train" else "TEST", reading.stages, reading.level)


@no_collection()
def type_graph(
    resolved: Resolved, phase: str, reading: Reading, diagnostics: Diagnostics
) -> TypedGraph | None:
    """Resolved to TypedGraph, for one phase."""
    state = state_of(phase, reading)
    graph = wire(resolved, state, diagnostics, deploy=phase == "deploy")
    diagnostics.layers += len(graph.nodes)
    typed = type_or_tell(with_file_types(graph), diagnostics)
    if typed is not None:
        feasible(typed, diagnostics)
    return typed


def training_graph(
    resolved: Resolved,
    phase: str,
    reading: Reading,
    diagnostics: Diagnostics,
    views: Mapping[str, TypedGraph],
) -> TypedGraph | None:
    """Resolved to the TypedGraph that training runs in a phase. What the net learns by is decided
    in TRAIN, for both.

    views: the graphs of phases that were typed already, by phase.
    """
    from netspec.analysis.rates import with_rates
    from netspec.resolve.training_heads import heads_of, learning, with_heads

    typed = views.get(phase) or type_graph(resolved, phase, reading, diagnostics)
    if typed is None or diagnostics.failed:
        return None
    if phase == "train":
        trained = typed.graph
    elif "train" in views:
        trained = views["train"].graph
    else:
        trained = wire(resolved, state_of("train", reading), Diagnostics())
    state = state_of(phase, reading)
    graph = with_heads(resolved, typed.graph, typed.types, heads_of(resolved, trained), state, diagnostics)
    if diagnostics.failed:
        return None
    weighted = frozenset(node.name for node, weights in typed.weights.items() if weights)
    made = type_or_tell(learning(graph, weighted), diagnostics)
    # rates matter only where weights move
    if made is None or phase != "train":
        return made
    return with_rates(resolved, made, diagnostics)


def type_or_tell(graph: Graph, diagnostics: Diagnostics) -> TypedGraph | None:
    """The typed graph, or None and the findings with what the rules themselves offer, tried."""
    before = len(diagnostics.found)
    typed = infer(graph, diagnostics)
    if any(each.code == OPEN_SIZE for each in diagnostics.found[before:]):
        diagnostics.found[before:] = with_file_faults(diagnostics.found[before:], graph)
    if not diagnostics.bare and any(map(disagreement, diagnostics.found[before:])):
        from netspec.analysis.rule_fixes import with_rule_fixes

        diagnostics.found[before:] = with_rule_fixes(diagnostics.found[before:])
    return typed


def with_file_faults(found: list[Diagnostic], graph: Graph) -> list[Diagnostic]:
    """Findings on sizes that are open because the file of a data layer tells none: what is wrong with
    the file takes their place; where none is there, they say so.
    """
    from netspec.data.data_layers.paths import untyped

    files = untyped(graph)
    if any(files.values()):
        from netspec.data.data_layers.sources import tell_faults

        faults = list(tell_faults(node for node, there in files.items() if there))
        return [*faults, *(each for each in found if not faults or each.code != OPEN_SIZE)]
    notes = tuple(f"{node.name} reads no file: {node.layer.source} is not there" for node in files)  # type: ignore[attr-defined]
    return [replace(each, notes=(*each.notes, *notes)) if each.code == OPEN_SIZE else each for each in found]


def with_file_types(graph: Graph) -> Graph:
    """The graph, data layers' tops typed by their files; numpy is imported only where there is such
    a file.
    """
    if not any(i.type is None and i.node.layer.reads for i in graph.inputs if i.node is not None):
        return graph
    from netspec.data.data_layers.paths import untyped

    if not any(untyped(graph).values()):
        return graph
    from netspec.data.data_layers.sources import type_inputs

    return type_inputs(graph)


def blames_number(found: list[Diagnostic]) -> bool:
    """Whether a number of the text may be why there is a finding."""
    if not any(map(disagreement, found)):
        return False
    from netspec.analysis.evidence import accusable

    return any(map(accusable, found))


def findings(source: Source, reading: Reading) -> list[Diagnostic]:
    """All findings on a spec, sorted: each phase of the net is wired and typed, the same finding is
    made once.
    """
    return look(source, reading)[0]


def bare_findings(source: Source, reading: Reading) -> list[Diagnostic]:
    """The same findings without what only people need: to compare a changed text's with."""
    return look(source, reading, bare=True)[0]


@no_collection()
@limit_cost()
def look(source: Source, reading: Reading, *, bare: bool = False) -> tuple[list[Diagnostic], Looked]:
    """The findings, and what was looked at for them. Of blocks that are repeated thousands of times the
    first copies are looked at first: if all that is wrong is wrong with these, the others say it again. Then
    those whose values are others than in the copy before; else what is wrong however many there are is told
    alone.
    """
    found, looked = look_at(source, reading, bare=bare, glimpse=True)
    if looked.spec is None or not looked.spec.cut:
        return found, looked
    from netspec.analysis.further_copies import are_named

    if not are_named(looked.spec, reading.settings):
        told = tell_of_glimpse(found, looked, reading)
        if told is None and not all(cut.alike for cut in looked.spec.cut):
            found, looked = look_at(source, reading, bare=bare, glimpse=True, late=True)
            told = tell_of_glimpse(found, looked, reading, late=True)
        if told is not None:
            return told, looked
    return look_at(source, reading, bare=bare)


def tell_of_glimpse(
    found: list[Diagnostic], looked: Looked, reading: Reading, *, late: bool = False
) -> list[Diagnostic] | None:
    """The findings of a glimpse, where they are those of the whole, or some that are certain; else None."""
    from netspec.analysis.further_copies import find_certain

    # what budgets and lints measure, they measure of the whole
    if looked.measured or looked.spec is None:
        return None
    if is_told_by_glimpse(found, looked, looked.spec.cut, reading, late=late):
        return found
    return find_certain(found, looked.spec.cut) or None


def is_told_by_glimpse(
    found: list[Diagnostic], looked: Looked, cuts: tuple[Cut, ...], reading: Reading, *, late: bool
) -> bool:
    """Whether a glimpse has errors, and each is one of first copies whose further ones say it again, or these
    have none of their own.
    """
    from netspec.analysis.further_copies import are_steady

    errors = [d for d in found if d.severity == "error"]
    told = [{cut.use for cut in cuts} & {label.span for label in d.others} for d in errors]
    if all(told) and not late:
        cuts = tuple(cut for cut in cuts if not cut.alike or cut.use not in set().union(*told))
    if not errors or not all(cut.alike for cut in cuts):
        return False
    if looked.resolved is None:
        return True
    states = [state_of(phase, reading) for phase in phases_of(looked.resolved)]
    graphs = (with_file_types(wire(looked.resolved, state, Diagnostics())) for state in states)
    return all(are_steady(graph, cuts) for graph in graphs)


def look_at(
    source: Source, reading: Reading, *, bare: bool = False, glimpse: bool = False, late: bool = False
) -> tuple[list[Diagnostic], Looked]:
    """The same, in one go."""
    diagnostics, measured = Diagnostics(bare=bare), False
    spec = expand_source(source, diagnostics, reading, glimpse=glimpse, late=late)
    resolved = resolve_spec(spec, diagnostics, reading)
    if resolved is None and any(d.code == "NS209" for d in diagnostics.found) and is_library(source):
        diagnostics.found = [d for d in diagnostics.found if d.code != "NS209" or d.about.key != "layers"]
    if resolved is not None:
        views: dict[str, TypedGraph] = {}
        for phase in phases_of(resolved):
            found = Diagnostics(bare=bare)
            # both begin with the same findings: a fault in one phase must not silence the other
            found.found = list(diagnostics.found)
            typed = type_graph(resolved, phase, reading, found)
            diagnostics.layers += found.layers
            if typed is not None:
                views[phase] = typed
            diagnostics.found = list(dict.fromkeys((*diagnostics.found, *found.found)))
        diagnostics.found += homeless(resolved, reading)
        if resolved.file.train is not None and not diagnostics.failed:
            look_at_training(resolved, reading, diagnostics, views)
        measured = not diagnostics.failed
        if measured:
            expect(resolved, views, diagnostics)
            lint(resolved, views, diagnostics)
        else:
            check_words(resolved, diagnostics)
    return one_cause(diagnostics.sorted()), Looked(
        diagnostics.layers, diagnostics.values, spec, resolved, measured
    )


def look_at_training(
    resolved: Resolved, reading: Reading, diagnostics: Diagnostics, views: dict[str, TypedGraph]
) -> None:
    """What is wrong with the training of a net that is sound; its view joins the others."""
    from netspec.analysis.learning_rate.faults import rate_faults
    from netspec.analysis.players import parts
    from netspec.analysis.recipes import recipe_faults
    from netspec.analysis.still import still

    learning = training_graph(resolved, "train", reading, diagnostics, views)
    if learning is not None:
        views["learning"] = learning
        idle = still(learning, resolved.spec.root.key_span("train"))
        diagnostics.found += [idle] if idle is not None else []
        parts(resolved, learning, diagnostics)
    if not diagnostics.failed and tests_differ(resolved, views):
        training_graph(resolved, "test", reading, diagnostics, views)
    diagnostics.found += rate_faults(resolved, read_length(resolved))
    diagnostics.found += recipe_faults(resolved)


def tests_differ(resolved: Resolved, views: Mapping[str, TypedGraph]) -> bool:
    """Whether the net of a training's tests could have faults that the one of its steps has not: layers or
    measures of one phase, or a layer with the name of what is added.
    """
    from netspec.layers.common.heads import DEFAULT_HEADS

    said = resolved.file.train.loss if resolved.file.train is not None else None
    if {"test", "train"} <= set(views):
        return True
    if said is not None:
        return any(body.get("include") or body.get("exclude") for body in said.items)
    return bool({str(head["name"]) for head in DEFAULT_HEADS} & {d.name for d in resolved.drafts.values()})


def homeless(resolved: Resolved, reading: Reading) -> list[Diagnostic]:
    """NS441 for each layer of an unknown type that neither phase keeps, with the stages and the
    level that were asked for.
    """
    states = [state_of(phase, reading) for phase in ("test", "train")]
    alone = [
        each for each in resolved.strangers.values() if not any(keeps_layer(each, state) for state in states)
    ]
    alone = [each for each in alone if "NS441" not in (*resolved.file.allow, *each.fields.allow)]
    return [
        replace(d, code="NS441", fact=f"{d.fact}; neither phase keeps the layer", hides=None)
        for s in alone
        for d in s.findings
    ]


def one_cause(found: list[Diagnostic]) -> list[Diagnostic]:
    """The findings without those that an expression without a value leads to in its own place."""
    without = {d.span for d in found if d.code in ("NS110", "NS111")}
    return [d for d in found if d.code != "NS104" or d.span not in without]


def is_library(source: Source) -> bool:
    """Whether a file only offers blocks or variables to others: it is no net, and need not be
    one.
    """
    tree = read(source, Diagnostics())
    keys = set(tree.mapping if tree is not None else ())
    return bool(keys & {"blocks", "vars"}) and keys <= {
        "netspec",
        "description",
        "import",
        "vars",
        "blocks",
    }


def phases_of(resolved: Resolved) -> tuple[str, ...]:
    """One phase, or both if they may have other layers. A layer's own `phase` only says how it behaves."""
    if resolved.strangers or any(d.fields.include or d.fields.exclude for d in resolved.drafts.values()):
        return "test", "train"
    return ("test",)


def load(path: str, reading: Reading = PLAIN) -> Program:
    """Read a spec file, or "-" for standard input. Raises SpecError with everything that was
    found.
    """
    diagnostics = Diagnostics()
    source = read_file(path, diagnostics)
    if source is None:
        raise SpecError(diagnostics.sorted())
    return load_source(source, reading)


@no_collection()
def load_source(source: Source, reading: Reading = PLAIN) -> Program:
    """The same for a text. Raises SpecError."""
    diagnostics = Diagnostics()
    spec = expand_source(source, diagnostics, reading)
    resolved = resolve_spec(spec, diagnostics, reading)
    found = name_subjects(diagnostics.sorted(), spec)
    if resolved is None or diagnostics.failed:
        raise SpecError(found)
    return Program(resolved, reading, tuple(found))
