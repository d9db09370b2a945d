"""`netspec.train`: the Python form of the command."""

from collections.abc import Iterable, Mapping
from os import PathLike, fspath
from pathlib import Path
from types import MappingProxyType

from netspec.driver import Program
from netspec.read_options import Reading
from netspec.training.job import TrainingResult
from netspec.training.run.named_run import reread
from netspec.training.session import train_program
from netspec.training.starting import Start
from netspec.training.world import joining

__all__ = ["train"]


def train(  # noqa: PLR0913 - the words of the command
    spec: str | PathLike[str] | Program,
    run: str | PathLike[str] | None = None,
    *,
    device: str = "auto",
    resume: bool = False,
    weights: str | PathLike[str] | None = None,
    new: Iterable[str] = (),
    rename: Mapping[str, str] = MappingProxyType({}),
    settings: Iterable[str] = (),
    allow_code: bool = False,
) -> TrainingResult:
    """Train as the spec's section `train` says; answers a TrainingResult.

    spec: a path, a Program, or with `resume` a run's folder. run: the folder to train in, by
    default runs/<name>/<time>. device: "cpu", "cuda", or "auto", a GPU if there is one. weights: a
    safetensors file, or a run, to start from; new: patterns of layers that do not; rename: the
    net's names by those of the file, `*` for the same text in both. settings: PATH=VALUE, as --set
    has them. allow_code: Python code that the spec names, plug-ins and `python:` sources, may run;
    a run does not remember it. Ctrl-C takes a snapshot and returns (`result.signal`); with `resume`
    the run goes on where that left it. Raises SpecError: what `load` raises, NS6xx for data and
    settings that do not suit.

    >>> result = netspec.train("zoo:lenet-digits", "runs/b", settings=["train.solver.max_iter=2"])
    >>> result.iteration, sorted(result.metrics)
    (2, ['accuracy', 'loss'])
    >>> (result.run / "weights.safetensors").is_file()
    True
    """
    folder = Path(run) if run is not None else None
    if isinstance(spec, Program):
        program = spec
    else:
        folder, program = reread(
            fspath(spec), folder, resume, Reading(settings=tuple(settings), allow_code=allow_code)
        )
    start = None
    if weights is not None:
        start = Start(fspath(weights), tuple(new), tuple(rename.items()))
    with joining(device) as world:
        return train_program(program, folder, device=device, resume=resume, weights=start, world=world)
