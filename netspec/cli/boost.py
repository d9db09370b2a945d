"""`netspec boost`."""

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netspec.cli.options import device_option, spec_options

if TYPE_CHECKING:
    from netspec.read_options import Reading
    from netspec.recipes.boost import Boosted

__all__ = ["command"]


@click.command("boost")
@click.argument("spec")
@click.option(
    "--stages", "count", type=click.IntRange(2, 1000), required=True, help="How many nets are trained."
)
@click.option("-o", "--output", type=click.Path(), help="The model.  [default: FOLDER/boosted/model.onnx]")
@click.option(
    "--run", "folder", type=click.Path(), help="Folder of all that is made.  [default: runs/NAME/boost-TIME]"
)
@click.option("--resume", is_flag=True, help="Go on with the stages of --run.")
@click.option("--weights", default="last", show_default=True, metavar="last|best", help="Of each stage.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--quiet", is_flag=True, help="No progress, only the result.")
@device_option("Where to train.")
@spec_options
def command(spec: str, folder: str | None, device: str, reading: "Reading", **words: Any) -> int:
    """Train nets of SPEC one after the other, each most on the samples that those before it get wrong,
    and make one certified model of them.

    Ctrl-C takes a snapshot; --run FOLDER --resume goes on.
    """
    if words["resume"] and not folder:
        raise click.UsageError("--resume goes on with the stages of a folder: give it by --run")
    from netspec.cli import report
    from netspec.cli.export import Told, tell_model
    from netspec.recipes.boost import boost
    from netspec.training.interrupt import exit_code_of
    from netspec.training.progress import Silent, reporter
    from netspec.training.run.named_run import find_run, reread

    _, program = reread(spec, None, False, reading)
    told = Told()
    try:
        made = boost(
            spec,
            words["count"],
            Path(folder) if folder else boost_folder(find_run(program.name, False)),
            Path(words["output"]) if words["output"] else None,
            resume=words["resume"],
            weights=words["weights"],
            device=device,
            reading=reading,
            reporter=Silent if words["quiet"] else partial(reporter, sys.stderr),
            progress=told,
        )
    finally:
        told.clear()
    if words["as_json"]:
        click.echo(json.dumps(as_plain(made), indent=2, ensure_ascii=False))
    else:
        click.echo(describe(made))
        if made.model is not None:
            tell_model(made.model)
    report(list(made.findings))
    return exit_code_of(made.signal)


def boost_folder(run: Path) -> Path:
    """The folder of a boosting, by that of a run that began at the same time."""
    return run.with_name(f"boost-{run.name}")


def as_plain(made: "Boosted") -> dict[str, Any]:
    return {
        "folder": str(made.folder),
        "samples": made.samples,
        "stages": [
            {
                "run": str(stage.run),
                "error": stage.error,
                "wrong": stage.wrong,
                "weight": stage.weight,
                "test": dict(stage.outcome.tested or stage.outcome.best),
            }
            for stage in made.stages
        ],
        "model": None if made.model is None else str(made.model.path),
    }


def describe(made: "Boosted") -> str:
    """A table of the stages, and where they lie."""
    from netspec.cli.output.table import table

    whole = sum(stage.weight for stage in made.stages) or 1
    rows = [
        (stage.run.name, f"{stage.wrong:,}", f"{stage.error:.2%}", f"{stage.weight / whole:.1%}")
        for stage in made.stages
    ]
    lines = [table(("stage", f"wrong of {made.samples:,}", "of the weight", "counts"), rows, (1, 2, 3)), ""]
    lines.append(f"runs     {made.folder}")
    if made.signal is not None:
        lines.append(f"go on with the same command, --run {made.folder} --resume")
    return "\n".join(lines)
