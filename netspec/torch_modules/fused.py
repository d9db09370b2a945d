"""Several modules run in fewer passes than one each. Inlined into emitted files, so it needs torch
alone.

Where somebody listens to one of them (a hook), or has put another in its place, each runs by
itself.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netspec.torch_modules.activation import Absolute
from netspec.torch_modules.batch_norm import BatchNorm
from netspec.torch_modules.combine import Concat
from netspec.torch_modules.pointwise import Affine, Clip, Power, Threshold
from netspec.torch_modules.scale import Scale

POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)

POINTWISE = (Affine, Absolute, Clip, Threshold, nn.ReLU, nn.LeakyReLU, nn.Sigmoid, nn.Tanh)


def has_hooks(*modules: nn.Module) -> bool:
    """Whether somebody listens to one of the modules."""
    return any(
        m._forward_hooks or m._forward_pre_hooks or m._backward_hooks or m._backward_pre_hooks
        for m in modules
    )


def norm_and_scale(x: Tensor, norm: Any, scale: Any, *relus: nn.Module) -> Any:
    """norm, scale and perhaps a ReLU, which writes over what these make."""
    known = isinstance(norm, BatchNorm) and isinstance(scale, Scale)
    if not known or has_hooks(norm, scale, *relus) or any(type(relu) is not nn.ReLU for relu in relus):
        for module in (norm, scale, *relus):
            x = module(x)
        return x
    y = norm.normalize(x, scale.weight, scale.bias)
    if relus:
        return torch.relu_(y)
    return y


def overwrite(*parts: Any) -> Any:
    """What a module makes of some values, and a ReLU in the same memory. parts: the values, the
    module, the ReLU.
    """
    *xs, make, relu = parts
    y = make(*xs)
    # a module may hand on what it was given: that is somebody else's
    if has_hooks(make, relu) or type(relu) is not nn.ReLU or any(y is x for x in xs):
        return relu(y)
    return torch.relu_(y)


def take_every(x: Tensor, pool: nn.Module, steps: tuple[int, ...]) -> Any:
    """Every so-manieth place along each axis after the channels."""
    if has_hooks(pool) or not isinstance(pool, POOLS):
        return pool(x)
    return x[(slice(None), slice(None), *(slice(None, None, step) for step in steps))]


def widen(x: Tensor, like: Tensor, zeros: nn.Module, join: nn.Module, axis: int, first: bool) -> Any:
    """x with zeros behind it along an axis, or before it, as many as another value has places
    there.
    """
    if has_hooks(zeros, join) or not isinstance(zeros, Power) or not isinstance(join, Concat):
        made = zeros(like)
        if first:
            return join(made, x)
        return join(x, made)
    count = like.shape[axis]
    sides = [0, 0] * (x.dim() - axis - 1)
    return F.pad(x, [*sides, count, 0] if first else [*sides, 0, count])


class Filled(torch.autograd.Function):
    """A number at every place of another value, to which it sends gradients of 0."""

    @staticmethod
    def forward(_ctx: Any, like: Tensor, number: Tensor) -> Tensor:
        return torch.empty_like(like).copy_(number)

    @staticmethod
    def backward(_ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        return torch.zeros_like(slopes[0]), None


def fill(like: Tensor, *modules: nn.Module) -> Any:
    """What modules make of a number that the first makes of anything: worked out at one place."""
    if has_hooks(*modules) or not all(isinstance(module, POINTWISE) for module in modules):
        for module in modules:
            like = module(like)
        return like
    number = like.new_zeros(1)
    for module in modules:
        number = module(number)
    return Filled.apply(like, number)  # type: ignore[no-untyped-call]
