"""How several processes make one step: each takes its rows of every batch, and gradients and what
layers gather are averaged. In: a job, its tensors, a world; out: the same weights in all of them.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from netspec import driver
from netspec.diagnostics import Diagnostic, SpecError, fail
from netspec.ir.layer import Layer
from netspec.ir.polynomial import symbols
from netspec.training.batches.feeds import batch_axis, section_of
from netspec.training.batches.order import Share, entropy
from netspec.training.job import Job
from netspec.training.learners import Team
from netspec.training.observers.statistics import measure_statistics
from netspec.training.optim.solver import ParameterSpec, gradient
from netspec.training.run.checkpoint import streams_of
from netspec.training.sync_loss import share_counts
from netspec.training.sync_norm import normalisers, synchronise
from netspec.training.world import ALONE, Seat, World

__all__ = ["Sharing", "check_batch", "check_launch", "check_rows", "compare_worlds", "foretell_sharing"]


class Sharing:
    """A world at work on a job.

    testing: the world that a test is shared in, its batches dealt out whole; nets that carry a
    state from batch to batch are tested by each process alone.
    """

    def __init__(self, world: World, job: Job, parameters: Sequence[ParameterSpec]) -> None:
        self.world, self.batches, self.testing = world, job.train_batches, world
        self.gathered = [each.tensor for each in parameters if is_gathered(each.tensor)]
        self.before: list[Tensor] = []
        self.spread = job.shard
        if world.size == 1:
            return
        share = Share(world.rank, world.size)
        job.train_batches.take_share(share)
        if job.test_net is not None and streams_of(job.test_net):
            self.testing, share = ALONE, Share()
        for batches in (job.test_batches, job.final_batches):
            if batches is not None:
                batches.take_share(share)
        for net in (job.net, *(player.net for player in job.players)):
            share_counts(net, world)
            if job.sync_batch_norm:
                synchronise(net, world)
        self.keep()

    def seed(self, seed: int) -> int:
        """What this process draws by, as for dropout: each its own."""
        if self.world.first:
            return seed
        return int(entropy(seed, 3, self.world.rank).generate_state(1)[0])

    @torch.no_grad()
    def average(self, tensors: Sequence[Tensor]) -> None:
        """Give gradients, and what layers gathered since the last time, their mean; those of weights
        that are spread have it already.
        """
        if self.world.size == 1:
            return
        gradients = [] if self.spread else [gradient(tensor) for tensor in tensors]
        changes = [now - before for now, before in zip(self.gathered, self.before, strict=True)]
        self.world.average([*gradients, *changes])
        for now, before, change in zip(self.gathered, self.before, changes, strict=True):
            now.copy_(before + change)
        self.keep()

    def keep(self) -> None:
        """Note what layers have gathered: what does not change then stays as it is to the bit."""
        self.before = [tensor.clone() for tensor in self.gathered]

    def measure(self, team: Team) -> None:
        """Let the nets gather anew, each process by its rows."""
        measure_statistics(team, self.batches)
        self.world.average(self.gathered)


def is_gathered(tensor: Tensor) -> bool:
    """Whether a tensor is a real one that no rule moves: a statistic."""
    return tensor.is_floating_point() and not isinstance(tensor, nn.Parameter)


def check_launch(program: driver.Program, processes: int) -> None:
    """What so many processes would refuse, before they are started. NS605."""
    check_batch(program, World(Seat(0, processes)))


def check_batch(program: driver.Program, world: World) -> None:
    """NS605 where a batch that trains cannot be dealt out evenly, at the place that says its
    size.
    """
    if world.size == 1:
        return
    section, typed = program.resolved.spec.section("train"), program.training_graph("train")
    sizes = [
        (getattr(node.layer, "batch_size", 0), node.places["batch_size"] or node.places["type"])
        for node in typed.graph.sources
        if node.layer.reads
    ]
    words = section_of(program).data
    if words is not None and section is not None:
        data = section.get("data")
        said = data and data.get("batch_size")
        sizes = [(words.batch_size, said.span if said else section.key_span("data"))]
    for size, span in sizes:
        if size % world.size:
            fact = (
                f"each process takes as many samples of a batch: {size} % {world.size} = {size % world.size}"
            )
            raise fail("NS605", fact, span=span)
    for given in typed.graph.inputs:
        shape = typed.types[given.value].shape
        count = shape[batch_axis(given, typed)] if shape else None
        if given.node is None and isinstance(count, int):
            fact = f"input {given.value.name} takes {count} samples at a time, each process has {sizes[0][0]} / {world.size}"
            note = "a letter in place of the number, [N, ...], takes any"
            raise fail("NS605", fact, path=program.resolved.spec.source.name, notes=(note,))


def check_rows(program: driver.Program, world: World) -> None:
    """NS771, at each loss that is a mean over rows of which processes have different numbers."""
    if world.size == 1:
        return
    typed = program.training_graph("train")
    read = [
        *(given.value for given in typed.graph.inputs),
        *(top for node in typed.graph.sources for top in node.tops),
    ]
    known = {name for value in read for size in typed.types[value].shape for name in symbols(size)}
    faults = []
    for node in typed.graph.nodes:
        rows = typed.types[node.bottoms[0]].shape[:1] if node.bottoms else ()
        made = [name for size in rows for name in sorted(symbols(size)) if name not in known]
        if made and "loss" in node.layer.traits and not divides_by_all(node.layer):
            fact = f"{node.name} is a mean over rows that values decide on ({made[0]}): processes have different numbers"
            note = "normalization: VALID with an ignore_label, NONE and PRE_FIXED divide by what all processes have"
            faults.append(Diagnostic("NS771", fact, node.places["type"], "a mean over rows", notes=(note,)))
    if faults:
        raise SpecError(faults)


def divides_by_all(layer: Layer) -> bool:
    """Whether a loss divides by what counts in all processes, by the words that losses have."""
    word = getattr(layer, "normalization", None)
    return word in ("NONE", "PRE_FIXED") or (
        word in (None, "VALID") and getattr(layer, "ignore_label", None) is not None
    )


def foretell_sharing(job: Job, world: World) -> Iterator[str]:
    """What is different with several processes."""
    if world.size == 1:
        return
    yield f"{world.size} processes, each with its share of every batch"
    if not job.sync_batch_norm and any(True for _ in normalisers(job.net)):
        yield "batch normalisation takes each process's own statistics: train.sync_batch_norm: true takes all"


def compare_worlds(run: Path, before: int, world: World) -> tuple[Diagnostic, ...]:
    """NS607 where a run goes on with another number of processes."""
    if before == world.size:
        return ()
    fact = f"the run had {before}, and went on with {world.size}: sums are rounded otherwise"
    return (Diagnostic("NS607", fact, path=str(run)),)
