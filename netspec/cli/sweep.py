"""`netspec train --sweep` and `--folds`: what came of the runs, as a table or JSON."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from netspec.read_options import Reading
    from netspec.recipes.sweep import Group, Row, Swept

__all__ = ["run_sweep"]


def run_sweep(
    spec: str,
    folder: str | None,
    resume: bool,
    device: str,
    quiet: bool,
    reading: "Reading",
    words: Mapping[str, Any],
) -> int:
    """Train all runs and tell which is best; the exit code."""
    from netspec.cli import report
    from netspec.cli.start import read_start
    from netspec.recipes.sweep import Plan, read_axis, sweep, sweep_folder
    from netspec.training.interrupt import exit_code_of
    from netspec.training.progress import Silent, reporter
    from netspec.training.run.named_run import reread

    plan = Plan(spec, tuple(map(read_axis, words["sweep"])), words["folds"] or 0)
    _, program = reread(spec, None, False, reading)
    into = Path(folder) if folder else sweep_folder(program.name, resume=resume)
    made = sweep(
        plan,
        into,
        reading,
        resume=resume,
        device=device,
        weights=read_start(words),
        reporter=Silent if quiet else partial(reporter, sys.stderr),
    )
    if words["as_json"]:
        click.echo(json.dumps(as_plain(made), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(lines(made)))
    report(list(made.findings))
    return exit_code_of(made.signal)


def as_plain(made: "Swept") -> dict[str, Any]:
    """The results as JSON has them."""
    return {
        "folder": str(made.folder),
        "runs": [
            {
                "run": str(row.run),
                "settings": dict(row.settings),
                **({"fold": row.fold} if row.fold else {}),
                "iterations": row.outcome.iteration,
                "ended": row.outcome.reason or None,
                "measured": row.outcome.measured or None,
                "best": dict(row.outcome.best),
                "test": dict(row.outcome.tested),
            }
            for row in made.rows
        ],
        "groups": [
            {
                "settings": dict(group.settings),
                "mean": dict(group.best),
                "deviation": dict(group.deviation),
                "test": dict(group.tested),
                "test_deviation": dict(group.tested_deviation),
            }
            for group in made.groups
        ],
        "best": dict(made.groups[made.chosen].settings) if made.chosen is not None else None,
    }


def lines(made: "Swept") -> Iterator[str]:
    """A table of the runs; of folds, one of their means too."""
    from netspec.cli.output.table import table

    measured = next((row.outcome.measured for row in made.rows if row.outcome.measured), "")
    names = numbers_of([row.outcome.best for row in made.rows])
    tested = numbers_of([row.outcome.tested for row in made.rows])
    tested = [name for name in tested if name != "loss"] or tested  # a terminal has 80 columns
    paths = [*made.rows[0].settings]
    folded = bool(made.rows[0].fold)
    heads = ["run", *map(last_step, paths), *(["fold"] if folded else []), "iterations"]
    heads += [*(f"{measured} {name}" for name in names), *(f"test {name}" for name in tested)]
    rows = [cells(row, names, tested, folded) for row in made.rows]
    if not folded:
        rows = [[*row, mark(i == made.chosen)] for i, row in enumerate(rows)]
        heads.append("")
    right = range(1, len(heads) - (not folded))
    yield table(heads, rows, right)
    if folded:
        yield ""
        yield from fold_lines(made, paths, measured, names, tested)
    yield ""
    yield f"runs     {made.folder}"
    if any(not row.outcome.ended for row in made.rows):
        yield f"go on with the same command, --run {made.folder} --resume"


def fold_lines(
    made: "Swept", paths: Sequence[str], measured: str, names: Sequence[str], tested: Sequence[str]
) -> Iterator[str]:
    """Mean and deviation over the folds, for each choice of settings."""
    from netspec.cli.output.table import table

    heads = [*map(last_step, paths), *(f"{measured} {name}" for name in names)]
    heads += [*(f"test {name}" for name in tested), ""]
    rows = [
        [
            *group.settings.values(),
            *spread(group, names, tested),
            mark(len(made.groups) > 1 and i == made.chosen),
        ]
        for i, group in enumerate(made.groups)
    ]
    yield f"mean over {len(made.rows) // len(made.groups)} folds, and deviation"
    yield table(heads, rows, range(len(heads) - 1))


def spread(group: "Group", names: Sequence[str], tested: Sequence[str]) -> Iterator[str]:
    for values, deviation, wanted in (
        (group.best, group.deviation, names),
        (group.tested, group.tested_deviation, tested),
    ):
        for name in wanted:
            off = f" +- {deviation[name]:.2g}" if name in deviation else ""
            yield f"{values[name]:.4g}{off}" if name in values else ""


def cells(row: "Row", names: Sequence[str], tested: Sequence[str], folded: bool) -> list[str]:
    outcome = row.outcome
    found = [row.run.name, *row.settings.values(), *([str(row.fold)] if folded else [])]
    iterations = str(outcome.iteration) if outcome.reason in ("finished", "stopped") else outcome.reason
    found.append(iterations or "not yet")
    for values, wanted in ((outcome.best, names), (outcome.tested, tested)):
        found += [f"{values[name]:.4g}" if name in values else "" for name in wanted]
    return found


def mark(chosen: bool) -> str:
    return "best" if chosen else ""


def last_step(path: str) -> str:
    return path.rpartition(".")[2]


def numbers_of(rows: Sequence[Mapping[str, float]]) -> list[str]:
    """The names in the order in which they are met."""
    return list(dict.fromkeys(name for row in rows for name in row))
