"""Fixes tried: edits made on a text, the text checked again. Comes in: findings and a way to check; knows no spec and no file."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from netspec.diagnostics.back import Back
from netspec.diagnostics.model import Diagnostic, Edit, Fix
from netspec.source import Source

__all__ = ["Check", "Repair", "belongs", "edited", "end_of", "faults", "helps", "repaired", "tried"]

Check = Callable[[Source], list[Diagnostic]]
TRIALS = 2_000_000
"""Characters that trials may check in all; at least one fix is tried, what is left over is not offered."""
ROUNDS = 100


class Repair(NamedTuple):
    """A text after its safe fixes, with what was done, in order: the finding as it was, and its fix."""

    source: Source
    done: tuple[tuple[Diagnostic, Fix], ...]


def edited(source: Source, edits: Iterable[Edit]) -> Source | None:
    """The text with edits made; None where they overlap or belong to another text."""
    parts: list[str] = []
    at = 0
    for edit in sorted(edits, key=lambda e: (e.span.start, e.span.end)):
        if not belongs(source, edit) or edit.span.start < at:
            return None
        parts += [source.text[at : edit.span.start], edit.text]
        at = edit.span.end
    return Source(source.name, "".join(parts) + source.text[at:])


def faults(found: Iterable[Diagnostic]) -> frozenset[tuple[str, str]]:
    """The errors among some findings, by code and fact."""
    return frozenset((d.code, d.fact) for d in found if d.severity == "error")


def belongs(source: Source, edit: Edit) -> bool:
    return edit.span.source is source or (edit.span.source.name == source.name and edit.span.source.text == source.text)


def helps(before: Sequence[Diagnostic], after: Sequence[Diagnostic], fixed: Sequence[Diagnostic], beyond: int) -> bool:
    """Whether a change leaves the fixed findings out and makes no new error in their phase or an earlier one.

    Errors of later phases may come to light, and where nobody looked before: behind the change, from `beyond` on, where reading broke off
    (phase 0), and in what a fixed finding hid (the parameters of a layer of unknown type).
    """
    last = max(phase(d) for d in fixed)
    seen = [
        d
        for d in after
        if not (last == phase(d) == "0" and d.span is not None and d.span.start >= beyond) and not any(came_to_light(d, f) for f in fixed)
    ]

    def errors(found: Iterable[Diagnostic]) -> Counter[tuple[str, str]]:
        return Counter((d.code, d.fact) for d in found if phase(d) <= last and (d.severity == "error" or d in fixed))

    return not errors(seen) - (errors(before) - errors(fixed))


def came_to_light(found: Diagnostic, fixed: Diagnostic) -> bool:
    """Whether another finding stands in the lines that a fixed one hid; edits of words leave the number of lines."""
    if fixed.hides is None or found.span is None or found.code == fixed.code:
        return False
    first = fixed.hides.begin[0]
    return first <= found.span.begin[0] <= first + fixed.hides.text.rstrip().count("\n")


def end_of(source: Source, changed: Source, edits: Iterable[Edit]) -> int:
    """Where, in the changed text, the last edit ends."""
    return max(edit.span.end for edit in edits) + len(changed.text) - len(source.text)


def phase(diagnostic: Diagnostic) -> str:
    """The hundreds digit of the code; bugs come first, for no fix may lead to one."""
    return diagnostic.code[2].replace("9", "")


def tried(found: Sequence[Diagnostic], source: Source, check: Check) -> list[Diagnostic]:
    """The findings without the fixes that do not help. What edits another text, or is only words, stays as it is.

    A fix after which other errors come to light keeps its words and loses its edits: only what checks clean is offered as an edit.
    """
    left = TRIALS
    verdicts: dict[str, list[Diagnostic]] = {}

    def kept(diagnostic: Diagnostic, fix: Fix) -> Fix | None:
        nonlocal left
        if not fix.edits or not all(belongs(source, edit) for edit in fix.edits):
            return fix
        changed = edited(source, fix.edits)
        if changed is None or left < 0:
            return None
        if changed.text not in verdicts:
            left -= len(changed.text)
            verdicts[changed.text] = check(changed)
        after = verdicts[changed.text]
        if not helps(found, after, [diagnostic], end_of(source, changed, fix.edits)):
            return None
        return fix if nothing_new(found, after) else fix._replace(edits=())

    return [replace(d, fixes=tuple(one for fix in d.fixes if (one := kept(d, fix)) is not None)) if d.fixes else d for d in found]


def nothing_new(before: Sequence[Diagnostic], after: Sequence[Diagnostic]) -> bool:
    """Whether every error of the text as changed stood there before."""

    def errors(found: Iterable[Diagnostic]) -> Counter[tuple[str, str]]:
        return Counter((d.code, d.fact) for d in found if d.severity == "error")

    return not errors(after) - errors(before)


EXPECTED = "NS32"
"""Findings on expectations: they hang on the whole net, so also on a change."""


def doubted(before: Sequence[Diagnostic], after: Sequence[Diagnostic], fixed: Sequence[Diagnostic], change: Back) -> bool:
    """Whether an error that is new speaks against a change: it stands in a changed line or nowhere, or the net is not the expected one.

    Other errors come to light because the change lets them be seen, in its own line what a fixed finding hid.
    """
    known = {(d.code, d.fact) for d in before}
    seen = [d for d in after if d.severity == "error" and (d.code, d.fact) not in known]
    new = [d for d in seen if not any(came_to_light(d, f) for f in fixed)]
    return any(d.code.startswith(EXPECTED) or change.touches(d.span) for d in new)


def repaired(source: Source, check: Check) -> Repair:
    """Make every safe fix that helps: all of a round together, or one by one where together they do not."""
    from netspec.diagnostics.readings import settled

    done: list[tuple[Diagnostic, Fix]] = []
    refused: set[tuple[str, str]] = set()
    found = settled(check(source), source, check)
    for _ in range(ROUNDS):
        safe = [(d, fix) for d in found for fix in d.fixes[:1] if fix.safe and fix.edits and (d.code, d.fact) not in refused]
        if not safe:
            break
        for group in (safe, safe[:1]) if len(safe) > 1 else (safe,):
            edits = [edit for _, fix in group for edit in fix.edits]
            changed = edited(source, edits)
            after = settled(check(changed), changed, check) if changed is not None else found
            fixed = [d for d, _ in group]
            if (
                changed is not None
                and helps(found, after, fixed, end_of(source, changed, edits))
                and not doubted(found, after, fixed, Back(source, changed, sorted(edits, key=lambda e: (e.span.start, e.span.end))))
            ):
                source, found = changed, after
                done += group
                break
        else:
            refused.add((safe[0][0].code, safe[0][0].fact))
    return Repair(source, tuple(done))
