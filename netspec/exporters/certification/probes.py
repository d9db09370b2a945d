"""Questions that a model carries with its answers, so that any machine can ask them again. In: a
Bench and a session; out: plain data.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from netspec.exporters.certification.bench import Bench, longest_sums
from netspec.exporters.certification.cases import SAMPLES, Case, Values, number
from netspec.exporters.certification.compare import EPS, FACTOR
from netspec.exporters.certification.session import Session
from netspec.ir.boxes import Boxes
from netspec.seal import choose_probed, probe_array

__all__ = ["probes"]

COUNT = 2


def probes(
    bench: Bench, session: Session, cases: Sequence[Case], look: Callable[[Case], None]
) -> list[dict[str, Any]]:
    """A few probes: what goes in by its recipe, and of what comes out some values, with what they
    may be off on another machine.

    look: compares every layer by itself on what is on the bench, where the model lists more rows
    than the net, or fewer. Is each as it should be, rounding decides how many, and no machine need
    agree.
    """
    chosen = [replace(case, seed=i) for i, case in enumerate(cases[:COUNT])]
    found = (probe(bench, session, case, look) for case in chosen)
    return [each for each in found if each is not None]


def probe(bench: Bench, session: Session, case: Case, look: Callable[[Case], None]) -> dict[str, Any] | None:
    recipe: dict[str, list[Any]] = {}
    for i, (name, type_) in enumerate(bench.inputs.items()):
        values = bench.values[name]
        kind, most = kind_of(values, case)
        recipe[name] = [
            [number(s, case) for s in type_.shape],
            type_.dtype,
            kind,
            most,
            10 * case.seed + i,  # another for each input
        ]
    feed = {name: probe_array(tuple(shape), *rest) for name, (shape, *rest) in recipe.items()}
    state = {name: array for name, array in bench.feed(case).items() if name not in recipe}
    bench.exact.reset()
    bench.single.reset()
    wanted = bench.typed.graph.outputs
    made, sums = session.run({**feed, **state}), longest_sums(bench.typed, case)
    truth, single = (side.run({**feed, **state}, wanted) for side in (bench.exact, bench.single))
    if any(made[bench.names.tensors[v]].shape != truth[v].shape for v in wanted):
        bench.real = {**feed, **state}
        look(replace(case, kind=SAMPLES))
        return None
    answers = {}
    for value in wanted:
        got, exact = made[bench.names.tensors[value]], truth[value]
        answers[bench.names.tensors[value]] = answer(got, exact, single[value], sums[value])
    return {
        "inputs": recipe,
        "states": {name: list(a.shape) for name, a in state.items()},
        "outputs": answers,
    }


def kind_of(values: Values, case: Case) -> tuple[str, int]:
    """The recipe's word for what an input holds, and below what its whole numbers are."""
    if isinstance(values, Boxes):
        return ("priors" if values.kind == "priors" else "real"), 0
    if isinstance(values, str):
        return values, 0
    return "whole", number(values, case)


def answer(got: Any, truth: Any, single: Any, fan_in: float) -> dict[str, Any]:
    """Shape, some values, and twice what rounding may cost: two machines may err to two sides."""
    import numpy as np

    flat = got.reshape(-1)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = [np.abs(x.astype(np.float64) - truth) for x in (got, single)]
    finite = [float(np.where(np.isfinite(x), x, 0.0).max(initial=0.0)) for x in (*apart, np.abs(truth))]
    tolerance = 2 * max(finite[0], FACTOR * finite[1], FACTOR * EPS * fan_in**0.5 * finite[2])
    return {
        "shape": list(got.shape),
        "values": [float(flat[i]) for i in choose_probed(flat.size)],
        "tolerance": tolerance,
    }
