"""Reads typed records from located trees. The records check themselves; where one refuses, its JSON
Schema finds the words.

`jsonschema` is imported only then. Comes in: a mapping and a Record class. Goes out: the record, or
findings.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar

from netspec.diagnostics.model import Diagnostic, Diagnostics
from netspec.kinds import Bounds, Reject, Schema, is_not_finite
from netspec.record import Record
from netspec.source import Span
from netspec.syntax.located import Located

__all__ = ["as_json", "as_text", "read_record", "word"]

R = TypeVar("R", bound=Record)
MOST, FEW, MANY = 200, 10, 2_000
"""Findings on one tree that are told, and behind MANY others: a variable puts a list of any length
into each of many layers. The last is told with the number of those that were spared.
"""


def read_record(
    cls: type[R],
    body: Located,
    diagnostics: Diagnostics,
    *,
    what: str,
    dialect: str = "caffe",
    anchor: Span | None = None,
) -> R | None:
    """The record that a mapping holds. `what` names it in messages; `anchor` is where a missing
    parameter is reported.
    """
    if isinstance(body.value, dict):
        try:
            return cls.read(body.value, dialect, whole=body)
        except Reject:
            # worded below
            pass
    elif cls.short is not None and body.value is not None:
        try:
            return cls.read({cls.short: body}, dialect, whole=body)
        except Reject:
            pass
    word(cls.kind().schema(Bounds()), body, diagnostics, what=what, anchor=anchor)
    return None


def word(
    schema: Schema,
    body: Located,
    diagnostics: Diagnostics,
    *,
    what: str,
    anchor: Span | None = None,
    known: tuple[str, ...] = (),
    notes: Callable[[str], tuple[str, ...]] | None = None,
) -> None:
    """Say what JSON Schema has against a tree. At least one finding is made: the two checks agree
    (tests hold them to it).

    what: its name in messages; anchor: where a missing key is reported; known: further keys that
    would be right; notes: on a wrong one.
    """
    from netspec.resolve.json_schema.judge import count, faults
    from netspec.resolve.messages.schema import RANGES, Subject, misspelt, word_error

    subject = Subject(what, anchor, known, notes)
    most = MOST if len(diagnostics) < MANY else FEW
    errors, more = faults(schema, as_json(body))
    # a value of another type lies in no range: one cause, one finding
    mistyped = {e.absolute_path for e in errors if e.validator == "type"}
    errors = [e for e in errors if e.validator not in RANGES or e.absolute_path not in mistyped]
    meant = misspelt(errors, subject)
    worded = (d for error in errors for d in word_error(error, body, subject, meant))
    found = {(d.span, d.identity): d for d in islice(worded, most)}
    spared = sum(map(count, errors)) + more - most
    diagnostics.found += with_spared(list(found.values()), spared)
    if not errors:
        diagnostics.error(
            "NS901",
            f"netspec refuses this {what}, its JSON Schema does not: {as_json(body)!r}",
            body.span,
        )


def with_spared(found: list[Diagnostic], spared: int) -> list[Diagnostic]:
    """The findings, one of the kind of the last with how many more there were: the first at its
    place, where they become one.
    """
    if spared <= 0:
        return found
    last = found[-1]
    at = [i for i, d in enumerate(found) if (d.code, d.span, d.cause) == (last.code, last.span, last.cause)]
    note = f"and {spared + len(at) - 1:,} more of this kind"
    found[at[0]] = replace(found[at[0]], notes=(*found[at[0]].notes, note))
    return found


def as_json(tree: Located) -> Any:
    """The tree as JSON Schema sees it: JSON has no infinity and no NaN, so these are the text they were written as."""
    value = tree.value
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if is_not_finite(value):
        return tree.text
    return value


def as_text(item: Located | None) -> str:
    """A scalar as it was written; empty for none."""
    if item is not None and not isinstance(item.value, (list, dict)):
        return item.text
    return ""
