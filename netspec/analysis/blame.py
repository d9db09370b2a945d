"""Moves a finding on sizes to the number whose change alone makes the net sound. In: findings with suspects, and a way to check a text."""

from collections.abc import Sequence
from dataclasses import replace

from netspec.analysis.budget import AMONG
from netspec.analysis.numbers import PAD
from netspec.analysis.trials import Trials, said
from netspec.diagnostics.effort import Check, SpentError
from netspec.diagnostics.fixing import belongs, edited, faults
from netspec.diagnostics.model import Diagnostic, Edit, Fix, Label, Suspect
from netspec.source import Source, Span

__all__ = ["blamed"]

EXPECTED = ("NS320", "NS321", "NS322", "NS323", "NS325", "NS326")
"""Counts that a wrong size changes too."""
WAYS, LIKELY = 3, 2.0
"""Numbers that are told where no expectation decides between them, and the cost up to which they are likely enough for that."""
MOST, WORK = 64, 15_000
"""Checks of a whole changed text, and layers that all of them may visit: none in a net of more."""


def blamed(found: Sequence[Diagnostic], source: Source, check: Check, trials: Trials, *, expected: bool) -> list[Diagnostic]:
    """The findings; where one edited number clears all that have suspects and raises nothing else, the first points there, the rest go.

    expected: the spec has an `expect:`, so that there is mostly one such number; without it several are told, the likeliest first.
    """
    accused = [d for d in found if d.suspects]
    left = min(MOST, WORK // (len(trials.graph.nodes) + 1))
    others = faults(d for d in found if not d.suspects and d.code not in EXPECTED)

    def cleared(edits: Sequence[Edit]) -> bool:
        """Whether the text checks with no other errors than those that no size explains."""
        changed = edited(source, edits)
        try:
            return changed is not None and faults(check(changed)) <= others
        except SpentError:
            return False

    likely = (s for d in accused for s in d.suspects if expected or s.plain or s.cost <= LIKELY)
    ways: list[Suspect] = []
    for suspect in sorted(likely, key=lambda s: not (expected or s.plain)):
        edit = suspect.edit
        if left <= 0 or len(ways) == (1 if expected else WAYS):
            break
        if not belongs(source, edit) or any(way.edit.span == edit.span for way in ways) or trials.refutes(edit):
            continue
        left -= 1
        if cleared([edit]):
            ways.append(suspect)
    if ways:
        edits = [way.edit for way in ways]
        if expected or not accused[0].own or ways[0].cost < own_cost(accused[0]):
            first = pointed(accused[0], edits, len(accused) - 1, trials.first(edits[0]))
        else:
            first = beside(accused[0], edits)
        return [first if d is accused[0] else d for d in found if d is accused[0] or not d.suspects]
    told = one_each([one for d in accused for one in d.like or (d,)], trials)
    edits = [edit for _, edit, _ in told]
    if len(edits) > 1 and all(belongs(source, edit) for edit in edits) and cleared(edits):
        heads = [pointed(d, [edit], more, "") for d, edit, more in told]
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


def pointed(d: Diagnostic, edits: Sequence[Edit], more: int, differs: str) -> Diagnostic:
    """The finding with its place at the first of some numbers, and the change of each as a help; on expectations with what differs first.

    Where the number is part of the place, the finding stays there.
    """
    edit = edits[0]
    fixes = tuple(help_for(each) for each in edits)
    notes = (*d.notes, *([f"{more} other {'finding goes' if more == 1 else 'findings go'} with it"] if more else []))
    also = tuple(Label(each.span, f"or {worded(each)}") for each in edits[1:])
    kept = (*also, *(other for other in d.others if other.span not in {each.span for each in edits}))
    if d.span is None or inside(edit.span, d.span):
        return replace(
            d, span=edit.span, others=kept, notes=notes, fixes=(*fixes, *(f for f in d.fixes if f.edits not in [(e,) for e in edits]))
        )
    if d.code.startswith("NS32"):
        label = Label(edit.span, f"with {worded(edit)} all is as expected")
        if differs:
            notes = (differs, *(note for note in notes if AMONG not in note))
        return replace(d, others=(label, *kept), notes=notes, fixes=(*fixes, *d.fixes))
    before = Label(d.span, "shows here")
    return replace(
        d,
        span=edit.span,
        label=f"with {worded(edit).removesuffix(' here')} the sizes agree",
        others=(before, *kept),
        notes=notes,
        fixes=(*fixes, *d.fixes),
    )


def own_cost(d: Diagnostic) -> float:
    """How unlikely the number at the place itself is to be the wrong one."""
    return min((s.cost for s in d.suspects if d.span is not None and inside(s.edit.span, d.span)), default=0.0)


def beside(d: Diagnostic, edits: Sequence[Edit]) -> Diagnostic:
    """The finding where its layer's rule sees it, with numbers elsewhere that may be the wrong ones."""
    more = [edit for edit in edits if d.span is None or not inside(edit.span, d.span)]
    others = (*(Label(edit.span, f"or {worded(edit)}") for edit in more), *(o for o in d.others if o.span not in [e.span for e in more]))
    return replace(d, others=others, fixes=(*d.fixes, *(help_for(e) for e in more)))


def worded(edit: Edit) -> str:
    """A change as labels say it: `16 here`, `pad: 1 beside it`."""
    _, pad, added = edit.text.partition(PAD)
    return f"{pad.lstrip(', ')}{added} beside it" if pad else f"{edit.text} here"


def help_for(edit: Edit) -> Fix:
    _, pad, added = edit.text.partition(PAD)
    return Fix(f"add {pad.lstrip(', ')}{added}" if pad else f"write {edit.text} in place of {edit.span.text}", (edit,))


def inside(part: Span, whole: Span) -> bool:
    return part.source is whole.source and whole.start <= part.start and part.end <= whole.end
