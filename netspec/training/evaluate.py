"""A test: means of a net's losses and metrics over a data set. In: a net in phase TEST, batches;
out: numbers by name.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from netspec.training.device import to_device
from netspec.training.job import Batch, TestBatches
from netspec.training.measures.boxes import Version, judging_boxes
from netspec.training.metrics import WeightedMeans, scalars
from netspec.training.run.checkpoint import streams_of
from netspec.training.world import ALONE, World

__all__ = ["evaluate"]


def evaluate(
    net: nn.Module,
    batches: TestBatches,
    device: torch.device,
    test_iter: int = 0,
    stop: Callable[[], bool] = lambda: False,
    version: Version = "Integral",
    world: World = ALONE,
) -> dict[str, float] | None:
    """Mean of every number that `net(**batch)` gives, and of its total loss as `loss`, weighted by
    the samples of each batch; mean average precision where a layer judges boxes, by its name.

    Recurrent layers begin anew, whatever they carried from a test before. test_iter: at most so
    many batches, 0: all. stop: asked before each batch; when true the answer is None. version: how
    average precision is reckoned. world: the processes among which the batches are shared.
    """
    means = WeightedMeans()
    batches.load(0)
    for module in streams_of(net).values():
        module.reset_state()
    position = 0
    with torch.no_grad(), judging_boxes(net, version) as judged:
        for batch in in_rounds(batches, test_iter, world):
            if world.agree(int(stop()))[0]:
                return None
            if batch is None:
                continue
            numbers = scalars(net(**to_device(batch, device)))
            total = getattr(net, "total_loss", None)
            if isinstance(total, Tensor):
                numbers["loss"] = total
            means.add(numbers, batches.position - position)
            position = batches.position
        for each in judged.values():
            each.join(world.gather((each.true, each.rows)))
    means.join(world.gather(means.totals()))
    return means.result() | {name: each.mean for name, each in judged.items()}


def in_rounds(batches: TestBatches, most: int, world: World) -> Iterator[Batch | None]:
    """The batches of this process, at most so many in all; None while others still have some."""
    given, number, ended = iter(batches), world.rank, False
    while True:
        batch = None
        if not ended and (not most or number < most):
            batch = next(given, None)
        ended = batch is None  # asked again they would begin anew
        if not world.agree(int(batch is not None))[0]:
            return
        yield batch
        number += world.size
