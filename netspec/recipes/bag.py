"""A bag: the mean of several runs' answers as one certified model (Breiman 1996). In: the folders of
runs; out: a run and a model file.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from netspec.compiled import compile as compiled
from netspec.exporters.export import Export, Origin, export_model
from netspec.read_options import PLAIN, Reading
from netspec.recipes.composed import Composed, compose, write_composed
from netspec.recipes.members import load_members
from netspec.training.run.loading import load_weights
from netspec.training.run.weights import WEIGHTS

__all__ = ["Bag", "bag", "export_made"]


class Bag(NamedTuple):
    """The run that was made, and the model."""

    folder: Path
    model: Export


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
    not belong together; and what export raises.
    """
    members = load_members(runs, weights, reading)
    made = compose(members, [1 / len(members)] * len(members), f"{members[0].program.name}-bag")
    write_composed(made, folder, {"bag": [str(run) for run in runs]})
    return Bag(folder, export_made(made, folder, model, device, progress))


def export_made(
    made: Composed, folder: Path, model: Path | None, device: str, progress: Callable[[int, int, str], None]
) -> Export:
    """The model of a net that is made of others, as `netspec export` writes it."""
    net = load_weights(compiled(made.program, "deploy"), folder / WEIGHTS)
    origin = Origin(made.program, net, folder)
    return export_model(origin, model or folder / "model.onnx", device=device, progress=progress)
