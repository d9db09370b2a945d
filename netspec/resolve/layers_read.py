"""Layer entries become drafts: the layer type found, its parameters read. Comes in: entries and
defaults. Knows no wiring and no phase.
"""

from collections.abc import Mapping
from typing import NamedTuple
from weakref import WeakKeyDictionary

from netspec.diagnostics.model import Diagnostic, Diagnostics, Label
from netspec.ir.graph import Places
from netspec.ir.layer import Layer
from netspec.kinds import Schema
from netspec.plugins.vocabulary import PluginError, Vocabulary
from netspec.record import Reject
from netspec.resolve.plugins import meant, report_refusal
from netspec.resolve.read_record import as_text, read_record, word
from netspec.resolve.sections.spec_file import LayerFields
from netspec.source import Span
from netspec.syntax.located import Located
from netspec.syntax.spec import Entry
from netspec.syntax.variables import FAILED

__all__ = ["Draft", "Stranger", "draft"]


class Draft(NamedTuple):
    """A layer read, not yet wired."""

    name: str
    layer: Layer
    fields: LayerFields
    places: Places


class Stranger(NamedTuple):
    """A layer of a type that nobody knows, and rules that say in which phases it is: a fault only
    where a phase keeps it.
    """

    name: str
    fields: LayerFields
    places: Places
    findings: tuple[Diagnostic, ...]


def draft(
    entry: Entry,
    defaults: tuple[Mapping[str, Located], ...],
    dialect: str,
    known: Vocabulary,
    diagnostics: Diagnostics,
    alike: dict[object, Layer | None],
) -> Draft | Stranger | None:
    """Read one layer by its own type; None where that was reported to fail. defaults: the blocks'
    that it stands in, then the net's. alike: layers read so far, by what was said of them.
    """
    body = entry.body
    # an expression without a value was reported: its layer is no second fault
    if diagnostics.failed and any(part.why == FAILED for part in body.walk()):
        return None
    kind = body.get("type")
    try:
        cls = known.find(as_text(kind)) if kind is not None else None
    except PluginError as error:
        found = report_refusal(error, None, kind.span if kind is not None else None)
        # one leave serves all layers
        if found.code == "NS121" and any(d.code == "NS121" for d in diagnostics.found):
            return None
        return postpone_findings(entry, [found], diagnostics)
    if kind is None or cls is None:
        if kind is None or not as_text(kind) or known.complete:
            return postpone_findings(entry, [without_type(entry.name, kind, body, known)], diagnostics)
        return None
    common, own = divide(entry.name, cls, body, diagnostics)
    fields = read_record(LayerFields, common, diagnostics, what=f"layer {entry.name}", anchor=kind.span)
    if own.body is None:
        return None
    given = own.body
    for section in defaults:
        given = with_defaults(given, section.get(cls.type), cls)
    if given is not own.body:
        diagnostics.values += sum(len(each.items) for each in given.mapping.values())
    said = (cls, fields and len(fields.top), freeze(given))
    # one that was refused is read again: its findings belong to its own place
    layer = alike[said] = alike.get(said) or read_layer(
        f"{cls.type} {entry.name}", cls, own._replace(body=given), dialect, diagnostics, kind.span
    )
    if layer is not None and "stands_in" in cls.traits:
        late = Diagnostics()
        layer = find_substitute(entry.name, layer, kind, dialect, known, late)
        if layer is None:
            return postpone_findings(entry, late.found, diagnostics)
        diagnostics.found += late.found
    if fields is None or layer is None or not own.sound:
        return None
    if fields.include and fields.exclude:
        fact = (
            f"layer {entry.name} has include and exclude: as in Caffe, one of them says when it is in the net"
        )
        others = tuple(
            Label(span, "beside this") for span in [common.keys.get("include")] if span is not None
        )
        diagnostics.add(Diagnostic("NS120", fact, common.keys.get("exclude"), "not both", others=others))
        return None
    most = 1 if layer.tops[1] is None else layer.tops[1]
    # beside the parameters: what a layer makes may hang on how many tops are named
    layer.__dict__["top_count"] = len(fields.top) or min(1, most)
    return Draft(entry.name, layer, fields, places(body, given))


def freeze(item: Located) -> object:
    """What was said, without its place: equal for texts that every reader takes alike."""
    value = item.value
    if isinstance(value, list):
        return tuple(map(freeze, value))
    if isinstance(value, dict):
        return tuple((key, freeze(inner)) for key, inner in value.items())
    return (value.__class__, value, item.text, item.plain_style)


def postpone_findings(entry: Entry, found: list[Diagnostic], diagnostics: Diagnostics) -> Stranger | None:
    """The layer with what is wrong with its type, to be told where a phase keeps it; None where
    that is told now: every phase does.
    """
    common = {key: item for key, item in entry.body.mapping.items() if key in LayerFields.names}
    anchor = common["type"].span if "type" in common else None
    fields = None
    # both are a fault by themselves, neither keeps the layer in every phase
    if ("include" in common) != ("exclude" in common) and anchor is not None:
        keys = Located(common, entry.body.span, keys=entry.body.keys, used=entry.body.used)
        fields = read_record(LayerFields, keys, diagnostics, what=f"layer {entry.name}", anchor=anchor)
    if fields is None:
        diagnostics.found += found
        return None
    return Stranger(entry.name, fields, places(entry.body, entry.body), tuple(found))


def find_substitute(
    name: str,
    layer: Layer,
    kind: Located,
    dialect: str,
    known: Vocabulary,
    diagnostics: Diagnostics,
) -> Layer | None:
    """The plug-in that a layer stands for, with its parameters; None where that was reported."""
    found = meant(layer, known, kind.span, diagnostics)
    if found is None:
        return None
    cls, parameters = found
    return read_layer(
        f"{cls.type} {name}",
        cls,
        Own(parameters, nested=True, sound=True),
        dialect,
        diagnostics,
        kind.span,
    )


def without_type(name: str, kind: Located | None, body: Located, known: Vocabulary) -> Diagnostic:
    """A layer whose type is missing, no word, or unknown."""
    from netspec.resolve.messages.schema import what_it_is
    from netspec.resolve.messages.unknown_words import typeless, unknown_type

    if kind is None:
        return typeless(name, body)
    if as_text(kind) and kind.value is not None:
        return unknown_type(name, kind, known.types(), body.span)
    fact = f"type of layer {name} must be text: {what_it_is(kind, ['string'])}"
    return Diagnostic("NS104", fact, kind.span, "must be the name of a layer type")


class Own(NamedTuple):
    """A layer's own parameters from either form; `body` is None where they cannot be told. nested:
    they stand in param maps.
    """

    body: Located | None
    nested: bool
    sound: bool


def divide(name: str, cls: type[Layer], body: Located, diagnostics: Diagnostics) -> tuple[Located, Own]:
    """The fields that every layer has, and the layer's own parameters."""
    common: dict[str, Located] = {}
    short: dict[str, Located] = {}
    nested: dict[str, Located] = {}
    keys = dict(body.keys)
    before = len(diagnostics)
    foreign = False
    for key, item in body.mapping.items():
        if key in LayerFields.names:
            common[key] = item
        elif key in cls.groups:
            nested.update(belonging(name, cls, key, item, diagnostics))
            keys.update(item.keys)
        elif key not in cls.names and is_foreign_map(name, cls, key, body, diagnostics):
            foreign = True
        else:
            short[key] = item
    maps = [group for group in cls.groups if body.get(group) is not None]
    both = next((key for key in short if key in cls.names), None) if maps else None
    if both is not None:
        fact = f"layer {name} has {both} beside {', '.join(maps)}: use one form or the other"
        diagnostics.error("NS108", fact, body.key_span(both), label="move it into the map")
    own = Located({**nested, **short}, body.span, keys=keys, used=body.used)
    readable = not (foreign and not maps) and all(
        isinstance(body.mapping[group].value, dict) for group in maps
    )
    return Located(common, body.span, keys=body.keys, used=body.used), Own(
        own if readable else None, bool(maps), len(diagnostics) == before
    )


def belonging(
    name: str, cls: type[Layer], group: str, item: Located, diagnostics: Diagnostics
) -> dict[str, Located]:
    """The content of a param map without what belongs elsewhere, which is reported; keys that
    nobody knows stay in.
    """
    if not isinstance(item.value, dict):
        diagnostics.error("NS104", f"{group} of layer {name} must be a mapping", item.span)
        return {}
    astray = [
        key
        for key in item.value
        if (cls.group_of(cls.names[key]) != group if key in cls.names else key in LayerFields.names)
    ]
    if astray:
        from netspec.resolve.messages.unknown_words import report_misplaced

        for key in astray:
            diagnostics.add(report_misplaced(cls, key, group, item))
    return {key: value for key, value in item.value.items() if key not in astray}


def is_foreign_map(name: str, cls: type[Layer], key: str, body: Located, diagnostics: Diagnostics) -> bool:
    """Whether a key is a param map of other types; says so."""
    from netspec.resolve.messages.unknown_words import foreign_map, map_owners

    if not map_owners(key):
        return False
    diagnostics.add(foreign_map(name, cls, key, body))
    return True


def with_defaults(own: Located, defaults: Located | None, cls: type[Layer]) -> Located:
    """Parameters of the layer over those that `defaults:` gives its type."""
    if defaults is None:
        return own
    said = {cls.names[key].name for key in own.mapping if key in cls.names}
    added = {k: v for k, v in defaults.mapping.items() if k in cls.names and cls.names[k].name not in said}
    if added:
        return Located({**added, **own.mapping}, own.span, keys={**defaults.keys, **own.keys}, used=own.used)
    return own


def read_layer(
    what: str,
    cls: type[Layer],
    own: Own,
    dialect: str,
    diagnostics: Diagnostics,
    anchor: Span | None,
) -> Layer | None:
    """The layer, or None with findings. `anchor` is where a missing parameter is reported."""
    body = own.body
    assert body is not None
    try:
        return cls.read(body.mapping, dialect, whole=body)
    except Reject:
        from netspec.resolve.messages.unknown_words import notes_on

        # in a param map the words that stand beside it are no candidates
        known = () if own.nested else (*LayerFields.names, *cls.groups, "when")
        word(
            schema_of(cls),
            body,
            diagnostics,
            what=what,
            anchor=anchor,
            known=known,
            notes=lambda key: notes_on(cls, key),
        )
        return None


SCHEMAS: "WeakKeyDictionary[type[Layer], Schema]" = WeakKeyDictionary()
"""JSON Schema words for a layer's own parameters, made once for thousands of layers with the same
fault.
"""


def schema_of(cls: type[Layer]) -> Schema:
    if cls not in SCHEMAS:
        SCHEMAS[cls] = {"type": "object", **cls.schema()}
    return SCHEMAS[cls]


def places(body: Located, own: Located) -> Places:
    """Spans by parameter; `kernel_size.key` is the key's own."""
    spans: dict[str, Span] = {}
    sources: dict[str, tuple[Span, ...]] = {}
    # the layer's own text last: it counts before what defaults say
    for tree in (own, body):
        for key, item in tree.mapping.items():
            if item.sources:
                sources[key] = item.sources
            if item.span is not None:
                spans[key] = item.span
            if key in tree.keys:
                spans[f"{key}.key"] = tree.keys[key]
            if key in ("bottom", "top") and isinstance(item.value, list):
                spans.update(
                    {f"{key}.{i}": each.span for i, each in enumerate(item.value) if each.span is not None}
                )
    return Places(spans, body.used, sources)
