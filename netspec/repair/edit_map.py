"""From a text with edits made back to the text as it stands: places, findings. Knows no way to
check.
"""

from collections.abc import Sequence
from dataclasses import replace

from netspec.diagnostics.model import Diagnostic, Edit, Fix
from netspec.source import Source, Span

__all__ = ["Back"]


class Back:
    """From a mended text to the one that it was made of."""

    def __init__(self, source: Source, mended: Source, edits: Sequence[Edit]) -> None:
        self.source, self.mended = source, mended
        self.moves: list[tuple[int, int, int]] = []
        """For each edit: where its text begins and ends in the mended text, and by how much what
        follows has moved.
        """
        shift = 0
        for edit in edits:
            start = edit.span.start + shift
            shift += len(edit.text) - (edit.span.end - edit.span.start)
            self.moves.append((start, start + len(edit.text), shift))
        self.lines = [(mended.position(start)[0], mended.position(end)[0]) for start, end, _ in self.moves]

    def touches(self, span: Span | None) -> bool:
        """Whether a place shares a line with a change; no place at all counts as one."""
        if span is None:
            return True
        return span.source is self.mended and any(
            span.begin[0] <= last and first <= span.finish[0] for first, last in self.lines
        )

    def offset(self, at: int) -> int | None:
        """The offset in the source; None inside what was written anew."""
        shift = 0
        for start, end, after in self.moves:
            # at the beginning of an edit nothing has moved yet
            if at <= start:
                break
            if at < end:
                return None
            shift = after
        return at - shift

    def span(self, span: Span) -> Span | None:
        if span.source is not self.mended:
            return span
        start, end = self.offset(span.start), self.offset(span.end)
        if start is not None and end is not None and start <= end:
            return Span(self.source, start, end)
        return None

    def finding(self, d: Diagnostic) -> Diagnostic | None:
        """The same finding on the source; None where its place is new. Labels and changes go if
        theirs is.
        """
        span = self.span(d.span) if d.span is not None else None
        if span is None:
            return None
        others = tuple(
            label._replace(span=place) for label in d.others if (place := self.span(label.span)) is not None
        )
        fixes = tuple(fix._replace(edits=self.edits(fix)) for fix in d.fixes)
        return replace(d, span=span, others=others, fixes=fixes)

    def edits(self, fix: Fix) -> tuple[Edit, ...]:
        made = tuple(
            edit._replace(span=span) for edit in fix.edits if (span := self.span(edit.span)) is not None
        )
        if len(made) == len(fix.edits):
            return made
        return ()
