"""Reading on behind damage: the text as its findings would mend it is checked, and what else is
wrong there is told at its place in the text as it stands. In: findings that ended the reading,
and a way to check; knows no YAML and no spec.
"""

from collections.abc import Sequence
from dataclasses import replace

from netspec.diagnostics.codes import Phase
from netspec.diagnostics.evidence import Computed, Missed
from netspec.diagnostics.model import Diagnostic, Fix
from netspec.repair.autofix import helps
from netspec.repair.edit_map import Back
from netspec.repair.edits import apply_edits, belongs, end_of
from netspec.repair.effort import Check
from netspec.repair.tab_widths import SEVERAL
from netspec.source import Source

__all__ = ["is_exhausted", "read_on"]


def is_exhausted(found: Sequence[Diagnostic], source: Source) -> bool:
    """Whether all errors are on the text itself, and each has a change of this text that was
    tried.
    """
    errors = [d for d in found if d.severity == "error"]
    return bool(errors) and all(
        d.phase == Phase.READING and any(certain(source, fix) for fix in d.fixes[:1]) for d in errors
    )


def certain(source: Source, fix: Fix) -> bool:
    return bool(fix.edits) and all(belongs(source, edit) for edit in fix.edits)


def read_on(found: list[Diagnostic], source: Source, check: Check) -> list[Diagnostic] | None:
    """The findings, and the errors of the mended text, sorted. None where the change may be wrong:
    it does not help, or an error stands on a line that it touches, or is of a value that comes
    from there.
    """
    mending = [d for d in found if d.severity == "error"]
    edits = sorted(
        dict.fromkeys(edit for d in mending for edit in d.fixes[0].edits),
        key=lambda e: (e.span.start, e.span.end),
    )
    mended = apply_edits(source, edits)
    if mended is None:
        return None
    after = check(mended)
    errors, back = [d for d in after if d.severity == "error"], Back(source, mended, edits)
    places = [d.span for d in errors]
    places += [
        label.span for d in errors if d.phase == Phase.SCHEMA for label in d.others if label.kind != "use"
    ]
    if (
        any(map(back.touches, places))
        or any(d.code == "NS901" for d in errors)
        or not helps(found, after, mending, end_of(source, mended, edits))
    ):
        return None
    # expectations hang on the whole net, a computed value may hang on a mended line
    independent = [d for d in errors if not isinstance(d.evidence, (Missed, Computed))]
    more = [told for d in independent if (told := back.finding(d)) is not None]
    offered = [
        replace(
            d,
            fixes=(d.fixes[0], *(fix for fix in d.fixes[1:] if not fix.edits or d.code == SEVERAL)),
        )
        if d in mending
        else d
        for d in found
    ]
    return sorted([*offered, *more], key=lambda d: d.order)
