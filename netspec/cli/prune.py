"""`netspec prune`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netspec.cli.options import Number, device_option, spec_options

if TYPE_CHECKING:
    from netspec.read_options import Reading
    from netspec.recipes.prune import Counts

__all__ = ["command"]

SHARE = Number(0, 1, max_open=True)


@click.command("prune")
@click.argument("run")
@click.option("--sparsity", type=SHARE, default=0.0, help="Share of the weights that become 0: the least.")
@click.option(
    "--channels", type=SHARE, default=0.0, help="Share of each layer's channels that are taken out."
)
@click.option("--train", type=click.IntRange(1), default=None, help="Train so many iterations after it.")
@click.option(
    "--run",
    "folder",
    type=click.Path(),
    help="Folder of the run that is made.  [default: runs/NAME/TIME]",
)
@click.option("--weights", default="last", show_default=True, metavar="last|best", help="Of the run.")
@click.option("--quiet", is_flag=True, help="No progress, only the result.")
@device_option("Where to train.")
@spec_options
def command(run: str, folder: str | None, device: str, quiet: bool, reading: "Reading", **words: Any) -> int:
    """Make a smaller run of RUN: the least weights at 0, where they stay, or whole channels taken out
    of the net and its spec.
    """
    if not words["sparsity"] and not words["channels"]:
        raise click.UsageError("nothing is to be pruned: give --sparsity, --channels or both")
    from netspec.cli.train import summary
    from netspec.recipes.prune import prune
    from netspec.training.progress import Silent, reporter
    from netspec.training.run.folder import read_record
    from netspec.training.run.named_run import find_run

    into = Path(folder) if folder else find_run(read_record(Path(run)).get("name", "net"), False)
    made = prune(
        run,
        into,
        sparsity=words["sparsity"],
        channels=words["channels"],
        train=words["train"] or 0,
        weights=words["weights"],
        device=device,
        reading=reading,
        progress=Silent() if quiet else reporter(sys.stderr),
    )
    for name, (left, width) in made.kept.items():
        click.echo(f"{name}: {left} of {width} channels")
    click.echo(describe(made.before, made.after))
    if made.result is None:
        click.echo(f"wrote {made.folder}")
        return 0
    click.echo(summary(made.result), nl=False)
    return made.result.exit_code


def describe(before: "Counts", after: "Counts") -> str:
    from netspec.cli.output.table import table

    rows = [
        (word.replace("_", " ").replace("macs", "MACs"), f"{a:,}", f"{b:,}", f"{b / max(a, 1):.1%}")
        for word, a, b in zip(before._fields, before, after, strict=True)
    ]
    return table(("", "before", "after", ""), rows, (1, 2, 3))
