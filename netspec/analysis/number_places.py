"""Where the whole numbers of a shape stand in a text. In: an input, or a stretch of text; out: each
number with its place.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from netspec.ir.graph import Input
from netspec.source import Span

__all__ = ["Axis", "Written", "axes", "within"]


# no part of a name, a variable or a fraction
NUMBER = re.compile(r"(?<![\w.$])\d+(?![\w.])")


# behind an input's name: `: [N, 3]` or `: {shape: [N, 3]`
SHAPE = re.compile(r"[\"']?\s*:\s*(?:\{?\s*shape\s*:\s*)?(\[[^\[\]]*\])")


class Written(NamedTuple):
    """A number in the text, and the size that it is."""

    span: Span
    value: int


class Axis(NamedTuple):
    """A size of an input that a number is."""

    given: Input
    axis: int


def axes(given: Input) -> Iterator[tuple[Written, Axis]]:
    """The numbers of an input's shape."""
    text = given.span and SHAPE.match(given.span.source.text, given.span.end)
    if text and given.span is not None:
        source = given.span.source
        for written in within(Span(source, text.start(1), text.end(1))):
            yield written, Axis(given, source.text.count(",", text.start(1), written.span.start))


def within(span: Span) -> Iterator[Written]:
    """The numbers in a stretch of text."""
    for match in NUMBER.finditer(span.text):
        yield Written(Span(span.source, span.start + match.start(), span.start + match.end()), int(match[0]))
