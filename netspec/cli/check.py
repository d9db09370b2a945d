"""`netspec check`."""

from typing import TYPE_CHECKING

import click

from netspec.cli.options import format_option, spec_options

if TYPE_CHECKING:
    from netspec.diagnostics.formats import Format

__all__ = ["command"]


@click.command("check")
@click.argument("specs", nargs=-1, required=True)
@format_option
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@spec_options
def command(specs: tuple[str, ...], how: "Format", strict: bool, settings: tuple[str, ...], stages: tuple[str, ...], level: int) -> int:
    """Check specs: are they legal, and if not, why. `-` reads standard input."""
    from netspec import driver
    from netspec.cli import report
    from netspec.diagnostics.model import Diagnostics

    found = []
    clean = []
    for path in specs:
        diagnostics = Diagnostics()
        source = driver.read_file(path, diagnostics)
        own = driver.check_source(source, frozenset(stages), level, settings) if source is not None else diagnostics.sorted()
        found += own
        if not own and source is not None:
            clean.append(source.name)
    report(found, how, err=False)
    if how == "full":
        for name in clean:
            click.echo(f"{name}: no findings")
    return 1 if any(d.severity == "error" or strict for d in found) else 0
