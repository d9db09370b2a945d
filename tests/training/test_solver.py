"""The fused update against Caffe's rules written out, in float64, under random settings; and its state."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.diagnostics import SpecError
from netspec.resolve.learning_rates import learning_rate
from netspec.resolve.sections.solver import SolverParameter
from netspec.training.optim.solver import ParameterSpec, Solver

pytestmark = pytest.mark.torch
STEPS = 8
SHAPES = [(3, 2), (4,), ()]


class Plain:
    """Caffe's update in NumPy, step by step as the formulas say."""

    def __init__(
        self, p: SolverParameter, weights: list[np.ndarray], mults: list[tuple[float, float]]
    ) -> None:
        self.p, self.w, self.mults = p, [w.copy() for w in weights], mults
        self.a, self.b = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]
        self.rate = learning_rate(p, STEPS)

    def step(self, i: int, gradients: list[np.ndarray]) -> None:
        p = self.p
        moved = [k for k, (lr, _) in enumerate(self.mults) if lr != 0]
        norm = math.sqrt(sum(float((gradients[k] ** 2).sum()) for k in moved))
        factor = p.clip_gradients / norm if 0 <= p.clip_gradients < norm else 1.0
        for k in moved:
            w, decay = self.w[k], p.weight_decay * self.mults[k][1]
            g = gradients[k] * factor / p.iter_size
            r = self.rate(i) * self.mults[k][0]
            if p.type == "AdamW":
                self.w[k] = w = w - r * decay * w
            else:
                g = g + decay * (w if p.regularization_type == "L2" else np.sign(w))
            self.w[k] = w - self.move(k, g, r, i + 1)

    def move(self, k: int, g: np.ndarray, r: float, t: int) -> np.ndarray:
        p, mu, a, b = self.p, self.p.momentum, self.a, self.b
        match p.type:
            case "SGD":
                a[k] = mu * a[k] + r * g
                return a[k]
            case "Nesterov":
                old, a[k] = a[k], mu * a[k] + r * g
                return (1 + mu) * a[k] - mu * old
            case "AdaGrad":
                a[k] = a[k] + g * g
                return r * g / (np.sqrt(a[k]) + p.delta)
            case "RMSProp":
                a[k] = p.rms_decay * a[k] + (1 - p.rms_decay) * g * g
                return r * g / (np.sqrt(a[k]) + p.delta)
            case "AdaDelta":
                a[k] = mu * a[k] + (1 - mu) * g * g
                u = g * np.sqrt((b[k] + p.delta) / (a[k] + p.delta))
                b[k] = mu * b[k] + (1 - mu) * u * u
                return r * u
        a[k], b[k] = mu * a[k] + (1 - mu) * g, p.momentum2 * b[k] + (1 - p.momentum2) * g * g
        first, second = 1 - mu**t, 1 - p.momentum2**t
        if p.type == "AdamW":
            return r * (a[k] / first) / (np.sqrt(b[k] / second) + p.delta)
        return r * math.sqrt(second) / first * a[k] / (np.sqrt(b[k]) + p.delta)


TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam", "AdamW")
POLICIES = [
    {"lr_policy": "fixed"},
    {"lr_policy": "step", "gamma": 0.3, "stepsize": 3},
    {"lr_policy": "exp", "gamma": 0.5},
    {"lr_policy": "exp", "gamma": 1e-9},
    {"lr_policy": "exp", "gamma": 1e-15},
    {"lr_policy": "step", "gamma": 0.0, "stepsize": 3},
    {"lr_policy": "cosine", "min_lr": 0.01},
    {"lr_policy": "poly", "power": 2.0, "warmup_iter": 4},
    {"lr_policy": "one_cycle"},
]


@st.composite
def cases(draw: Any) -> tuple[SolverParameter, list[tuple[float, float]]]:
    kind = draw(st.sampled_from(TYPES))
    p = SolverParameter(
        type=kind,
        base_lr=draw(st.sampled_from([0.5, 0.01])),
        max_iter=STEPS,
        momentum=0.0 if kind in ("AdaGrad", "RMSProp") else draw(st.sampled_from([0.0, 0.5, 0.95])),
        momentum2=draw(st.sampled_from([0.0, 0.9, 0.999])),
        rms_decay=draw(st.sampled_from([0.0, 0.5, 0.99])),
        delta=draw(st.sampled_from([1e-8, 1e-2])),
        weight_decay=draw(st.sampled_from([0.0, 0.1])),
        regularization_type="L2" if kind == "AdamW" else draw(st.sampled_from(["L1", "L2"])),
        clip_gradients=draw(st.sampled_from([-1.0, 0.0, 0.7, 2.5, 1e9])),
        iter_size=draw(st.integers(1, 3)),
        **draw(st.sampled_from(POLICIES)),
    )
    multipliers = st.tuples(st.sampled_from([0.0, 0.5, 1.0, 2.0]), st.sampled_from([0.0, 1.0, 1.5]))
    return p, [(1.0, 1.0), *draw(st.lists(multipliers, min_size=2, max_size=2))]


def parameters(weights: list[np.ndarray], mults: list[tuple[float, float]]) -> list[ParameterSpec]:
    return [
        ParameterSpec(f"p{k}", torch.nn.Parameter(torch.tensor(w)), *m)
        for k, (w, m) in enumerate(zip(weights, mults, strict=True))
    ]


def apply(solver: Solver, specs: list[ParameterSpec], gradients: list[np.ndarray]) -> None:
    solver.zero_grad()
    for spec, g in zip(specs, gradients, strict=True):
        if spec.trained:
            spec.tensor.grad = torch.tensor(g)
    solver.step()


@settings(max_examples=70, deadline=None)
@given(cases(), st.integers(0, 2**31 - 1), st.integers(0, STEPS - 1))
def test_fused_is_the_plain_formula(
    case: tuple[SolverParameter, list[tuple[float, float]]], seed: int, pause: int
) -> None:
    """Also across a stop: at step `pause` the state is carried to a new solver, and the steps after it agree as well."""
    p, mults = case
    random = np.random.RandomState(seed)
    weights = [random.randn(*shape) * np.ones(shape) for shape in SHAPES]
    plain, specs = Plain(p, weights, mults), parameters(weights, mults)
    solver = Solver(p, specs, STEPS)
    for i in range(STEPS):
        if i == pause:
            state, again = solver.state(), Solver(p, specs, STEPS)
            again.load_state(*state)
            solver = again
        gradients = [random.randn(*shape) * np.ones(shape) for shape in SHAPES]
        plain.step(i, gradients)
        apply(solver, specs, gradients)
        for spec, want in zip(specs, plain.w, strict=True):
            np.testing.assert_allclose(
                spec.tensor.detach().numpy(), want, rtol=1e-9, atol=1e-12, err_msg=f"{spec.name}, step {i}"
            )
    for k, spec in enumerate(specs):
        if spec.trained:
            for ours, theirs in zip(solver.history()[spec.name], (plain.a[k], plain.b[k]), strict=False):
                np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["SGD", "Nesterov"])
def test_momentum_runs_on_where_the_rate_is_0(kind: str) -> None:
    """multistep with gamma 0: after the drop the weights still coast on the momentum they have."""
    p = SolverParameter(
        type=kind, base_lr=1.0, momentum=0.5, lr_policy="multistep", gamma=0.0, stepvalue=(1,), max_iter=3
    )
    specs = parameters([np.zeros(1)], [(1.0, 1.0)])
    solver, plain = Solver(p, specs, 3), Plain(p, [np.zeros(1)], [(1.0, 1.0)])
    for i in range(3):
        apply(solver, specs, [np.ones(1)])
        plain.step(i, [np.ones(1)])
    assert plain.w[0][0] < -1
    assert specs[0].tensor.item() == pytest.approx(plain.w[0][0])


def test_a_parameter_that_no_loss_reads_still_decays() -> None:
    specs = parameters([np.ones(1), np.ones(1)], [(1.0, 1.0), (1.0, 1.0)])
    solver = Solver(SolverParameter(base_lr=0.5, weight_decay=0.1, max_iter=1), specs, 1)
    specs[0].tensor.grad = torch.zeros(1, dtype=torch.float64)
    solver.step()
    assert specs[1].tensor.item() == pytest.approx(0.95)


@pytest.mark.parametrize("kind", TYPES)
def test_state_is_exact_in_float32(kind: str) -> None:
    """A solver that takes over another's state makes the very same steps, bit for bit."""
    p = SolverParameter(
        type=kind,
        base_lr=0.05,
        lr_policy="inv",
        gamma=0.1,
        power=0.75,
        max_iter=9,
        momentum=0.0 if kind in ("AdaGrad", "RMSProp") else 0.9,
    )
    generator = torch.Generator().manual_seed(0)
    kinds = [((5, 3), 1.0), ((4,), 2.0)]
    first = [
        ParameterSpec(f"p{k}", torch.randn(shape, generator=generator), m)
        for k, (shape, m) in enumerate(kinds)
    ]
    one = Solver(p, first, 9)
    gradients = [[torch.randn(each.tensor.shape, generator=generator) for each in first] for _ in range(9)]
    for k in range(4):
        move(one, first, gradients[k])
    second = [ParameterSpec(each.name, each.tensor.detach().clone(), each.lr_mult) for each in first]
    two = Solver(p, second, 9)
    two.load_state(*one.state())
    for k in range(4, 9):
        move(one, first, gradients[k])
        move(two, second, gradients[k])
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a.tensor, b.tensor)


def move(solver: Solver, specs: list[ParameterSpec], gradients: list[torch.Tensor]) -> None:
    for spec, g in zip(specs, gradients, strict=True):
        spec.tensor.grad = g.clone()
    solver.step()


def test_regrouped_parameters_keep_their_velocity() -> None:
    """lr_mult 1 and 2 when saved, one group when loaded: Caffe's history is the same."""
    p = SolverParameter(base_lr=0.1, momentum=0.9, max_iter=4)
    specs = parameters([np.ones(2), np.ones(2)], [(1.0, 1.0), (2.0, 1.0)])
    one = Solver(p, specs, 4)
    apply(one, specs, [np.ones(2), np.ones(2)])
    two = Solver(p, [ParameterSpec(each.name, each.tensor) for each in specs], 4)
    two.load_state(*one.state())
    for name, (buffer,) in one.history().items():
        assert torch.allclose(two.history()[name][0], buffer)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("steps", [0, 1])
def test_other_scales_where_no_velocity_is_kept(kind: str, steps: int) -> None:
    """A file's scales, which may say anything above 0, concern a velocity alone: without momentum, or a step, there is none."""
    momentum = 0.0 if kind not in ("Nesterov", "Adam", "AdamW") else 0.9
    specs = parameters([np.ones(2), np.ones(2)], [(1.0, 1.0), (1.0, 1.0)])
    one = Solver(SolverParameter(type=kind, base_lr=0.1, momentum=momentum, max_iter=4), specs, 4)
    for _ in range(steps):
        apply(one, specs, [np.ones(2), np.ones(2)])
    tensors, facts = one.state()
    kept = {name: tensor.clone() for name, tensor in tensors.items() if "momentum_buffer" not in name}
    one.load_state(kept, {**facts, "scales": {specs[1].name: 0.5}})
    assert one.iteration == steps
    assert {name: tensor.tolist() for name, tensor in one.state()[0].items()} == {
        name: tensor.tolist() for name, tensor in kept.items()
    }


def test_frozen_tensors_ask_for_no_gradient() -> None:
    specs = parameters([np.ones(2), np.ones(2)], [(1.0, 1.0), (0.0, 1.0)])
    Solver(SolverParameter(base_lr=0.1, max_iter=1), specs, 1)
    assert [each.tensor.requires_grad for each in specs] == [True, False]


@pytest.mark.parametrize(("code", "words", "mult"), [("NS670", {"momentum": 2.0}, 1.0), ("NS671", {}, 0.0)])
def test_refusals(code: str, words: dict[str, Any], mult: float) -> None:
    with pytest.raises(SpecError) as error:
        Solver(SolverParameter(base_lr=0.1, max_iter=1, **words), parameters([np.ones(2)], [(mult, 1.0)]), 1)
    assert [d.code for d in error.value.diagnostics] == [code]


@pytest.mark.parametrize("iter_size", [1, 2])
def test_clip_value_bounds_the_gradient_that_the_rule_sees(iter_size: int) -> None:
    """After the mean over iter_size, before the decay."""
    weight = torch.tensor([1.0, 1.0, 1.0])
    words = SolverParameter(base_lr=1.0, max_iter=1, clip_value=0.5, weight_decay=0.25, iter_size=iter_size)
    solver = Solver(words, [ParameterSpec("w", weight)], 1)
    weight.grad = torch.tensor([0.25, 3.0, -3.0]) * iter_size
    solver.step()
    assert weight.tolist() == [1 - 0.25 - 0.25, 1 - 0.5 - 0.25, 1 + 0.5 - 0.25]


def test_training_loads_no_compiler(tmp_path: Path) -> None:
    """torch's compiler takes longer to load than a small net to train; making torch's own optimiser loads it."""
    program = """
import sys, torch, netspec
from netspec.resolve.sections.solver import SolverParameter
from netspec.training.optim.rules import RULES
netspec.train("zoo:lenet-digits", "run", settings=["train.solver.max_iter=2"])
weight = torch.ones(3, requires_grad=True)
for name, rule in RULES.items():
    optimizer = rule.build(SolverParameter(base_lr=0.1, type=name), [{"params": [weight]}], False)
    optimizer.zero_grad()
    weight.sum().backward()
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
assert weight.requires_grad and (weight < 1).all()
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True)
