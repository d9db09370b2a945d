"""The words of a solver, Caffe's SolverParameter with Caffe's defaults, and what Caffe refuses. Knows no torch, no file, no net."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

__all__ = ["LrPolicy", "SolverParameter", "SolverType", "solver_faults"]

SolverType = Literal["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam", "AdamW"]
LrPolicy = Literal["fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid", "cosine", "one_cycle"]
WITHOUT_MOMENTUM = ("AdaGrad", "RMSProp")
WITH_STEPSIZE = ("step", "sigmoid")
WITH_MAX_ITER = ("poly", "cosine", "one_cycle")
NO_CLIPPING = -1.0
LOWEST = {"base_lr": 0, "gamma": 0, "delta": 0, "weight_decay": 0, "max_iter": 0, "epochs": 0, "iter_size": 1, "average_loss": 1,
          "test_iter": 0, "test_interval": 0, "display": 0, "snapshot": 0, "min_lr": 0, "warmup_iter": 0, "warmup_start_lr": 0,
          "div_factor": 1, "final_div_factor": 1}


@dataclass(frozen=True, slots=True)
class SolverParameter:
    """How a net is trained. The words down to random_seed mean what they mean in Caffe; the rest is beyond Caffe.

    type, base_lr, lr_policy, gamma, power, stepsize, stepvalue: the rule and its rate (see rates.py).
    momentum, momentum2, rms_decay, delta: constants of the rule (Adam's beta_1, beta_2 and epsilon are momentum, momentum2, delta).
    weight_decay, regularization_type: lambda and whether lambda w (L2) or lambda sign(w) (L1) joins the gradient.
    clip_gradients: largest L2 norm of all gradients together; negative: no bound.
    iter_size: batches per iteration, their gradients averaged. average_loss: iterations in the loss that is shown.
    max_iter, test_interval, display, snapshot: in iterations, 0: never (a snapshot at the end is always taken).
    test_iter: batches per test, 0: the whole test set, each sample once. random_seed: negative: another one each time.
    epochs: passes over the training data, in place of max_iter. min_lr: where cosine ends.
    warmup_iter, warmup_start_lr: the rate climbs linearly to the policy's over so many iterations.
    pct_start, div_factor, final_div_factor: shape of one_cycle (the words of torch.optim.lr_scheduler.OneCycleLR).
    """

    type: SolverType = "SGD"
    base_lr: float = 0.0
    lr_policy: LrPolicy = "fixed"
    gamma: float = 0.0
    power: float = 0.0
    stepsize: int = 0
    stepvalue: tuple[int, ...] = ()
    max_iter: int = 0
    momentum: float = 0.0
    momentum2: float = 0.999
    rms_decay: float = 0.99
    delta: float = 1e-8
    weight_decay: float = 0.0
    regularization_type: Literal["L2", "L1"] = "L2"
    clip_gradients: float = NO_CLIPPING
    iter_size: int = 1
    test_iter: int = 0
    test_interval: int = 0
    test_initialization: bool = True
    display: int = 0
    average_loss: int = 1
    snapshot: int = 0
    random_seed: int = -1
    epochs: float = 0.0
    min_lr: float = 0.0
    warmup_iter: int = 0
    warmup_start_lr: float = 0.0
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4

    def iterations(self, batches: int) -> int:
        """Length of the training in iterations, where one epoch is so many batches; a begun iteration counts."""
        return self.max_iter if self.epochs == 0 else math.ceil(self.epochs * batches / self.iter_size)


def solver_faults(p: SolverParameter) -> Iterator[tuple[str, str]]:
    """The settings that do not go together, each as (word, requirement with its numbers). Single words out of range come first."""
    yield from range_faults(p)
    if p.type in WITHOUT_MOMENTUM and p.momentum != 0:
        yield "momentum", f"{p.type} takes no momentum: momentum is {p.momentum:g}"
    if p.type == "AdamW" and p.regularization_type == "L1":
        yield "regularization_type", "AdamW decays the weights themselves (L2): regularization_type is L1"
    if p.lr_policy in WITH_STEPSIZE and p.stepsize <= 0:
        yield "stepsize", f"lr_policy {p.lr_policy} needs stepsize >= 1: stepsize is {p.stepsize}"
    if p.lr_policy == "multistep" and not p.stepvalue:
        yield "stepvalue", "lr_policy multistep needs at least one stepvalue"
    if (p.max_iter > 0) == (p.epochs > 0):
        yield "max_iter", f"give one of max_iter and epochs, above 0: max_iter is {p.max_iter}, epochs is {p.epochs:g}"


def range_faults(p: SolverParameter) -> Iterator[tuple[str, str]]:
    """The single words out of their range: what Caffe checks, and what would divide by zero."""
    for word, lowest in LOWEST.items():
        if not lowest <= getattr(p, word) < math.inf:
            yield word, f"{word} must be a number >= {lowest}: it is {getattr(p, word):g}"
    for word in ("momentum", "momentum2", "rms_decay"):
        if not 0 <= getattr(p, word) < 1:
            yield word, f"{word} must be at least 0 and below 1: it is {getattr(p, word):g}"
    if p.base_lr == 0:
        yield "base_lr", "base_lr must be above 0: with a rate of 0 nothing is learnt"
    if not 0 < p.pct_start < 1:
        yield "pct_start", f"pct_start must lie between 0 and 1: it is {p.pct_start:g}"
