"""`netspec train`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netspec.cli.options import spec_options

if TYPE_CHECKING:
    from netspec.read_options import Reading
    from netspec.training.job import TrainingResult

__all__ = ["command"]


@click.command("train")
@click.argument("spec", metavar="SPEC|RUN")
@click.option(
    "--run",
    "folder",
    type=click.Path(),
    help="Folder of the run.  [default: runs/NAME/TIME; with --resume the latest there]",
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
@click.option("--json", "as_json", is_flag=True, help="With --sweep or --folds: the results as JSON.")
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
    if words["sweep"] or words["folds"]:
        from netspec.cli.sweep import run_sweep

        return run_sweep(spec, folder, resume, device, quiet, reading, words)
    if words["as_json"]:
        raise click.UsageError("--json goes with --sweep and --folds")
    from netspec.cli import report
    from netspec.training.progress import Silent, reporter
    from netspec.training.session import find_run, reread, train_program

    run, program = reread(spec, Path(folder) if folder else None, resume, reading)
    run = run or find_run(program.name, resume)
    progress = Silent() if quiet else reporter(sys.stderr)
    start = start_of(words)
    result = train_program(program, run, device=device, resume=resume, weights=start, progress=progress)
    click.echo(summary(result), nl=False)
    report(list(result.findings))
    return result.exit_code


def start_of(words: Any) -> Any:
    """What --weights, --new and --rename say; None without --weights."""
    from netspec.training.starting import Start

    if not words["weights"]:
        return None
    return Start(words["weights"], words["new"], tuple(map(split_rename, words["rename"])))


def split_rename(text: str) -> tuple[str, str]:
    old, _, new = text.partition("=")
    if not old or not new or new.count("*") > old.count("*") or old.count("*") > 1:
        raise click.UsageError(f"--rename {text}: OLD=NEW, with at most one * in each")
    return old, new


def summary(result: "TrainingResult") -> str:
    """How it ended, and where everything lies."""
    lines = [f"{how_it_ended(result)} {result.iteration} iterations, loss {result.loss:.4g}"]
    if result.ended:
        lines.append(f"why: {result.ended}")
    if result.metrics:
        lines.append(f"{result.measured}: " + numbers(result.metrics))
    best = {name: value for name, value in result.best.items() if name != "iteration"}
    if best and result.best["iteration"] != result.iteration:
        lines.append(f"best: {numbers(best)} after {result.best['iteration']} iterations")
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
