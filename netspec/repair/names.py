"""Of two places that may both be the wrong one of a name, the one whose change makes more of the
net agree. In: findings, a way to check.

Two layers of one name: each is renamed in turn. A name that nothing makes: the readers against the
layer of a like name. Knows no graph.
"""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from netspec.diagnostics.codes import Phase
from netspec.diagnostics.model import Diagnostic, Edit, Fix, Label
from netspec.diagnostics.words import further
from netspec.repair.edits import apply_edits, belongs
from netspec.repair.effort import Check, SpentError
from netspec.source import Source, Span

__all__ = ["DUPLICATE", "MISSING", "resolve_names"]

DUPLICATE = "NS203"
MISSING = ("NS201", "NS208")
WANTED = (*MISSING, "NS330")
"""Findings whose place is a name that nothing makes."""
WORD = re.compile(r"[A-Za-z_][\w./-]*")
PAIR = 2
"""Places that may both be the wrong one, so trials that decide between them."""
NAMES = 4
"""Names that a renamed layer is tried with, and findings that are settled by trials."""


class Trial(NamedTuple):
    """What check says with an edit made: errors first, then warnings; `name` is the one that was
    written, "" for one that nothing reads.
    """

    errors: int
    warnings: int
    name: str
    after: list[Diagnostic]

    @property
    def rank(self) -> tuple[int, int]:
        return self.errors, self.warnings


def resolve_names(
    found: Sequence[Diagnostic], source: Source, check: Check, affordable: int
) -> list[Diagnostic]:
    """The findings, those on names at the place that a trial blames. What goes with a clean trial's
    edit is left out.

    Those behind the effort that is left stay as they are; where fewer than two trials are
    `affordable` none is made, since one by itself decides nothing.
    """
    kept = list(found)
    if affordable < PAIR:
        return kept
    with suppress(SpentError):
        for d in [d for d in found if is_disputed(d, source)][:NAMES]:
            if d in kept:
                if d.code == DUPLICATE:
                    kept = tell_apart(d, kept, source, check)
                else:
                    kept = resolve_misnamed(d, kept, source, check)
    return kept


def is_disputed(d: Diagnostic, source: Source) -> bool:
    """Whether a finding on a name has a second place in the same text, and both are whole names."""
    if d.code not in (DUPLICATE, *MISSING) or d.span is None or not d.others or d.others[0].kind == "use":
        return False
    return all(
        belongs(source, Edit(span, "")) and WORD.fullmatch(span.text) for span in (d.span, d.others[0].span)
    )


def tell_apart(d: Diagnostic, found: list[Diagnostic], source: Source, check: Check) -> list[Diagnostic]:
    """Two layers of one name: the finding at the one without which the net has fewer errors; on a
    tie where it is.
    """
    assert d.span is not None
    here, there = (try_renaming(span, source, check) for span in (d.span, d.others[0].span))
    moved = there.rank < here.rank
    best, span, other = (there, d.others[0].span, d.span) if moved else (here, d.span, d.others[0].span)
    settled_one = d
    if moved:
        settled_one = replace(
            d,
            span=span,
            label="this one has the same name",
            others=(Label(other, "used here"), *d.others[1:]),
        )
    if not best.name or best.errors or there.rank == here.rank:
        return [settled_one if each is d else each for each in found]
    fix = Fix(f"write {best.name}, a name that is read and that no layer has", (Edit(span, best.name),))
    return list_leftovers(found, d, replace(settled_one, fixes=(fix,)), best.after)


def try_renaming(span: Span, source: Source, check: Check) -> Trial:
    """The best of a layer under a name that nothing reads, and under those that are read and that
    nothing makes.
    """
    first = try_edits(source, [Edit(span, f"{span.text}_")], check)
    missing = [
        d.span.text
        for d in first.after
        if d.code in WANTED and d.span is not None and WORD.fullmatch(d.span.text)
    ]
    trials = [
        try_edits(source, [Edit(span, name)], check)._replace(name=name)
        for name in list(dict.fromkeys(missing))[:NAMES]
    ]
    return min([first, *trials], key=lambda trial: trial.rank)


def resolve_misnamed(
    d: Diagnostic, found: list[Diagnostic], source: Source, check: Check
) -> list[Diagnostic]:
    """A name that nothing makes: at the layer of the like name where renaming it helps more than
    changing all that read it.

    On a tie the one with fewer places is blamed, and the reader where both have one.
    """
    assert d.span is not None
    maker, name = d.others[0].span, d.span.text
    readers = [
        each for each in found if each.code in MISSING and each.span is not None and each.span.text == name
    ]
    reading = try_edits(
        source, [Edit(each.span, maker.text) for each in readers if each.span is not None], check
    )
    making = try_edits(source, [Edit(maker, name)], check)
    here, there = ((fresh(trial.after, found), *trial.rank) for trial in (reading, making))
    if there > here or (there == here and len(readers) == 1):
        return found
    others = tuple(Label(each.span, f"reads {name}") for each in readers if each.span is not None)
    told = replace(
        d,
        span=maker,
        label=f"is {name} meant?",
        others=others,
        fixes=(Fix(f"write {name}", (Edit(maker, name),)),),
    )
    return list_leftovers(found, d, told, making.after)


def fresh(after: Iterable[Diagnostic], found: Iterable[Diagnostic]) -> int:
    """How many errors of names a change makes that were not there."""
    known = {d.identity for d in found}
    return sum(d.severity == "error" and d.phase == Phase.NAMES and d.identity not in known for d in after)


def try_edits(source: Source, edits: Sequence[Edit], check: Check) -> Trial:
    changed = apply_edits(source, edits)
    after = check(changed) if changed is not None else []
    if changed is not None:
        errors = sum(d.severity == "error" for d in after)
    else:
        # edits that cannot be made (they overlap): worse than any number of errors
        errors = 1 << 30
    return Trial(errors, len(after) - errors, "", after)


def list_leftovers(
    found: Iterable[Diagnostic], d: Diagnostic, told: Diagnostic, after: Iterable[Diagnostic]
) -> list[Diagnostic]:
    """The findings with one told anew, without the errors of the net's names and sizes that its fix
    clears.
    """
    still = {each.identity for each in after}
    kept = [
        each
        for each in found
        if each is d or each.phase not in (Phase.NAMES, Phase.SIZES) or each.identity in still
    ]
    gone = len(list(found)) - len(kept)
    notes = (*told.notes, *further(gone))
    return sorted(
        (replace(told, notes=notes) if each is d else each for each in kept),
        key=lambda each: each.order,
    )
