"""The learning rate of each iteration: Caffe's policies and some beyond. In: the solver's words;
out: a function of the iteration.
"""

import math
from bisect import bisect_right
from collections.abc import Callable

from netspec.resolve.sections.solver import SolverParameter

__all__ = ["Rate", "learning_rate", "restarts"]

Rate = Callable[[int], float]


def learning_rate(p: SolverParameter, max_iter: int) -> Rate:
    """The rate before lr_mult as a function of the iteration, counted from 0; `max_iter` is the
    length of the training.

    Below warmup_iter it climbs linearly from warmup_start_lr to the policy's rate at warmup_iter;
    policies count from 0 regardless.
    """
    policy = POLICIES[p.lr_policy](p, max_iter)
    if p.warmup_iter == 0:
        return policy
    low, high = p.warmup_start_lr, policy(p.warmup_iter)
    return lambda i: policy(i) if i >= p.warmup_iter else low + (high - low) * i / p.warmup_iter


def make_fixed(p: SolverParameter, max_iter: int) -> Rate:
    """base"""
    return lambda i: p.base_lr


def step(p: SolverParameter, max_iter: int) -> Rate:
    """base gamma^floor(i / stepsize)"""
    return lambda i: p.base_lr * power(p.gamma, i // p.stepsize)


def exp(p: SolverParameter, max_iter: int) -> Rate:
    """base gamma^i"""
    return lambda i: p.base_lr * power(p.gamma, i)


def inv(p: SolverParameter, max_iter: int) -> Rate:
    """base (1 + gamma i)^-power"""
    return lambda i: p.base_lr * power(1 + p.gamma * i, -p.power)


def multistep(p: SolverParameter, max_iter: int) -> Rate:
    """base gamma^k; k moves on at the first iteration >= the next stepvalue, and by at most one per
    iteration, as in Caffe.
    """
    moves: list[int] = []
    for value in p.stepvalue:
        moves.append(max([value, *(last + 1 for last in moves[-1:])]))
    return lambda i: p.base_lr * power(p.gamma, bisect_right(moves, i))


def poly(p: SolverParameter, max_iter: int) -> Rate:
    """base (1 - i / max_iter)^power, 0 from max_iter on"""
    return lambda i: p.base_lr * power(max(0.0, 1 - i / max_iter), p.power)


def sigmoid(p: SolverParameter, max_iter: int) -> Rate:
    """base / (1 + exp(-gamma (i - stepsize))): rises, since gamma >= 0"""
    return lambda i: p.base_lr * logistic(p.gamma * (i - p.stepsize))


def cosine(p: SolverParameter, max_iter: int) -> Rate:
    """min + (base - min) (1 + cos(pi i / max_iter)) / 2, min from max_iter on (Loshchilov and
    Hutter 2017, no restarts)
    """
    return lambda i: between(p.base_lr, p.min_lr, min(1.0, i / max_iter))


def one_cycle(p: SolverParameter, max_iter: int) -> Rate:
    """From base / div_factor up to base over pct_start of the way, then down to base / div_factor /
    final_div_factor, by half cosines.

    Smith and Topin 2018, in the form of torch.optim.lr_scheduler.OneCycleLR with max_lr = base_lr;
    the momentum stays as it is.
    """
    first, last = p.base_lr / p.div_factor, p.base_lr / p.div_factor / p.final_div_factor
    peak, end = p.pct_start * max_iter - 1, max_iter - 1

    def rate(i: int) -> float:
        if i < peak:
            return between(first, p.base_lr, i / peak)
        return between(p.base_lr, last, min(1.0, (i - peak) / (end - peak)) if end > peak else 1.0)

    return rate


def warm_restarts(p: SolverParameter, max_iter: int) -> Rate:
    """A cosine from base to min over stepsize iterations, then anew from base over cycle_mult times
    as many, and so on (Loshchilov and Hutter 2017)
    """
    begins = restarts(p, max_iter)

    def rate(i: int) -> float:
        k = bisect_right(begins, i) - 1
        length = p.stepsize * p.cycle_mult**k
        begin = begins[k]
        if p.cycle_mult == 1:
            begin = i - i % p.stepsize
            length = p.stepsize
        return between(p.base_lr, p.min_lr, min(1.0, (i - begin) / length))

    return rate


def restarts(p: SolverParameter, length: int, most: int = 1000) -> list[int]:
    """The iterations below `length` at which a cycle of warm_restarts begins, the first 0; of equal
    cycles the first `most`.
    """
    found, cycle = [0], p.stepsize
    # equal cycles may be a million: a rate finds its place in those by division
    while found[-1] + cycle < length and len(found) < most:
        found.append(found[-1] + cycle)
        cycle *= p.cycle_mult
    return found


def plateau(p: SolverParameter, max_iter: int) -> Rate:
    """base; tests multiply it by gamma (training/observers/plateau.py)"""
    return make_fixed(p, max_iter)


def logistic(x: float) -> float:
    """1 / (1 + e^-x), small rather than 0 far to the left."""
    if x >= 0:
        return 1 / (1 + math.exp(-x))
    return math.exp(x) / (1 + math.exp(x))


def between(a: float, b: float, t: float) -> float:
    """From a (t = 0) to b (t = 1) along half a cosine."""
    return b + (a - b) * (1 + math.cos(math.pi * t)) / 2


def power(base: float, exponent: float) -> float:
    """base^exponent for base >= 0; what a float cannot hold is inf, as in C (Python raises)."""
    try:
        return float(base**exponent)
    except (OverflowError, ZeroDivisionError):
        return math.inf


POLICIES: dict[str, Callable[[SolverParameter, int], Rate]] = {
    "fixed": make_fixed,
    "step": step,
    "exp": exp,
    "inv": inv,
    "multistep": multistep,
    "poly": poly,
    "sigmoid": sigmoid,
    "cosine": cosine,
    "one_cycle": one_cycle,
    "warm_restarts": warm_restarts,
    "plateau": plateau,
}
