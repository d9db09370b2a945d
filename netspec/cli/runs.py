"""`netspec runs`."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from netspec.training.run.listing import Entry

__all__ = ["command"]

SHOWN = 2
"""Numbers of a test in a row of the table."""


@click.command("runs")
@click.argument("folders", metavar="[FOLDER]...", nargs=-1, type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(folders: tuple[str, ...], as_json: bool) -> int:
    """List the runs in FOLDER and below (default: runs): how far each came, its best test, why it
    ended, how long it took. Of two runs: what differs in their specs and results.
    """
    from netspec.training.run.listing import find_runs, read_entry

    found = [run for folder in folders or ("runs",) for run in find_runs(Path(folder))]
    entries = [read_entry(run) for run in found]
    apart = []
    comparing = len(folders) == len(found) == len("ab")
    if comparing:
        from netspec.training.run.listing import settings_apart

        apart = settings_apart(*found)
    if as_json:
        import json

        shown: Any = [entry._asdict() for entry in entries]
        if comparing:
            shown = {
                "runs": shown,
                "spec": [dict(zip(("path", "a", "b"), row, strict=True)) for row in apart],
            }
        click.echo(json.dumps(shown, indent=2))
    elif comparing:
        click.echo(compare(entries[0], entries[1], apart))
    else:
        click.echo(show(entries) if entries else f"no run in {' '.join(folders) or 'runs'}")
    return 0


def show(entries: "list[Entry]") -> str:
    """A row for each run."""
    rows = [
        (
            each.folder,
            f"{each.iteration:,}",
            numbers(each.best),
            "" if each.best_iteration is None else f"{each.best_iteration:,}",
            each.ended,
            duration(each.seconds),
        )
        for each in entries
    ]
    return print_safely(("run", "iterations", "best", "after", "ended", "time"), rows, (1, 3, 5))


def numbers(values: Any, most: int = SHOWN) -> str:
    """The first numbers that are not the loss, and the loss."""
    others = [name for name in values if name != "loss"]
    names = [*others[: most - 1], *[name for name in values if name == "loss"]]
    return ", ".join(f"{name} {values[name]:.4g}" for name in names)


def numeral(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4g}"


def duration(seconds: float | None) -> str:
    """1:02:03, 4:05, or nothing."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}"


def compare(one: "Entry", two: "Entry", apart: list[tuple[str, Any, Any]]) -> str:
    """Two runs side by side: only where they differ, but for the results."""
    results = [("iterations", f"{one.iteration:,}", f"{two.iteration:,}")]
    for word, a, b in (("best", one.best, two.best), ("last", one.last, two.last)):
        for name in dict.fromkeys([*a, *b]):
            results.append((f"{word} {name}", numeral(a.get(name)), numeral(b.get(name))))
    results += [
        ("ended", one.ended, two.ended),
        ("time", duration(one.seconds), duration(two.seconds)),
    ]
    facts = [
        (word, str(getattr(one, word)), str(getattr(two, word)))
        for word in ("name", "seed", "device", "processes")
    ]
    words = dict.fromkeys([*one.versions, *two.versions])
    facts += [(word, one.versions.get(word, ""), two.versions.get(word, "")) for word in words]
    rows = [(path, *("" if x is None else str(x) for x in pair)) for path, *pair in apart]
    rows += [row for row in facts if row[1] != row[2]]
    heads = ("", one.folder, two.folder)
    if not rows:
        rows = [("the same spec", "", "")]
    return print_safely(heads, [*rows, ("", "", ""), *results], ())


def print_safely(heads: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int]) -> str:
    """A table in which no run's words steer the terminal."""
    from netspec.cli.output.table import table
    from netspec.syntax.printable import escape

    return table([escape(cell) for cell in heads], [[escape(cell) for cell in row] for row in rows], right)
