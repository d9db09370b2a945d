"""`netspec train`."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netspec.cli.options import spec_options
from netspec.cli.output.drawn import draw_confusion, draw_curves
from netspec.cli.start import read_start
from netspec.diagnostics.words import count_of

if TYPE_CHECKING:
    from netspec.read_options import Reading
    from netspec.training.job import TrainingResult
    from netspec.training.world import World

__all__ = ["command"]

NAMES = {
    "folder": "--run",
    "resume": "--resume",
    "weights": "--weights",
    "sweep": "--sweep",
    "folds": "--folds",
    "find_lr": "--find-lr",
    "fit": "--fit",
    "as_json": "--json",
    "processes": "--processes",
    "max_restarts": "--max-restarts",
    "reproducible": "--reproducible",
    "reproduce": "--reproduce",
    "tensorboard": "--tensorboard",
}
PLAIN = ("folder", "resume", "weights", "reproducible", "tensorboard")
SEVERAL = ("folder", "resume", "weights", "as_json")
HEEDED = {
    "sweep": ("folds", *SEVERAL),
    "folds": SEVERAL,
    "find_lr": ("weights", "as_json"),
    "fit": ("as_json",),
    "reproduce": ("folder",),
    "processes": (*PLAIN, "max_restarts"),
    "": PLAIN,
}
"""What may be done, the most unlike a training first, and the options that it takes."""


@click.command("train")
@click.argument("spec", metavar="SPEC|RUN")
@click.option(
    "--run",
    "--folder",
    "folder",
    type=click.Path(),
    help=(
        "Folder of the run.  [default: runs/NAME/TIME; with --resume the latest there]  Under torchrun, which"
        " has a --run of its own: --folder."
    ),
)
@click.option("--resume", is_flag=True, help="Go on from the run's last snapshot.")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda",
    help="Where; auto takes a GPU if there is one.",
)
@click.option(
    "--weights",
    type=click.Path(),
    help="A safetensors file, or a run, to start from; tensors that it lacks are filled as the spec says.",
)
@click.option(
    "--new",
    multiple=True,
    metavar="LAYER",
    help="With --weights: layers, by patterns, that start anew all the same.",
)
@click.option(
    "--rename",
    multiple=True,
    metavar="OLD=NEW",
    help="With --weights: a name in the file and the net's for it; * stands for the same text in both.",
)
@click.option(
    "--sweep",
    multiple=True,
    metavar="PATH=V1,V2",
    help="Train with each of these values of a setting; several: every choice of them.",
)
@click.option(
    "--folds",
    type=click.IntRange(2),
    help="Cross-validate: train on every fold of so many, measure on the one left out.",
)
@click.option(
    "--find-lr", is_flag=True, help="Suggest a learning rate, by a short training that is thrown away."
)
@click.option(
    "--fit",
    is_flag=False,
    flag_value="free",
    metavar="[BYTES]",
    help="Tell the largest batch for so much memory, as 8GB, or what the device has free; train nothing.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="With --sweep, --folds, --find-lr or --fit: the results as JSON."
)
@click.option(
    "--processes",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Train by so many processes on this machine, each with its share of every batch.",
)
@click.option(
    "--max-restarts",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="N",
    help="With --processes: how often all go on from the last snapshot where one was killed.",
)
@click.option(
    "--reproducible",
    is_flag=True,
    help="The same weights, to the bit, on any number of cores: one thread, no algorithm that sums in any order.",
)
@click.option(
    "--reproduce",
    is_flag=True,
    help="Make the run RUN again: compare versions, data, and in the end the hashes of the weights.",
)
@click.option(
    "--tensorboard", is_flag=True, help="Write the log for TensorBoard too, in the folder RUN/tensorboard."
)
@click.option("--quiet", is_flag=True, help="No progress, only the result.")
@spec_options
def command(
    spec: str,
    folder: str | None,
    resume: bool,
    device: str,
    quiet: bool,
    reading: "Reading",
    **words: Any,
) -> int:
    """Train the network of SPEC as its section `train` says. Ctrl-C takes a snapshot and stops with
    exit code 130; --resume goes on.
    """
    weights, new, rename = words["weights"], words["new"], words["rename"]
    if resume and weights:
        raise click.UsageError("--weights starts a training, --resume goes on with one: give one of them")
    if (new or rename) and not weights:
        raise click.UsageError("--new and --rename say what to take of --weights, which is not given")
    refuse_idle({**words, "folder": folder, "resume": resume})
    if words["sweep"] or words["folds"]:
        from netspec.cli.sweep import run_sweep

        return run_sweep(spec, folder, resume, device, quiet, reading, words)
    if words["find_lr"]:
        from netspec.cli.find_rate import run_find_rate

        return run_find_rate(spec, device, reading, words)
    if words["fit"]:
        from netspec.cli.fit import run_fit

        return run_fit(spec, words["fit"], device, reading, words["as_json"])
    if words["processes"] > 1:
        from netspec.training.launch import launch
        from netspec.training.run.named_run import reread
        from netspec.training.sharing import check_launch

        _, program = reread(spec, Path(folder) if folder else None, resume, reading)
        check_launch(program, words["processes"])
        return launch(without_processes(sys.argv[1:]), words["processes"], words["max_restarts"])
    if words["reproduce"]:
        return make_again(spec, folder, device, quiet, reading)
    start = read_start(words)
    with one_told(device) as world:
        return train_here(spec, folder, resume, device, start, quiet, reading, world, words)


def refuse_idle(words: dict[str, Any]) -> None:
    """Raises UsageError for an option that what is asked for would not heed."""
    given = [name for name in NAMES if words[name] and (name, words[name]) != ("processes", 1)]
    work = next((name for name in HEEDED if name in given), "")
    for name in given:
        if name == work or name in HEEDED[work]:
            continue
        if work:
            raise click.UsageError(f"{NAMES[work]} takes no {NAMES[name]}")
        homes = ", ".join(NAMES[each] for each, takes in HEEDED.items() if name in takes)
        raise click.UsageError(f"{NAMES[name]} goes with {homes}")


def make_again(run: str, folder: str | None, device: str, quiet: bool, reading: "Reading") -> int:
    """Repeat a run, and say whether the weights are the same."""
    from netspec.cli import report
    from netspec.training.progress import Silent, reporter
    from netspec.training.reproduce import reproduce

    again = reproduce(
        Path(run),
        Path(folder) if folder else None,
        device=device,
        progress=Silent() if quiet else reporter(sys.stderr),
        reading=reading,
    )
    click.echo(summary(again.result), nl=False)
    same = again.before == again.now
    click.echo(f"{'reproduced' if same else 'not reproduced'}: weights {again.now}")
    report(list(again.findings))
    if same:
        return again.result.exit_code
    return 1


def train_here(  # noqa: PLR0913, PLR0917 - the words of the command
    spec: str,
    folder: str | None,
    resume: bool,
    device: str,
    start: Any,
    quiet: bool,
    reading: "Reading",
    world: "World",
    words: dict[str, Any],
) -> int:
    """Train in this process, alone or as one of several, of which the first tells."""
    from netspec.cli import report
    from netspec.training.progress import Silent, reporter
    from netspec.training.run.named_run import find_begun, reread
    from netspec.training.session import train_program

    run, program = reread(spec, Path(folder) if folder else None, resume, reading)
    begun = find_begun(program.name, run, world)
    if begun is not None:
        run, resume, start = begun, True, None
    result = train_program(
        program,
        run,
        device=device,
        resume=resume,
        weights=start,
        progress=Silent() if quiet or not world.first else reporter(sys.stderr),
        world=world,
        reproducible=words["reproducible"],
        board=words["tensorboard"],
    )
    if world.first:
        click.echo(summary(result), nl=False)
        report(list(result.findings))
        draw_curves(result.run)
        if not result.signal and (why := draw_confusion(result.run, device, reading)):
            click.echo(why, err=True)
    return result.exit_code


@contextmanager
def one_told(device: str) -> "Iterator[World]":
    """The world that this process is of; of its findings one process tells."""
    from netspec.diagnostics import SpecError
    from netspec.training.launch import LAUNCHED, LEFT
    from netspec.training.world import joining

    with joining(device) as world:
        try:
            yield world
        except SpecError as error:
            if LAUNCHED in os.environ and error.diagnostics[0].code == "NS606":
                sys.exit(LEFT)
            if not world.speaks():
                sys.exit(1)
            raise


def without_processes(words: list[str]) -> list[str]:
    """The words of a command without those that are for its launch."""
    kept, skip = [], False
    # of the launch alone: a process that had them would launch again
    for word in words:
        name = word.partition("=")[0]
        if skip or name in ("--processes", "--max-restarts"):
            # `--processes 4` is two words, `--processes=4` one
            skip = not skip and word == name
            continue
        kept.append(word)
    return kept


def summary(result: "TrainingResult") -> str:
    """How it ended, and where everything lies."""
    lines = [f"{how_it_ended(result)} {count_of(result.iteration, 'iteration')}, loss {result.loss:.4g}"]
    if result.ended:
        lines.append(f"why: {result.ended}")
    if result.metrics:
        lines.append(f"{result.measured}: " + numbers(result.metrics))
    best = {name: value for name, value in result.best.items() if name != "iteration"}
    if best and result.best["iteration"] != result.iteration:
        lines.append(f"best: {numbers(best)} after {count_of(result.best['iteration'], 'iteration')}")
    if result.tested:
        lines.append("test: " + numbers(result.tested) + (" by the best weights" if best else ""))
    lines += ["", f"run      {result.run}"]
    names = {
        "weights": "weights.safetensors",
        "best": "best.safetensors",
        "log": "log.jsonl",
        "spec": "spec.yaml",
    }
    lines += [
        f"{word:8} {result.run / name}" for word, name in names.items() if (result.run / name).is_file()
    ]
    if result.signal:
        lines.append(f"go on with: netspec train {result.run} --resume")
    return "\n".join(lines) + "\n"


def how_it_ended(result: "TrainingResult") -> str:
    if result.signal:
        return "interrupted after"
    if result.ended:
        return "stopped after"
    return "trained"


def numbers(values: Any) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items())
