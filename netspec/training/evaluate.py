"""A test: means of a net's losses and metrics over a data set. In: a net in phase TEST, batches;
out: numbers by name.
"""

from collections.abc import Callable
from itertools import islice

import torch
from torch import Tensor, nn

from netspec.training.device import to_device
from netspec.training.job import TestBatches
from netspec.training.measures.boxes import Version, judging_boxes
from netspec.training.metrics import WeightedMeans, scalars
from netspec.training.run.checkpoint import streams_of

__all__ = ["evaluate"]


def evaluate(
    net: nn.Module,
    batches: TestBatches,
    device: torch.device,
    test_iter: int = 0,
    stop: Callable[[], bool] = lambda: False,
    version: Version = "Integral",
) -> dict[str, float] | None:
    """Mean of every number that `net(**batch)` gives, and of its total loss as `loss`, weighted by
    the samples of each batch; mean average precision where a layer judges boxes, by its name.

    Recurrent layers begin anew, whatever they carried from a test before. test_iter: at most so
    many batches, 0: all. stop: asked before each batch; when true the answer is None. version: how
    average precision is reckoned.
    """
    means = WeightedMeans()
    batches.load(0)
    for module in streams_of(net).values():
        module.reset_state()
    position = 0
    with torch.no_grad(), judging_boxes(net, version) as judged:
        for batch in islice(batches, test_iter or None):
            if stop():
                return None
            numbers = scalars(net(**to_device(batch, device)))
            total = getattr(net, "total_loss", None)
            if isinstance(total, Tensor):
                numbers["loss"] = total
            means.add(numbers, batches.position - position)
            position = batches.position
    return means.result() | {name: each.mean for name, each in judged.items()}
