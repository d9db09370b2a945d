"""What a certification does, in order, and what it leaves out. In: the cases; out: Steps.

Work is counted in multiply-accumulates, never in seconds, so that a file gets the same certificate
on every machine.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from netspec.exporters.certification.cases import Case, number
from netspec.ir.graph import TypedGraph

__all__ = ["Level", "Step", "affordable_samples", "plan_steps"]

Level = Literal["quick", "full"]
BUDGET: dict[Level, float] = {"quick": 60e9, "full": 400e9}
"""Work of all steps together, in multiply-accumulates; beyond, steps are left out."""
ELEMENT = 400
"""What an element of a tensor costs to be made three times and compared, in
multiply-accumulates.
"""
SHARES = 40
"""One case may cost so small a part of the budget: many are to share it."""
QUICK = 5
"""Steps of `--certify quick`: the most telling ones come first, see `in_order`."""
ALWAYS = 4
"""The first steps are made whatever they cost."""


@dataclass(frozen=True)
class Step:
    """One comparison: every layer alone or the whole, with drawn weights or the net's own."""

    how: Literal["layers", "whole"]
    weights: Literal["drawn", "own"]
    case: Case
    cost: float = 0.0

    @property
    def text(self) -> str:
        what = "each layer" if self.how == "layers" else "the outputs"
        return (
            f"{what}, {'weights that hide nothing' if self.weights == 'drawn' else 'its own weights'},"
            f" {self.case}"
        )


def plan_steps(typed: TypedGraph, cases: Sequence[Case], level: Level) -> tuple[list[Step], int]:
    """The steps that are made, those with drawn weights first, and how many of a full certification
    are left out.
    """
    every = list(in_order(cases))
    chosen = affordable(typed, every[:QUICK] if level == "quick" else every, BUDGET[level], cases[0])
    return sorted(chosen, key=lambda step: step.weights == "own"), len(every) - len(chosen)


def in_order(cases: Sequence[Case]) -> Iterator[Step]:
    """The most telling steps first."""
    second = cases[min(1, len(cases) - 1)]
    yield Step("layers", "drawn", cases[0])
    yield Step("layers", "own", cases[0])
    yield Step("whole", "own", second)
    yield Step("whole", "drawn", cases[0])
    yield from (Step("layers", "drawn", case) for case in cases[1:])
    yield Step("layers", "own", second)
    yield from (Step("whole", "own", case) for case in (*cases[2:4], *cases[-1:]))


def affordable(typed: TypedGraph, steps: Sequence[Step], budget: float, least: Case) -> list[Step]:
    """The steps within the budget; one that would take more than its share of it gets the sizes of
    the first case.
    """
    spent, kept = 0.0, list[Step]()
    for step in steps:
        always = len(kept) < ALWAYS
        for case in (step.case, replace(step.case, sizes=least.sizes)):
            cost = work(typed, case)
            fits = cost <= budget / SHARES or case.sizes == least.sizes or (always and step.how == "whole")
            if fits and (always or spent + cost <= budget):
                spent += cost
                kept.append(replace(step, case=case, cost=cost))
                break
    return kept


def work(typed: TypedGraph, case: Case) -> float:
    """What it costs to run a case and to compare it."""
    costs = ((typed.macs(node), *(t.size for t in typed.tops(node))) for node in typed.graph.nodes)
    return sum(
        float(number(macs, case)) + ELEMENT * sum(number(size, case) for size in sizes)
        for macs, *sizes in costs
    )


def affordable_samples(typed: TypedGraph, case: Case, count: int, level: Level) -> int:
    """How many of the `count` samples of a case are run: a quarter of the budget goes to them."""
    return max(1, int(BUDGET[level] / 4 * count / max(work(typed, case), 1.0)))
