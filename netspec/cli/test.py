"""`netspec test`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netspec.cli.options import spec_options
from netspec.cli.output.measured import confusion_csv, lines_of
from netspec.diagnostics.words import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from netspec.read_options import Reading
    from netspec.training.test import Measured

__all__ = ["command"]


@click.command("test")
@click.argument("run", type=click.Path())
@click.option(
    "--weights",
    default="last",
    show_default=True,
    metavar="last|best|FILE",
    help="Which weights to measure.",
)
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Where to run.")
@click.option(
    "--part",
    type=click.Choice(("test", "val")),
    default="test",
    show_default=True,
    help="Of which data.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--csv", "table", type=click.Path(), metavar="FILE", help="Write the confusion matrix.")
@spec_options
def command(run: str, part: Any, as_json: bool, table: str | None, reading: "Reading", **words: str) -> None:
    """Measure a trained RUN on all its test (or validation) data: every loss and metric, each
    sample counted once.

    Beside the means: per class precision, recall, F1 and the confusion matrix, of labels average
    precision, of places overlap (IoU), of numbers MAE, RMSE and R2, and how well the confidence of
    the answers is calibrated. All of it goes to RUN/test.json (or val.json).
    """
    from netspec.cli import report
    from netspec.file_writing import write_text
    from netspec.training.test import measure

    found = measure(run, words["weights"], words["device"], reading, part)
    report(list(found.findings))
    document = {
        "run": run,
        "weights": str(found.weights),
        "samples": found.samples,
        "metrics": found.metrics,
        "judged": found.judged,
    }
    text = json.dumps(document, indent=2, ensure_ascii=False)
    # told first: a full disk, or a folder of somebody else, costs no measurement
    if as_json:
        click.echo(text)
    else:
        click.echo("\n".join(describe(found)))
    # a run's folder may come from a stranger: nothing is written through a link
    write_text(Path(run) / f"{part}.json", text + "\n", "NS673", follow=False)
    if table is not None:
        write_text(table, matrix_of(found.judged))


def describe(found: "Measured") -> "Iterator[str]":
    """The numbers as lines."""
    yield f"{found.weights}: {count_of(found.samples, 'sample')}"
    for name, value in found.metrics.items():
        yield f"  {name}  {value:.6g}"
    for name, judged in found.judged.items():
        yield from lines_of(name, judged)


def matrix_of(judged: "Mapping[str, Any]") -> str:
    """The confusion matrix of the first loss that has one."""
    for each in judged.values():
        if "confusion" in each:
            return confusion_csv(each)
    raise click.UsageError("--csv: no loss of the net tells classes apart, there is no confusion matrix")
