"""Edits made on a text, and whether two lists of findings tell of the same faults. Knows no way to
check.
"""

from collections.abc import Iterable

from netspec.diagnostics.evidence import About
from netspec.diagnostics.model import Diagnostic, Edit
from netspec.source import Source

__all__ = ["Identity", "apply_edits", "belongs", "end_of", "faults"]


Identity = tuple[str, About, str]


def apply_edits(source: Source, edits: Iterable[Edit]) -> Source | None:
    """The text with edits made; None where they overlap or belong to another text."""
    parts: list[str] = []
    at = 0
    for edit in sorted(edits, key=lambda e: (e.span.start, e.span.end)):
        if not belongs(source, edit) or edit.span.start < at:
            return None
        parts += [source.text[at : edit.span.start], edit.text]
        at = edit.span.end
    return Source(source.name, "".join(parts) + source.text[at:])


def faults(found: Iterable[Diagnostic]) -> frozenset[Identity]:
    """What errors there are among some findings."""
    return frozenset(d.identity for d in found if d.severity == "error")


def belongs(source: Source, edit: Edit) -> bool:
    return edit.span.source is source or (
        edit.span.source.name == source.name and edit.span.source.text == source.text
    )


def end_of(source: Source, changed: Source, edits: Iterable[Edit]) -> int:
    """Where, in the changed text, the last edit ends."""
    return max(edit.span.end for edit in edits) + len(changed.text) - len(source.text)
