"""`netspec test`."""

import json
from typing import TYPE_CHECKING, Any

import click

from netspec.cli.options import spec_options

if TYPE_CHECKING:
    from netspec.read_options import Reading

__all__ = ["command"]


@click.command("test")
@click.argument("run", type=click.Path())
@click.option(
    "--weights", default="last", show_default=True, metavar="last|best|FILE", help="Which weights to measure."
)
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Where to run.")
@click.option(
    "--part", type=click.Choice(("test", "val")), default="test", show_default=True, help="Of which data."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@spec_options
def command(run: str, part: Any, as_json: bool, reading: "Reading", **words: str) -> None:
    """Measure a trained RUN on all its test (or validation) data: every loss and metric, each
    sample counted once.
    """
    from netspec.training.test import measure

    found = measure(run, words["weights"], words["device"], reading, part)
    if as_json:
        click.echo(
            json.dumps(
                {
                    "run": run,
                    "weights": str(found.weights),
                    "samples": found.samples,
                    "metrics": found.metrics,
                },
                indent=2,
            )
        )
        return
    click.echo(f"{found.weights}: {found.samples} samples")
    for name, value in found.metrics.items():
        click.echo(f"  {name}  {value:.6g}")
