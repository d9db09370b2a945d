"""Batch normalisation by the rows of all processes. In: nets, a world; out: their normalising modules
ask the others for what they have.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from netspec.training.world import World

__all__ = ["normalisers", "synchronise"]


def normalisers(net: nn.Module) -> Iterator[nn.Module]:
    """The modules that normalise by a batch while they train."""
    return (module for module in net.modules() if hasattr(module, "by_batch") and module.training)


def synchronise(net: nn.Module, world: World) -> None:
    """Let a net in training normalise by the rows of all processes."""
    for module in normalisers(net):
        module.__dict__["by_batch"] = partial(normalise, world)
        if hasattr(module, "moments"):
            module.__dict__["moments"] = partial(moments, world)


class Total(torch.autograd.Function):
    """The sum over all processes, of which each one's gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, world: World, x: Tensor) -> Tensor:
        ctx.world = world
        return total(world, x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, total(ctx.world, gradients[0])


def sum_over(world: World, x: Tensor) -> Tensor:
    """The sum over all processes, through which gradients go."""
    whole: Tensor = Total.apply(world, x)  # type: ignore[no-untyped-call]
    return whole


def total(world: World, x: Tensor) -> Tensor:
    """The sum over all processes, outside of any graph."""
    whole = x.detach().clone()
    world.average([whole])
    return whole * world.size


def normalise(  # noqa: PLR0913, PLR0917 - the signature of torch.batch_norm
    world: World,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    variance: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn: bool,
) -> Tensor:
    """(x - mean) / sqrt(variance + eps) weight + bias, over all rows; mean and variance are set to
    the batch's, the variance with n - 1 as torch has it.
    """
    axes, shape = [0, *range(2, x.dim())], [1, -1, *[1] * (x.dim() - 2)]
    rows = x.float()
    count = total(world, rows.new_tensor([rows.numel() / rows.shape[1]]))
    centre = sum_over(world, rows.sum(axes)) / count
    away = rows - centre.view(shape)
    spread = sum_over(world, away.square().sum(axes)) / count
    if mean is not None and variance is not None:
        mean.copy_(centre.detach())
        variance.copy_(spread.detach() * count / (count - 1).clamp_min(1))
    y: Tensor = away * (spread + eps).rsqrt().view(shape)
    for factor, join in ((weight, torch.mul), (bias, torch.add)):
        if factor is not None:
            y = join(y, factor.view(shape))
    return y.to(x.dtype)


def moments(world: World, x: Tensor, axes: list[int], correction: int = 0) -> tuple[Tensor, Tensor]:
    """Variance and mean over all rows, as torch.var_mean gives them of some."""
    variance, mean = torch.var_mean(x, axes, correction=correction)
    whole = total(world, mean) / world.size
    spread = total(world, variance + (mean - whole).square()) / world.size
    return spread, whole
