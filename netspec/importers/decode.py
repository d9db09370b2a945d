"""A message of Caffe's protocol as text -> plain values by field name, each of its field's kind. Comes in: a tree; goes out: Pieces.

What the tables do not know is kept as it stands and listed; a value that does not suit its field is an error.
"""

from functools import cache
from typing import Any

from netspec.diagnostics import Diagnostic, Diagnostics
from netspec.diagnostics.suggest import nearest
from netspec.importers.caffe_schema import FieldType, enum_names, message_fields
from netspec.importers.prototxt_tree import Field, Message, Value, Word
from netspec.source import Span

__all__ = ["NAME_OR_SPEC", "Piece", "decode"]

NAME_OR_SPEC = "NAME_OR_SPEC"
TYPE_NAME = "TYPE_NAME"
LAYERS = ("LayerParameter", "V1LayerParameter")
TRUE, FALSE = ("true", "True", "t"), ("false", "False", "f")
KINDS = {"int": "an integer", "uint": "an integer of at least 0", "float": "a number", "double": "a number", "bool": "true or false",
         "string": "text in quotes", "bytes": "text in quotes", TYPE_NAME: "the name of a layer type", NAME_OR_SPEC: "a name, or { ... }"}


class Piece(dict[str, Any]):
    """A message's values by field name, in the text's order; repeated fields are lists, messages Pieces. `owner` says whose it is."""

    __slots__ = ("message", "owner")

    def __init__(self, message: Message, owner: str) -> None:
        super().__init__()
        self.message = message
        self.owner = owner

    def span(self, name: str) -> Span | None:
        """Where a field's name first stands."""
        return next((self.message.name_span(field) for field in self.message.all(name)), None)

    @property
    def opening(self) -> Span:
        """Where the message begins."""
        return Span(self.message.source, self.message.start, self.message.start + 1)


@cache
def fields_of(kind: str) -> dict[str, FieldType]:
    """Fields of a message. A layer has those of every generation: files mix them; a type may be an enum's name, a param a name or a ParamSpec."""
    if kind not in LAYERS:
        return message_fields(kind)
    both = {**message_fields("V1LayerParameter"), **message_fields("LayerParameter")}
    return {**both, "type": FieldType(0, TYPE_NAME), "param": FieldType(0, NAME_OR_SPEC, repeated=True)}


def layer_name(message: Message) -> str:
    """A layer's name; in the oldest form it stands one message deeper."""
    inner = message.first("layer")
    name = message.first("name") or (inner.first("name") if isinstance(inner, Message) else None)
    return str(name) if isinstance(name, str) else "(no name)"


def decode(message: Message, kind: str, diagnostics: Diagnostics, owner: str = "the net") -> Piece:
    """The message as one of Caffe's. Findings: NS021 (unknown field), NS023 (unsuitable value), NS024 (given more than once)."""
    fields = fields_of(kind)
    if kind in LAYERS:
        owner = f"layer {layer_name(message)}"
    piece = Piece(message, owner)
    for field in message.fields:
        name = field.name
        type_ = fields.get(name)
        if type_ is None:
            unknown(field, kind, piece, fields, diagnostics)
            continue
        value = suitable(field, type_, message, diagnostics, owner)
        if type_.repeated:
            piece.setdefault(name, []).append(value)
        elif name in piece:
            diagnostics.error("NS024", f"{name} of {owner}; the last value counts", message.name_span(field))
            piece[name] = value
        else:
            piece[name] = value
    return piece


def unknown(field: Field, kind: str, piece: Piece, fields: dict[str, FieldType], diagnostics: Diagnostics) -> None:
    """Keep a field that the tables do not know, and list it."""
    value = plain(field.value)
    if field.name in piece:
        before = piece[field.name]
        piece[field.name] = [*before, value] if isinstance(before, list) else [before, value]
    else:
        piece[field.name] = value
    near = near_names(field.name, kind)
    label = f"did you mean {near}?" if near else "not known here"
    diagnostics.add(Diagnostic("NS021", f"{field.name} of {piece.owner}; kept in the spec as it is", piece.message.name_span(field), label))


@cache
def near_names(name: str, kind: str) -> str:
    """The known names that an unknown one may stand for."""
    return " or ".join(nearest(name, fields_of(kind), 2))


def plain(value: Value) -> Any:
    """A value whose kind is not known: words as text or truth, messages as dicts, repeated fields as lists."""
    if isinstance(value, Message):
        found: dict[str, Any] = {}
        for field in value.fields:
            item = plain(field.value)
            if field.name not in found:
                found[field.name] = item
            elif isinstance(found[field.name], list):
                found[field.name].append(item)
            else:
                found[field.name] = [found[field.name], item]
        return found
    if isinstance(value, Word):
        return {"true": True, "false": False}.get(value, str(value))
    return value


def suitable(field: Field, type_: FieldType, message: Message, diagnostics: Diagnostics, owner: str) -> Any:
    """The field's value as its kind wants it; otherwise NS023, and the value as it stands."""
    value, kind = field.value, type_.kind
    if isinstance(value, Message):
        if type_.is_message or kind == NAME_OR_SPEC:
            return decode(value, "ParamSpec" if kind == NAME_OR_SPEC else kind, diagnostics, owner)
    elif type_.is_enum:
        if (word := enum_word(value, kind)) is not None:
            return word
    elif not type_.is_message and (converted := scalar(value, kind)) is not None:
        return converted
    diagnostics.add(unsuitable(field, type_, message, owner))
    return plain(value)


def scalar(value: str | int | float, kind: str) -> Any:
    """A scalar as a kind wants it; None if it does not suit."""
    if kind in ("string", "bytes", TYPE_NAME, NAME_OR_SPEC):
        return str(value) if isinstance(value, str) else None
    if kind in ("int", "uint"):
        return value if isinstance(value, int) and (kind == "int" or value >= 0) else None
    if kind == "bool":
        return True if value in TRUE or value == 1 else False if value in FALSE or value == 0 else None
    if isinstance(value, Word):
        return {"inf": float("inf"), "infinity": float("inf"), "nan": float("nan"), "-nan": float("nan")}.get(value.lower())
    return None if isinstance(value, str) else value


def enum_word(value: str | int | float, enum: str) -> str | None:
    """An enum's name, spelt as declared, from its name in any case or its number."""
    names = enum_names(enum)
    if isinstance(value, str):
        return value if value in names else next((str(name) for name in names if name.lower() == value.lower()), None)
    return next((name for name, number in names.items() if number == value), None)


def unsuitable(field: Field, type_: FieldType, message: Message, owner: str) -> Diagnostic:
    """`num_output of layer ip must be an integer: "abc" is not`."""
    span = message.value_span(field)
    wanted = f"one of {', '.join(enum_names(type_.kind))}" if type_.is_enum else KINDS.get(type_.kind, "{ ... }")
    near = nearest(str(field.value), enum_names(type_.kind), 1) if type_.is_enum else []
    text = "{ ... }" if isinstance(field.value, Message) else span.text[:40]
    return Diagnostic("NS023", f"{field.name} of {owner} must be {wanted}: {text} is not", span, f"did you mean {near[0]}?" if near else "")
