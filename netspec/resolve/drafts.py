"""Layer entries become drafts: the layer type found, its parameters read. Comes in: entries and defaults. Knows no wiring and no phase."""

from collections.abc import Mapping
from typing import NamedTuple

from netspec import layers
from netspec.diagnostics.model import Diagnostic, Diagnostics, Edit, Fix
from netspec.diagnostics.suggest import nearest
from netspec.ir.graph import Places
from netspec.ir.layer import Layer
from netspec.record import Reject
from netspec.resolve.schema import as_text, read_record, unknown_key, word
from netspec.resolve.sections import LayerFields
from netspec.source import Span
from netspec.syntax.located import Located
from netspec.syntax.spec import Entry
from netspec.syntax.variables import FAILED

__all__ = ["Draft", "draft"]


class Draft(NamedTuple):
    """A layer read, not yet wired."""

    name: str
    layer: Layer
    fields: LayerFields
    places: Places


def draft(entry: Entry, defaults: Mapping[str, Located], dialect: str, diagnostics: Diagnostics) -> Draft | None:
    """Read one layer by its own type; None where that was reported to fail."""
    body = entry.body
    if diagnostics.failed and any(part.why == FAILED for part in body.walk()):
        return None
    kind = body.get("type")
    if kind is None:
        near = nearest("type", body.mapping)
        diagnostics.error("NS103", f"layer {entry.name} needs type", body.span, label="type is missing", notes=tuple(f"{n}?" for n in near))
        return None
    cls = layers.find(as_text(kind))
    if cls is None:
        diagnostics.add(unknown_type(entry.name, kind))
        return None
    common, own = divide(entry.name, cls, body, diagnostics)
    if own is None:
        return None
    fields = read_record(LayerFields, common, diagnostics, what=f"layer {entry.name}", anchor=kind.span)
    for section in entry.defaults:
        own = with_defaults(own, section.get(cls.type), cls)
    own = with_defaults(own, defaults.get(cls.type), cls)
    layer = read_layer(entry.name, cls, own, fields, dialect, diagnostics, kind.span)
    if fields is None or layer is None:
        return None
    return Draft(entry.name, layer, fields, places(body, own))


def unknown_type(name: str, kind: Located) -> Diagnostic:
    text = as_text(kind)
    near = nearest(text, layers.types())
    fixes = (Fix(f"write {near[0]}", (Edit(kind.span, near[0]),) if kind.span else ()),) if near else ()
    label = f"did you mean {' or '.join(near)}?" if near else "no layer has this type"
    return Diagnostic("NS101", f"layer {name} has type {text}", kind.span, label, fixes=fixes, notes=("`netspec layers` lists the types",))


def divide(name: str, cls: type[Layer], body: Located, diagnostics: Diagnostics) -> tuple[Located, Located | None]:
    """The fields that every layer has, and the layer's own parameters from either form."""
    common: dict[str, Located] = {}
    short: dict[str, Located] = {}
    nested: dict[str, Located] = {}
    keys = dict(body.keys)
    sound = True
    for key, item in body.mapping.items():
        if key in LayerFields.names:
            common[key] = item
        elif key in cls.groups:
            nested.update(item.mapping)
            keys.update(item.keys)
            sound &= belongs(name, cls, key, item, diagnostics)
        else:
            short[key] = item
    stranger = next((key for key in short if key not in cls.names), None) if nested else None
    if nested and short and stranger is None:
        first = next(iter(short))
        diagnostics.error(
            "NS108",
            f"layer {name} has {first} beside {', '.join(g for g in cls.groups if body.get(g))}: use one form or the other",
            body.key_span(first),
            label="move it into the map",
        )
        sound = False
    own = Located({**nested, **short}, body.span, keys=keys, used=body.used)
    return Located(common, body.span, keys=body.keys, used=body.used), own if sound else None


def belongs(name: str, cls: type[Layer], group: str, item: Located, diagnostics: Diagnostics) -> bool:
    """Whether the keys of a param map are fields of that map; says so where they are not."""
    if not isinstance(item.value, dict):
        diagnostics.error("NS104", f"{group} of layer {name} must be a mapping", item.span)
        return False
    known = [spelling for spelling, p in cls.names.items() if cls.group_of(p) == group]
    strangers = [key for key in item.value if key not in known]
    for key in strangers:
        diagnostics.add(unknown_key(key, item, known, group))
    return not strangers


def with_defaults(own: Located, defaults: Located | None, cls: type[Layer]) -> Located:
    """Parameters of the layer over those that `defaults:` gives its type."""
    if defaults is None:
        return own
    said = {cls.names[key].name for key in own.mapping if key in cls.names}
    added = {k: v for k, v in defaults.mapping.items() if k in cls.names and cls.names[k].name not in said}
    return Located({**added, **own.mapping}, own.span, keys={**defaults.keys, **own.keys}, used=own.used) if added else own


def read_layer(
    name: str, cls: type[Layer], own: Located, fields: LayerFields | None, dialect: str, diagnostics: Diagnostics, anchor: Span | None
) -> Layer | None:
    try:
        layer = cls.read(own.mapping, dialect, whole=own)
    except Reject:
        word({"type": "object", **cls.schema()}, own, diagnostics, what=f"{cls.type} {name}", anchor=anchor)
        return None
    tops = len(fields.top) if fields is not None and fields.top else min(1, cls.tops[1] if cls.tops[1] is not None else 1)
    layer.__dict__["top_count"] = tops
    return layer


def places(body: Located, own: Located) -> Places:
    """Spans by parameter; `kernel_size.key` is the key's own."""
    spans: dict[str, Span] = {}
    for tree in (own, body):
        for key, item in tree.mapping.items():
            if item.span is not None:
                spans[key] = item.span
            if key in tree.keys:
                spans[f"{key}.key"] = tree.keys[key]
            if key in ("bottom", "top") and isinstance(item.value, list):
                spans.update({f"{key}.{i}": each.span for i, each in enumerate(item.value) if each.span is not None})
    return Places(spans, body.used)
