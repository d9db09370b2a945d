"""Moves a finding on sizes to the number whose change alone makes the net sound. In: findings with suspects, and a way to check a text."""

from collections.abc import Sequence
from dataclasses import replace

from netspec.analysis.budget import AMONG
from netspec.analysis.trials import Trials, said
from netspec.diagnostics.fixing import Check, belongs, edited
from netspec.diagnostics.model import Diagnostic, Edit, Fix, Label
from netspec.source import Source

__all__ = ["blamed"]

EXPECTED = ("NS320", "NS321", "NS322", "NS323", "NS325", "NS326")
"""Counts that a wrong size changes too."""
MOST, WORK = 64, 15_000
"""Checks of a whole changed text, and layers that all of them may visit: none in a net of more."""


def blamed(found: Sequence[Diagnostic], source: Source, check: Check, trials: Trials, *, expected: bool) -> list[Diagnostic]:
    """The findings; where one edited number clears all that have suspects and raises nothing else, the first points there, the rest go.

    expected: the spec has an `expect:`, so that there is mostly one such number; without it only plain suspects are tried.
    """
    accused = [d for d in found if d.suspects]
    left = min(MOST, WORK // (len(trials.graph.nodes) + 1))
    others = {(d.code, d.fact) for d in found if d.severity == "error" and not d.suspects and d.code not in EXPECTED}
    for edit in dict.fromkeys(suspect.edit for d in accused for suspect in d.suspects if expected or suspect.plain):
        if left <= 0:
            break
        changed = edited(source, [edit]) if belongs(source, edit) and not trials.refutes(edit) else None
        left -= changed is not None
        if changed is not None and {(d.code, d.fact) for d in check(changed) if d.severity == "error"} <= others:
            first = pointed(accused[0], edit, len(accused) - 1, trials.first(edit))
            return [first if d is accused[0] else d for d in found if d is accused[0] or not d.suspects]
    told = one_each([one for d in accused for one in d.like or (d,)], trials)
    edits = [edit for _, edit, _ in told]
    changed = edited(source, edits) if len(edits) > 1 and all(belongs(source, edit) for edit in edits) else None
    if changed is not None and {(d.code, d.fact) for d in check(changed) if d.severity == "error"} <= others:
        heads = [pointed(d, edit, more, "") for d, edit, more in told]
        return sorted([*heads, *(d for d in found if not d.suspects)], key=lambda d: d.order)
    return list(found)


def one_each(accused: Sequence[Diagnostic], trials: Trials) -> list[tuple[Diagnostic, Edit, int]]:
    """Independent faults: findings with the plain change that clears each, and how many others it clears; empty unless all are cleared."""
    told: list[tuple[Diagnostic, Edit, int]] = []
    wrong = {said(node) for node in trials.wrong}
    for d in accused:
        for suspect in d.suspects if d.layer in wrong else ():
            left = trials.remaining([*(edit for _, edit, _ in told), suspect.edit]) if suspect.plain else None
            if left is not None and left <= wrong - {d.layer}:
                told.append((d, suspect.edit, len(wrong - left) - 1))
                wrong = left
                break
    return told if not wrong else []


def pointed(d: Diagnostic, edit: Edit, more: int, differs: str) -> Diagnostic:
    """The finding with its place at a number, and the change of it as a help; on expectations with what differs first."""
    fix = Fix(f"write {edit.text} in place of {edit.span.text}", (edit,))
    notes = (*d.notes, *([f"{more} other {'finding goes' if more == 1 else 'findings go'} with it"] if more else []))
    if d.span is None or (edit.span.source is d.span.source and d.span.start <= edit.span.start and edit.span.end <= d.span.end):
        return replace(d, span=edit.span, notes=notes, fixes=(fix, *(f for f in d.fixes if f.edits != (edit,))))
    if d.code.startswith("NS32"):
        label = Label(edit.span, f"with {edit.text} here all is as expected")
        if differs:
            notes = (differs, *(note for note in notes if AMONG not in note))
        return replace(d, others=(label, *(other for other in d.others if other.span != edit.span)), notes=notes, fixes=(fix, *d.fixes))
    before = Label(d.span, "shows here")
    others = (before, *(other for other in d.others if other.span != edit.span))
    return replace(d, span=edit.span, label=f"with {edit.text} the sizes agree", others=others, notes=notes, fixes=(fix, *d.fixes))
