"""A list of augmentations on rows of the data: which further rows are needed, and what becomes of
all.

The batch of a list without mixtures is its rows. A mixture needs partners for the samples that it
is drawn for, made by what stands before it; their rows lie behind those of the batch.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch

from netspec.augmentation.kernels.batch import Batch
from netspec.augmentation.kernels.draw import Draw

__all__ = ["Change", "Plan", "Stage", "augment", "plan_rows"]

Indices = npt.NDArray[np.int64]


class Change(Protocol):
    """What is asked of an entry of the list."""

    partners: Any
    probability: Any
    apply: Callable[..., Batch]


class Stage(NamedTuple):
    """A mixture's part: the entry, how many samples it makes, and which of them are mixed."""

    entry: int
    samples: int
    at: Indices


class Plan(NamedTuple):
    """Rows to read: indices into the data with the pass that they belong to; the stages, last
    first.
    """

    indices: Indices
    epochs: Indices
    stages: tuple[Stage, ...] = ()


def plan_rows(changes: Sequence[Change], seed: int, epochs: Indices, indices: Indices, count: int) -> Plan:
    """The rows that a batch needs, its own first. count: samples in the data."""
    stages = []
    for number in reversed(range(len(changes))):
        change = changes[number]
        if not change.partners:
            continue
        draw = Draw.of(seed, epochs, indices).entry(number)
        at = draw.chance(change.probability, "probability").numpy().nonzero()[0]
        stages.append(Stage(number, len(indices), at))
        chosen = draw.rows(at).integers(count, "partner", change.partners).numpy()
        # partner by partner, so that the rows of each lie together
        indices = np.concatenate((indices, chosen.T.reshape(-1)))
        epochs = np.concatenate((epochs, np.tile(epochs[at], change.partners)))
    return Plan(indices, epochs, tuple(stages))


def augment(changes: Sequence[Any], batch: Batch, draw: Draw, stages: Sequence[Stage] = ()) -> Batch:
    """The batch after all changes; draw: that of all rows of the plan."""
    waiting = {stage.entry: stage for stage in stages}
    for number, change in enumerate(changes):
        if number in waiting:
            stage = waiting[number]
            batch = mix(change, batch, draw.entry(number), stage)
            draw = draw.rows(slice(0, stage.samples))
        elif not change.partners:
            batch = change.apply(batch, draw.entry(number))
    return batch.settle()


def mix(change: Any, batch: Batch, draw: Draw, stage: Stage) -> Batch:
    """The samples of a mixture, from them and their partners."""
    ready, many = batch.settle(), len(stage.at)
    first = ready.rows(0, stage.samples)
    if not many:
        return first.replace(label=first.shares())
    begins = [stage.samples + k * many for k in range(change.partners)]
    others = [ready.rows(begin, begin + many) for begin in begins]
    made: Batch = change.mix(first, torch.from_numpy(stage.at), others, draw.rows(stage.at))
    return made
