"""`netspec data`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netspec.cli.options import spec_options
from netspec.data.parts import role_of

if TYPE_CHECKING:
    from netspec.data.inventory.classes import Rules
    from netspec.data.inventory.take import Inventory
    from netspec.data.source import Array, Source
    from netspec.diagnostics import Diagnostic
    from netspec.read_options import Reading

__all__ = ["command", "showing"]


@click.command("data")
@click.argument("place", metavar="SPEC|RUN|DATA")
@click.option("--decode", is_flag=True, help="Decode every picture, read every value.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, every file with what was found.")
@click.option(
    "--html",
    type=click.Path(),
    metavar="FILE",
    help="Write a page with a sheet of pictures of each class.",
)
@click.option(
    "--augmented",
    is_flag=True,
    help="What the net sees: samples as they are, then as training changes them.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    metavar="FILE.png",
    help="The picture of --augmented.",
)
@click.option(
    "--samples",
    type=click.IntRange(1, 64),
    default=8,
    show_default=True,
    help="Rows of the picture.",
)
@click.option("--passes", type=click.IntRange(1, 32), default=7, show_default=True, help="Changes of each.")
@click.option("--seed", type=int, default=None, help="In place of train.solver.random_seed.")
@spec_options
def command(
    place: str,
    decode: bool,
    as_json: bool,
    html: str | None,
    augmented: bool,
    reading: "Reading",
    **sheet: Any,
) -> int:
    """Look at all samples that SPEC trains on and tests with, or at DATA, a folder or a file as
    `netspec init` takes them: what there is of each class, of which size and kind, what cannot be
    read, what stands there twice.

    Of pictures the headers and ends are read, with --decode all of them. --augmented -o FILE.png
    draws what the net sees of SPEC's data instead.
    """
    if augmented != (sheet["output"] is not None):
        raise click.UsageError("--augmented and -o FILE.png belong together")
    if augmented:
        draw_augmented(place, reading, **sheet)
        return 0
    from netspec.cli import report
    from netspec.data.inventory.take import judge, take_inventory

    faults: list[Diagnostic] = []
    parts, known, rules, odd = open_parts(place, reading, faults)
    with showing(sum(map(len, parts.values()))) as tick:
        found = take_inventory(parts, decode, known, tick)
    hush(parts, found)
    said = [
        *faults,
        *judge_one_class(parts),
        *judge(found),
        *judge_classes(parts, found, rules, decode),
        *odd,
        *remarks_of(parts),
    ]
    if html is not None:
        from netspec.data.inventory.page import write_page

        write_page(Path(html), found, parts)
    from netspec.cli.output.inventory_text import as_values, lines

    if as_json:
        import json

        click.echo(json.dumps(as_values(found), indent=1))
    else:
        click.echo("\n".join(lines(found)))
    report(said)
    return int(any(each.severity == "error" for each in said))


def hush(parts: "Mapping[str, Source]", found: "Inventory") -> None:
    """Silent sounds stand in the table: they are not told once more."""
    from netspec.data.source import find_origin
    from netspec.data.sources.audio import AudioFolder

    for part in found.parts:
        origin, numbers = find_origin(parts[part.name])
        if isinstance(origin, AudioFolder):
            plain = next(iter(part.fields.values())).plain
            origin.told |= {str(origin.files[numbers[i]]) for i in plain}


def remarks_of(parts: "Mapping[str, Source]") -> "Iterator[Diagnostic]":
    """What was noticed while samples were looked at, but of pictures, whose files were."""
    from netspec.data.inventory.take import folder_behind

    for source in parts.values():
        if folder_behind(source) is None:
            yield from source.remarks()


def judge_one_class(parts: "Mapping[str, Source]") -> "Sequence[Diagnostic]":
    """NS664 where a training would have nothing to tell apart."""
    from netspec.data.binding import refuse_one_class
    from netspec.diagnostics import SpecError

    try:
        for name in parts.keys() & {"train", "all"}:
            refuse_one_class(parts[name])
    except SpecError as error:
        return error.diagnostics
    return ()


def judge_classes(
    parts: "Mapping[str, Source]", found: "Inventory", rules: "Mapping[str, Rules]", whole: bool
) -> "Iterator[Diagnostic]":
    """Labels that the net of a spec does not tell apart."""
    from netspec.data.inventory.classes import judge_labels, judge_masks

    for part in found.parts:
        own = rules.get(part.name, {})
        yield from judge_masks(parts[part.name], part, own)
        yield from judge_labels(parts[part.name], own, whole)


def open_parts(
    place: str, reading: "Reading", faults: "list[Diagnostic]"
) -> "tuple[Mapping[str, Source], Mapping[str, Any], Mapping[str, Rules], Sequence[Diagnostic]]":
    """The sources of the parts by name, what an inventory of a run found before, what their labels
    may be, where a net says it, and what is odd about their classes. faults: takes what is wrong
    with single samples.
    """
    from netspec.data.inventory.cache import NAME, read_cache
    from netspec.data.inventory.kinds import is_data

    folder = Path(place).is_dir() and not (Path(place) / "run.json").exists()
    if folder or is_data(Path(place)):
        from netspec.data.inventory.oddities import find_training, judge_classes_of, rare
        from netspec.data.inventory.parts import open_parts

        parts = open_parts(Path(place), faults)
        first = find_training(parts)
        return parts, {}, {}, [*judge_classes_of(parts), *(rare(first) if first is not None else ())]
    from netspec.training.batches.feeds import Feeds
    from netspec.training.data_findings import class_findings
    from netspec.training.run.named_run import reread

    _, program = reread(place, None, False, reading)
    trained, tested = program.training_graph("train"), program.training_graph("test")
    runs = [Path(place)] if Path(place).is_dir() else []
    feeds = Feeds.open(program, trained, tested, faults=faults, runs=runs)
    known = read_cache(Path(place) / NAME) if Path(place).is_dir() else {}
    rules = {
        part: feeds.rules(part, trained if role_of(part) == "train" else tested) for part in feeds.parts()
    }
    return feeds.parts(), known, rules, list(class_findings(feeds, trained))


@contextmanager
def showing(total: int) -> "Iterator[Callable[[int], None]]":
    """A bar on a terminal, which goes when it is done; else nothing."""
    import sys

    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console

    from netspec.training.progress import counting

    with counting(Console(stderr=True), total) as tick:
        yield tick


def draw_augmented(
    spec: str, reading: "Reading", output: str, samples: int, passes: int, seed: int | None
) -> None:
    """Write the picture of samples as they are and as training changes them."""
    from netspec import driver
    from netspec.training.batches.sheet import Sheet, draw_sheet, open_data

    feeds, typed = open_data(driver.load(spec, reading))
    section = feeds.program.resolved.file.train
    if seed is None and section is not None:
        # a negative one means another each time: the picture is that of 0
        seed = max(0, section.solver.random_seed)
    write_picture(output, draw_sheet(feeds, typed, Sheet(samples, passes, seed or 0)))
    changes = [change.type for change in feeds.program.resolved.augment]
    said = ", ".join(changes) or "nothing: the spec has no train.augment"
    click.echo(f"{output}: a row a sample, first as it is, then changed by {said}")


def write_picture(path: str, pixels: "Array") -> None:
    """Write a PNG whole or not at all. Raises SpecError NS501."""
    from PIL import Image

    from netspec.file_writing import replacing

    with replacing(path) as draft:
        Image.fromarray(pixels).save(draft, "PNG")
