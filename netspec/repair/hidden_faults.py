"""Tells of faults in sizes one behind another, where the first hides the rest. In: a finding that
no number by itself clears; out: all.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from netspec.diagnostics.model import Diagnostic
from netspec.repair.edit_map import Back
from netspec.repair.edits import apply_edits, belongs
from netspec.repair.size_trials import Trials
from netspec.repair.sizes import LIKELY, point_at
from netspec.source import Source

__all__ = ["behind"]

MOST, WORK = 3, 4_500
"""Changes after which is looked on, and layers that all of them may visit."""

Blame = Callable[[Source], list[Diagnostic]]


def behind(found: Sequence[Diagnostic], source: Source, trials: Trials, blame: Blame) -> list[Diagnostic]:
    """The findings; where an odd number clears the only one on sizes, and what then shows has its
    number too, all of these are told.

    Not where one number, though none so odd, would clear all. blame: the findings on a text, at
    their numbers where these are known.
    """
    accused = [d for d in found if trials.suspects(d)]
    if len(accused) != 1 or any(d.severity == "error" for d in found if d is not accused[0]):
        return list(found)
    (d,) = accused
    hidden = {node.name for node in trials.wrong}
    odd = (s.edit for s in trials.suspects(d) if s.plain and s.cost <= LIKELY and belongs(source, s.edit))
    ways = [edit for edit in odd if (left := trials.remaining([edit])) and not left & hidden]
    for edit in ways[: min(MOST, WORK // (len(trials.graph.nodes) + 1))]:
        changed = apply_edits(source, [edit])
        after = [one for one in blame(changed) if one.severity == "error"] if changed is not None else []
        # what then shows must have numbers of its own: else the fault was only moved
        if changed is not None and after and all(any(fix.edits for fix in one.fixes) for one in after):
            back = Back(source, changed, [edit])
            first = f"appears once {edit.text} is written in place of {edit.span.text}"
            further = [
                replace(one, notes=(*one.notes, first))
                for each in after
                if (one := back.finding(each)) is not None
            ]
            if len(further) == len(after) and not any(
                trials.remaining([s.edit]) == set() for s in trials.suspects(d)
            ):
                return sorted(
                    [point_at(d, [edit], 0), *further, *(one for one in found if one is not d)],
                    key=lambda one: one.order,
                )
    return list(found)
