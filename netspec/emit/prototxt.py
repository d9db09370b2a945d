"""A spec written back as Caffe's prototxt. In: its layers and the graphs of its phases; out: text,
blocks unrolled, every wire written out.

What Caffe and its forks have no field for is refused by name; what has no effect on the numbers is
left out with a finding.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from netspec.caffe.messages import WITHOUT_MAP
from netspec.caffe.schema import enum_names, message_fields
from netspec.caffe.text import NUMBERS, UnwritableError, text_of
from netspec.diagnostics import Diagnostic, Diagnostics
from netspec.ir.dims import Size
from netspec.ir.graph import Graph, Node, ParamSpec, WeightRef
from netspec.ir.layer import Layer
from netspec.record import Param, Record, as_written
from netspec.resolve.layers_read import Draft
from netspec.resolve.resolve import Resolved
from netspec.resolve.sections.spec_file import Rule

__all__ = ["View", "prototxt", "solver_prototxt"]

LAYER = message_fields("LayerParameter")
PHASES = ("TRAIN", "TEST")


@dataclass(frozen=True, eq=False)
class View:
    """The net in one state. weights: every weight of it, owners before those that share; none where
    the sizes are not known.
    """

    graph: Graph
    weights: tuple[WeightRef, ...] = ()


class Wiring(NamedTuple):
    """How a layer is wired: names of its bottoms and tops."""

    bottoms: tuple[str, ...]
    tops: tuple[str, ...]


def prototxt(resolved: Resolved, views: Sequence[View], diagnostics: Diagnostics) -> str:
    """The net as today's prototxt. NS710: what it cannot say, by layer and parameter; NS711: what
    is left out.
    """
    writer = Writer(resolved, views, diagnostics)
    parts = [text_of("NetParameter", {"name": resolved.file.name})] if resolved.file.name else []
    parts += writer.inputs()
    parts += [text for draft in resolved.drafts.values() if (text := writer.layer(draft))]
    for stranger in resolved.strangers.values():
        diagnostics.add(
            Diagnostic("NS711", f"layer {stranger.name}: no layer has its type", stranger.places["type"])
        )
    return "".join(parts)


def solver_prototxt(resolved: Resolved, net: str, diagnostics: Diagnostics) -> str | None:
    """The spec's `train.solver` as a solver's prototxt; None where there is none. NS711 for words
    beyond Caffe's.
    """
    if resolved.file.train is None:
        return None
    known = message_fields("SolverParameter")
    words: dict[str, Any] = {"net": net}
    for name, value in list_given(resolved.file.train.solver):
        if name in known:
            words[name] = value
        else:
            diagnostics.add(Diagnostic("NS711", f"{name} of the solver: Caffe has no such word"))
    if resolved.file.train.players:
        diagnostics.add(
            Diagnostic(
                "NS711",
                f"players {', '.join(resolved.file.train.players)}: Caffe has one solver for a net",
            )
        )
    return text_of("SolverParameter", words)


class Writer:
    """Writes the layers of one spec."""

    def __init__(self, resolved: Resolved, views: Sequence[View], diagnostics: Diagnostics) -> None:
        self.resolved = resolved
        self.views = views
        self.diagnostics = diagnostics
        # a name may serve once in each phase; the places tell which of its layers a node is
        self.nodes = [
            {(node.name, id(node.places)): node for node in every_node(view.graph)} for view in views
        ]
        self.params = params_of(views)
        self.contracts = {
            i.value.name: i.contract
            for v in views
            for i in v.graph.inputs
            if i.node is None and i.contract is not None
        }
        taken = {
            value.name for view in views for node in view.graph.nodes for value in (*node.bottoms, *node.tops)
        }
        self.prepared = {
            name: free(f"{name}_prepared", taken)
            for name, contract in self.contracts.items()
            if power_of(contract)
        }
        """What layers read in place of an input whose pixels are scaled first."""
        for view in views:
            self.check_names(view.graph)

    def check_names(self, graph: Graph) -> None:
        """A layer finds its bottoms by name alone: each must be the last value of its name."""
        last = {item.value.name: item.value for item in graph.inputs}
        for node in graph.nodes:
            for value in node.bottoms:
                if last.get(value.name) is not value:
                    fact = (
                        f"layer {node.name} reads {value.name} as it was before another layer changed it in"
                        " place"
                    )
                    self.diagnostics.error("NS710", fact, node.places["bottom"])
            last.update((value.name, value) for value in node.tops)

    def inputs(self) -> Iterator[str]:
        """The net's own inputs, as layers of the type that declares inputs."""
        states: dict[str, set[str]] = {}
        shapes: dict[str, tuple[Size, ...]] = {}
        for view in self.views:
            for item in view.graph.inputs:
                if item.node is None and item.type is not None:
                    states.setdefault(item.value.name, set()).add(view.graph.phase)
                    shapes[item.value.name] = item.type.shape
        all_phases = {view.graph.phase for view in self.views}
        for name, shape in shapes.items():
            values: dict[str, Any] = {"name": name, "type": "Input", "top": [name]}
            if states[name] != all_phases:
                values["include"] = [{"phase": phase} for phase in sorted(states[name])]
            yield self.text(
                "layer",
                {**values, "input_param": {"shape": [{"dim": self.numbers(name, shape)}]}},
                f"input {name}",
            )
            if name in self.contracts:
                yield self.preparation(
                    name, {key: value for key, value in values.items() if key == "include"}
                )

    def preparation(self, name: str, condition: dict[str, Any]) -> str:
        """The layer that scales an input's pixels as its contract says, if it does; NS711 for the
        rest of the contract.
        """
        contract, top = self.contracts[name], self.prepared.get(name)
        words = power_of(contract)
        said = {key for key, _ in list_given(contract)}
        said -= {"scale", "mean_value"} if "shift" in words else {"scale"}
        done = f"its scale is layer {top}; " if top else ""
        if held := said - {"std_value"}:
            self.note_left_out(
                f"image of input {name}: {done}Caffe's data layers hold {', '.join(sorted(held))} in"
                " transform_param"
            )
        if len(set(contract.std_value)) > 1:
            self.note_left_out(
                f"image of input {name}: {done}Caffe has no word for a deviation per channel; who feeds the"
                f" net divides by std_value {[*contract.std_value]} after the mean"
            )
        if top is None:
            return ""
        values = {
            "name": top,
            "type": "Power",
            "bottom": [name],
            "top": [top],
            **condition,
            "power_param": words,
        }
        return self.text("layer", values, f"input {name}")

    def numbers(self, name: str, shape: tuple[Size, ...]) -> list[int]:
        """A shape in numbers: a batch that is open is written as 1. NS710 for another size that is
        open.
        """
        for axis, size in enumerate(shape):
            if isinstance(size, int):
                continue
            if axis:
                fact = f"input {name} has size {size} on axis {axis}: a prototxt holds numbers"
                self.diagnostics.error("NS710", fact, notes=(f"give it by --set input.{name}=[...]",))
            else:
                self.note_left_out(f"{size} of input {name}: written as 1")
        return [size if isinstance(size, int) else 1 for size in shape]

    def note_left_out(self, fact: str) -> None:
        finding = Diagnostic("NS711", fact)
        if finding not in self.diagnostics.found:
            self.diagnostics.add(finding)

    def layer(self, draft: Draft) -> str:
        """One layer; empty where it was reported."""
        layer, fields = draft.layer, draft.fields
        nodes = [
            node for view in self.nodes if (node := view.get((draft.name, id(draft.places)))) is not None
        ]
        wirings = {
            Wiring(tuple(v.name for v in node.bottoms), tuple(v.name for v in node.tops)) for node in nodes
        }
        if not in_caffe(layer):
            self.refuse(draft, f"layer {draft.name}: Caffe has no type {layer.type}", "type")
            return ""
        if len(wirings) != 1:
            if wirings:
                fact = "reads other bottoms in other phases"
            else:
                fact = "is kept in no phase, stage or level"
            self.refuse(draft, f"layer {draft.name} {fact}", "bottom")
            return ""
        (wiring,) = wirings
        wiring = Wiring(*(tuple(self.prepared.get(name, name) for name in names) for names in wiring))
        values: dict[str, Any] = {
            "name": draft.name,
            "type": layer.type,
            "bottom": wiring.bottoms,
            "top": wiring.tops,
        }
        values |= {
            "loss_weight": fields.loss_weight,
            "param": self.params.get(draft.name) or trim_params(nodes[0].params),
        }
        values |= {
            "include": [rule(r) for r in fields.include],
            "exclude": [rule(r) for r in fields.exclude],
        }
        values |= {"phase": fields.phase, "propagate_down": fields.propagate_down}
        groups = self.parameters(draft)
        return self.text(
            "layer",
            {k: v for k, v in values.items() if v not in (None, (), [])} | groups,
            f"layer {draft.name}",
        )

    def parameters(self, draft: Draft) -> dict[str, dict[str, Any]]:
        """The param maps of a layer, with what differs from Caffe's defaults."""
        groups: dict[str, dict[str, Any]] = {}
        for name, value in list_given(draft.layer):
            declared = draft.layer.params[name]
            group = draft.layer.group_of(declared)
            field = LAYER.get(group or "")
            written = spell(declared, value, field.kind) if field is not None else None
            if written is None or group is None:
                self.refuse(
                    draft,
                    f"{name} of layer {draft.name}: {show_value(value)} has no form in {group or 'Caffe'}",
                    name,
                )
            else:
                groups.setdefault(group, {}).update(written)
        return groups

    def refuse(self, draft: Draft, fact: str, at: str) -> None:
        self.diagnostics.error("NS710", fact, draft.places[at])

    def text(self, field: str, values: Mapping[str, Any], owner: str) -> str:
        try:
            return text_of("NetParameter", {field: [values]})
        except UnwritableError as error:
            self.diagnostics.error(
                "NS710", f"{'.'.join(error.path[1:])} of {owner} has no form in Caffe's messages"
            )
            return ""


def power_of(contract: Any) -> dict[str, float]:
    """(pixel - mean) / deviation * scale as the words of a Power layer. What has several numbers
    stays outside: whoever feeds the net subtracts and divides, in this order.
    """
    means, deviations = set(contract.mean_value), set(contract.std_value)
    if len(deviations) > 1:
        scale, mean = contract.scale, 0.0
    else:
        scale = contract.scale / next(iter(deviations), 1.0)
        mean = sum(means) * (len(means) == 1)
    words = {"scale": (scale, 1.0), "shift": (-mean * scale, 0.0)}
    return {word: value for word, (value, default) in words.items() if value != default}


def free(name: str, taken: set[str]) -> str:
    """That name, or with a number behind it where a blob has it."""
    return next(n for n in (name, *(f"{name}_{i}" for i in range(2, len(taken) + 3))) if n not in taken)


def every_node(graph: Graph) -> Iterator[Node]:
    """All layers of a graph, those that declare or read inputs too."""
    yield from graph.nodes
    yield from graph.sources
    yield from (
        item.node for item in graph.inputs if item.node is not None and item.node not in graph.sources
    )


def in_caffe(layer: Layer) -> bool:
    """Whether Caffe or a fork of it has the type: by its param map, its older names, or as one
    without parameters of its own.
    """
    return any(group in LAYER for group in layer.groups) or bool(layer.legacy) or layer.type in WITHOUT_MAP


def params_of(views: Sequence[View]) -> dict[str, list[dict[str, Any]]]:
    """The `param` entries of each layer; weights that are one tensor get a common name where they
    have none.
    """
    shared = {ref.name for view in views for ref in view.weights if ref.shared}
    names: dict[str, str] = {}
    found: dict[str, list[dict[str, Any]]] = {}
    for view in views:
        layers: dict[str, list[ParamSpec]] = {}
        for ref in view.weights:
            name = ref.settings.name or (names.get(ref.name, ref.name) if ref.name in shared else "")
            names.setdefault(ref.name, name)
            layers.setdefault(ref.node.name, []).append(ref.settings._replace(name=name))
        found |= {layer: trim_params(specs) for layer, specs in layers.items()}
    return found


def trim_params(specs: Sequence[ParamSpec]) -> list[dict[str, Any]]:
    """Entries of `param` with what they set; those at the end that set nothing are left out."""
    entries = [
        {k: v for k, v in spec._asdict().items() if v != ParamSpec._field_defaults[k]} for spec in specs
    ]
    while entries and not entries[-1]:
        entries.pop()
    return entries


def rule(condition: Rule) -> dict[str, Any]:
    return {name: value for name, value in list_given(condition) if value not in (None, ())}


def list_given(record: Record) -> Iterator[tuple[str, Any]]:
    """Parameters that Caffe's default does not already say, or that it requires."""
    for name, declared in record.params.items():
        value = getattr(record, name)
        if declared.required or value != declared.default_in("caffe"):
            yield name, value


def spell(declared: Param, value: Any, message: str) -> dict[str, Any] | None:
    """A parameter as fields of a message: itself, or per axis; None where the message has no field
    for it.
    """
    fields = message_fields(message)
    plain = symmetric(as_written(value))
    field = fields.get(declared.name)
    if isinstance(plain, list) and declared.pair and any(isinstance(item, list) for item in plain):
        return None
    if isinstance(plain, list) and declared.pair and (field is None or not field.repeated):
        if len(plain) == len(declared.pair) and all(name in fields for name in declared.pair):
            return dict(zip(declared.pair, plain, strict=True))
        if field is not None and len(plain) == 1:
            return {declared.name: plain[0]}
        return None
    if field is None or (
        isinstance(plain, str)
        and (field.kind in NUMBERS or (field.is_enum and plain not in enum_names(field.kind)))
    ):
        return None
    return {declared.name: plain}


def symmetric(value: Any) -> Any:
    """A padding of [begin, end] pairs that are equal, as one number for each axis; `valid` as 0;
    all else as it is.
    """
    if value == "valid":
        return 0
    if (
        isinstance(value, list)
        and value
        and all(isinstance(pair, list) and len(pair) == 2 and pair[0] == pair[1] for pair in value)
    ):
        return [pair[0] for pair in value]
    return value


def show_value(value: Any) -> str:
    return str(as_written(value)).replace("'", "")
