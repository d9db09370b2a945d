"""Losses over what counts among the rows of all processes. In: nets, a world; out: their loss modules
ask the others for what they count.
"""

from functools import partial

from torch import Tensor, nn

from netspec.training.sync_norm import sum_over, total
from netspec.training.world import World

__all__ = ["share_counts"]


def share_counts(net: nn.Module, world: World) -> None:
    """Let the losses of a net in training be such that their mean over all processes is that of one
    process with all rows.
    """
    for module in net.modules():
        if hasattr(module, "by_count"):
            module.__dict__["by_count"] = partial(divide_by, world)
        if hasattr(module, "over_all"):
            module.__dict__["over_all"] = partial(sum_over, world)


def divide_by(world: World, count: Tensor | float, least: float = 1) -> Tensor | float:
    """An N-th of what counts among all rows, since the mean over N processes divides by N once
    more; a number is that of all rows already.
    """
    if isinstance(count, Tensor):
        return total(world, count.float()).clamp_min(least) / world.size
    return max(least, count) / world.size
