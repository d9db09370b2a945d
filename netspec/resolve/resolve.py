"""A Spec becomes a Resolved: every section and layer typed. Then `wire` makes the Graph of one
phase, or of the deployed net, from it.
"""

from contextlib import suppress
from functools import partial

from netspec.augmentation.definition import Augmentation
from netspec.diagnostics.evidence import About, Unheard
from netspec.diagnostics.model import Diagnostic, Diagnostics, Label, write_nearest
from netspec.diagnostics.suggest import clearly, did_you_mean, nearest
from netspec.frozen_classes import fresh, frozen, replace_fields
from netspec.ir.dims import Size, symbol
from netspec.ir.graph import Graph, Input, Value
from netspec.ir.layer import Layer
from netspec.ir.traits import JUDGING
from netspec.ir.types import MOST_AXES, TensorType
from netspec.kinds import GREATEST, INT
from netspec.plugins.vocabulary import PluginError, Vocabulary
from netspec.record import Reject
from netspec.resolve.check_train import check_contract, check_fillers, check_sources, check_training
from netspec.resolve.deploy import cut_to_outputs
from netspec.resolve.layers_read import Draft, Stranger, draft
from netspec.resolve.plugins import report_refusal, vocabulary
from netspec.resolve.read_record import read_record, word
from netspec.resolve.sections.spec_file import InputSection, OutputSection, SpecFile
from netspec.resolve.unused_blocks import check_unused
from netspec.resolve.wiring import NetState, build, drafts_in
from netspec.source import Span
from netspec.syntax.located import Located, plain
from netspec.syntax.settings import is_setting, path_of
from netspec.syntax.spec import Entry, Spec
from netspec.syntax.variables import FAILED

__all__ = ["Resolved", "resolve", "wire"]


@frozen
class Resolved:
    """A spec whose every word was understood; not yet wired. `drafts` are its layers, in order; a
    name may serve once in each phase.

    strangers: layers of unknown types, for the phases that leave them out. augment: the changes of
    `train.augment`.
    """

    spec: Spec
    file: SpecFile
    inputs: tuple[Input, ...]
    drafts: dict[Entry, Draft]
    outputs: tuple[tuple[str, Span | None], ...]
    vocabulary: Vocabulary
    strangers: dict[Entry, Stranger] = fresh(default_factory=dict)
    augment: tuple[Augmentation, ...] = ()


def resolve(spec: Spec, diagnostics: Diagnostics, allow_code: bool) -> Resolved | None:
    """Type the sections and the layers; None if the top level itself cannot be read."""
    file = read_record(SpecFile, spec.root, diagnostics, what="the spec")
    if file is None:
        file = what_can_be_read(spec.root)
        diagnostics.found = [of_setting(d, spec) for d in diagnostics.found]
    check_training(spec, file, diagnostics)
    known = vocabulary(spec, allow_code, diagnostics)
    defaults = defaults_of(spec.section("defaults"), known, diagnostics)
    inputs = inputs_of(spec, diagnostics)
    train = spec.section("train")
    augment: tuple[Augmentation, ...] = ()
    if file.train is not None and train is not None:
        check_sources(train, diagnostics)
        from netspec.resolve.augmentations import read_augmentations

        augment = read_augmentations(train, known, diagnostics)
    if file.train is not None and train is not None and file.train.fill:
        check_fillers(train, file.train.fill, inputs, diagnostics)
    entries = drafts_in(spec.items)
    read: dict[int, Draft | Stranger | None] = {}
    own: dict[int, dict[str, Located]] = {}
    # one object for the layers that say the same: what passes find out of a layer is found once
    alike: dict[object, Layer | None] = {}
    for entry in entries:
        # copies of a block share their bodies: what is said of one holds for all
        if id(entry.body) not in read:
            before = len(diagnostics)
            for section in entry.defaults:
                if id(section) not in own:
                    own[id(section)] = defaults_of(section, known, diagnostics)
            given = (*(own[id(section)] for section in entry.defaults), defaults)
            read[id(entry.body)] = draft(entry, given, file.dialect, known, diagnostics, alike)
            diagnostics.mark_uses(before, entry.name, entry.body.used[:2])
    check_unused(spec, lambda section: defaults_of(section, known, diagnostics), known, diagnostics)
    drafts = {
        entry: made._replace(name=entry.name)
        for entry in entries
        if isinstance(made := read[id(entry.body)], Draft)
    }
    strangers = {
        entry: tell_uses(made, entry)
        for entry in entries
        if isinstance(made := read[id(entry.body)], Stranger)
    }
    if not entries:
        if not is_reported(spec):
            diagnostics.error(
                "NS209",
                "layers is missing or empty",
                spec.root.key_span("layers"),
                about=About(key="layers"),
            )
        return None
    # the layers of a refused plug-in are missing: wiring would only find more of that
    if not known.complete or not inputs_told(spec, inputs):
        return None
    outputs = outputs_of(spec.section("output"), diagnostics)
    return Resolved(spec, file, inputs, drafts, outputs, known, strangers, augment)


def tell_uses(stranger: Stranger, entry: Entry) -> Stranger:
    """A stranger under the name that it has here, its findings with the uses of blocks that lead to
    it.
    """
    late = Diagnostics()
    late.found = list(stranger.findings)
    late.mark_uses(0, entry.name, entry.body.used[:2])
    return stranger._replace(name=entry.name, findings=tuple(late.found))


def inputs_told(spec: Spec, inputs: tuple[Input, ...]) -> bool:
    """Whether the inputs are what the spec says they are; where that was reported, wiring would
    only find more of the same.
    """
    section = spec.section("input")
    if section is None:
        return not nearest("input", [key for key in spec.root.mapping if key not in SpecFile.names])
    return isinstance(section.value, dict) and len(inputs) == len(section.value)


def what_can_be_read(root: Located) -> SpecFile:
    """The sections of a top level that as a whole was refused, so that what follows is judged by
    what stands there.
    """
    values = {}
    for key, node in root.mapping.items():
        with suppress(Reject, KeyError):
            values[key] = SpecFile.params[key].kind.read(node, SpecFile.params[key].bounds)
    return SpecFile(**values)


def of_setting(found: Diagnostic, spec: Spec) -> Diagnostic:
    """NS119 in place of NS102 where `--set conv9.num_output=8` begins with neither a section nor a
    layer's name.
    """
    if found.code != "NS102" or found.span is None or not is_setting(found.span.source):
        return found
    path = path_of(found.span.source)
    first, dot, _ = path.partition(".")
    if not dot or spec.root.key_span(first) != found.span or not isinstance(found.evidence, Unheard):
        return found
    near = nearest(first, [item.name for item in spec.items])
    if near:
        note = f"did you mean {' or '.join(near)}?"
    else:
        note = "a path begins with a section or with a layer's name"
    return Diagnostic(
        "NS119",
        f"{path} leads nowhere in this spec",
        notes=(f"no section and no layer is called {first}", note),
    )


def is_reported(spec: Spec) -> bool:
    """Whether something that was said already is why there are no layers: a misspelt key, or a
    value that is no list of layers.
    """
    layers = spec.section("layers")
    strangers = [key for key in spec.root.mapping if key not in SpecFile.names]
    has_base = spec.section("base") is not None
    return has_base or bool(nearest("layers", strangers)) or (layers is not None and bool(layers.value))


def wire(resolved: Resolved, state: NetState, diagnostics: Diagnostics, *, deploy: bool = False) -> Graph:
    """The graph of a phase; with `deploy`, only what the outputs need."""
    name = resolved.file.name or "net"
    graph = build(
        resolved.spec.items,
        resolved.drafts,
        list(resolved.inputs),
        state,
        name,
        diagnostics,
        resolved.strangers,
    )
    outputs: list[Value] = []
    for output, span in resolved.outputs:
        if output in graph.blobs:
            outputs.append(graph.blobs[output])
        # else a layer that was reported may be what makes it
        elif not diagnostics.failed:
            near = nearest(output, graph.blobs)
            maker = graph.blobs[near[0]].node if near else None
            place = maker.places["name"] if maker is not None else None
            diagnostics.add(
                Diagnostic(
                    "NS208",
                    f"output {output} is made by no layer",
                    span,
                    did_you_mean(near),
                    others=(Label(place, "a similar name"),)
                    if place is not None and place.text == near[0]
                    else (),
                    fixes=write_nearest(near, span),
                )
            )
    if deploy:
        return cut_to_outputs(graph, tuple(outputs))
    return with_outputs(graph, tuple(outputs))


def with_outputs(graph: Graph, named: tuple[Value, ...]) -> Graph:
    """The named outputs first, then losses and metrics; without names, whatever no layer reads."""
    if not named:
        return graph
    scores = tuple(
        v for v in graph.outputs if v.node is not None and v.node.layer.traits & JUDGING and v not in named
    )
    return replace_fields(graph, outputs=named + scores)


def defaults_of(section: Located | None, known: Vocabulary, diagnostics: Diagnostics) -> dict[str, Located]:
    """Default parameters by canonical layer type, each checked to be a mapping of parameters that
    the type has; a net's or a block's.
    """
    found: dict[str, Located] = {}
    for kind, body in (section.mapping if section is not None else {}).items():
        try:
            cls = known.find(kind)
        except PluginError as error:
            diagnostics.add(report_refusal(error, None, section.key_span(kind) if section else None))
            continue
        if cls is None:
            near = nearest(kind, known.types())
            span = section.key_span(kind) if section else None
            safe = bool(near) and clearly(kind, near[0], known.types())
            fixes = write_nearest(near, span, safe)
            label = did_you_mean(near, "no layer has this type")
            diagnostics.error("NS101", f"defaults names {kind}", span, label=label, fixes=fixes)
            continue
        strangers = [key for key in body.mapping if key not in cls.names]
        if strangers:
            from netspec.resolve.messages.schema import unknown_key
            from netspec.resolve.messages.unknown_words import notes_on

            for key in strangers:
                diagnostics.add(
                    unknown_key(key, body, cls.names, f"defaults of {kind}", partial(notes_on, cls))
                )
        if not isinstance(body.value, dict):
            diagnostics.error("NS104", f"defaults of {kind} must be a mapping", body.span)
        check_values(kind, cls, body, diagnostics)
        found[cls.type] = body
    return found


def check_values(kind: str, cls: type[Layer], body: Located, diagnostics: Diagnostics) -> None:
    """Report a default that its parameter does not take, though every layer may say the parameter
    itself.
    """
    for key, node in body.mapping.items():
        declared = cls.names.get(key)
        if declared is None or node.why == FAILED:
            continue
        try:
            # kernel_h, a half, is a whole number
            (declared.kind if key == declared.name else INT).read(node, declared.bounds)
        except Reject:
            schema = {"type": "object", "properties": {key: cls.schema()["properties"][key]}}
            word(
                schema,
                Located({key: node}, body.span, keys=body.keys),
                diagnostics,
                what=f"defaults of {kind}",
            )


def inputs_of(spec: Spec, diagnostics: Diagnostics) -> tuple[Input, ...]:
    section = spec.section("input")
    found: list[Input] = []
    for name, body in (section.mapping if section is not None else {}).items():
        if isinstance(body.value, dict):
            record = read_record(InputSection, body, diagnostics, what=f"input {name}")
            shape, dtype, contract = (
                body.get("shape"),
                record.dtype if record else "float32",
                record.image if record else None,
            )
        else:
            shape, dtype, contract = body, "float32", None
        if shape is None:
            continue
        if len(shape.items) <= MOST_AXES:
            sizes = [size_of(item, diagnostics) for item in shape.items]
        else:
            # too many axes is one fault, whatever stands there
            sizes = [1] * len(shape.items)
        if isinstance(shape.value, list) and len(sizes) > MOST_AXES:
            fact = f"a shape has at most {MOST_AXES} axes: input {name} has {len(sizes):,}"
            diagnostics.error(
                "NS128",
                fact,
                section.key_span(name) if section else None,
                label=f"{len(sizes):,} axes",
            )
        elif isinstance(shape.value, list) and None not in sizes:
            type_ = TensorType(tuple(s for s in sizes if s is not None), dtype)
            check_contract(name, contract, type_.shape, body, diagnostics)
            found.append(
                Input(Value(name), type_, contract, span=section.key_span(name) if section else None)
            )
        elif not isinstance(shape.value, list):
            diagnostics.error(
                "NS104",
                f"input {name} must be a list of sizes, such as [N, 3, 224, 224]",
                shape.span,
            )
    return tuple(found)


def size_of(item: Located, diagnostics: Diagnostics) -> Size | None:
    """A positive integer, or a symbol."""
    value = item.value
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= GREATEST:
        return value
    if isinstance(value, str) and value.isidentifier():
        return symbol(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if value > 1:
            what = f"a size is at most {GREATEST}"
        else:
            what = "a size is at least 1"
    else:
        what = "a size is a positive integer or a letter such as N"
    diagnostics.error("NS109", f"{what}: {item.text or plain(item)} is not", item.span)
    return None


def outputs_of(section: Located | None, diagnostics: Diagnostics) -> tuple[tuple[str, Span | None], ...]:
    """The names under `output:`, a name, a list or a mapping, each once; what is said of them is
    checked.
    """
    if section is None:
        return ()
    if isinstance(section.value, dict):
        for name, body in section.value.items():
            if body.value is not None:
                read_record(OutputSection, body, diagnostics, what=f"output {name}")
        return tuple((name, section.key_span(name)) for name in section.value)
    found: dict[str, Span | None] = {}
    for item in section.items:
        if item.text in found:
            first = found[item.text]
            others = (Label(first, "first here"),) if first is not None else ()
            diagnostics.add(
                Diagnostic(
                    "NS108",
                    f"{item.text} is an output already",
                    item.span,
                    "listed again",
                    others=others,
                )
            )
        found.setdefault(item.text, item.span)
    return tuple(found.items())
