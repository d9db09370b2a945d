"""What reading protobuf text leaves: messages of fields, each with its place. Knows no field of
Caffe's.
"""

from collections.abc import Iterator
from typing import NamedTuple, Union

from netspec.source import Source, Span

__all__ = ["Field", "Message", "Value", "Word"]


class Word(str):
    """A value written without quotes that is no number: an enum's name, true, false, inf, nan."""

    __slots__ = ()


Value = Union[str, int, float, "Message"]


class Field(NamedTuple):
    """A field as it stands in the text: offsets of its name, of its value, and of its end
    (exclusive; of a message: past its brace).
    """

    name: str
    value: Value
    start: int
    at: int
    end: int


class Message:
    """The fields between two braces in the text's order, repeated ones one by one. `start` is the
    brace, `end` past the closing one.
    """

    __slots__ = ("end", "fields", "source", "start")

    def __init__(self, source: Source, start: int) -> None:
        self.source = source
        self.start = start
        self.end = len(source.text)
        self.fields: list[Field] = []

    def __repr__(self) -> str:
        return f"Message({[field.name for field in self.fields]})"

    def all(self, name: str) -> Iterator[Field]:
        """The fields of a name, in order."""
        return (field for field in self.fields if field.name == name)

    def first(self, name: str) -> Value | None:
        """The value of the first field of a name; None if there is none."""
        return next((field.value for field in self.fields if field.name == name), None)

    def name_span(self, field: Field) -> Span:
        """Where the name of one of its fields stands."""
        return Span(self.source, field.start, field.start + len(field.name))

    def value_span(self, field: Field) -> Span:
        """Where the value of one of its fields stands; for a message, its opening brace."""
        return Span(self.source, field.at, field.end)
