"""The one wall between a spec's words and emitted Python. Text comes in; Code, which may stand in a
program as it is, goes out.

What is not Code is quoted: as a literal, a docstring or a comment. Knows no graph and no layer.
"""

import re
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

__all__ = [
    "Code",
    "UnquotableError",
    "code",
    "comment",
    "docstring",
    "escape_line",
    "identifier",
    "join_code",
    "literal",
    "own_code",
    "source",
]

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
PLAIN = (bool, int, str, type(None))


class Code(str):
    """A piece of Python. Made by the functions here alone; an emitter takes nothing else into its
    text.
    """

    __slots__ = ()


class UnquotableError(TypeError):
    """A value that no literal stands for: `.value`."""

    def __init__(self, value: Any) -> None:
        super().__init__(f"no literal of Python stands for {value!r}")
        self.value = value


def code(template: str, *parts: object) -> Code:
    """The template, written in netspec's own text, with each `{}` filled: Code as it is, any other
    value as a literal.
    """
    return Code(template.format(*(part if type(part) is Code else literal(part) for part in parts)))


def join_code(separator: str, parts: Iterable[object]) -> Code:
    """The parts, quoted as `code` quotes them, with netspec's own separator between."""
    return Code(separator.join(part if type(part) is Code else literal(part) for part in parts))


def source(lines: Iterable[str]) -> Code:
    """Lines of a program as one text. TypeError where one was not made here."""
    found = list(lines)
    if any(type(line) is not Code for line in found):
        raise TypeError("a line of emitted Python was not made by emit/quote.py")
    return Code("\n".join(found))


def identifier(text: str) -> Code:
    """A name, or names with dots between: letters of ASCII, digits and _ alone."""
    if not WORD.fullmatch(text):
        raise UnquotableError(text)
    return Code(text)


def literal(value: Any) -> Code:
    """The literal of a value: a number, text, None, or tuples, lists and mappings of these."""
    if type(value) is float:
        # inf is no literal
        return Code(repr(value) if isfinite(value) else f"float({str(value)!r})")
    if type(value) in PLAIN:
        return Code(repr(value))
    if isinstance(value, str):  # Code in a literal's place is text as any other
        return Code(repr(str(value)))
    if isinstance(value, Mapping):
        return Code("{" + ", ".join(f"{literal(key)}: {literal(item)}" for key, item in value.items()) + "}")
    if isinstance(value, list):
        return Code("[" + ", ".join(map(literal, value)) + "]")
    if isinstance(value, tuple):
        return Code("(" + ", ".join(map(literal, value)) + ("," if len(value) == 1 else "") + ")")
    if isinstance(value, int):  # an enum's own repr is none
        return Code(int.__repr__(value))
    raise UnquotableError(value)


def docstring(text: str) -> Code:
    """A docstring on one line."""
    return Code('"""' + escape_line(text.replace("\\", "\\\\").replace('"', '\\"')) + '"""')


def comment(text: str) -> Code:
    """A comment to the end of its line."""
    return Code("# " + escape_line(text))


def escape_line(text: str) -> str:
    """A text on one line: what is not printable is written as Python escapes it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def own_code(text: str) -> Code:
    """Python that is code already: cut out of netspec's own files, or of plug-ins that the command
    line lets run.
    """
    return Code(text)
