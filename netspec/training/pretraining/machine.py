"""A restricted Boltzmann machine, and how it learns by contrastive divergence. In: visible values and
draws; out: directions for its weights. Knows no net and no data.
"""

from typing import NamedTuple

import torch
from torch import Generator, Tensor

__all__ = ["Direction", "Machine", "diverge", "free_energy", "happens", "hidden_given", "visible_given"]


class Machine(NamedTuple):
    """weight: (hidden, visible); the hidden units are 0 or 1, the visible ones too, or normal around
    their mean with deviation 1 (gaussian).

    E(v, h) = -b v - c h - h W v; gaussian: (v - b)^2 / 2 - c h - h W v     (Hinton 2002)
    """

    weight: Tensor
    hidden: Tensor
    visible: Tensor
    gaussian: bool = False


class Direction(NamedTuple):
    """What to add to weight, hidden and visible biases, before the rate; error: the mean squared
    distance of a visible unit from what the machine makes of it.
    """

    weight: Tensor
    hidden: Tensor
    visible: Tensor
    error: Tensor


def hidden_given(made: Machine, v: Tensor) -> Tensor:
    """p(h_j = 1 | v)."""
    return torch.sigmoid(v @ made.weight.T + made.hidden)


def visible_given(made: Machine, h: Tensor) -> Tensor:
    """p(v_i = 1 | h), or the mean of v_i."""
    mean = h @ made.weight + made.visible
    if made.gaussian:
        return mean
    return torch.sigmoid(mean)


def happens(shares: Tensor, draw: Generator) -> Tensor:
    """1 or 0, by its probability: drawn on the CPU, so that every device draws alike."""
    return (torch.rand(shares.shape, generator=draw, dtype=shares.dtype).to(shares.device) < shares).to(
        shares.dtype
    )


def sample_visible(made: Machine, mean: Tensor, draw: Generator) -> Tensor:
    if made.gaussian:
        return mean + torch.randn(mean.shape, generator=draw, dtype=mean.dtype).to(mean.device)
    return happens(mean, draw)


def diverge(made: Machine, v: Tensor, steps: int, draw: Generator) -> Direction:
    """CD-k: the statistics of the data less those after so many steps of Gibbs sampling that begin at
    the data. Probabilities stand for the last states, which takes away noise (Hinton 2010).
    """
    first = hidden_given(made, v)
    shares, mean, chain = first, v, v
    for step in range(steps):
        mean = visible_given(made, happens(shares, draw))
        if step == 0:
            error = (mean - v).square().mean()
        chain = sample_visible(made, mean, draw)
        shares = hidden_given(made, chain)
    count = len(v)
    return Direction(
        (first.T @ v - shares.T @ chain) / count,
        (first - shares).mean(0),
        (v - chain).mean(0),
        error,
    )


def free_energy(made: Machine, v: Tensor) -> Tensor:
    """F(v), with p(v) = exp(-F(v)) / Z."""
    if made.gaussian:
        own = (v - made.visible).square().sum(1) / 2
    else:
        own = -(v @ made.visible)
    return own - torch.nn.functional.softplus(v @ made.weight.T + made.hidden).sum(1)
