"""Sizes of an input nearby that a net takes, where its own do not fit. In: findings on sizes that
no number mends; out: helps.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from netspec.analysis.evidence import disagreement
from netspec.analysis.number_places import Written, axes
from netspec.diagnostics.model import Diagnostic, Edit, Fix
from netspec.repair.edits import belongs
from netspec.repair.size_trials import Trials
from netspec.source import Source

__all__ = ["with_nearby"]

AWAY = 64
"""How far from the number in the file is looked, either way: nets that halve their maps six times
take multiples of 64.
"""
BORDER = "NS305"
"""Windows that must end at the border are the only bound of a layer's own parameter that is mended
at the input.
"""
SPACE = 2
"""The first axis of space."""


def with_nearby(found: Sequence[Diagnostic], source: Source, trials: Trials) -> list[Diagnostic]:
    """The findings; where nothing else is offered for the first one on sizes, the nearest smaller
    and larger sizes at which all agree.
    """
    accused = [d for d in found if trials.suspects(d)]
    evidence = disagreement(accused[0]) if accused else None
    if (
        evidence is None
        or any(fix.edits for d in accused for fix in d.fixes)
        or (evidence.own and accused[0].code != BORDER)
    ):
        return list(found)
    fixes = next((ways for together in spaces(source, trials) if (ways := nearest(together, trials))), ())
    first = replace(accused[0], fixes=(*accused[0].fixes, *fixes))
    return [first if d is accused[0] else d for d in found]


def spaces(source: Source, trials: Trials) -> Iterator[tuple[Written, ...]]:
    """The numbers of each input's space: equal ones together, since pictures are mostly meant to
    stay square; then each by itself.
    """
    for given in trials.graph.inputs:
        numbers = [written for written, axis in axes(given) if axis.axis >= SPACE and written.value > 1]
        numbers = [written for written in numbers if belongs(source, Edit(written.span, ""))]
        if len(numbers) > 1 and len({written.value for written in numbers}) == 1:
            yield tuple(numbers)
        yield from ((written,) for written in numbers)


def nearest(together: tuple[Written, ...], trials: Trials) -> tuple[Fix, ...]:
    """What to write in place of some equal numbers: the first way down and the first way up that
    leaves no layer refusing.
    """
    own = together[0].value
    found = (
        next((n for n in ways if agrees(together, n, trials)), 0)
        for ways in (range(own - 1, max(own - AWAY, 1), -1), range(own + 1, own + AWAY))
    )
    return tuple(
        Fix(
            f"write {n} in place of {own}{' on each axis' if len(together) > 1 else ''}",
            edits(together, n),
        )
        for n in found
        if n
    )


def agrees(together: tuple[Written, ...], number: int, trials: Trials) -> bool:
    return trials.remaining(edits(together, number)) == set()


def edits(together: tuple[Written, ...], number: int) -> tuple[Edit, ...]:
    return tuple(Edit(written.span, str(number)) for written in together)
