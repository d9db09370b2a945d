"""The place where the parser gave up, with what recognisers ask about it, and the trial that proves
a proposed repair.
"""

import re
from collections.abc import Sequence
from functools import cached_property

from netspec.diagnostics import Diagnostic, Diagnostics, Edit, Fix
from netspec.source import Source, Span
from netspec.syntax.located import Located
from netspec.syntax.tree import TreeBuilder, YamlDamage

__all__ = ["Wound", "content"]

_TRIED = 6_000_000  # characters that all trials together may read
_TRIAL = 20_000  # characters that a trial counts for beyond its text
_DASHES = re.compile(r" *(?:- +)*")


def content(line: str) -> int:
    """The index in a line at which its first key or value begins, after spaces and the dashes of
    lists.
    """
    match = _DASHES.match(line)
    if match:
        return match.end()
    return 0


class Wound:
    """`at`: the offset where the parser stopped; `opened`: where the unfinished thing began;
    `number`: the line of `at`, from 1.
    """

    def __init__(self, source: Source, damage: YamlDamage) -> None:
        self.source = source
        self.text = source.text
        self.problem = damage.problem
        self.at = min(damage.at, len(source.text))
        if damage.opened is None:
            self.opened = damage.opened
        else:
            self.opened = min(damage.opened, len(source.text))
        self.last = damage.last
        self.number, column = source.position(self.at)
        self.column = column - 1
        self.line = source.line(self.number)
        self._left = _TRIED

    @cached_property
    def lines(self) -> int:
        return len(self.source.starts)

    @property
    def flow(self) -> bool:
        """Whether the parser stood inside brackets or braces."""
        return "parsing a flow" in self.problem and self.opened is not None

    @property
    def begins_line(self) -> bool:
        """Whether only spaces and dashes stand before the place."""
        return self.column <= content(self.line)

    def span(self, start: int, end: int) -> Span:
        return Span(self.source, start, end)

    def insert(self, at: int, text: str) -> Edit:
        return Edit(self.span(at, at), text)

    def start(self, number: int) -> int:
        """The offset of a line."""
        return self.source.starts[number - 1]

    def previous(self, number: int) -> int:
        """The nearest line above with content, or 0."""
        number -= 1
        while number > 0 and (not (stripped := self.source.line(number).strip()) or stripped.startswith("#")):
            number -= 1
        return number

    def following(self, number: int) -> int:
        """The nearest line below with content, or 0."""
        number += 1
        while number <= self.lines and (
            not (stripped := self.source.line(number).strip()) or stripped.startswith("#")
        ):
            number += 1
        if number <= self.lines:
            return number
        return 0

    def heals(self, edits: Sequence[Edit], key_at: int) -> Located | None:
        """The tree of the text with these edits, if all of it then reads without a finding and a
        key or value begins at `key_at`.
        """
        text = self._apply_edits(edits)
        diagnostics = Diagnostics()
        try:
            tree = (
                TreeBuilder(Source(self.source.name, text), diagnostics).build() if text is not None else None
            )
        except YamlDamage:
            return None
        if tree is not None and not diagnostics.found and _begins(tree, key_at):
            return tree
        return None

    def clears(self, edits: Sequence[Edit], key_at: int | None = None) -> bool:
        """Whether the text with these edits reads on beyond this line without a finding.

        key_at: an offset (in the edited text) at which a key or value must then begin, lest the
        repair swallow it into a text.
        """
        text = self._apply_edits(edits)
        if text is None:
            return False
        beyond = max(self.at, *(e.span.end for e in edits)) + len(text) - len(self.text)
        line_end = text.find("\n", beyond)
        beyond = len(text) if line_end < 0 else line_end
        diagnostics = Diagnostics()
        try:
            tree = TreeBuilder(Source(self.source.name, text), diagnostics).build()
        except YamlDamage as damage:
            # what is still wrong must lie and begin behind: else the edit only moved the damage
            return damage.at > beyond and (damage.opened or damage.at) > beyond and not diagnostics.found
        if tree is None or any(d.span is None or d.span.start <= beyond for d in diagnostics.found):
            return False
        return key_at is None or _begins(tree, key_at)

    def _apply_edits(self, edits: Sequence[Edit]) -> str | None:
        """The text with the edits made; None once the trials have used up what they may cost."""
        self._left -= len(self.text) + _TRIAL
        if self._left < 0:
            return None
        parts, at = [], 0
        for edit in sorted(edits, key=lambda e: e.span.start):
            parts += [self.text[at : edit.span.start], edit.text]
            at = edit.span.end
        return "".join(parts) + self.text[at:]

    def fix(self, text: str, *edits: Edit, safe: bool = False, key_at: int | None = None) -> tuple[Fix, ...]:
        """The repair if a trial bears it out, else nothing."""
        if self.clears(edits, key_at):
            return (Fix(text, edits, safe),)
        return ()

    def finding(self, code: str, fact: str, span: Span, **more: object) -> list[Diagnostic]:
        return [Diagnostic(code, fact, span, **more)]  # type: ignore[arg-type]


def _begins(tree: Located, offset: int) -> bool:
    return any(
        (node.span is not None and node.span.start == offset)
        or any(key.start == offset for key in node.keys.values())
        for node in tree.walk()
    )
