"""`netspec data`."""

from typing import TYPE_CHECKING

import click

from netspec.cli.options import spec_options

if TYPE_CHECKING:
    from netspec.data.source import Array
    from netspec.read_options import Reading

__all__ = ["command"]


@click.command("data")
@click.argument("spec", type=click.Path())
@click.option(
    "--augmented", is_flag=True, help="What the net sees: samples as they are, then as training changes them."
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False), metavar="FILE.png", help="The picture to write."
)
@click.option(
    "--samples", type=click.IntRange(1, 64), default=8, show_default=True, help="Rows of the picture."
)
@click.option("--passes", type=click.IntRange(1, 32), default=7, show_default=True, help="Changes of each.")
@click.option("--seed", type=int, default=None, help="In place of train.solver.random_seed.")
@spec_options
def command(
    spec: str,
    augmented: bool,
    output: str | None,
    samples: int,
    passes: int,
    seed: int | None,
    reading: "Reading",
) -> None:
    """Look at the data that SPEC learns from."""
    if not augmented or output is None:
        raise click.UsageError("say what to show and where: --augmented -o sheet.png")
    from netspec import driver
    from netspec.training.batches.sheet import Sheet, draw_sheet, open_data

    feeds, typed = open_data(driver.load(spec, reading))
    section = feeds.program.resolved.file.train
    if seed is None and section is not None:
        seed = max(0, section.solver.random_seed)
    write_picture(output, draw_sheet(feeds, typed, Sheet(samples, passes, seed or 0)))
    changes = [change.type for change in feeds.program.resolved.augment]
    if changes:
        said = ", ".join(changes)
    else:
        said = "nothing: the spec has no train.augment"
    click.echo(f"{output}: a row a sample, first as it is, then changed by {said}")


def write_picture(path: str, pixels: "Array") -> None:
    """Write a PNG whole or not at all. Raises SpecError NS501."""
    from PIL import Image

    from netspec.file_writing import replacing

    with replacing(path) as draft:
        Image.fromarray(pixels).save(draft, "PNG")
