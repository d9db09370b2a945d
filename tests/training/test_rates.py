"""Learning rates beyond what Caffe recorded: corners of its policies, and the policies it lacks."""

import math

import pytest
import torch

from netspec.resolve.learning_rates import learning_rate
from netspec.resolve.sections.solver import SolverParameter, solver_faults


def rates(count: int, **words: object) -> list[float]:
    rate = learning_rate(SolverParameter(base_lr=1.0, max_iter=count, **words), count)
    return [rate(i) for i in range(count)]


def test_multistep_moves_on_at_most_once_per_iteration() -> None:
    assert rates(6, lr_policy="multistep", gamma=0.5, stepvalue=(2, 2, 1)) == [1, 1, 0.5, 0.25, 0.125, 0.125]
    assert rates(2, lr_policy="multistep", gamma=0.5, stepvalue=(0,)) == [0.5, 0.5]


def test_sigmoid_far_out_is_finite() -> None:
    assert rates(3, lr_policy="sigmoid", gamma=1e6, stepsize=1) == [0, 0.5, 1]


def test_a_rate_too_large_for_a_float_is_infinite() -> None:
    assert rates(3, lr_policy="exp", gamma=1e200)[2] == math.inf


def test_poly_and_cosine_end_at_their_floor() -> None:
    poly = learning_rate(SolverParameter(base_lr=2.0, lr_policy="poly", power=0.5), 8)
    assert (poly(0), poly(6), poly(8), poly(9)) == (2, 1, 0, 0)
    cosine = learning_rate(SolverParameter(base_lr=2.0, lr_policy="cosine", min_lr=1.0), 8)
    assert (cosine(0), cosine(4), cosine(8), cosine(9)) == (2, 1.5, 1, 1)


def test_warmup_climbs_to_the_policy_and_leaves_it_as_it_is_from_there() -> None:
    warm = rates(8, lr_policy="exp", gamma=0.5, warmup_iter=4, warmup_start_lr=0.01)
    cold = rates(8, lr_policy="exp", gamma=0.5)
    assert warm[0] == 0.01
    assert warm[2] == pytest.approx((0.01 + cold[4]) / 2)
    assert warm[4:] == cold[4:]


@pytest.mark.torch
@pytest.mark.parametrize("count", [1, 2, 3, 10, 57])
def test_cosine_is_pytorchs(count: int) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.7)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, count, 0.1)
    theirs = []
    for _ in range(count):
        theirs.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    rate = learning_rate(SolverParameter(base_lr=0.7, lr_policy="cosine", min_lr=0.1), count)
    assert [rate(i) for i in range(count)] == pytest.approx(theirs)


@pytest.mark.torch
@pytest.mark.parametrize("count", [2, 3, 10, 57])
@pytest.mark.parametrize("share", [0.15, 0.3, 0.9])
def test_one_cycle_is_pytorchs(count: int, share: float) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.7)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.7, total_steps=count, pct_start=share, cycle_momentum=False
    )
    theirs = [schedule.get_last_lr()[0]]
    for _ in range(count - 1):
        optimizer.step()
        schedule.step()
        theirs.append(schedule.get_last_lr()[0])
    rate = learning_rate(SolverParameter(base_lr=0.7, lr_policy="one_cycle", pct_start=share), count)
    assert [rate(i) for i in range(count)] == pytest.approx(theirs)


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("momentum", {"type": "AdaGrad", "momentum": 0.9}),
        ("momentum", {"type": "RMSProp", "momentum": 0.9}),
        ("momentum", {"momentum": 1.0}),
        ("regularization_type", {"type": "AdamW", "regularization_type": "L1"}),
        ("stepsize", {"lr_policy": "step"}),
        ("stepvalue", {"lr_policy": "multistep"}),
        ("max_iter", {"max_iter": 0}),
        ("max_iter", {"epochs": 2.0}),
        ("gamma", {"gamma": -0.1}),
        ("base_lr", {"base_lr": 0.0}),
        ("base_lr", {"base_lr": math.inf}),
        ("iter_size", {"iter_size": 0}),
        ("momentum2", {"momentum2": 1.0}),
        ("pct_start", {"pct_start": 1.0}),
        ("rms_decay", {"rms_decay": math.nan}),
    ],
)
def test_faults(word: str, words: dict[str, object]) -> None:
    faults = list(solver_faults(SolverParameter(**({"base_lr": 0.1, "max_iter": 10} | words))))
    assert [found for found, _ in faults] == [word]


def test_epochs_count_begun_iterations() -> None:
    assert SolverParameter(epochs=2.5, iter_size=2).iterations(7) == 9
    assert SolverParameter(max_iter=12).iterations(7) == 12


@pytest.mark.torch
@pytest.mark.parametrize(("first", "mult"), [(1, 1), (4, 1), (7, 1), (1, 2), (5, 2), (3, 3)])
def test_warm_restarts_are_pytorchs(first: int, mult: int) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.7)
    schedule = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, first, mult, 0.1)
    theirs = []
    for _ in range(57):
        theirs.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    words = {"lr_policy": "warm_restarts", "stepsize": first, "cycle_mult": mult, "min_lr": 0.1}
    rate = learning_rate(SolverParameter(base_lr=0.7, **words), 57)
    assert [rate(i) for i in range(57)] == pytest.approx(theirs)


def test_restarts_go_on_behind_those_that_are_listed() -> None:
    rate = learning_rate(SolverParameter(base_lr=1.0, lr_policy="warm_restarts", stepsize=4), 10**9)
    assert [rate(10**9 - 4 + i) for i in range(3)] == pytest.approx([rate(i) for i in range(3)])


def test_a_plateau_asks_for_a_factor() -> None:
    for gamma in (0.0, 1.0):
        words = SolverParameter(base_lr=1.0, lr_policy="plateau", gamma=gamma, max_iter=5)
        assert [word for word, _ in solver_faults(words)] == ["gamma"]
    assert not list(solver_faults(SolverParameter(base_lr=1.0, lr_policy="plateau", gamma=0.1, max_iter=5)))
