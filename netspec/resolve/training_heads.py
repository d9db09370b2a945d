"""What training adds to a net: losses and metrics, from `train.loss` or by default; and what it
leaves out. In: a graph; out: another.

By default a classification loss and its accuracy stand on the only output, on the scores behind it
where it normalises them.
"""

from collections.abc import Container, Mapping

from netspec.diagnostics.model import Diagnostic, Diagnostics, Label
from netspec.frozen_classes import frozen, replace_fields
from netspec.ir.graph import Graph, Input, Node, Value
from netspec.ir.layer import Layer
from netspec.ir.rule import RuleError
from netspec.ir.traits import JUDGING
from netspec.ir.types import TensorType
from netspec.layers.common.heads import DEFAULT_HEADS, list_smoothing_heads
from netspec.plugins.vocabulary import PluginError, Vocabulary
from netspec.resolve.deploy import cut_to_outputs
from netspec.resolve.layers_read import Draft, Stranger, draft
from netspec.resolve.resolve import Resolved
from netspec.resolve.wiring import Builder, NetState, Scope, keeps_layer
from netspec.source import Span
from netspec.syntax.located import Located, place
from netspec.syntax.spec import Entry

__all__ = ["LABEL", "heads_of", "judges", "learning", "learning_by", "with_heads"]

LABEL = "label"
"""The input that a source's labels feed."""


def heads_of(resolved: Resolved, trained: Graph) -> tuple[Entry, ...]:
    """The layers that training adds: those of `train.loss`; none where the net, in phase TRAIN, has
    a loss of its own; else the default.
    """
    said = resolved.file.train.loss if resolved.file.train is not None else None
    if said is not None:
        return tuple(entry(body) for body in said.items)
    if any(any(node.loss_weights) for node in trained.nodes):
        return ()
    heads = DEFAULT_HEADS
    if resolved.file.train is not None and (share := resolved.file.train.label_smoothing):
        heads = list_smoothing_heads(share)
    # a net that measures itself in some phase needs no second measure
    measured = any("metric" in each.layer.traits for each in resolved.drafts.values())
    return tuple(entry(place(body)) for body in heads if not (measured and is_measure(body)))


def is_measure(body: Mapping[str, object]) -> bool:
    """Whether a head of the default is no loss."""
    return bool(body["name"] != DEFAULT_HEADS[0]["name"])


def entry(body: Located) -> Entry:
    """A layer entry. One that is a type alone stands for a layer of that type; one without a name
    is called loss.
    """
    if not isinstance(body.value, dict):
        body = Located({"type": body}, body.span)
    name = body.get("name") or Located("loss", body.span, text="loss")
    return Entry(
        name.text,
        Located({**body.mapping, "name": name}, body.span, keys=body.keys, used=body.used),
    )


def all_named(entries: tuple[Entry, ...], diagnostics: Diagnostics) -> bool:
    """Whether one entry at most is without a name; NS203 where others would be called loss, too."""
    unnamed = [each for each in entries if each.body.mapping["name"].span is each.body.span is not None]
    for second in unnamed[1:]:
        type_ = second.body.get("type")
        word = (type_ is not None and type_.text) or "TYPE"
        fact = f"{len(unnamed)} entries of train.loss have no name, and are all called loss"
        note = f"`{{name: {word.lower()}, type: {word}}}` gives it one of its own"
        first = unnamed[0].body.span
        diagnostics.add(
            Diagnostic(
                "NS203",
                fact,
                second.body.span,
                "so is this",
                notes=(note,),
                others=(Label(first, "called loss"),) if first else (),
            )
        )
        return False
    return True


def with_heads(
    resolved: Resolved,
    graph: Graph,
    types: Mapping[Value, TensorType],
    entries: tuple[Entry, ...],
    state: NetState,
    diagnostics: Diagnostics,
) -> Graph:
    """The graph of a phase with the entries wired, each on the scores and the label unless it lists
    its bottoms.

    types: those of the graph's values. NS682: an entry lists no bottoms, and there are several
    outputs.
    """
    if not all_named(entries, diagnostics):
        return graph
    heads = Heads(resolved, graph, types, diagnostics)
    drafts = {each: made for each in entries if (made := heads.draft(each)) is not None}
    if diagnostics.failed:
        return graph
    label = heads.label([made for made in drafts.values() if keeps_layer(made, state)])
    blobs = {**graph.blobs, **({LABEL: label} if label is not None else {})}
    builder = Builder(
        drafts,
        state,
        diagnostics,
        blobs,
        dict.fromkeys(blobs),
        {node.name: node for node in graph.nodes},
    )
    builder.walk(tuple(drafts), Scope("", dict(heads.scope)))
    nodes = tuple(builder.nodes.values())
    inputs = (
        (*graph.inputs, heads.type_label(label, nodes[len(graph.nodes) :]))
        if label is not None
        else graph.inputs
    )
    return replace_fields(graph, inputs=inputs, nodes=nodes, blobs=builder.blobs)


@frozen
class Heads:
    """The heads of one graph. `scope` holds the scores by the name that entries read them by."""

    resolved: Resolved
    graph: Graph
    types: Mapping[Value, TensorType]
    diagnostics: Diagnostics

    @property
    def scope(self) -> dict[str, Value]:
        return {value.name: value for value in (self.only_output(), self.scores()) if value is not None}

    def draft(self, each: Entry) -> Draft | None:
        """An entry read, with its bottoms where it lists none."""
        body = each.body
        if body.get("bottom") is None:
            if normalising(body, self.resolved.vocabulary):
                scores = self.scores()
            else:
                scores = self.only_output()
            if scores is None:
                self.unclear(each)
                return None
            body = Located(
                {**body.mapping, "bottom": place([scores.name, LABEL])},
                body.span,
                keys=body.keys,
                used=body.used,
            )
        made = draft(
            Entry(each.name, body),
            (),
            self.resolved.file.dialect,
            self.resolved.vocabulary,
            self.diagnostics,
            {},
        )
        if isinstance(made, Stranger):
            self.diagnostics.found += made.findings
            return None
        if made is not None:
            return made._replace(layer=self.along_the_classes(made.layer, body))
        return None

    def unclear(self, each: Entry) -> None:
        names = ", ".join(v.name for v in self.outputs()) or "none"
        # it is true of every entry: said of the first
        if not any(found.code == "NS682" for found in self.diagnostics):
            self.diagnostics.error(
                "NS682",
                f"{each.name} lists no bottom, and the outputs are {names}",
                each.body.span or self.place(),
            )

    def along_the_classes(self, layer: Layer, body: Located) -> Layer:
        """The layer with the axis of the layer that normalises the scores, unless it says one
        itself.
        """
        output = self.only_output()
        maker = output.node if output is not None and self.is_normalised(output) else None
        axis = maker.layer.__dict__.get("axis") if maker is not None else None
        said = any("axis" in item.mapping for item in (body, *body.mapping.values()))
        if axis is not None and "axis" in layer.params and not said:
            return layer.replace(axis=axis)
        return layer

    def outputs(self) -> tuple[Value, ...]:
        named = tuple(self.graph.blobs[name] for name, _ in self.resolved.outputs if name in self.graph.blobs)
        return named or cut_to_outputs(self.graph, ()).outputs

    def only_output(self) -> Value | None:
        outputs = self.outputs()
        if len(outputs) == 1:
            return outputs[0]
        return None

    def is_normalised(self, value: Value) -> bool:
        return value.node is not None and "normalizes_scores" in value.node.layer.traits

    def scores(self) -> Value | None:
        """The only output, or what it normalises."""
        output = self.only_output()
        if output is not None and output.node is not None and self.is_normalised(output):
            return output.node.bottoms[0]
        return output

    def label(self, drafts: list[Draft]) -> Value | None:
        """The value `label`, where a head reads it and nothing is so called."""
        read = any(LABEL in made.fields.bottom for made in drafts)
        if read and LABEL not in self.graph.blobs:
            return Value(LABEL)
        return None

    def type_label(self, label: Value, nodes: tuple[Node, ...]) -> Input:
        """The input `label`, typed by the first of the heads that reads it beside a value whose
        type is known.

        NS682: there is none. Rules that refuse their bottoms are left to the inference of the whole
        graph.
        """
        types, refused = dict(self.types), False
        for node in nodes:
            known = [types[v] for v in node.bottoms if v in types]
            if label in node.bottoms and known:
                return Input(label, label_type(known[0], node.layer))
            if label in node.bottoms or len(known) < len(node.bottoms):
                continue
            try:
                made = node.layer.infer(*known)
            except RuleError:
                refused = True
            else:
                types.update(zip(node.tops, (made,) if isinstance(made, TensorType) else made, strict=False))
        if not refused and not self.diagnostics.failed:
            reader = next((node for node in nodes if label in node.bottoms), None)
            name, place = (reader.name, reader.places["bottom"]) if reader else ("a head", None)
            self.diagnostics.error(
                "NS682",
                f"{name} reads {LABEL} beside nothing that tells its shape",
                place or self.place(),
            )
        return Input(label, None)

    def place(self) -> Span | None:
        return self.resolved.spec.root.key_span("train")


def normalising(body: Located, known: Vocabulary) -> bool:
    """Whether a head reads scores that are not normalised: one that normalises them itself, or only
    ranks them.
    """
    kind = body.get("type")
    try:
        cls = known.find(kind.text) if kind is not None else None
    except PluginError:  # told where the head is read
        cls = None
    return cls is None or bool(cls.traits & {"takes_scores", "metric"})


def label_type(scores: TensorType, layer: Layer) -> TensorType:
    """Labels for scores: classes, one for each place; for a layer that takes no classes numbers, as
    many as scores.
    """
    said = layer.truth()
    if said is not None:
        return said
    whole = scores._replace(dtype="int64")  # real numbers could be shares of the classes
    if 1 not in layer.indices(scores, whole):
        return TensorType(scores.shape)
    axis = layer.along(scores)
    return TensorType(scores.shape[:axis] + scores.shape[axis + 1 :], "int64")


def learning(graph: Graph, weighted: frozenset[str]) -> Graph:
    """The part of a graph that a training step runs: what losses and metrics need, layers that own
    weights (`weighted`) or write files.
    """
    roots = {node for node in graph.nodes if judges(node) or node.name in weighted or bool(node.layer.writes)}
    return cut_to_roots(roots, graph)


def learning_by(graph: Graph, losses: frozenset[str]) -> Graph:
    """The part of a graph that some of its losses, by name, need."""
    return cut_to_roots(
        {node for node in graph.nodes if judges(node) and any(top.name in losses for top in node.tops)},
        graph,
    )


def cut_to_roots(roots: Container[Node], graph: Graph) -> Graph:
    """The part of a graph that some of its layers need; its outputs are those of losses and
    metrics.
    """
    needed: set[Value] = set()
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if node in roots or needed.intersection(node.tops):
            kept.append(node)
            needed.update(node.bottoms)
    read = {value for node in kept for value in node.bottoms}
    outputs = tuple(
        value for node in reversed(kept) if judges(node) for value in node.tops if value not in read
    )
    inputs = tuple(i for i in graph.inputs if i.value in needed or i.node is not None)
    return replace_fields(graph, inputs=inputs, nodes=tuple(reversed(kept)), outputs=outputs)


def judges(node: Node) -> bool:
    """Whether a layer is a loss or a metric."""
    return bool(node.layer.traits & JUDGING) or any(node.loss_weights)
