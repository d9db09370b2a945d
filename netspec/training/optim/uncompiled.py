"""torch's optimisers without their marks for torch.compile. In: a class of torch.optim; out: one that
computes the same.

The marks load the compiler when an optimiser is made and at its first step, 1 to 2 s of a start, though
nothing compiles a solver.
"""

from inspect import unwrap
from typing import TypeVar, cast

import torch
from torch.optim import Optimizer

__all__ = ["strip_marks"]

T = TypeVar("T", bound=Optimizer)
MARKED = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


def strip_marks(kind: type[T]) -> type[T]:
    """A subclass with the functions behind the marks; where a version of torch has none, with the same
    functions.
    """
    methods = {name: unwrap(getattr(kind, name)) for name in MARKED}
    # what marks a step turns gradients off, too
    step = torch.no_grad()(unwrap(kind.step))
    return cast("type[T]", type(kind.__name__, (kind,), {**methods, "step": step}))
