"""Values by field name -> protobuf text, as Caffe reads it. Knows Caffe's messages, not what they
mean.
"""

from collections.abc import Iterator, Mapping
from math import isinf, isnan
from typing import Any

from netspec.caffe.schema import FieldType, enum_names, message_fields

__all__ = ["NUMBERS", "UnwritableError", "text_of"]

NUMBERS = frozenset(("int", "uint", "float", "double", "bool"))
ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class UnwritableError(Exception):
    """A value that a message has no field for; `path` leads to it."""

    def __init__(self, path: tuple[str, ...]) -> None:
        super().__init__(".".join(path))
        self.path = path


def text_of(message: str, values: Mapping[str, Any], indent: int = 0) -> str:
    """A message's fields, one on a line. Values are scalars, mappings for messages, lists for
    repeated fields. Raises UnwritableError.
    """
    return "".join(f"{'  ' * depth}{line}\n" for depth, line in lines(message, values, indent, ()))


def lines(
    message: str, values: Mapping[str, Any], depth: int, path: tuple[str, ...]
) -> Iterator[tuple[int, str]]:
    """Indentation and text of each line."""
    fields = message_fields(message)
    for name, value in values.items():
        field = fields.get(name)
        here = (*path, name)
        if field is None or (
            isinstance(value, (list, tuple)) and not field.repeated and not field.is_message
        ):
            raise UnwritableError(here)
        for item in value if isinstance(value, (list, tuple)) and field.repeated else (value,):
            if field.is_message:
                yield depth, f"{name} {{"
                yield from lines(field.kind, unfold_shorthand(field.kind, item), depth + 1, here)
                yield depth, "}"
            else:
                yield depth, f"{name}: {scalar(field, item, here)}"


def unfold_shorthand(kind: str, item: Any) -> Mapping[str, Any]:
    """The fields of a message that a spec may write as a scalar or a list: the first field's
    value.
    """
    if isinstance(item, Mapping):
        return item
    return {next(iter(message_fields(kind))): item}


def scalar(field: FieldType, value: Any, path: tuple[str, ...]) -> str:
    """One value as its field's kind is written."""
    if value is None or isinstance(value, (Mapping, list, tuple)):
        raise UnwritableError(path)
    if isinstance(value, bool):
        if value:
            return "true"
        return "false"
    if isinstance(value, str):
        if field.kind in NUMBERS or (field.is_enum and value not in enum_names(field.kind)):
            raise UnwritableError(path)
        if field.is_enum:
            return value
        return f'"{"".join(map(escape_character, value))}"'
    if isinstance(value, float):
        if field.kind in ("int", "uint") or isnan(value) or isinf(value):
            return special(field, value, path)
        return repr(value)
    return str(value)


def escape_character(c: str) -> str:
    """A character between quotes: what cannot be seen as its bytes."""
    return ESCAPES.get(c) or (
        c if c.isprintable() else "".join(f"\\{byte:03o}" for byte in c.encode("utf-8", "surrogatepass"))
    )


def special(field: FieldType, value: float, path: tuple[str, ...]) -> str:
    """A float in a field of integers, or one that is no number."""
    if field.kind in ("int", "uint"):
        if not value.is_integer():
            raise UnwritableError(path)
        return str(int(value))
    if isnan(value):
        return "nan"
    if value > 0:
        return "inf"
    return "-inf"
