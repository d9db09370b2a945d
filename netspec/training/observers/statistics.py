"""What batch normalisation gathered, measured anew for weights that it was not gathered with. In:
nets and batches; out: their statistics changed, nothing else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn

from netspec.training.device import to_device
from netspec.training.job import Batch, TrainBatches
from netspec.training.learners import Team
from netspec.training.run.checkpoint import streams_of

__all__ = ["measure_statistics"]

MOST = 100
"""Batches that statistics are measured on, or a pass over the data where that is less: the mean of
so many is within a tenth of a batch's own spread.
"""


def measure_statistics(team: Team, batches: TrainBatches) -> None:
    """Let the nets of a training gather anew, by the batches that come next, which the training
    will see all the same.
    """
    nets = team.nets()
    if not any(statistics(module) for module in nets.modules()):
        return
    state = batches.state()
    with leave_untouched(nets, team.device):
        for learner in team:
            some = (next(batches) for _ in range(min(MOST, len(batches))))
            gather(learner.net, (to_device(learner.share(each), team.device) for each in some))
            batches.load_state(state)


@torch.no_grad()
def gather(net: nn.Module, batches: Iterator[Batch]) -> None:
    """Let a net in training gather by some batches alone.

    Sums that fade carry their own count (scale_factor); a mean that fades from 0 is divided by what
    the batches weigh in it.
    """
    first = next(batches)
    modules = find_gathering(net, first)
    for module in modules:
        for tensor in statistics(module):
            tensor.zero_()
    count = 0
    for count, batch in enumerate(chain([first], batches), 1):  # noqa: B007 - how many there were
        net(**batch)
    for module in modules:
        weight = 1 - getattr(module, "momentum", 0.0) ** count
        if not hasattr(module, "scale_factor") and weight > 0:
            for tensor in statistics(module):
                tensor.div_(weight)


def statistics(module: nn.Module) -> list[Tensor]:
    """The tensors that a module gathers in, if it is of that kind."""
    found = dict(module.named_buffers(recurse=False))
    if not {"mean", "variance"} <= found.keys():
        return []
    return [found[name] for name in ("mean", "variance", "scale_factor") if name in found]


def find_gathering(net: nn.Module, batch: Batch) -> list[nn.Module]:
    """The modules that gather, told by a batch: a frozen one has statistics and leaves them."""
    before = {module: [each.clone() for each in statistics(module)] for module in net.modules()}
    net(**batch)
    return [module for module, kept in before.items() if not all(map(torch.equal, kept, statistics(module)))]


@contextmanager
def leave_untouched(net: nn.Module, device: torch.device) -> Iterator[None]:
    """While the block runs, nets draw random numbers and carry states that nothing later sees."""
    carried = {path: module.state for path, module in streams_of(net).items()}
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield
    for path, module in streams_of(net).items():
        module.state = carried[path]
