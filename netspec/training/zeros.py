"""Weights that are 0 stay 0. In: the tensors of a training; out: the same, their gradients 0 there.

No mask has to be kept: what starts at 0 and gets no gradient is not moved by any rule, so a run that
goes on finds the same weights at 0.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor

from netspec.training.optim.solver import ParameterSpec

__all__ = ["hold_zeros", "is_prunable"]


def is_prunable(tensor: Tensor) -> bool:
    """Whether a tensor is a matrix of weights: biases and factors of a channel are not."""
    return tensor.ndim > 1 and tensor.is_floating_point()


def hold_zeros(parameters: Sequence[ParameterSpec]) -> None:
    """Let no training move the weights that are 0."""
    for each in parameters:
        if each.trained and is_prunable(each.tensor):
            tensor: Any = each.tensor.requires_grad_()
            tensor.register_hook(partial(stop, tensor))


def stop(tensor: Tensor, gradient: Tensor) -> Tensor:
    """A gradient, 0 where the tensor is."""
    return gradient * (tensor.detach() != 0)
