"""The rate over a whole training: what is said of it without walking through it is what a walk finds."""

import math
from itertools import product
from pathlib import Path

import pytest
from analysis_specs import findings, net
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.analysis.learning_rate.schedule import NOTHING, Stretch, schedule
from netspec.diagnostics import Diagnostics
from netspec.diagnostics.codes import Phase
from netspec.resolve.learning_rates import POLICIES, learning_rate
from netspec.resolve.sections.solver import SolverParameter
from netspec.source import Source
from netspec.syntax.reader import read

NUMBERS = st.sampled_from([0.0, 1e-30, 0.1, 0.5, 0.999, 1.0, 1.5, 10.0, 1e200])
WORDS = st.fixed_dictionaries({
    "lr_policy": st.sampled_from(sorted(POLICIES)),
    "base_lr": st.sampled_from([1e-40, 0.01, 1.0]),
    "gamma": NUMBERS,
    "power": st.sampled_from([-2.0, 0.0, 0.75, 1.0, 300.0]),
    "stepsize": st.integers(1, 40),
    "cycle_mult": st.sampled_from([1, 1, 2, 5]),
    "stepvalue": st.lists(st.integers(0, 50), min_size=1, max_size=4).map(tuple),
    "warmup_iter": st.sampled_from([0, 0, 1, 7, 60]),
    "warmup_start_lr": st.sampled_from([0.0, 0.001, 5.0]),
    "min_lr": st.sampled_from([0.0, 0.01, 2.0]),
    "pct_start": st.sampled_from([0.01, 0.3, 0.99]),
    "final_div_factor": st.sampled_from([1.0, 1e4]),
})  # fmt: skip
BOUNDS = [
    lambda r: 0 <= r <= NOTHING,
    lambda r: r > 2.0,
    lambda r: r < 0,
    lambda r: not math.isfinite(r),
    lambda r: r < 1e-9,
]


@settings(deadline=None, max_examples=300)
@given(WORDS, st.integers(1, 45))
def test_stretches_are_those_of_a_walk(words: dict[str, object], length: int) -> None:
    solver = SolverParameter(max_iter=length, **words)
    rate, made = learning_rate(solver, length), schedule(solver, length)
    walked = [rate(i) for i in range(length)]
    for holds in BOUNDS:
        assert made.where(holds) == stretches([holds(r) for r in walked])
    finite = [r for r in walked if math.isfinite(r)]
    assert len(finite) < length or (max(walked), min(walked)) == (
        max(r for _, r in made.ends),
        min(r for _, r in made.ends),
    )


def stretches(holds: list[bool]) -> list[Stretch]:
    found: list[Stretch] = []
    for i in (i for i, each in enumerate(holds) if each):
        found = [*found[:-1], (found[-1][0], i)] if found and found[-1][1] == i - 1 else [*found, (i, i)]
    return found


def test_a_long_training_is_not_walked_through() -> None:
    asked: list[int] = []
    made = schedule(SolverParameter(base_lr=0.1, lr_policy="exp", gamma=0.999999), 10**12)
    assert made.where(lambda rate: not asked.append(0) and rate <= NOTHING) == [
        (pytest.approx(101669000, rel=1e-3), 10**12 - 1)
    ]
    assert len(asked) < 100


def spec(solver: str, more: str = "") -> str:
    return net(
        "[N, 1, 8, 8]",
        "name: ip, type: InnerProduct, num_output: 10, weight_filler: xavier",
        f"train: {{data: digits, solver: {{base_lr: 0.01, {solver}}}{more}}}\n",
    )


@pytest.mark.parametrize(
    ("solver", "code", "words"),
    [
        ("lr_policy: step, stepsize: 20, max_iter: 60", "NS694", ["from iteration 20 of 60 on", "gamma is not given"]),
        ("lr_policy: step, gamma: 0, stepsize: 20, max_iter: 60", "NS694", ["from iteration 20 of 60 on", "gamma is 0"]),
        ("lr_policy: exp, max_iter: 60", "NS694", ["from iteration 1 of 60 on", "gamma is not given"]),
        ("lr_policy: multistep, stepvalue: [30, 40], max_iter: 60", "NS694", ["from iteration 30 of 60 on", "gamma is not given"]),
        ("lr_policy: exp, gamma: 0.5, max_iter: 1000000000", "NS694", ["from iteration 144 of 1000000000 on", "gamma is 0.5"]),
        ("lr_policy: poly, power: 1, warmup_iter: 90, max_iter: 60", "NS694", ["in all 60 iterations", "warmup_iter is 90"]),
        ("lr_policy: sigmoid, gamma: 10, stepsize: 30, max_iter: 60", "NS694", ["before iteration 21 of 60", "gamma is 10"]),
        ("lr_policy: exp, warmup_iter: 5, max_iter: 60", "NS694", ["in all 60 iterations", "gamma is not given"]),
        ("lr_policy: exp, gamma: 2, max_iter: 60", "NS695", ["from iteration 27 of 60 on", "gamma is 2"]),
        ("lr_policy: inv, gamma: 1e30, power: -30, max_iter: 60", "NS695", ["not finite", "from iteration 1 of 60 on"]),
        ("lr_policy: inv, gamma: 1, power: -9, max_iter: 60", "NS695", ["power is -9"]),
        ("lr_policy: fixed, gamma: 0.1, max_iter: 60", "NS425", ["lr_policy fixed reads no gamma"]),
        ("gamma: 0.1, stepsize: 5, lr_policy: exp, max_iter: 6", "NS425", ["lr_policy exp reads no stepsize"]),
        ("momentum2: 0.9, max_iter: 60", "NS425", ["type SGD reads no momentum2"]),
        ("delta: 0.1, max_iter: 60", "NS425", ["solver: type SGD reads no delta"]),
        ("type: Adam, rms_decay: 0.9, max_iter: 60", "NS425", ["type Adam reads no rms_decay"]),
        ("min_lr: 0.1, lr_policy: poly, power: 1, max_iter: 60", "NS425", ["lr_policy poly reads no min_lr"]),
        ("warmup_start_lr: 0.1, max_iter: 60", "NS425", ["warmup_iter is above 0"]),
        ("regularization_type: L1, max_iter: 60", "NS425", ["weight_decay is above 0"]),
        ("lr_policy: step, gamma: 0.1, stepsize: 60, max_iter: 60", "NS426", ["behind the end"]),
        ("lr_policy: sigmoid, gamma: 0.1, stepsize: 90, max_iter: 60", "NS426", ["behind the end"]),
        ("lr_policy: multistep, gamma: 0.1, stepvalue: [30, 60, 70], max_iter: 60", "NS426", ["60 and 1 more is never reached"]),
        ("lr_policy: multistep, gamma: 0.1, stepvalue: [30, 20], max_iter: 60", "NS426", ["20 stands behind 30"]),
        ("lr_policy: multistep, gamma: 0.1, stepvalue: [30, 30], max_iter: 60", "NS426", ["30 stands behind 30"]),
        ("lr_policy: multistep, gamma: 0.1, stepvalue: [0, 30], max_iter: 60", "NS426", ["iteration 0"]),
        ("warmup_iter: 60, max_iter: 60", "NS426", ["warm-up of 60 iterations is not over in 60"]),
        ("lr_policy: poly, max_iter: 60", "NS426", ["leaves the rate at 0.01", "power is not given"]),
        ("lr_policy: inv, power: 0.75, max_iter: 60", "NS426", ["leaves the rate at 0.01", "gamma is not given"]),
        ("lr_policy: inv, gamma: 0.1, max_iter: 60", "NS426", ["leaves the rate at 0.01", "power is not given"]),
        ("lr_policy: step, gamma: 10, stepsize: 20, max_iter: 60", "NS426", ["rises to 1 in iteration 59", "gamma is 10"]),
        ("lr_policy: exp, gamma: 0.1, max_iter: 30", "NS426", ["from iteration 10 of 30 on the rate is below a billionth of 0.01"]),
        ("lr_policy: step, stepsize: 20, epochs: 3", "NS426", ["from iteration 20 on, should the training last so long"]),
        ("lr_policy: exp, max_iter: 2", "NS426", ["0 in the last iteration"]),
        ("weight_decay: 10, max_iter: 60", "NS448", ["takes 10% of every weight: base_lr 0.01 x weight_decay 10"]),
        ("momentum: 0.9, weight_decay: 1, max_iter: 60", "NS448", ["takes 10% of", "weight_decay 1 / (1 - momentum 0.9)"]),
        ("type: Nesterov, momentum: 0.5, weight_decay: 150, max_iter: 60", "NS448", ["takes 300% of every weight"]),
        ("type: AdamW, momentum: 0.9, momentum2: 0.99, weight_decay: 10, max_iter: 60", "NS448", ["takes 10% of every weight"]),
    ],
)  # fmt: skip
def test_an_odd_solver_is_told(solver: str, code: str, words: list[str]) -> None:
    (found,) = findings(spec(solver))
    assert found.code == code
    assert [word for word in words if word not in found.fact] == []
    assert found.span is not None


@pytest.mark.parametrize(
    "solver",
    [
        "max_iter: 1",
        "gamma: 0, max_iter: 60",
        "type: Adam, momentum: 0.9, momentum2: 0.99, delta: 1e-4, max_iter: 60",
        "type: RMSProp, rms_decay: 0.9, delta: 0.1, max_iter: 60",
        "type: AdaDelta, momentum: 0.95, delta: 1e-6, max_iter: 60",
        "lr_policy: step, gamma: 0.1, stepsize: 20, max_iter: 60",
        "lr_policy: step, gamma: 0.1, stepsize: 59, max_iter: 60",
        "lr_policy: step, gamma: 2, stepsize: 20, max_iter: 60",
        "lr_policy: multistep, gamma: 0.1, stepvalue: [20, 59], max_iter: 60",
        "lr_policy: poly, power: 1, max_iter: 60",
        "lr_policy: cosine, max_iter: 1000000",
        "lr_policy: one_cycle, pct_start: 0.2, max_iter: 1000",
        "lr_policy: sigmoid, gamma: 0.1, stepsize: 30, max_iter: 60",
        "lr_policy: inv, gamma: 0.0001, power: 0.75, max_iter: 10000",
        "warmup_iter: 10, warmup_start_lr: 0.001, max_iter: 60",
        "warmup_iter: 59, max_iter: 60",
        "lr_policy: cosine, epochs: 3",
        "momentum: 0.9, weight_decay: 0.01, regularization_type: L1, max_iter: 60",
        "momentum: 0.9, weight_decay: 0.9, max_iter: 60",
        "type: AdamW, momentum: 0.9, momentum2: 0.99, weight_decay: 9, max_iter: 60",
        "type: Adam, momentum: 0.9, momentum2: 0.99, weight_decay: 10, max_iter: 60",
        "weight_decay: 10, regularization_type: L1, max_iter: 60",
    ],
)
def test_a_plain_solver_is_not_told(solver: str) -> None:
    assert findings(spec(solver)) == []


def test_players_are_told_apart() -> None:
    layers = "\n".join(
        f"name: {name}, type: InnerProduct, num_output: 1, weight_filler: xavier" for name in "ab"
    )
    heads = "name: la, type: Reduction, bottom: a, loss_weight: 1\nname: lb, type: Reduction, bottom: b, loss_weight: 1"
    players = "players: {one: {loss: la, layers: a, steps: 2}, two: {loss: lb, layers: b, solver: {lr_policy: fixed, momentum2: 0.9}}}"
    train = f"train: {{data: digits, solver: {{base_lr: 0.1, lr_policy: step, stepsize: 100, max_iter: 60, rms_decay: 0.5}}, {players}}}\n"
    found = findings(net("[N, 1, 8, 8]", f"{layers}\n{heads}", train))
    assert [(d.code, d.fact) for d in found] == [
        ("NS694", "one: from iteration 100 of 120 on, by lr_policy step: gamma is not given")
    ]
    mended = findings(net("[N, 1, 8, 8]", f"{layers}\n{heads}", train.replace("rms", "gamma: 0.1, rms")))
    assert [(d.code, d.fact) for d in mended] == [
        ("NS425", "solver: type SGD reads no rms_decay"),
        ("NS425", "two: type SGD reads no momentum2"),
    ]


RECORD = Path(__file__).with_name("solvers.txt")
WORDS_OF = {
    "fixed": ("", "warmup_iter: 7", "warmup_iter: 70, warmup_start_lr: 0.5", "gamma: 0.3"),
    "step": ("gamma: 0.3, stepsize: 7", "stepsize: 7", "gamma: 20, stepsize: 4", "gamma: 0.3, stepsize: 61", "gamma: 1e30, stepsize: 2"),
    "exp": ("gamma: 0.9", "", "gamma: 0.1", "gamma: 1.2", "gamma: 1", "gamma: 0.9, stepsize: 3"),
    "inv": ("gamma: 0.1, power: 0.75", "gamma: 0.1", "power: 0.75", "gamma: 0.1, power: -3"),
    "multistep": ("gamma: 0.3, stepvalue: [3, 8]", "gamma: 0.3, stepvalue: [5, 5, 5]", "stepvalue: [9, 3, 70]", "gamma: 0.3, stepvalue: [0, 40, 70, 80]"),
    "poly": ("power: 2", "", "power: -1", "power: 0.5, warmup_iter: 3, warmup_start_lr: 0.004"),
    "sigmoid": ("gamma: 0.3, stepsize: 9", "gamma: -0.3, stepsize: 9", "gamma: 0.3, stepsize: 90", "gamma: 900, stepsize: 30"),
    "cosine": ("min_lr: 0.002", "", "min_lr: 3, warmup_iter: 5"),
    "one_cycle": ("", "pct_start: 0.1, div_factor: 5, final_div_factor: 100", "pct_start: 0.001", "div_factor: 0.01"),
    "warm_restarts": ("stepsize: 6", "stepsize: 5, cycle_mult: 2, min_lr: 0.001", "stepsize: 60, cycle_mult: 3", "stepsize: 1"),
    "plateau": ("gamma: 0.3, patience: 2", "gamma: 3", "gamma: 0.3, patience: 50"),
}  # fmt: skip
LENGTHS = ("max_iter: 12", "max_iter: 60", "max_iter: 1", "epochs: 3")


def test_solvers_are_told_as_recorded(request: pytest.FixtureRequest) -> None:
    """Every finding whole, and rates at iterations that tell one off from another: `--update` rewrites solvers.txt."""
    lines = []
    for policy, each in WORDS_OF.items():
        for words, length in product(each, LENGTHS):
            said = ", ".join(filter(None, (f"lr_policy: {policy}", words, length)))
            lines.append(f"== {said}")
            told = findings(spec(said))
            for found in told:
                place = found.span.text if found.span is not None else "nowhere"
                lines.append(f"{found.code} {place}: {found.fact} | {' | '.join(found.notes)}")
            tree = read(Source("solver", f"{{base_lr: 0.01, {said}}}"), Diagnostics())
            assert tree is not None
            if length.startswith("max_iter") and not any(found.phase == Phase.SCHEMA for found in told):
                solver = SolverParameter.read(tree.mapping)
                rate = learning_rate(solver, solver.max_iter)
                lines.append(" ".join(f"{rate(i):.6g}" for i in (*range(13), 29, 30, 31, 40, 58, 59, 60)))
    text = "\n".join(lines) + "\n"
    if request.config.getoption("update", default=False):
        RECORD.write_text(text, encoding="utf-8")
    assert text.split("\n") == RECORD.read_text(encoding="utf-8").split("\n")
