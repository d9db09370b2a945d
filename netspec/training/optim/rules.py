"""Caffe's update rules on PyTorch's fused optimisers. In: parameter groups and a rate; out: an
optimiser that makes Caffe's step.

Adam and the rules without a rate in their buffers only need their constants set; SGD and Nesterov
need `set_velocity`.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, optim
from torch.optim import Optimizer

from netspec.resolve.sections.solver import SolverParameter
from netspec.training.optim.uncompiled import strip_marks

__all__ = ["RULES", "Group", "Rule"]

Group = dict[str, Any]
SGD = strip_marks(optim.SGD)
Adagrad = strip_marks(optim.Adagrad)
RMSprop = strip_marks(optim.RMSprop)
Adadelta = strip_marks(optim.Adadelta)
Adam = strip_marks(optim.Adam)
AdamW = strip_marks(optim.AdamW)
SMALLEST_RATE = 1e-30
"""A velocity divided by it still fits float32, whose largest number is 3.4e38."""


class Rule(NamedTuple):
    """An optimiser, the names of its buffers in the order of Caffe's history, whether it counts
    steps, and what to set before each.

    prepare(group, rate, t, solver words): rate is that of the group (lr_mult included), t counts
    iterations from 1.
    """

    build: Callable[[SolverParameter, list[Group], bool], Optimizer]
    buffers: tuple[str, ...]
    counted: bool
    prepare: Callable[[Optimizer, Group, float, int, SolverParameter], None]


def set_rate(optimizer: Optimizer, group: Group, rate: float, t: int, p: SolverParameter) -> None:
    group["lr"] = rate


def set_adam(optimizer: Optimizer, group: Group, rate: float, t: int, p: SolverParameter) -> None:
    """Caffe adds delta to sqrt(v) before the bias correction: the textbook's epsilon is delta /
    sqrt(1 - momentum2^t).
    """
    group["lr"] = rate
    group["eps"] = p.delta / math.sqrt(1 - p.momentum2**t)


def set_velocity(optimizer: Optimizer, group: Group, rate: float, t: int, p: SolverParameter) -> None:
    """Bring PyTorch's buffer B (rate outside) to Caffe's V (rate inside): V = scale B, where scale
    is the rate of the step before.

    V' = mu V + r g is B' = (mu scale / r) B + g with scale' = r: for SGD a momentum of its own in
    that step; Nesterov: see `look_ahead`. A rate of 0 (or too small to divide by) has no such B:
    then B is V, the gradient and the decay are multiplied by the rate, and the optimiser's rate is
    1.
    """
    scale: float = group["scale"]
    if p.momentum == 0:
        group["lr"] = rate
    elif rate < SMALLEST_RATE:
        rescale(optimizer, group, scale)
        multiply([tensor.grad for tensor in group["params"]], rate)
        group.update(
            lr=1.0,
            scale=1.0,
            momentum=p.momentum,
            dampening=0.0,
            weight_decay=group["decay"] * rate,
        )
    elif group["nesterov"]:
        look_ahead(optimizer, group, rate, p.momentum)
    else:
        group.update(lr=rate, scale=rate, momentum=p.momentum * scale / rate, weight_decay=group["decay"])


def look_ahead(optimizer: Optimizer, group: Group, rate: float, mu: float) -> None:
    """Nesterov's step under a new rate r, without touching the buffer: V = s B, and V' = s' B' with
    s' = sqrt(s r).

    PyTorch makes B' = m B + d g and w -= r (g + m B'). With m = mu s / s' and d = r / s' that is V'
    = mu V + r g, and the step is r (1 + m d) g + r m^2 B = (1 + mu) r g + mu^2 V, which is Caffe's
    (1 + mu) V' - mu V. The first step makes B' = g, hence s' = r.
    """
    begun = "momentum_buffer" in optimizer.state[group["params"][0]]
    old: float = group["scale"] if begun else rate
    new = rate if old == rate else math.sqrt(old * rate)
    group.update(
        lr=rate,
        scale=new,
        momentum=mu * old / new,
        dampening=1 - rate / new,
        weight_decay=group["decay"],
    )


def rescale(optimizer: Optimizer, group: Group, factor: float) -> None:
    """Multiply the momentum buffers of a group that has made a step."""
    buffers = [optimizer.state[tensor].get("momentum_buffer") for tensor in group["params"]]
    if factor != 1 and buffers[0] is not None:
        multiply(buffers, factor)


@torch.no_grad()
def multiply(tensors: list[Tensor], factor: float | Tensor) -> None:
    torch._foreach_mul_(tensors, factor)


def build_sgd(p: SolverParameter, groups: list[Group], fused: bool) -> Optimizer:
    nesterov = p.type == "Nesterov" and p.momentum > 0
    for group in groups:
        group["scale"] = 1.0
    return SGD(groups, lr=p.base_lr, momentum=p.momentum, nesterov=nesterov, **carrier(fused))


def build_adagrad(p: SolverParameter, groups: list[Group], fused: bool) -> Optimizer:
    on_cpu = all(tensor.device.type == "cpu" for group in groups for tensor in group["params"])
    return Adagrad(groups, lr=p.base_lr, eps=p.delta, **carrier(fused and on_cpu))


def build_rmsprop(p: SolverParameter, groups: list[Group], fused: bool) -> Optimizer:
    return RMSprop(groups, lr=p.base_lr, alpha=p.rms_decay, eps=p.delta, foreach=True)


def build_adadelta(p: SolverParameter, groups: list[Group], fused: bool) -> Optimizer:
    return Adadelta(groups, lr=p.base_lr, rho=p.momentum, eps=p.delta, foreach=True)


def build_adam(p: SolverParameter, groups: list[Group], fused: bool) -> Optimizer:
    return Adam(groups, lr=p.base_lr, betas=(p.momentum, p.momentum2), eps=p.delta, **carrier(fused))


def build_adamw(p: SolverParameter, groups: list[Group], fused: bool) -> Optimizer:
    """Loshchilov and Hutter 2019, as in PyTorch: w -= r lambda w apart from Adam's step, epsilon =
    delta uncorrected.
    """
    return AdamW(groups, lr=p.base_lr, betas=(p.momentum, p.momentum2), eps=p.delta, **carrier(fused))


def carrier(fused: bool) -> dict[str, Any]:
    """One kernel for all tensors where there is one, else one call for each operation."""
    if fused:
        return {"fused": True}
    return {"foreach": True}


RULES: Mapping[str, Rule] = {
    "SGD": Rule(build_sgd, ("momentum_buffer",), False, set_velocity),
    "Nesterov": Rule(build_sgd, ("momentum_buffer",), False, set_velocity),
    "AdaGrad": Rule(build_adagrad, ("sum",), True, set_rate),
    "RMSProp": Rule(build_rmsprop, ("square_avg",), True, set_rate),
    "AdaDelta": Rule(build_adadelta, ("square_avg", "acc_delta"), True, set_rate),
    "Adam": Rule(build_adam, ("exp_avg", "exp_avg_sq"), True, set_adam),
    "AdamW": Rule(build_adamw, ("exp_avg", "exp_avg_sq"), True, set_rate),
}
