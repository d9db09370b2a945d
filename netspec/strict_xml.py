"""XML from strangers: elements with their text and what stands in them, and nothing else. Comes in:
bytes; goes out: an Element.

Refused is what makes XML dangerous: a document type, and with it every entity and everything that
lies elsewhere. Bounded are size, depth and the number of elements.
"""

from typing import Any, NamedTuple
from xml.parsers import expat

__all__ = ["BYTES", "Element", "XmlError", "read_xml"]

BYTES = 4 << 20
DEPTH = 16
ELEMENTS = 100_000


class XmlError(ValueError):
    """What is wrong with a text that should be XML, as words that go behind the file's name."""


class Element(NamedTuple):
    """tag: its name. text: what stands in it, without the elements. inside: these. line: where it
    begins.
    """

    tag: str
    text: str
    inside: tuple["Element", ...]
    line: int

    def find(self, tag: str) -> "Element | None":
        """The first element of a name that stands right in it."""
        return next((each for each in self.inside if each.tag == tag), None)

    def every(self, tag: str) -> tuple["Element", ...]:
        """All elements of a name that stand right in it."""
        return tuple(each for each in self.inside if each.tag == tag)

    def word(self, tag: str) -> str:
        """The text of the first element of a name; empty where there is none."""
        found = self.find(tag)
        return found.text if found is not None else ""


def read_xml(data: bytes) -> Element:
    """The outermost element. Raises XmlError."""
    if len(data) > BYTES:
        raise XmlError(f"{len(data):,} bytes, at most {BYTES:,} are read")
    building = Building()
    try:
        building.parser.Parse(data, True)
    except expat.ExpatError as error:
        raise XmlError(f"line {error.lineno}: {expat.ErrorString(error.code)}") from None
    except (ValueError, LookupError) as error:  # an encoding that nobody knows
        if isinstance(error, XmlError):
            raise
        raise XmlError(f"{error}") from None
    return building.root[0]


class Building:
    """Elements that are open, outermost first: name, texts, closed elements in it, line."""

    def __init__(self) -> None:
        self.open: list[tuple[str, list[str], list[Element], int]] = []
        self.root: list[Element] = []
        self.count = 0
        self.parser: Any = expat.ParserCreate()
        self.parser.StartElementHandler = self.begin
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.add
        # before any entity is declared: ten of them can stand for gigabytes (billion laughs)
        self.parser.StartDoctypeDeclHandler = self.refuse

    def refuse(self, *declared: Any) -> None:
        line = self.parser.CurrentLineNumber
        raise XmlError(f"line {line}: a document type (<!DOCTYPE>): entities are not read")

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        self.count += 1
        if len(self.open) >= DEPTH:
            raise XmlError(f"nested deeper than {DEPTH}")
        if self.count > ELEMENTS:
            raise XmlError(f"more than {ELEMENTS:,} elements")
        self.open.append((tag, [], [], self.parser.CurrentLineNumber))

    def add(self, text: str) -> None:
        self.open[-1][1].append(text)

    def end(self, tag: str) -> None:
        name, texts, inside, line = self.open.pop()
        made = Element(name, "".join(texts).strip(), tuple(inside), line)
        (self.open[-1][2] if self.open else self.root).append(made)
