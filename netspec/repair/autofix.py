"""Fixes tried: edits made on a text, the text checked again. Comes in: findings and a way to check;
knows no spec and no file.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from netspec.diagnostics.codes import Phase
from netspec.diagnostics.evidence import Missed
from netspec.diagnostics.model import Diagnostic, Fix
from netspec.repair.edit_map import Back
from netspec.repair.edits import Identity, apply_edits, belongs, end_of
from netspec.repair.effort import Check, SpentError
from netspec.source import Source

__all__ = ["Repair", "helps", "keep_helpful_fixes", "repair"]


ROUNDS = 100
"""Changes that are made one after the other, each checked: beyond, a text is another text."""


ALONE = 3
"""Fixes of one kind of which each is tried alone."""


UNTRIED = "{} change{} that may help here and below were not tried: there are too many faults at once"


class Repair(NamedTuple):
    """A text after its safe fixes, with what was done, in order: the finding as it was, and its
    fix.
    """

    source: Source
    done: tuple[tuple[Diagnostic, Fix], ...]


def helps(
    before: Sequence[Diagnostic],
    after: Sequence[Diagnostic],
    fixed: Sequence[Diagnostic],
    beyond: int,
) -> bool:
    """Whether a change leaves the fixed findings out and makes no new error in their phase or an
    earlier one.

    Errors of later phases may come to light, and where nobody looked before: behind the change,
    from `beyond` on, where reading broke off (phase 0), and in what a fixed finding hid (the
    parameters of a layer of unknown type).
    """
    last = max(d.phase for d in fixed)
    hidden = Hidden(fixed)
    behind = last == Phase.READING
    seen = [
        d
        for d in after
        if not (behind and d.phase == last and d.span is not None and d.span.start >= beyond)
        and d not in hidden
    ]

    def errors(found: Iterable[Diagnostic]) -> Counter[Identity]:
        return Counter(d.identity for d in found if d.phase <= last and (d.severity == "error" or d in fixed))

    return not errors(seen) - (errors(before) - errors(fixed))


class Hidden:
    """The lines that fixed findings hid; edits of words leave the number of lines. `d in hidden`:
    whether a finding came to light there.
    """

    def __init__(self, fixed: Iterable[Diagnostic]) -> None:
        self.by_line: dict[int, set[str]] = {}
        for d in fixed:
            if d.hides is None:
                continue
            first = d.hides.begin[0]
            for line in range(first, first + d.hides.text.rstrip().count("\n") + 1):
                self.by_line.setdefault(line, set()).add(d.code)

    def __contains__(self, found: Diagnostic) -> bool:
        return found.span is not None and bool(self.by_line.get(found.span.begin[0], set()) - {found.code})


class Offer(NamedTuple):
    """A fix with edits that can be tried, and the finding that it is for."""

    finding: Diagnostic
    fix: Fix

    @property
    def kind(self) -> tuple[object, ...]:
        """What fixes have in common that may be tried together: one word that is written for many,
        each in its own place.
        """
        return (self.finding.code, *(edit.text for edit in self.fix.edits))

    @property
    def key(self) -> tuple[int, int]:
        return id(self.finding), id(self.fix)


def keep_helpful_fixes(
    found: Sequence[Diagnostic], source: Source, check: Check, affordable: int = ROUNDS
) -> list[Diagnostic]:
    """The findings without the fixes that do not help. What edits another text, or is only words,
    stays as it is.

    A fix after which other errors come to light keeps its words and loses its edits: only what
    checks clean is offered as an edit. More than a few of one kind are tried together, and all
    together where `affordable` trials are too few. What was not tried is not offered, and the first
    such finding says how many there are.
    """
    offers = [
        Offer(d, fix)
        for d in found
        for fix in d.fixes
        if fix.edits and all(belongs(source, edit) for edit in fix.edits)
    ]
    trial = Trial(found, source, check)
    for group in groups(offers, affordable):
        with suppress(SpentError):
            trial.of(group)
    mine = {offer.key for offer in offers}
    left = mine - trial.verdicts.keys()
    untried = len(left)
    told: list[Diagnostic] = []
    for d in found:
        fixes = tuple(
            kept
            for fix in d.fixes
            if (kept := trial.verdicts.get((id(d), id(fix))) if (id(d), id(fix)) in mine else fix) is not None
        )
        if untried and any((id(d), id(fix)) in left for fix in d.fixes):
            d, untried = (
                replace(d, notes=(*d.notes, UNTRIED.format(f"{untried:,}", "s" * (untried > 1)))),
                0,
            )
        told.append(replace(d, fixes=fixes) if d.fixes else d)
    return told


def groups(offers: Sequence[Offer], affordable: int) -> list[list[Offer]]:
    """What is tried together: few fixes of one kind each alone, more of them at once; the first of
    each finding where that is too much.
    """
    kinds: dict[object, list[Offer]] = {}
    alternatives: list[list[Offer]] = []
    for offer in offers:
        same = kinds.setdefault(offer.kind, [])
        if same and same[-1].finding is offer.finding:
            alternatives.append([offer])
        else:
            same.append(offer)
    made = [
        part
        for same in kinds.values()
        for part in ([same] if together(same) else [[offer] for offer in same])
    ]
    if len(made) <= affordable or not offers:
        return [*made, *alternatives]
    firsts = list({id(offer.finding): offer for offer in reversed(offers)}.values())[::-1]
    return [
        *([firsts] if together(firsts) else []),
        *sorted(made, key=len, reverse=True),
        *alternatives,
    ]


def together(offers: Sequence[Offer]) -> bool:
    """Whether fixes may be judged in one trial: not what damage to the text itself is mended by,
    where one changes how all is read.
    """
    return len(offers) > ALONE and all(offer.finding.phase > Phase.READING for offer in offers)


class Trial:
    """Fixes tried on one text. verdicts: what is left of each fix; None for one that does not
    help.
    """

    def __init__(self, found: Sequence[Diagnostic], source: Source, check: Check) -> None:
        self.found = found
        self.source = source
        self.check = check
        self.verdicts: dict[tuple[int, int], Fix | None] = {}
        self.after: dict[str, list[Diagnostic]] = {}

    def of(self, group: Sequence[Offer]) -> None:
        """Judge some fixes: together where they are several and all is well so, else each alone.
        Raises SpentError.
        """
        left = [offer for offer in group if offer.key not in self.verdicts]
        clean = self.judge(left) if len(left) > 1 else None
        if clean:
            self.verdicts.update((offer.key, offer.fix) for offer in left)
            return
        all_helped = clean is False
        if len(left) == len(group) > 1 and len({offer.kind for offer in group}) > 1:
            return  # of many kinds: these come next
        for i, offer in enumerate(left):
            try:
                clean = self.judge([offer])
            except SpentError:
                if all_helped:
                    self.verdicts.update((each.key, each.fix._replace(edits=())) for each in left[i:])
                raise
            self.verdicts[offer.key] = None
            if clean is not None:
                self.verdicts[offer.key] = offer.fix if clean else offer.fix._replace(edits=())

    def judge(self, offers: Sequence[Offer]) -> bool | None:
        """Whether the text with fixes made has no error that is new; None where they do not help or
        exclude each other.
        """
        edits = [edit for offer in offers for edit in offer.fix.edits]
        changed = apply_edits(self.source, edits)
        if changed is None:
            return None
        # two fixes may make one text: it is checked once
        if changed.text not in self.after:
            self.after[changed.text] = self.check(changed)
        after = self.after[changed.text]
        if not helps(
            self.found,
            after,
            [offer.finding for offer in offers],
            end_of(self.source, changed, edits),
        ):
            return None
        return nothing_new(self.found, after)


def nothing_new(before: Sequence[Diagnostic], after: Sequence[Diagnostic]) -> bool:
    """Whether every error of the text as changed stood there before."""

    def errors(found: Iterable[Diagnostic]) -> Counter[Identity]:
        return Counter(d.identity for d in found if d.severity == "error")

    return not errors(after) - errors(before)


def is_doubtful(
    before: Sequence[Diagnostic],
    after: Sequence[Diagnostic],
    fixed: Sequence[Diagnostic],
    change: Back,
) -> bool:
    """Whether an error that is new speaks against a change: it stands in a changed line or nowhere,
    or the net is not the expected one.

    Other errors come to light because the change lets them be seen, in its own line what a fixed
    finding hid. Expectations hang on the whole net, so also on a change.
    """
    known = {d.identity for d in before}
    seen = [d for d in after if d.severity == "error" and d.identity not in known]
    hidden = Hidden(fixed)
    new = [d for d in seen if d not in hidden]
    return any(isinstance(d.evidence, Missed) or change.touches(d.span) for d in new)


def repair(source: Source, found: list[Diagnostic], check: Check) -> Repair:
    """Make every safe fix that helps: all of a round together, or one by one where together they do
    not; as far as the effort goes.

    found: what the check says of the text as it stands.
    """
    from netspec.repair.tab_widths import resolve_tab_width

    done: list[tuple[Diagnostic, Fix]] = []
    refused: set[Identity] = set()
    with suppress(SpentError):
        found = resolve_tab_width(found, source, check)
        for _ in range(ROUNDS):
            safe = [
                (d, fix)
                for d in found
                # the first way is the likeliest; among the others a person chooses
                for fix in d.fixes[:1]
                if fix.safe and fix.edits and d.identity not in refused
            ]
            if not safe:
                break
            for group in (safe, safe[:1]) if len(safe) > 1 else (safe,):
                edits = [edit for _, fix in group for edit in fix.edits]
                changed = apply_edits(source, edits)
                if changed is not None:
                    after = resolve_tab_width(check(changed), changed, check)
                else:
                    after = found
                fixed = [d for d, _ in group]
                if (
                    changed is not None
                    and helps(found, after, fixed, end_of(source, changed, edits))
                    and not is_doubtful(
                        found,
                        after,
                        fixed,
                        Back(source, changed, sorted(edits, key=lambda e: (e.span.start, e.span.end))),
                    )
                ):
                    source, found = changed, after
                    done += group
                    break
            else:
                # alone it does not help either: without it the others may
                refused.add(safe[0][0].identity)
    return Repair(source, tuple(done))
