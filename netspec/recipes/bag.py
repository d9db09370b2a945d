"""A bag: the mean of several runs' answers as one certified model (Breiman 1996). In: the folders of
runs; out: a run and a model file.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from netspec.compiled import compile as compiled
from netspec.diagnostics import Diagnostic
from netspec.exporters.endings import held
from netspec.exporters.export import Export, Origin, export_model
from netspec.exporters.model_file import check_place
from netspec.read_options import PLAIN, Reading
from netspec.recipes.composed import Composed, compose, write_composed
from netspec.recipes.members import Member, load_members
from netspec.training.job_building import hash_of
from netspec.training.run.loading import load_weights
from netspec.training.run.weights import WEIGHTS

__all__ = ["Bag", "bag", "check_model_place", "export_made"]


class Bag(NamedTuple):
    """The run that was made, the model, and what is odd about the members."""

    folder: Path
    model: Export
    findings: tuple[Diagnostic, ...] = ()


def bag(
    runs: Sequence[str | Path],
    folder: Path,
    model: Path | None = None,
    *,
    weights: str = "last",
    device: str = "auto",
    reading: Reading = PLAIN,
    progress: Callable[[int, int, str], None] = lambda done, total, word: None,
) -> Bag:
    """Average the outputs of runs, shares of classes where they classify, in one net. NS612: they do
    not belong together; NS704, NS709: the model cannot be written there; and what export raises. The same
    net twice is told as NS780.
    """
    check_model_place(model)
    members = load_members(runs, weights, reading)
    made = compose(members, [1 / len(members)] * len(members), f"{members[0].program.name}-bag")
    write_composed(made, folder, {"bag": [str(run) for run in runs]})
    return Bag(folder, export_made(made, folder, model, device, progress), tuple(find_equal(members)))


def find_equal(members: Sequence[Member]) -> Iterator[Diagnostic]:
    """NS780 for each member whose net, weights and all, is that of one before it."""
    for i, member in enumerate(members):
        same = next((other for other in members[:i] if equal(other, member)), None)
        if same is not None:
            fact = f"its net and weights are those of {same.folder}: the mean counts them twice"
            yield Diagnostic("NS780", fact, path=str(member.folder))


def equal(one: Member, other: Member) -> bool:
    """Whether two members are the same net by layers and weights."""
    return (
        hash_of(one.typed) == hash_of(other.typed)
        and one.tensors.keys() == other.tensors.keys()
        and all(torch.equal(tensor, other.tensors[key]) for key, tensor in one.tensors.items())
    )


def check_model_place(model: Path | None) -> None:
    """NS704, NS709 where no model could be written to the path that was asked for: before members are
    trained or joined.
    """
    if model is not None:
        held(model, "onnx")
        check_place(model)


def export_made(
    made: Composed, folder: Path, model: Path | None, device: str, progress: Callable[[int, int, str], None]
) -> Export:
    """The model of a net that is made of others, as `netspec export` writes it."""
    net = load_weights(compiled(made.program, "deploy"), folder / WEIGHTS)
    origin = Origin(made.program, net, folder)
    return export_model(origin, model or folder / "model.onnx", device=device, progress=progress)
