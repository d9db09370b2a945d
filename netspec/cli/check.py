"""`netspec check`."""

import gc
import signal
import time
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from netspec.cli.ending import is_last_work
from netspec.cli.options import format_option, spec_options

if TYPE_CHECKING:
    from netspec.diagnostics.formats import Format
    from netspec.diagnostics.model import Diagnostic
    from netspec.read_options import Reading

__all__ = ["command"]

PATIENCE = 0.05
"""Seconds of a first check beyond which its findings are said before fixes are tried: each fix
takes as long again.
"""


@click.command("check")
@click.argument("specs", nargs=-1, required=True)
@format_option
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option(
    "--as",
    "dialect",
    type=click.Choice(("caffe", "torch", "tf")),
    help="Also list each layer that this dialect makes another.",
)
@click.option(
    "--watch",
    is_flag=True,
    help="Check again whenever a YAML file beside or below a spec changes, until Ctrl-C.",
)
@click.option(
    "--fix",
    is_flag=True,
    help="First make the safe fixes, those with one clear meaning; each is checked again.",
)
@click.option("--dry-run", is_flag=True, help="With --fix: show what would be changed, change nothing.")
@spec_options
def command(
    specs: tuple[str, ...],
    how: "Format",
    strict: bool,
    dialect: str | None,
    reading: "Reading",
    **doing: bool,
) -> int:
    """Check specs: are they legal, and if not, why. `-` reads standard input."""
    if doing["dry_run"] and not doing["fix"]:
        raise click.UsageError("--dry-run goes with --fix")
    if doing["fix"]:
        from netspec.cli.fix import fix_file

        if doing["watch"] or "-" in specs:
            raise click.UsageError("--fix needs files, and goes without --watch")
        for path in specs:
            fix_file(path, doing["dry_run"], reading)
    if not doing["watch"]:
        from netspec.garbage_collection import at_the_end

        # of many files each leaves something to be collected, and so does a caller's own work
        with at_the_end() if len(specs) == 1 and is_last_work() else nullcontext():
            return check_files(specs, how, strict, dialect, reading)
    if "-" in specs:
        raise click.UsageError("--watch needs files: standard input cannot change")
    from netspec.cli.watch import Files
    from netspec.training.interrupt import Interrupt

    files = Files(specs)
    gc.disable()
    while True:
        code = check_files(specs, how, strict, dialect, reading, early=Early())
        click.echo(f"watching {', '.join(specs)} (exit code now {code})", err=True)
        # Python drops what is raised in a callback of an import or of the collector
        with Interrupt() as asked:
            warm()
            gc.collect()  # now, while nobody waits
        if asked.signal is not None:
            signal.raise_signal(asked.signal)
        files.wait()


def warm() -> None:
    """Import what only a faulty spec needs while nobody waits: the next look then has it."""
    with suppress(ModuleNotFoundError):
        import jsonschema  # noqa: F401
    import netspec.repair.autofix
    import netspec.repair.names
    import netspec.repair.sizes
    import netspec.resolve.json_schema.judge
    import netspec.resolve.messages.schema
    import netspec.syntax.damage  # noqa: F401


class Early:
    """Says in a line each what is found in a large spec, before the time is taken to try fixes."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    def __call__(self, found: "list[Diagnostic]") -> None:
        from netspec.cli import report

        if time.monotonic() - self.began > PATIENCE:
            report([replace(d, fixes=(), others=()) for d in found], "concise")
            click.echo("trying fixes ...", err=True)


def check_files(
    specs: tuple[str, ...],
    how: "Format",
    strict: bool,
    dialect: str | None,
    reading: "Reading",
    early: Early | None = None,
) -> int:
    """Report all findings of all specs; the exit code."""
    from netspec.cli import report

    by_spec = {path: findings(path, dialect, reading, early) for path in specs}
    found = [d for each in by_spec.values() for d in each]
    report(found, how, err=False)
    if how == "full":
        for path in (path for path, each in by_spec.items() if not each):
            click.echo(f"{'<stdin>' if path == '-' else path}: no findings")
    if any(d.severity == "error" or strict for d in found):
        return 1
    return 0


def findings(
    path: str, dialect: str | None, reading: "Reading", early: Early | None = None
) -> "list[Diagnostic]":
    """Of one spec; with a dialect, those on what it would change too, if the spec is sound."""
    from netspec.diagnostics.model import Diagnostics
    from netspec.repair.check import check_as, check_source
    from netspec.syntax.reader import read_file

    diagnostics = Diagnostics()
    source = read_file(path, diagnostics)
    if source is None:
        return diagnostics.sorted()
    found = check_source(source, reading, early=early)
    if dialect is not None and not any(d.severity == "error" for d in found):
        found += check_as(source, dialect, reading)
    return found
