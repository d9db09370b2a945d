"""A run made smaller: its least weights at 0, or whole channels taken out. In: a run; out: another,
which is a run of its own, trained on where that is asked for.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from netspec import driver
from netspec.analysis.cost import cost
from netspec.diagnostics import fail
from netspec.frozen_classes import replace_fields
from netspec.ir.graph import TypedGraph
from netspec.read_options import PLAIN, Reading
from netspec.recipes.channels import take_channels
from netspec.recipes.made_run import write_made_run
from netspec.training.job import TrainingResult
from netspec.training.nets import tensors_of
from netspec.training.progress import Reporter
from netspec.training.run.folder import RECORD, load_run
from netspec.training.run.weights import write_tensors
from netspec.training.session import train_program
from netspec.training.starting import Start
from netspec.training.zeros import is_prunable

__all__ = ["Counts", "Pruned", "prune"]

PRUNED = "pruned.safetensors"
"""In a run that was trained after pruning: what it began with."""
KEEP = "train.keep_zeros=true"


class Counts(NamedTuple):
    """What a net costs: parameters that training moves, those that are not 0, MACs of a sample, those
    whose weight is not 0.
    """

    parameters: int
    nonzero: int
    macs: int
    nonzero_macs: int


class Pruned(NamedTuple):
    """The run that was made. kept: channels left of how many, by layer; result: of the training."""

    folder: Path
    before: Counts
    after: Counts
    kept: Mapping[str, tuple[int, int]]
    result: TrainingResult | None = None


def prune(  # noqa: PLR0913 - the words of the command
    run: str | Path,
    folder: Path,
    *,
    sparsity: float = 0.0,
    channels: float = 0.0,
    train: int = 0,
    weights: str = "last",
    device: str = "auto",
    reading: Reading = PLAIN,
    progress: Reporter | None = None,
) -> Pruned:
    """Take a share of the channels out, then set a share of the weights to 0, and train as many
    iterations more.

    sparsity: of all weight matrices together the least magnitudes go; they stay 0 in any training
    that follows. NS615: nothing can be taken; NS677: the folder holds a run.
    """
    if (folder / RECORD).exists():
        raise fail("NS677", f"it holds {RECORD}", path=str(folder))
    loaded = load_run(run, weights, reading=reading)
    program, typed = loaded.program, loaded.typed
    tensors = {name: tensor.detach().clone() for name, tensor in tensors_of(loaded.net, typed).items()}
    before, kept = count(typed, tensors), dict[str, tuple[int, int]]()
    if channels:
        made = take_channels(program, tensors, channels)
        program, tensors, kept = made.program, dict(made.tensors), dict(made.kept)
    if sparsity:
        zero_least(program.graph("deploy"), tensors, sparsity)
        program = keeping_zeros(program)
    after = count(program.graph("deploy"), tensors)
    more = {"pruned": {"run": str(run), "sparsity": sparsity, "channels": channels}}
    if not train:
        write_made_run(folder, program, tensors, like=Path(run), seed=loaded.record["seed"], more=more)
        return Pruned(folder, before, after, kept)
    program = with_settings(program, f"train.solver.max_iter={train}", "train.solver.epochs=0")
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / PRUNED, tensors, {})
    start = Start(str(folder / PRUNED))
    result = train_program(program, folder, device=device, weights=start, progress=progress)
    return Pruned(folder, before, after, kept, result)


def keeping_zeros(program: driver.Program) -> driver.Program:
    """The program, whose training leaves weights at 0 that are 0."""
    if program.resolved.file.train is None:
        return program
    return with_settings(program, KEEP)


def with_settings(program: driver.Program, *settings: str) -> driver.Program:
    own = replace_fields(program.reading, settings=(*program.reading.settings, *settings))
    return driver.load_source(program.resolved.spec.source, own)


def zero_least(typed: TypedGraph, tensors: dict[str, Tensor], sparsity: float) -> None:
    """Set the least magnitudes of all weight matrices to 0, so many that their share of all is
    `sparsity`. NS615: there are no weights.
    """
    names = [ref.name for ref in typed.weight_refs() if not ref.shared and ref.weight.kind == "parameter"]
    names = [name for name in names if is_prunable(tensors[name])]
    if not names:
        raise fail("NS615", "the net has no matrix of weights", path=typed.graph.name)
    every = torch.cat([tensors[name].abs().reshape(-1) for name in names])
    order = torch.argsort(every, stable=True)[: round(sparsity * every.numel())]
    mask = torch.ones_like(every)
    mask[order] = 0
    for name, part in zip(names, torch.split(mask, [tensors[name].numel() for name in names]), strict=True):
        tensors[name] *= part.reshape(tensors[name].shape)


def count(typed: TypedGraph, tensors: Mapping[str, Tensor]) -> Counts:
    """The cost of a net, and of what is not 0 in it."""
    dense = {each.name: each for each in cost(typed).layers}
    parameters = nonzero = macs = left = 0
    for node in typed.graph.nodes:
        own: list[Any] = [
            tensors[ref.name] for ref in typed.weight_refs() if ref.node is node and ref.kind != "statistic"
        ]
        size, there = sum(t.numel() for t in own), sum(int((t != 0).sum()) for t in own)
        matrices = [t for t in own if is_prunable(t)]
        share = 1.0
        if matrices:
            share = sum(int((t != 0).sum()) for t in matrices) / sum(t.numel() for t in matrices)
        each = dense[node.name].macs
        whole = each if isinstance(each, int) else 0
        parameters, nonzero = parameters + size, nonzero + there
        macs, left = macs + whole, left + round(whole * share)
    return Counts(parameters, nonzero, macs, left)
