"""A spec's text -> the same text, tidied: spacing, quotes, indentation, line ends. The author's
form, order and comments stay.

Works on YAML tokens and nodes; knows no layer. Each step whose result would read otherwise than the
original is not taken.
"""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import yaml

from netspec.diagnostics.model import Diagnostics
from netspec.source import Source
from netspec.syntax.located import Located
from netspec.syntax.reader import read
from netspec.syntax.writer import quote

__all__ = ["tidy_spec"]

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
WIDTH = 2
OPENING = (yaml.FlowMappingStartToken, yaml.FlowSequenceStartToken)
CLOSING = (yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)
NESTED = (yaml.BlockMappingStartToken, yaml.BlockSequenceStartToken)
"""What makes a dash's gap a matter of indentation: the lines below stand where the first key
stands.
"""
DASH = re.compile(r"- +")
SPACED = (yaml.FlowEntryToken, yaml.ValueToken, yaml.BlockEntryToken)
ODD_BREAK = re.compile("\r(?!\n)|[\x85\u2028\u2029]")
"""What ends a line to YAML's scanner and to nobody else: in such a text its line numbers are not
those of an editor.
"""
MARKED = ("required",)
"""Words that mean something else in quotes."""


def tidy_spec(source: Source, diagnostics: Diagnostics) -> str | None:
    """The tidy text; None with findings where the source cannot be read. Tidying it again changes
    nothing.
    """
    tree = read(source, diagnostics)
    if tree is None or len(diagnostics):
        return None
    wanted, text = list(meaning(tree)), source.text
    steps: tuple[Callable[[str], str], ...] = (trim,) if ODD_BREAK.search(text) else (space, indent, trim)
    for step in steps:
        changed = step(text)
        again = read(Source(source.name, changed), found := Diagnostics())
        if again is not None and not len(found) and list(meaning(again)) == wanted:
            text = changed
    return text


def meaning(tree: Located) -> Iterator[object]:
    """All that a reader can tell of a tree but its places."""
    for part in tree.walk():
        if isinstance(part.value, dict):
            yield tuple(part.value)
        elif isinstance(part.value, list):
            yield len(part.value)
        else:
            yield type(part.value), part.text, part.plain_style and part.text in MARKED


# --- within a line ---------------------------------------------------------------------------------------------------


def space(text: str) -> str:
    """One space after a comma, a colon and a dash, none inside brackets; quotes only where they are
    needed. Comments keep their column.
    """
    scanned = list(yaml.scan(text, Loader=Loader))
    held = {
        a.start_mark.index
        for a, b in pairwise(scanned)
        if isinstance(a, yaml.BlockEntryToken) and isinstance(b, NESTED)
    }
    tokens = [t for t in scanned if t.end_mark.index > t.start_mark.index]
    edits: list[tuple[int, int, str]] = []
    columns = rows(text.split("\n"))
    for i, token in enumerate(tokens):
        start, end = token.start_mark.index, token.end_mark.index
        if (
            isinstance(token, yaml.ScalarToken)
            and token.style in ("'", '"')
            and bare(token.value)
            # over several lines a quoted text is folded: its breaks are not in its value
            and "\n" not in text[start:end]
        ):
            edits.append((start, end, token.value))
        gap = between(token, tokens[i + 1]) if i + 1 < len(tokens) and start not in held else None
        if (
            gap is not None
            and token.start_mark.line not in columns
            and not text[end : tokens[i + 1].start_mark.index].strip(" \t")
        ):
            edits.append((end, tokens[i + 1].start_mark.index, gap))
    return apply_edits(text, [edit for edit in edits if text[edit[0] : edit[1]] != edit[2]])


def rows(lines: list[str]) -> set[int]:
    """Lines of a table of numbers: lists whose brackets close in one column with those of a line
    beside them. Their spaces are columns.
    """
    ends = [line.rfind("]") if line.lstrip(" -").startswith("[") else -1 for line in lines]
    beside = {n for n in range(1, len(ends)) if ends[n] == ends[n - 1] > 0}
    return beside | {n - 1 for n in beside}


def bare(value: str) -> bool:
    """Whether a quoted text needs no quotes."""
    return value not in MARKED and quote(value) == value


def between(a: Any, b: Any) -> str | None:
    """What belongs between two tokens of one line; None where that is the author's."""
    if a.end_mark.line != b.start_mark.line:
        return None
    if isinstance(b, CLOSING) or isinstance(a, OPENING):
        return ""
    if isinstance(b, yaml.FlowEntryToken):
        return ""
    if isinstance(b, yaml.ValueToken):
        if isinstance(a, yaml.ScalarToken):
            return ""
        return None
    if isinstance(a, SPACED):
        return " "
    return None


def apply_edits(text: str, edits: list[tuple[int, int, str]]) -> str:
    """The text with edits made, line by line: a comment that ends an edited line stays in its
    column where there is room.
    """
    parts: list[str] = []
    at = 0
    for start, end, new in edits:
        parts += [text[at:start], new]
        at = end
    changed = "".join([*parts, text[at:]]).split("\n")
    columns = {text.count("\n", 0, start) for start, _, _ in edits}
    before = text.split("\n")
    for number in columns:
        changed[number] = with_comment(changed[number], before[number])
    return "\n".join(changed)


def with_comment(line: str, before: str) -> str:
    at, was = comment_at(line), comment_at(before)
    if at is None or was is None:
        return line
    body = line[:at].rstrip(" ")
    return body + " " * max(was - len(body), 1) + line[at:]


def comment_at(line: str) -> int | None:
    """The column of a comment behind something; None where there is none, or a quote makes that
    unsure.
    """
    at = line.rfind(" #") + 1
    if at > 0 and line[:at].strip() and not set(line[at:]) & {'"', "'"}:
        return at
    return None


# --- lines -----------------------------------------------------------------------------------------------------------


def indent(text: str) -> str:
    """Two spaces for each level, list items one level below their key; other lines move with the
    line that they belong to.
    """
    lines = text.split("\n")
    columns = Columns(lines)
    columns.place(yaml.compose(text, Loader=Loader), 0)
    moved = {n: column - width(lines[n]) for n, column in columns.wanted.items()}
    for n, line in enumerate(lines):
        if not line.strip():
            continue
        if n not in moved:
            comment = line.lstrip().startswith("#") and n not in columns.within
            owner = (
                next((m for m in range(n + 1, len(lines)) if m in columns.wanted), None) if comment else None
            )
            if owner is not None:
                moved[n] = moved[owner]
            else:
                moved[n] = moved.get(columns.within.get(n, previous(lines, n)), 0)
        if n in columns.dashes:
            body = DASH.sub("- ", line.lstrip(" "), count=columns.dashes[n])
        else:
            body = line.lstrip(" ")
        lines[n] = " " * max(width(line) + moved[n], 0) + body
    return "\n".join(lines)


def previous(lines: list[str], number: int) -> int:
    """The last line before that is not blank."""
    return next((n for n in range(number - 1, -1, -1) if lines[n].strip()), -1)


def width(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


class Columns:
    """Which lines begin with an entry of a block collection.

    wanted: the column that each belongs in; dashes: how many of its dashes stand before a
    collection of its own; within: for each further line of a text of several lines, the line where
    the text begins.
    """

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.wanted: dict[int, int] = {}
        self.dashes: dict[int, int] = {}
        self.within: dict[int, int] = {}
        self.seen: set[int] = set()

    def place(self, node: Any, column: int) -> None:
        """Note the lines of a node whose entries belong in a column."""
        if isinstance(node, yaml.ScalarNode):
            start, end = node.start_mark.line, node.end_mark
            self.within.update((n, start) for n in range(start + 1, end.line + (end.column > 0)))
        if id(node) in self.seen or isinstance(node, yaml.ScalarNode) or node.flow_style:
            return
        self.seen.add(id(node))
        items = isinstance(node, yaml.SequenceNode)
        for key, value in [(item, item) for item in node.value] if items else node.value:
            if items:
                line = self.dash_of(key.start_mark)
            else:
                line = key.start_mark.line
            self.wanted.setdefault(line, column)
            if (
                items
                and line == key.start_mark.line
                and not isinstance(value, yaml.ScalarNode)
                and not value.flow_style
            ):
                self.dashes[line] = self.dashes.get(line, 0) + 1
            self.place(value, column + WIDTH)

    def dash_of(self, mark: Any) -> int:
        """The line on which the dash of an item stands: its own, or one above it that holds a dash
        and no more.
        """
        line: int = mark.line
        while line > 0 and not self.lines[line][
            : mark.column if line == mark.line else None
        ].lstrip().startswith("-"):
            line -= 1
        return line


def trim(text: str) -> str:
    """No blanks at the end of a line, one line break at the end of the text."""
    lines = [
        line.rstrip(" \t") if not line.endswith("\r") else line[:-1].rstrip(" \t") + "\r"
        for line in text.split("\n")
    ]
    # the last line tells how the text ends its lines
    end = "\r\n" if text.rstrip("\n").endswith("\r") else "\n"
    return "\n".join(lines).rstrip("\r\n") + end
