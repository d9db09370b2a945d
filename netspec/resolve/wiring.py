"""Wiring: drafts and block instances become a Graph of one phase, every value made once. Knows no
shape and no particular layer.
"""

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import NamedTuple

from netspec.diagnostics.model import Diagnostic, Diagnostics, Fix, Label, write_nearest
from netspec.diagnostics.suggest import nearest
from netspec.frozen_classes import fresh, mutable
from netspec.ir.graph import Block, Graph, Input, Node, ParamSpec, Value
from netspec.ir.layer import Layer
from netspec.ir.traits import ASIDE, JUDGING, SOURCE
from netspec.resolve.layers_read import Draft, Stranger
from netspec.source import Span
from netspec.syntax.spec import Entry, Instance, Item

__all__ = ["NetState", "build", "drafts_in", "keeps_layer"]


class NetState(NamedTuple):
    """What include and exclude ask for: Caffe's NetState."""

    phase: str = "TEST"
    stages: frozenset[str] = frozenset()
    level: int = 0


@mutable
class Scope:
    """The names that one list of layers sees: its own full names start with `prefix`; `inputs` are
    what it was given, by its own names.
    """

    prefix: str
    inputs: dict[str, Value]
    blocks: tuple[Block, ...] = ()
    same_as: str | None = None
    last: tuple[Value, ...] | None = None
    """Tops of the layer or instance before, for a bottom left out."""
    behind: list[Node] = fresh(default_factory=list)
    """Data layers since then: a bottom left out passes them over."""
    items: tuple[Item, ...] = ()
    meant: str | None = None
    """The input that a first layer without bottom reads: the only one, or most likely the first."""


MOST_TOPS = 200
"""Tops of one layer of which it is said that they are made a second time."""
NAMESAKES = 16
"""Second layers of a name for which it is asked which of the two is odd: each question looks at all
layers beside them.
"""


@mutable
class Builder:
    drafts: Mapping[Entry, Draft]
    state: NetState
    diagnostics: Diagnostics
    blobs: dict[str, Value] = fresh(default_factory=dict)
    """Every value by its full name; an in-place layer's replaces the one before."""
    made: dict[str, Span | None] = fresh(default_factory=dict)
    nodes: dict[str, Node] = fresh(default_factory=dict)
    order: list[Node] = fresh(default_factory=list)
    """All of them: two of one name are reported, and what reads each is judged by its own."""
    inputs: list[Input] = fresh(default_factory=list)
    broken: set[str] = fresh(default_factory=set)
    """Tops of layers that were reported: reading them is no further error."""
    later: Mapping[str, Span | None] = fresh(default_factory=dict)
    passed: list[tuple[Draft, Value, tuple[Node, ...]]] = fresh(default_factory=list)
    """Layers whose bottom is left out, with what they read and the data layers that stand
    between.
    """
    doubles: int = 0
    strangers: Mapping[Entry, Stranger] = fresh(default_factory=dict)
    """Layers of unknown types that some phase leaves out."""
    uses: dict[str, Span | None] = fresh(default_factory=dict)
    """Where each use of a block is named, by its full name; the copies of a repeat go by the name
    of the whole.
    """

    def walk(self, items: tuple[Item, ...], scope: Scope) -> None:
        scope.items = items
        for item in items:
            if isinstance(item, Instance):
                self.instance(item, scope)
            elif item in self.drafts:
                self.layer(self.drafts[item], scope)
            elif item not in self.strangers or self.meet_stranger(self.strangers[item]):
                self.skip(item, scope)

    def meet_stranger(self, stranger: Stranger) -> bool:
        """Whether this state of the net keeps a layer of an unknown type; says so where it does."""
        here = keeps_layer(stranger, self.state)
        if here:
            self.diagnostics.found += stranger.findings
        return here

    def skip(self, entry: Entry, scope: Scope) -> None:
        """A layer that could not be read: its tops are known by name only."""
        tops = entry.body.get("top")
        names = [t.text for t in tops.items] if tops is not None else [entry.name.removeprefix(scope.prefix)]
        self.broken.update(scope.prefix + name for name in names)
        value = Value(scope.prefix + names[0]) if names else None
        if value is not None:
            self.blobs.setdefault(value.name, value)
            scope.last = (value,)

    def layer(self, draft: Draft, scope: Scope) -> None:
        if not keeps_layer(draft, self.state):
            return
        layer, fields, places = draft.layer, draft.fields, draft.places
        self.check_name(draft.name, places["name"], scope)
        bottoms = self.bottoms(draft, scope)
        local = fields.top or ((draft.name.removeprefix(scope.prefix),) if layer.top_count else ())
        # a bottom that is not there was told: their number is no second fault
        told = bool(fields.bottom) or None not in bottoms
        if (
            told and not self.check_count(draft, "bottom", len(bottoms), layer.bottoms)
        ) or not self.check_count(draft, "top", len(local), layer.tops):
            # told: what it makes is known by name only, and reading that is no further fault
            bottoms = [None]
        tops = tuple(scope.prefix + name for name in local)
        if any(value is None for value in bottoms):
            before = scope.last
            self.forget(tops, scope)
            # what judges is passed over, whether it could be wired or not
            if layer.traits & JUDGING:
                scope.last = before
            return
        wired = tuple(value for value in bottoms if value is not None)
        down = fields.propagate_down
        # Caffe takes none, or one for each bottom
        if down and len(down) != len(wired):
            fact = (
                f"propagate_down of {draft.name} needs one value for each bottom: {len(down)} for"
                f" {len(wired)}"
            )
            self.diagnostics.error("NS107", fact, places["propagate_down"])
        # Caffe's SetLossWeights: none, or one for each top
        if fields.loss_weight and len(fields.loss_weight) != len(tops):
            fact = (
                f"loss_weight of {draft.name} has one value for each top: {len(fields.loss_weight)} for"
                f" {len(tops)}"
            )
            self.diagnostics.error("NS107", fact, places["loss_weight"])
        self.check_tops(draft, tops, wired, scope)
        params = tuple(ParamSpec(p.name, p.lr_mult, p.decay_mult, p.share_mode) for p in fields.param)
        weights = loss_weights(layer, fields.loss_weight, len(tops))
        owner = (
            self.nodes.get(scope.same_as + draft.name.removeprefix(scope.prefix)) if scope.same_as else None
        )
        node = Node(
            draft.name,
            layer,
            wired,
            tops,
            params=params,
            loss_weights=weights,
            places=places,
            blocks=scope.blocks,
            same_as=owner,
            stopped=frozenset(i for i, passes in enumerate(down) if not passes),
            mode=fields.phase,
        )
        self.nodes[draft.name] = node
        self.order.append(node)
        for name, value in zip(tops, node.tops, strict=True):
            self.blobs[name] = value
            # in place on what a block was given: the block's later layers read what it has become
            if name.removeprefix(scope.prefix) in scope.inputs:
                scope.inputs[name.removeprefix(scope.prefix)] = value
        if scope.behind and not fields.bottom and wired:
            self.passed.append((draft, wired[0], tuple(scope.behind)))
        # a net may begin with a layer that makes its input: the next one reads that
        first_source = scope.last is None and bool(layer.traits & SOURCE)
        if node.tops and (first_source or not layer.traits & ASIDE):
            scope.last = node.tops[:1]
            scope.behind = []
        elif "data" in layer.traits:
            scope.behind.append(node)

    def check_name(self, name: str, span: Span | None, scope: Scope) -> bool:
        """Whether nothing before has this name, neither a layer nor a use of a block; says so where
        something has.

        The finding stands at the one whose name suits it less, by default the second.
        """
        if name not in self.nodes and name not in self.uses:
            return True
        if name in self.nodes:
            first = self.nodes[name].places["name"]
        else:
            first = self.uses[name]
        from netspec.resolve.messages.duplicate_names import earlier_is_odd

        label, other = "used a second time", "first used here"
        self.doubles += 1
        judged = first is not None and span is not None and self.doubles <= NAMESAKES
        if judged and earlier_is_odd(scope.items, name, scope.prefix):
            first, span, label, other = span, first, "this one has the same name", "used here"
        notes: tuple[str, ...] = ()
        if span is None and first is not None:
            first, span, label = None, first, "used here"
            notes = (
                f"the other is the {name} that training adds where no loss of the net counts and"
                " `train.loss` says nothing",
            )
        others = (Label(first, other),) if first else ()
        fact = f"two layers are called {name}"
        self.diagnostics.add(Diagnostic("NS203", fact, span, label, others=others, notes=notes))
        return False

    def forget(self, tops: tuple[str, ...], scope: Scope) -> None:
        """Tops of a layer already reported."""
        for name in tops:
            self.broken.add(name)
            self.blobs[name] = Value(name)
        if tops:
            scope.last = (self.blobs[tops[0]],)

    def instance(self, use: Instance, scope: Scope) -> None:
        """One copy of a block: its layers see the block's own names for its bottoms."""
        own = use.body.get("name")
        span = own.span if own is not None else use.span
        if use.body.get("repeat") is not None:
            whole = use.name.rpartition(".")[0]
        else:
            whole = use.name
        # the copies of a repeat have one name at one place
        if (whole not in self.uses or self.uses[whole] != span) and not self.check_name(whole, span, scope):
            self.forget((use.name, whole), scope)
            return
        self.uses[whole] = span
        given: list[Value | None]
        if use.bottom is not None:
            given = [self.look_up(b.text, scope, b.span, use.name) for b in use.bottom.items]
        elif use.chained:
            given = list(scope.last or ())
        else:
            given = [self.preceding(use.name, scope, use.span)]
        if len(given) != len(use.inputs) and None not in given:
            takes = f"{len(use.inputs)} bottom{'' if len(use.inputs) == 1 else 's'}" + (
                f" ({', '.join(use.inputs)})" if use.inputs else ""
            )
            chain = (
                "in a repeat each copy reads the tops of the copy before it, so the block needs as many tops"
                " as bottoms"
            )
            whole = use.name.rpartition(".")[0]
            notes = (
                (chain, f"what else is read of a copy needs no top: {whole}.0.LAYER")
                if use.bottom is None and use.chained
                else ()
            )
            self.diagnostics.error(
                "NS205",
                f"block {use.template} takes {takes}: {use.name} has {len(given)}",
                use.span,
                notes=notes,
            )
            given = [None]
        if None in given:
            self.forget((use.name, *(f"{use.name}.{o}" for o in use.outputs)), scope)
            return
        inputs = dict(zip(use.inputs, [g for g in given if g is not None], strict=True))
        block = Block(use.name, use.template, tuple(sorted(use.variables.items())), tuple(inputs.items()))
        inner = Scope(
            use.name + ".",
            inputs,
            (*scope.blocks, block),
            use.share + "." if use.share else None,
            tuple(inputs.values())[:1],
        )
        before = len(self.diagnostics)
        self.walk(use.items, inner)
        at = use.places or (use.span,)
        outs = tuple(
            self.look_up(o, inner, place, use.name) or Value(o)
            for o, place in zip(use.outputs, at, strict=False)
        )
        self.diagnostics.mark_uses(before, use.name, [use.span] if use.span is not None else ())
        self.leave(use, outs)
        scope.last = outs

    def leave(self, use: Instance, outs: tuple[Value, ...]) -> None:
        """The instance's blobs: its own name, or name.top where it has several; the last copy of a
        repeat speaks for the whole.
        """
        for name in (use.name, use.alias) if use.alias else (use.name,):
            if len(outs) == 1:
                self.blobs[name] = outs[0]
                continue
            for local, value in zip(use.outputs, outs, strict=True):
                # mostly there: the layer in the block that makes it has this very name
                self.blobs.setdefault(f"{name}.{local}", value)

    def bottoms(self, draft: Draft, scope: Scope) -> list[Value | None]:
        if draft.fields.bottom:
            return [
                self.look_up(name, scope, draft.places[f"bottom.{i}"], draft.name)
                for i, name in enumerate(draft.fields.bottom)
            ]
        if draft.layer.bottoms[1] == 0 or (draft.layer.bottoms[0] == 0 and "bottom" not in draft.places):
            return []
        if draft.layer.bottoms[0] > 1:
            self.diagnostics.add(self.several_left_out(draft, scope))
            return [None]
        return [self.preceding(draft.name, scope, draft.places["name"], draft.places["type"])]

    def several_left_out(self, draft: Draft, scope: Scope) -> Diagnostic:
        """A layer that needs several bottoms and lists none. What judges reads, unless anything else
        is left, the layer before and the input that no layer reads.
        """
        least, most = draft.layer.bottoms
        fixes: tuple[Fix, ...] = ()
        if draft.layer.traits & JUDGING and scope.last is not None:
            from netspec.resolve.messages.bottoms_left_out import find_unread, write_bottoms

            first = self.call(scope.last[0], scope)
            unread = find_unread(scope.inputs, scope.items)
            names = [first, *(each for each in unread if each not in (first, scope.meant))]
            fixes = write_bottoms(names, draft.places["type"]) if len(names) == least else ()
        fact = f"{draft.layer.type} {draft.name} takes {count_of(least, most)} bottoms: list them"
        return Diagnostic("NS205", fact, draft.places["type"], "bottom is missing", fixes=fixes)

    def call(self, value: Value, scope: Scope) -> str:
        """The name by which the layers of a list read a value."""
        own = (name for name, given in scope.inputs.items() if given is value)
        return next(own, value.name.removeprefix(scope.prefix))

    def preceding(self, name: str, scope: Scope, span: Span | None, kind: Span | None = None) -> Value | None:
        """The first top of the layer before; for the first layer the only input. kind: where the
        type of a layer stands.
        """
        if scope.last is not None:
            return scope.last[0]
        if len(scope.inputs) == 1:
            (scope.meant,) = scope.inputs
            return scope.inputs[scope.meant]
        from netspec.resolve.messages.bottoms_left_out import find_unread, write_bottoms

        unread = find_unread(scope.inputs, scope.items)
        scope.meant = unread[0] if unread else None
        names = ", ".join(scope.inputs) or "none"
        self.diagnostics.add(
            Diagnostic(
                "NS207",
                f"{name} is the first layer, and the inputs are {names}",
                span,
                "say which bottom it reads",
                fixes=write_bottoms(unread[:1], kind, safe=len(unread) == 1),
            )
        )
        return None

    def look_up(self, name: str, scope: Scope, span: Span | None, reader: str) -> Value | None:
        if name in scope.inputs:
            return scope.inputs[name]
        full = scope.prefix + name
        if full in self.blobs:
            if full in self.broken:
                return None
            return self.blobs[full]
        self.diagnostics.add(self.unknown(name, full, scope, span, reader))
        return None

    def unknown(self, name: str, full: str, scope: Scope, span: Span | None, reader: str) -> Diagnostic:
        """A bottom that nothing before makes."""
        if full in self.later and (absent := self.find_left_out(full)) is not None:
            return self.elsewhere(name, absent, span, reader)
        if full in self.later:
            there = self.later[full]
            others = (Label(there, "made here, after it is read"),) if there else ()
            return Diagnostic(
                "NS202",
                f"{reader} reads {name}, which a later layer makes",
                span,
                "not made yet",
                others=others,
                notes=("layers run in the order of the list",),
            )
        # findings that are only compared: nobody would read the near names
        if self.diagnostics.bare:
            return Diagnostic("NS201", f"{reader} reads {name}", span)
        near = nearest(name, self.visible(scope))
        fixes = write_nearest(near, span)
        if near:
            label = f"did you mean {' or '.join(near)}?"
        else:
            label = "nothing makes this"
        maker = self.made.get(scope.prefix + near[0]) if near else None
        others = (Label(maker, "a similar name"),) if maker is not None else ()
        return Diagnostic("NS201", f"{reader} reads {name}", span, label, others=others, fixes=fixes)

    def visible(self, scope: Scope) -> Iterable[str]:
        """What a bottom may name there."""
        made = chain(self.blobs, scope.inputs)
        if scope.prefix:
            return (name.removeprefix(scope.prefix) for name in made if name.startswith(scope.prefix))
        return made

    def find_left_out(self, full: str) -> Draft | Stranger | None:
        """A layer that makes a value in other states of the net only; None where this state keeps a
        maker, or no layer makes it.
        """
        every = chain[Draft | Stranger](self.drafts.values(), self.strangers.values())
        makers = [draft for draft in every if full in full_tops(draft)]
        if not makers or any(keeps_layer(draft, self.state) for draft in makers):
            return None
        return makers[0]

    def elsewhere(self, name: str, maker: Draft | Stranger, span: Span | None, reader: str) -> Diagnostic:
        """A bottom whose maker this state of the net leaves out."""
        state = " ".join((self.state.phase, *(f"stage {stage}" for stage in sorted(self.state.stages))))
        place = next(
            (maker.places[key] for key in ("include", "exclude") if key in maker.places),
            maker.places["name"],
        )
        others = (Label(place, f"not in {state}"),) if place is not None else ()
        fact = f"{reader} reads {name}, which {maker.name} makes; in phase {state} that layer is left out"
        return Diagnostic("NS210", fact, span, "not made in this phase", others=others)

    def check_count(self, draft: Draft, what: str, count: int, allowed: tuple[int, int | None]) -> bool:
        least, most = allowed
        if count >= least and (most is None or count <= most):
            return True
        code = "NS205" if what == "bottom" else "NS206"
        self.diagnostics.error(
            code,
            f"{draft.layer.type} {draft.name} takes {count_of(least, most)} {what}{'' if most == 1 else 's'}:"
            f" it has {count}",
            draft.places[what],
        )
        return False

    def check_tops(
        self, draft: Draft, tops: tuple[str, ...], bottoms: tuple[Value, ...], scope: Scope
    ) -> None:
        """A top may repeat an earlier name only in place: as one of the layer's own bottoms. A
        layer's name given twice is said already.
        """
        own, implied = (
            set(draft.fields.bottom),
            {b.name for b in bottoms if not draft.fields.bottom},
        )
        said = "top" not in draft.places and draft.name in self.nodes
        told = 0
        for i, name in enumerate(tops):
            local = name.removeprefix(scope.prefix)
            free = name not in self.made or local in own or name in implied
            if not free and not said and told < MOST_TOPS and not self.is_declared(draft, name, scope):
                first = self.made[name]
                told += 1
                self.diagnostics.add(
                    Diagnostic(
                        "NS204",
                        f"{draft.name} makes {local} again",
                        draft.places[f"top.{i}"],
                        "made a second time",
                        others=(Label(first, "first made here"),) if first else (),
                    )
                )
            if "top" in draft.places:
                self.made[name] = draft.places[f"top.{i}"]
            else:
                self.made[name] = draft.places["name"]

    def is_declared(self, draft: Draft, name: str, scope: Scope) -> bool:
        """Whether `input:` says the type of what this data layer makes."""
        given = scope.inputs.get(name)
        return "data" in draft.layer.traits and not scope.prefix and given is not None and given.node is None


def count_of(least: int, most: int | None) -> str:
    if most is None:
        return f"{least} or more"
    if least == most:
        return str(least)
    return f"{least} to {most}"


def keeps_layer(draft: Draft | Stranger, state: NetState) -> bool:
    """Caffe's FilterNet: by include, or by exclude. The layer's own `phase` filters nothing: it is
    how the layer behaves.
    """
    fields = draft.fields
    if fields.include:
        return any(rule.holds(state.phase, state.stages, state.level) for rule in fields.include)
    return not any(rule.holds(state.phase, state.stages, state.level) for rule in fields.exclude)


def full_tops(draft: Draft | Stranger) -> tuple[str, ...]:
    """Names that the values of a layer may have: as they stand, and inside a block behind the
    block's name.
    """
    prefix = draft.name.rpartition(".")[0]
    return (*draft.fields.top, *(f"{prefix}.{top}" for top in draft.fields.top)) or (draft.name,)


def loss_weights(layer: Layer, given: tuple[float, ...], tops: int) -> tuple[float, ...]:
    """Weight of each top in the total loss: Caffe gives a loss layer's first top 1."""
    if given:
        return given + (0.0,) * (tops - len(given))
    if "loss" in layer.traits and tops:
        return (1.0, *(0.0,) * (tops - 1))
    return (0.0,) * tops


def drafts_in(items: tuple[Item, ...]) -> list[Entry]:
    """All layer entries, in order, through every block."""
    found: list[Entry] = []
    for item in items:
        if isinstance(item, Instance):
            found += drafts_in(item.items)
        else:
            found.append(item)
    return found


def tops_to_come(
    items: tuple[Item, ...], drafts: Mapping[Entry, Draft | Stranger], prefix: str = ""
) -> dict[str, Span | None]:
    """Every top of the net by full name, to tell a later one from an unknown one."""
    found: dict[str, Span | None] = {}
    for item in items:
        if isinstance(item, Instance):
            found.setdefault(item.name, item.span)
            found.update(tops_to_come(item.items, drafts, item.name + "."))
        elif item in drafts:
            draft = drafts[item]
            for i, top in enumerate(draft.fields.top or (item.name.removeprefix(prefix),)):
                found.setdefault(
                    prefix + top,
                    draft.places[f"top.{i}"] if "top" in draft.places else draft.places["name"],
                )
    return found


def build(
    items: tuple[Item, ...],
    drafts: Mapping[Entry, Draft],
    inputs: list[Input],
    state: NetState,
    name: str,
    diagnostics: Diagnostics,
    strangers: Mapping[Entry, Stranger] = {},
) -> Graph:
    """Wire the layers that a phase keeps, and report strangers among them. Outputs are the values
    that no layer reads, as in Caffe.
    """
    builder = Builder(
        drafts,
        state,
        diagnostics,
        later=tops_to_come(items, {**drafts, **strangers}),
        strangers=strangers,
    )
    for given in inputs:
        builder.blobs[given.value.name] = given.value
        builder.made[given.value.name] = given.span
    builder.walk(items, Scope("", {given.value.name: given.value for given in inputs}))
    # layers that only make values are inputs of the graph (docs/decisions/0006)
    makers = [node for node in builder.order if node.layer.traits & SOURCE and not node.bottoms]
    sources = tuple(node for node in makers if "data" in node.layer.traits)
    nodes = tuple(node for node in builder.order if node not in makers)
    read = {value for node in nodes for value in node.bottoms}
    tell_passed(builder, read)
    ends = tuple(value for node in nodes for value in node.tops if value not in read)
    return Graph(name, inputs_of(inputs, makers, sources), nodes, ends, builder.blobs, state.phase, sources)


def tell_passed(builder: Builder, read: set[Value]) -> None:
    """Report NS215 where a bottom that is left out passes over a data layer that no other layer
    reads: it may be the one that is meant.
    """
    for draft, value, behind in builder.passed:
        unread = [node for node in behind if not read.intersection(node.tops)]
        if unread:
            near = unread[-1]
            fact = (
                f"{draft.name} reads {value.name}: a bottom that is left out passes over data layers, and no"
                f" layer reads {near.name}"
            )
            place = near.places["name"]
            others = (Label(place, "passed over"),) if place is not None else ()
            builder.diagnostics.add(
                Diagnostic("NS215", fact, draft.places["name"], f"reads {value.name}", others=others)
            )


def inputs_of(declared: list[Input], makers: list[Node], sources: tuple[Node, ...]) -> tuple[Input, ...]:
    """Declared inputs, then tops of input layers, then those of data layers; what is declared of a
    data layer's top is its type.
    """
    said = {given.value.name: given for given in declared}
    fed = {top.name for node in sources for top in node.tops}
    made: list[Input] = [given for given in declared if given.value.name not in fed]
    for node in sorted(makers, key=lambda node: node in sources):
        for top in node.tops:
            known = said.get(top.name) if node in sources else None
            span, type_, contract = (
                (known.span, known.type, known.contract) if known else (node.places["name"], None, None)
            )
            made.append(Input(top, type_, contract, node, span))
    return tuple(made)
