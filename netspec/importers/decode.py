"""A message of Caffe's protocol as text -> plain values by field name, each of its field's kind.
Comes in: a tree; goes out: Pieces.

What the tables do not know is kept as it stands and listed; a value that does not suit its field is
an error.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, NamedTuple

from netspec.caffe.forks import FORK_WORDS
from netspec.caffe.schema import FieldType, enum_names, message_fields
from netspec.diagnostics import Diagnostic, Diagnostics
from netspec.diagnostics.suggest import did_you_mean, nearest
from netspec.importers.prototxt_tree import Field, Message, Value, Word
from netspec.source import Span

__all__ = ["Piece", "decode", "fields_of"]

Scalar = str | int | float
NAME_OR_SPEC = "NAME_OR_SPEC"
EFFECTLESS = frozenset(("Engine",))
"""Enums that choose how a layer is computed, not what: forks have words of their own there, and any
is taken.
"""
TYPE_NAME = "TYPE_NAME"
LAYERS = ("LayerParameter", "V1LayerParameter")
# what protobuf's text format takes for a bool
TRUE, FALSE = ("true", "True", "t", 1), ("false", "False", "f", 0)
KINDS = {
    "int": "an integer of 64 bits",
    "uint": "an integer from 0 to 4294967295",
    "float": "a number",
    "double": "a number",
    "bool": "true or false",
    "string": "text in quotes",
    "bytes": "text in quotes",
    TYPE_NAME: "the name of a layer type",
    NAME_OR_SPEC: "a name, or { ... }",
}


class Piece(dict[str, Any]):
    """A message's values by field name, in the text's order; repeated fields are lists, messages
    Pieces. `owner` says whose it is.
    """

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


class Slot(NamedTuple):
    """How a field is read: `message` is the kind of message that it holds, `convert` makes a scalar
    suit, or answers None.
    """

    type: FieldType
    repeated: bool
    message: str
    convert: Callable[[Scalar], Any]


@cache
def fields_of(kind: str) -> dict[str, Slot]:
    """Fields of a message. A layer has those of every generation; its type may be an enum's name,
    its param a name or a ParamSpec.
    """
    fields = message_fields(kind)
    if kind in LAYERS:
        both = {**message_fields("V1LayerParameter"), **message_fields("LayerParameter")}
        fields = {
            **both,
            "type": FieldType(0, TYPE_NAME),
            "param": FieldType(0, NAME_OR_SPEC, repeated=True),
        }
    return {name: slot(type_) for name, type_ in fields.items()}


def slot(type_: FieldType) -> Slot:
    """How values of a type are read."""
    if type_.is_message:
        return Slot(type_, type_.repeated, type_.kind, lambda value: None)
    if type_.kind in EFFECTLESS:
        return Slot(type_, type_.repeated, "", text)
    if type_.is_enum:
        return Slot(type_, type_.repeated, "", partial(enum_word, names=enum_names(type_.kind)))
    return Slot(
        type_,
        type_.repeated,
        "ParamSpec" if type_.kind == NAME_OR_SPEC else "",
        CONVERTERS[type_.kind],
    )


def layer_name(message: Message) -> str:
    """A layer's name; in the oldest form it stands one message deeper."""
    inner = message.first("layer")
    name = message.first("name") or (inner.first("name") if isinstance(inner, Message) else None)
    if isinstance(name, str):
        return str(name)
    return "(no name)"


KEPT = 10_000
"""Unknown fields of a file that are kept in the spec: what custom layers bring, and no text made to
cost much.
"""


def decode(
    message: Message, kind: str, diagnostics: Diagnostics, owner: str = "the net", *, in_layer: bool = False
) -> Piece:
    """The message as one of Caffe's; in_layer: it stands in a layer's. Findings: NS021 (unknown
    field), NS023 (unsuitable value), NS024 (given more than once).
    """
    fields = fields_of(kind)
    if kind in LAYERS:
        owner, in_layer = f"layer {layer_name(message)}", True
    piece = Piece(message, owner)
    foreign = FORK_WORDS.get(kind, {})
    defaults: dict[str, int] = {}
    for field in message.fields:
        name, value = field.name, field.value
        if name in foreign:
            name, own = foreign[name]
            defaults.update(own)
        slot = fields.get(name)
        if slot is None:
            unknown(field, kind, piece, diagnostics, in_layer)
            continue
        if isinstance(value, Message):
            inner = slot.message
            suited = decode(value, inner, diagnostics, owner, in_layer=in_layer) if inner else None
        else:
            suited = slot.convert(value)
        if suited is None:
            if not diagnostics.may_skip("NS023"):
                diagnostics.add(unsuitable(field, slot.type, message, owner))
            suited = plain(value)
        if slot.repeated:
            piece.setdefault(name, []).append(suited)
            continue
        if name in piece and not diagnostics.may_skip("NS024"):
            diagnostics.error("NS024", f"{name} of {owner}; the last value counts", message.name_span(field))
        piece[name] = suited
    return add_defaults(piece, defaults)


def add_defaults(piece: Piece, defaults: Mapping[str, int]) -> Piece:
    """The piece with what its fork takes for fields that are left out."""
    for name, value in defaults.items():
        piece.setdefault(name, value)
    return piece


def unknown(field: Field, kind: str, piece: Piece, diagnostics: Diagnostics, in_layer: bool) -> None:
    """List a field that the tables do not know; a layer's is kept, a spec has no place for others.
    NS008: there are more than any net has.
    """
    listed, count = not diagnostics.may_skip("NS021"), diagnostics.few["NS021"]
    if count > KEPT:
        if count == KEPT + 1:
            diagnostics.error(
                "NS008",
                f"more than {KEPT:,} fields that are not known",
                piece.message.name_span(field),
            )
        return
    if in_layer:
        add_value(piece, field.name, plain(field.value))
    if not listed:
        return
    near = near_names(field.name, kind)
    label = f"did you mean {near}?" if near else "not known here"
    done = "kept in the spec as it is" if in_layer else "left out: a spec has no such word"
    fact = f"{field.name} of {piece.owner}; {done}"
    diagnostics.add(Diagnostic("NS021", fact, piece.message.name_span(field), label))


def add_value(found: dict[str, Any], name: str, value: Any) -> None:
    """One more value under a name; of several there is a list."""
    if name not in found:
        found[name] = value
    elif isinstance(found[name], list):
        found[name].append(value)
    else:
        found[name] = [found[name], value]


@cache
def near_names(name: str, kind: str) -> str:
    """The known names that an unknown one may stand for."""
    return " or ".join(nearest(name, fields_of(kind), 2))


def plain(value: Value) -> Any:
    """A value whose kind is not known: words as text or truth, messages as dicts, repeated fields
    as lists.
    """
    if isinstance(value, Message):
        found: dict[str, Any] = {}
        for field in value.fields:
            add_value(found, field.name, plain(field.value))
        return found
    if isinstance(value, Word):
        return {"true": True, "false": False}.get(value, str(value))
    return value


def text(value: Scalar) -> str | None:
    if isinstance(value, str):
        return value
    return None


def integer(value: Scalar) -> int | None:
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:  # protobuf's int64
        return value
    return None


def natural(value: Scalar) -> int | None:
    if isinstance(value, int) and 0 <= value < 1 << 32:  # protobuf's uint32
        return value
    return None


def truth(value: Scalar) -> bool | None:
    if value in TRUE:
        return True
    if value in FALSE:
        return False
    return None


def number(value: Scalar) -> int | float | None:
    if isinstance(value, Word):
        return {
            "inf": float("inf"),
            "infinity": float("inf"),
            "nan": float("nan"),
            "-nan": float("nan"),
        }.get(value.lower())
    if isinstance(value, str):
        return None
    return value


def enum_word(value: Scalar, names: dict[str, int]) -> str | None:
    """An enum's name, spelt as declared, from its name in any case or its number."""
    if isinstance(value, str):
        if value in names:
            return str(value)
        return next((name for name in names if name.lower() == value.lower()), None)
    return next((name for name, numeral in names.items() if numeral == value), None)


CONVERTERS: dict[str, Callable[[Scalar], Any]] = {
    "int": integer,
    "uint": natural,
    "float": number,
    "double": number,
    "bool": truth,
    "string": text,
    "bytes": text,
    TYPE_NAME: text,
    NAME_OR_SPEC: text,
}


def unsuitable(field: Field, type_: FieldType, message: Message, owner: str) -> Diagnostic:
    """`num_output of layer ip must be an integer: "abc" is not`."""
    span = message.value_span(field)
    if type_.is_enum:
        wanted = f"one of {', '.join(enum_names(type_.kind))}"
    else:
        wanted = KINDS.get(type_.kind, "{ ... }")
    near = nearest(str(field.value), enum_names(type_.kind), 1) if type_.is_enum else []
    if isinstance(field.value, Message):
        text = "{ ... }"
    else:
        text = span.text[:40]  # enough to know it by
    return Diagnostic(
        "NS023",
        f"{field.name} of {owner} must be {wanted}: {text} is not",
        span,
        did_you_mean(near),
    )
