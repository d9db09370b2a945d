"""`netspec train --find-lr`: losses by learning rate, as a table."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from netspec.read_options import Reading
    from netspec.recipes.find_rate import Found

__all__ = ["run_find_rate"]

ROWS = 24
"""Lines of the table: with its head and the advice below it fits a terminal of 30 lines. BAR letters leave
room for the two numbers within 80 columns.
"""
BAR = 40


def run_find_rate(spec: str, device: str, reading: "Reading", words: Any) -> int:
    """Find a rate and tell it; the exit code."""
    from netspec.cli.start import read_start
    from netspec.recipes.find_rate import find_rate
    from netspec.training.interrupt import exit_code_of

    found = find_rate(spec, reading, device=device, weights=read_start(words))
    if found.signal is not None:
        click.echo("interrupted: there is no rate to suggest", err=True)
        return exit_code_of(found.signal)
    if words["as_json"]:
        import json

        rows = [trial._asdict() for trial in found.trials]
        click.echo(json.dumps({"base_lr": found.rate, "trials": rows}, indent=2))
        return 0
    click.echo("\n".join(lines(found)))
    return 0


def lines(found: "Found") -> Iterator[str]:
    """Every few trials with a bar for the mean loss, and the suggestion."""
    from netspec.cli.output.table import table

    # rounded up, for at most ROWS rows
    step = -(-len(found.trials) // ROWS)
    shown = found.trials[::step]
    most = max(trial.mean for trial in shown)
    rows = [
        (f"{trial.rate:.2g}", f"{trial.mean:.4g}", "#" * round(BAR * trial.mean / most)) for trial in shown
    ]
    yield table(("learning_rate", "loss", ""), rows, (0, 1))
    yield ""
    yield f"base_lr: {found.rate:g} is a tenth of the rate where the loss is least"
