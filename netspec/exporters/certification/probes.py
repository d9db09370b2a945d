"""Questions that a model carries with its answers, so that any machine can ask them again. In: a
Bench and a session; out: plain data.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from netspec.exporters.certification.bench import Bench, longest_sums
from netspec.exporters.certification.cases import Case, number
from netspec.exporters.certification.compare import EPS, FACTOR
from netspec.exporters.certification.session import Session
from netspec.seal import choose_probed, probe_array

__all__ = ["probes"]

COUNT = 2


def probes(bench: Bench, session: Session, cases: Sequence[Case]) -> list[dict[str, Any]]:
    """A few probes: what goes in by its recipe, and of what comes out some values, with what they
    may be off on another machine.
    """
    return [probe(bench, session, replace(case, seed=i)) for i, case in enumerate(cases[:COUNT])]


def probe(bench: Bench, session: Session, case: Case) -> dict[str, Any]:
    recipe: dict[str, list[Any]] = {}
    for i, (name, type_) in enumerate(bench.inputs.items()):
        values = bench.values[name]
        kind, most = (values, 0) if isinstance(values, str) else ("whole", number(values, case))
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
    answers = {}
    for value in wanted:
        got, exact = made[bench.names.tensors[value]], truth[value]
        answers[bench.names.tensors[value]] = answer(got, exact, single[value], sums[value])
    return {
        "inputs": recipe,
        "states": {name: list(a.shape) for name, a in state.items()},
        "outputs": answers,
    }


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
