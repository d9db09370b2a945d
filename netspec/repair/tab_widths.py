"""Of several readings of a damaged line, the one that is sound. Comes in: findings and a way to
check; knows no YAML and no spec.
"""

from dataclasses import replace

from netspec.diagnostics.model import Diagnostic
from netspec.repair.edits import apply_edits, belongs, faults
from netspec.repair.effort import Check
from netspec.source import Source

__all__ = ["SEVERAL", "resolve_tab_width"]

SEVERAL = "NS005"
"""The finding whose fixes with edits are readings of one text: a tab stands for one of several
widths.
"""


def resolve_tab_width(found: list[Diagnostic], source: Source, check: Check) -> list[Diagnostic]:
    """The findings; where one of several readings leads to no error that the others do not share,
    it alone is offered, as a safe fix.
    """
    return [choose_reading(d, source, check) if d.code == SEVERAL and len(d.fixes) > 1 else d for d in found]


def choose_reading(d: Diagnostic, source: Source, check: Check) -> Diagnostic:
    fixes = [fix for fix in d.fixes if fix.edits and all(belongs(source, edit) for edit in fix.edits)]
    texts = [changed for fix in fixes if (changed := apply_edits(source, fix.edits)) is not None]
    if len(texts) < len(d.fixes):
        return d
    errors = [faults(check(text)) for text in texts]
    shared = frozenset.intersection(*errors)
    sound = tuple(fix for fix, own in zip(fixes, errors, strict=True) if own == shared)
    return replace(d, fixes=(sound[0]._replace(safe=True),) if len(sound) == 1 else sound or d.fixes)
