"""The words of a solver, Caffe's SolverParameter with Caffe's defaults, and what Caffe refuses.
Knows no torch, no file, no net.
"""

import math
from collections.abc import Iterator
from typing import Literal

from netspec.record import Record, param

__all__ = ["LrPolicy", "PlayerSolver", "SolverParameter", "SolverType", "solver_faults"]

SolverType = Literal["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam", "AdamW"]
LrPolicy = Literal[
    "fixed",
    "step",
    "exp",
    "inv",
    "multistep",
    "poly",
    "sigmoid",
    "cosine",
    "one_cycle",
    "warm_restarts",
    "plateau",
]
# Caffe's adagrad_solver and rmsprop_solver refuse one
WITHOUT_MOMENTUM = ("AdaGrad", "RMSProp")
WITH_STEPSIZE = ("step", "sigmoid", "warm_restarts")
SIGNS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


class SolverParameter(Record):
    """How a net is trained. The words down to random_seed mean what they mean in Caffe; the rest is
    beyond Caffe.
    """

    type: SolverType = param(default="SGD", doc="rule of the update; AdamW is beyond Caffe")
    base_lr: float = param(
        default=0.0, gt=0, doc="learning rate at the beginning, before each weight's lr_mult"
    )
    lr_policy: LrPolicy = param(
        default="fixed",
        doc="how the rate changes with the iteration; those from cosine on are beyond Caffe",
    )
    gamma: float = param(default=0.0, ge=0, doc="constant of step, exp, inv, multistep, sigmoid and plateau")
    power: float = param(default=0.0, doc="exponent of inv and poly")
    stepsize: int = param(
        default=0,
        ge=0,
        doc="iterations between steps; the middle of sigmoid; the first cycle of warm_restarts",
    )
    stepvalue: tuple[int, ...] = param(
        default=(), ge=0, doc="multistep: iterations at which the rate is multiplied by gamma"
    )
    max_iter: int = param(default=0, ge=0, doc="length of the training in iterations")
    momentum: float = param(
        default=0.0,
        ge=0,
        lt=1,
        doc="share of the last update that is kept; Adam's beta_1, AdaDelta's rho",
    )
    momentum2: float = param(default=0.999, ge=0, lt=1, doc="Adam's beta_2")
    rms_decay: float = param(default=0.99, ge=0, lt=1, doc="RMSProp's decay of the mean square")
    delta: float = param(
        default=1e-8,
        ge=0,
        doc="constant against division by 0 in AdaGrad, RMSProp, AdaDelta, Adam (epsilon)",
    )
    weight_decay: float = param(
        default=0.0,
        ge=0,
        doc="lambda: how much the weights themselves count in the gradient, before decay_mult",
    )
    regularization_type: Literal["L2", "L1"] = param(
        default="L2", doc="lambda w (L2) or lambda sign(w) (L1) joins the gradient"
    )
    clip_gradients: float = param(
        default=-1.0, doc="largest L2 norm of all gradients together; negative: no bound"
    )
    clip_value: float | None = param(
        default=None,
        gt=0,
        doc="largest value of each number of the gradient, either sign; beyond Caffe",
    )
    iter_size: int = param(default=1, ge=1, doc="batches in an iteration; their gradients are averaged")
    test_iter: int = param(default=0, ge=0, doc="batches in a test; 0: the whole test set, each sample once")
    test_interval: int = param(default=0, ge=0, doc="iterations between tests; 0: only at the end")
    test_initialization: bool = param(
        default=True, doc="test before the first iteration, where there is a test_interval"
    )
    display: int = param(
        default=0, ge=0, doc="iterations between lines of the log; 0: a hundredth of the training"
    )
    average_loss: int = param(default=1, ge=1, doc="iterations in the loss that is shown")
    ap_version: Literal["11point", "MaxIntegral", "Integral"] = param(
        default="Integral",
        doc=(
            "how a test makes average precision of boxes: the mean at 11 recalls (VOC 2007), the area under"
            " the highest precision of each recall or more (VOC 2012), the area as it is"
        ),
    )
    snapshot: int = param(default=0, ge=0, doc="iterations between snapshots; 0: only at the end")
    # an int64 in Caffe's SolverParameter
    random_seed: int = param(
        default=-1,
        ge=-(1 << 63),
        le=(1 << 63) - 1,
        doc="seed of weights, order and dropout; negative: another one each time",
    )
    epochs: float = param(
        default=0.0,
        ge=0,
        doc="length of the training in passes over the data, in place of max_iter",
    )
    min_lr: float = param(
        default=0.0,
        ge=0,
        doc="rate at which cosine ends, and each cycle of warm_restarts; least of plateau",
    )
    cycle_mult: int = param(
        default=1, ge=1, doc="warm_restarts: how many times as long as the last each cycle is"
    )
    # torch's ReduceLROnPlateau waits for 10 as well
    patience: int = param(
        default=10,
        ge=1,
        doc="plateau: tests in a row without a better value after which the rate falls",
    )
    warmup_iter: int = param(
        default=0, ge=0, doc="iterations over which the rate climbs linearly to that of lr_policy"
    )
    warmup_start_lr: float = param(default=0.0, ge=0, doc="rate at which that climb begins")
    # the defaults of torch's OneCycleLR
    pct_start: float = param(
        default=0.3, gt=0, lt=1, doc="one_cycle: share of the training in which the rate rises"
    )
    div_factor: float = param(default=25.0, ge=1, doc="one_cycle: base_lr over the first rate")
    final_div_factor: float = param(default=1e4, ge=1, doc="one_cycle: first rate over the last")

    def iterations(self, batches: int, taken: int = 0) -> int:
        """Length of the training in iterations, where one epoch is so many batches; a begun
        iteration counts.

        taken: batches in an iteration; 0: iter_size.
        """
        if self.epochs == 0:
            return self.max_iter
        return math.ceil(self.epochs * batches / (taken or self.iter_size))


OF_THE_TRAINING = frozenset(
    {
        "max_iter",
        "epochs",
        "test_iter",
        "test_interval",
        "test_initialization",
        "display",
        "average_loss",
        "ap_version",
        "snapshot",
        "random_seed",
    }
)
"""Words that are said once, for all who learn."""


class PlayerSolver(Record):
    """The words of a solver that one player may have otherwise than the others: those of the update
    rule. None: as train.solver says.
    """

    params = {name: p.optional() for name, p in SolverParameter.params.items() if name not in OF_THE_TRAINING}
    names = params

    def over(self, words: SolverParameter) -> SolverParameter:
        """The words of train.solver with these in their place."""
        return words.replace(
            **{name: value for name in self.params if (value := getattr(self, name)) is not None}
        )


def solver_faults(p: SolverParameter) -> Iterator[tuple[str, str]]:
    """The settings that do not go together, each as (word, requirement with its numbers). Single
    words out of range come first.
    """
    yield from range_faults(p)
    if p.type in WITHOUT_MOMENTUM and p.momentum != 0:
        yield "momentum", f"{p.type} takes no momentum: momentum is {p.momentum:g}"
    if p.type == "AdamW" and p.regularization_type == "L1":
        yield (
            "regularization_type",
            "AdamW decays the weights themselves (L2): regularization_type is L1",
        )
    if p.lr_policy in WITH_STEPSIZE and p.stepsize <= 0:
        yield "stepsize", f"lr_policy {p.lr_policy} needs stepsize >= 1: stepsize is {p.stepsize}"
    if p.lr_policy == "multistep" and not p.stepvalue:
        yield "stepvalue", "lr_policy multistep needs at least one stepvalue"
    if p.lr_policy == "plateau" and not 0 < p.gamma < 1:
        yield "gamma", f"lr_policy plateau needs gamma above 0 and below 1: gamma is {p.gamma:g}"
    if (p.max_iter > 0) == (p.epochs > 0):
        yield (
            "max_iter",
            f"give one of max_iter and epochs, above 0: max_iter is {p.max_iter}, epochs is {p.epochs:g}",
        )


def range_faults(p: SolverParameter) -> Iterator[tuple[str, str]]:
    """The numbers out of the bounds that they are declared with, for a record that was not read
    from a spec; and what is not finite.
    """
    for word, declared in p.params.items():
        value = getattr(p, word)
        numbers = value if isinstance(value, tuple) else (value,)
        for number in numbers:
            if not isinstance(number, (int, float)):
                continue
            if not math.isfinite(number) or not declared.bounds.allow(number):
                wanted = " and ".join(
                    f"{SIGNS[bound]} {limit:g}" for bound, limit in declared.bounds.schema.items()
                )
                yield word, f"{word} must be {wanted or 'finite'}: it is {number:g}"
