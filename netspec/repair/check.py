"""What `netspec check` tells and mends: findings, moved to the wrong number, each fix tried. In: a
text; out: findings.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from netspec.analysis.expect.budget import read_expected_shapes
from netspec.diagnostics.codes import Phase
from netspec.diagnostics.model import Diagnostic, Diagnostics
from netspec.frozen_classes import replace_fields
from netspec.garbage_collection import no_collection
from netspec.read_options import PLAIN, Reading
from netspec.repair.effort import SECOND, Check, Effort, SpentError, weight
from netspec.resolve.resolve import wire
from netspec.source import Source
from netspec.syntax.subjects import name_subjects

if TYPE_CHECKING:
    from netspec.repair.autofix import Repair
from netspec.driver import (
    bare_findings,
    blames_number,
    findings,
    load_source,
    look,
    resolve_source,
    state_of,
    with_file_types,
)

__all__ = ["check_as", "check_source", "fix_source"]


BEHIND = 2
"""Faults in sizes that are told behind a first one."""


ACCUSED = 300
"""Findings beyond which no one number is looked for that would mend them all."""
GUESSES = 0.6
"""The part of what is left of the effort that is spent on whose fault it is, before fixes are
tried.
"""


REPAIR = 10 * SECOND
"""Of `--fix`, which a person asked for and waits for; `check` itself has one."""


DAMAGES = 3
"""Places where a text is no YAML behind which reading goes on."""


@no_collection()
def check_source(
    source: Source,
    reading: Reading = PLAIN,
    damages: int = DAMAGES,
    early: Callable[[list[Diagnostic]], None] | None = None,
) -> list[Diagnostic]:
    """All findings on a spec, sorted; each fix that they offer was made, and the text checked
    again.

    damages: how many times reading goes on behind a place that is no YAML, with the text mended as
    the finding there offers. early: called with the findings before changes are tried on them, if
    there is anything to try. All trials together cost about a second; what was not tried is not
    offered.
    """
    return settle_findings(source, reading, damages, early, Effort(SECOND))


def settle_findings(
    source: Source,
    reading: Reading,
    damages: int,
    early: Callable[[list[Diagnostic]], None] | None,
    effort: Effort,
) -> list[Diagnostic]:
    """The findings with the places and fixes that trials decide, as far as the effort goes."""
    found, looked = look(source, reading)
    cost = weight(source, looked.layers, len(found), looked.values)
    check = effort.paying(partial(findings, reading=reading), cost)
    compared = partial(bare_findings, reading=reading)
    if early is not None and (any(fix.edits for d in found for fix in d.fixes) or blames_number(found)):
        early(found)
    if damages and found and found[0].phase == Phase.READING:
        from netspec.repair.past_syntax_errors import is_exhausted, read_on
        from netspec.repair.tab_widths import resolve_tab_width as read_soundly

        with suppress(SpentError):
            found = read_soundly(found, source, check)
            whole = partial(settle_findings, reading=reading, damages=damages - 1, early=None, effort=effort)
            further = read_on(found, source, whole) if is_exhausted(found, source) else None
            if further is not None:
                return further
    if blames_number(found) and len(found) <= ACCUSED:
        with effort.part(GUESSES) as part, suppress(SpentError):
            part.afford(cost)
            found = with_blame(found, source, reading, part.paying(partial(findings, reading=reading), cost))
    if any(d.code in ("NS201", "NS203", "NS208") and d.others for d in found):
        from netspec.repair.names import resolve_names

        with effort.part(GUESSES) as part:
            found = resolve_names(found, source, part.paying(compared, cost), part.left // cost)
    if any(fix.edits for d in found for fix in d.fixes):
        from netspec.repair.autofix import keep_helpful_fixes

        found = keep_helpful_fixes(found, source, effort.paying(compared, cost), effort.left // cost)
    return name_subjects(found, looked.spec)


def with_blame(
    found: list[Diagnostic], source: Source, reading: Reading, check: Check, behind: int = BEHIND
) -> list[Diagnostic]:
    """The findings on sizes moved to the one number whose change mends them, where there is one.

    behind: how many faults are looked for one behind another, where the first alone hides the rest.
    """
    from netspec.repair.hidden_faults import behind as further
    from netspec.repair.nearby_sizes import with_nearby
    from netspec.repair.size_trials import Trials
    from netspec.repair.sizes import blame_numbers

    resolved = resolve_source(source, Diagnostics(), reading) if blames_number(found) else None
    if resolved is None:
        return found
    graph = with_file_types(wire(resolved, state_of("test", reading), Diagnostics()))
    trials = Trials(graph, read_expected_shapes(resolved, graph))
    expected = resolved.spec.section("expect") is not None
    moved = blame_numbers(found, source, check, trials, expected=expected)
    if moved != found or not behind:
        return moved
    told = further(
        found,
        source,
        trials,
        lambda text: with_blame(check(text), text, reading, check, behind - 1),
    )
    if told == found:
        return with_nearby(told, source, trials)
    return told


def fix_source(source: Source, reading: Reading = PLAIN) -> "Repair":
    """The text with every safe fix made that helps, and what was done."""
    from netspec.repair.autofix import repair

    found, looked = look(source, reading)
    cost = weight(source, looked.layers, len(found), looked.values)
    return repair(source, found, Effort(REPAIR).paying(partial(findings, reading=reading), cost))


def check_as(source: Source, dialect: str, reading: Reading = PLAIN) -> list[Diagnostic]:
    """NS413 for each layer of a sound spec whose size or value would change if `dialect` filled
    what it leaves open. Raises SpecError.
    """
    from netspec.analysis.dialect import differences

    diagnostics = Diagnostics()
    program = load_source(source, reading)
    resolved = resolve_source(
        source,
        diagnostics,
        replace_fields(reading, settings=(*reading.settings, f"dialect={dialect}")),
    )
    found: list[Diagnostic] = []
    for typed in program.graphs() if resolved is not None else ():
        assert resolved is not None
        other = wire(resolved, state_of(typed.graph.phase, reading), diagnostics)
        trained = resolved.file.train is not None or any(any(node.loss_weights) for node in typed.graph.nodes)
        found += differences(typed, with_file_types(other), dialect, trained=trained)
    unlike = {(d.span, d.identity): d for d in found}
    return [*diagnostics.sorted(), *unlike.values()]
