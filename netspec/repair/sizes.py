"""Moves a finding on sizes to the number whose change alone makes the net sound. In: findings with
evidence, and a way to check.
"""

from collections.abc import Sequence
from dataclasses import replace

from netspec.analysis.evidence import disagreement
from netspec.analysis.number_places import axes
from netspec.diagnostics.evidence import First, Missed
from netspec.diagnostics.model import Diagnostic, Edit, Fix, Label
from netspec.diagnostics.words import further
from netspec.frozen_classes import replace_fields as with_fields
from netspec.repair.edits import apply_edits, belongs, faults
from netspec.repair.effort import Check, SpentError
from netspec.repair.size_candidates import Suspect
from netspec.repair.size_trials import Trials
from netspec.source import Source, Span

__all__ = ["blame_numbers"]

WAYS, LIKELY = 3, 2.0
"""Numbers that are told where no expectation decides between them, and the cost up to which they
are likely enough for that.
"""
MOST, WORK = 64, 15_000
"""Checks of a whole changed text, and layers that all of them may visit: none in a net of more."""


def blame_numbers(
    found: Sequence[Diagnostic], source: Source, check: Check, trials: Trials, *, expected: bool
) -> list[Diagnostic]:
    """The findings; where one edited number clears all that have suspects and raises nothing else,
    the first points there, the rest go.

    expected: the spec has an `expect:`, so that there is mostly one such number; without it several
    are told, the likeliest first.
    """
    accused = [d for d in found if trials.suspects(d)]
    clear = [d for d in found if not trials.suspects(d)]
    left = min(MOST, WORK // (len(trials.graph.nodes) + 1))
    others = faults(d for d in clear if not (isinstance(d.evidence, Missed) and d.evidence.counted))

    def cleared(edits: Sequence[Edit]) -> bool:
        """Whether the text checks with no other errors than those that no size explains."""
        changed = apply_edits(source, edits)
        try:
            return changed is not None and faults(check(changed)) <= others
        except SpentError:
            return False

    likely = (
        (not (expected or s.plain), in_another_input(s, d, trials), s)
        for d in accused
        for s in trials.suspects(d)
        if expected or s.plain or s.cost <= LIKELY
    )
    ways: list[Suspect] = []
    # a stable sort: among equals the likeliest stay first
    for *_, suspect in sorted(likely, key=lambda each: each[:2]):
        edit = suspect.edit
        if left <= 0 or len(ways) == (1 if expected else WAYS):
            break
        if (
            not belongs(source, edit)
            or any(way.edit.span == edit.span for way in ways)
            or trials.refutes(edit)
        ):
            continue
        left -= 1
        if cleared([edit]):
            ways.append(suspect)
    if ways:
        edits = [way.edit for way in ways]
        evidence = disagreement(accused[0])
        own = evidence is not None and evidence.own
        # a parameter that breaks its own rule is blamed unless another number is likelier wrong
        if expected or not own or ways[0].cost < own_cost(accused[0], trials):
            first = point_at(accused[0], edits, len(accused) - 1, trials.first(edits[0]))
        else:
            first = beside(accused[0], edits)
        return [first if d is accused[0] else d for d in found if d is accused[0] or not trials.suspects(d)]
    told = one_each([one for d in accused for one in d.like or (d,)], trials)
    edits = [edit for _, edit, _ in told]
    if len(edits) > 1 and all(belongs(source, edit) for edit in edits) and cleared(edits):
        heads = [point_at(d, [edit], more) for d, edit, more in told]
        return sorted([*heads, *clear], key=lambda d: d.order)
    return list(found)


def in_another_input(suspect: Suspect, d: Diagnostic, trials: Trials) -> bool:
    """Whether a number stands in the shape of an input, and the layer's rule points at another
    one.
    """
    inputs = trials.graph.inputs
    if d.span is None or not any(d.span.text == given.value.name for given in inputs):
        return False
    return any(
        written.span == suspect.edit.span and given.value.name != d.span.text
        for given in inputs
        for written, _ in axes(given)
    )


def one_each(accused: Sequence[Diagnostic], trials: Trials) -> list[tuple[Diagnostic, Edit, int]]:
    """Independent faults: findings with the plain change that clears each, and how many others it
    clears; empty unless all are cleared.
    """
    told: list[tuple[Diagnostic, Edit, int]] = []
    wrong = {node.name for node in trials.wrong}
    for d in accused:
        for suspect in trials.suspects(d) if d.about.layer in wrong else ():
            left = trials.remaining([*(edit for _, edit, _ in told), suspect.edit]) if suspect.plain else None
            if left is not None and left <= wrong - {d.about.layer}:
                told.append((d, suspect.edit, len(wrong - left) - 1))
                wrong = left
                break
    if not wrong:
        return told
    return []


def point_at(d: Diagnostic, edits: Sequence[Edit], more: int, differs: First | None = None) -> Diagnostic:
    """The finding with its place at the first of some numbers, and the change of each as a help; on
    expectations with what differs first.

    Where the number is part of the place, the finding stays there.
    """
    edit = edits[0]
    fixes = tuple(help_for(each) for each in edits)
    notes = (*d.notes, *further(more))
    also = tuple(Label(each.span, f"or {describe_edit(each)}") for each in edits[1:])
    kept = (
        *also,
        *(other for other in d.others if other.span not in {each.span for each in edits}),
    )
    if d.span is None or inside(edit.span, d.span):
        return replace(
            d,
            span=edit.span,
            others=kept,
            notes=notes,
            fixes=(*fixes, *(f for f in d.fixes if f.edits not in [(e,) for e in edits])),
        )
    if isinstance(d.evidence, Missed):
        label = Label(edit.span, f"with {describe_edit(edit)} all is as expected")
        evidence = with_fields(d.evidence, first=differs)
        return replace(d, others=(label, *kept), notes=notes, fixes=(*fixes, *d.fixes), evidence=evidence)
    before = Label(d.span, "shows here")
    return replace(
        d,
        span=edit.span,
        label=f"with {change(edit)} the sizes agree",
        others=(before, *kept),
        notes=notes,
        fixes=(*fixes, *d.fixes),
    )


def own_cost(d: Diagnostic, trials: Trials) -> float:
    """How unlikely the number at the place itself is to be the wrong one."""
    return min(
        (s.cost for s in trials.suspects(d) if d.span is not None and inside(s.edit.span, d.span)),
        default=0.0,
    )


def beside(d: Diagnostic, edits: Sequence[Edit]) -> Diagnostic:
    """The finding where its layer's rule sees it, with numbers elsewhere that may be the wrong
    ones.
    """
    more = [edit for edit in edits if d.span is None or not inside(edit.span, d.span)]
    others = (
        *(Label(edit.span, f"or {describe_edit(edit)}") for edit in more),
        *(o for o in d.others if o.span not in [e.span for e in more]),
    )
    return replace(d, others=others, fixes=(*d.fixes, *(help_for(e) for e in more)))


def describe_edit(edit: Edit) -> str:
    """A change as labels at its place say it: `16 here`, `pad: 1 beside it`."""
    if edit.adds is None:
        return f"{edit.text} here"
    return change(edit)


def change(edit: Edit) -> str:
    """A change as labels elsewhere say it: `16`, `pad: 1 beside it`."""
    if edit.adds is None:
        return edit.text
    return f"{edit.adds.key}: {edit.adds.value} beside it"


def help_for(edit: Edit) -> Fix:
    if edit.adds is None:
        text = f"write {edit.text} in place of {edit.span.text}"
    else:
        text = f"add {edit.adds.key}: {edit.adds.value}"
    return Fix(text, (edit,))


def inside(part: Span, whole: Span) -> bool:
    return part.source is whole.source and whole.start <= part.start and part.end <= whole.end
