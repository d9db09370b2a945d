"""`netspec bag`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from netspec.cli.options import device_option, spec_options

if TYPE_CHECKING:
    from netspec.read_options import Reading

__all__ = ["command"]


@click.command("bag")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option("-o", "--output", type=click.Path(), help="The model to write.  [default: FOLDER/model.onnx]")
@click.option(
    "--run",
    "folder",
    type=click.Path(),
    help="Folder of the run that is made.  [default: runs/NAME-bag/TIME]",
)
@click.option("--weights", default="last", show_default=True, metavar="last|best", help="Of each run.")
@device_option("Where to compare.")
@spec_options
def command(
    runs: tuple[str, ...],
    output: str | None,
    folder: str | None,
    weights: str,
    device: str,
    reading: "Reading",
) -> None:
    """Make one model of several RUNs: the mean of their outputs, shares of classes where they
    classify, in one certified graph.

    The runs must agree in inputs, image contracts, classes and outputs. What is made is a run too:
    netspec test, predict and serve take it.
    """
    from netspec.cli import report
    from netspec.cli.export import Told, tell_model
    from netspec.recipes.bag import bag
    from netspec.training.run.folder import read_record
    from netspec.training.run.named_run import find_run

    name = f"{read_record(Path(runs[0])).get('name', 'net')}-bag"
    into = Path(folder) if folder else find_run(name, False)
    told = Told()
    try:
        made = bag(
            runs,
            into,
            Path(output) if output else None,
            weights=weights,
            device=device,
            reading=reading,
            progress=told,
        )
    finally:
        told.clear()
    click.echo(f"{len(runs)} runs are one: {made.folder}")
    tell_model(made.model)
    report(list(made.findings))
