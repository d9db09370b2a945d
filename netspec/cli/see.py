"""`netspec see`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netspec.cli.options import Number, device_option, spec_options, unknown_name
from netspec.cli.view_words import ALL, check_words
from netspec.diagnostics.words import count_of

if TYPE_CHECKING:
    from netspec.read_options import Reading
    from netspec.seeing.seen import Asked
    from netspec.seeing.subject import Subject

__all__ = ["command"]


class SeeCommand(click.Command):
    """A command whose help ends with the views, each by the first line of its file."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from netspec.seeing.registry import describe_views

        with formatter.section("Views"):
            formatter.write_dl(
                [*describe_views().items(), (ALL, "Everything that has a meaning for the net.")]
            )


@click.command("see", cls=SeeCommand)
@click.argument("what", metavar="WHAT")
@click.argument("source", metavar="SPEC|RUN|MODEL.onnx")
@click.argument("inputs", nargs=-1, metavar="[INPUT]...", type=click.Path(allow_dash=True))
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="FILE|FOLDER",
    help="A page (.html), a picture (.png, .svg), or a folder of them.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the values as JSON.")
@click.option("--npz", type=click.Path(dir_okay=False), metavar="FILE", help="Write the arrays.")
@click.option("--weights", metavar="last|best|FILE", help="Which weights.  [default: last of a RUN]")
@click.option("--data", metavar="SOURCE[:PATH]", help="Samples of a data source in place of INPUT.")
@click.option("--index", type=click.IntRange(0), default=0, show_default=True, help="The first of them.")
@click.option(
    "--split", type=click.Choice(("train", "test", "all")), default="test", help="Which part of --data."
)
@click.option(
    "--part", type=click.Choice(("test", "val", "train")), default="test", help="Of the net's own data."
)
@click.option("--layer", metavar="NAME", help="Which layer.")
@click.option("--unit", type=click.IntRange(0), help="Which channel of the layer.")
@click.option("--class", "label", metavar="NAME|NUMBER", help="Which class.  [default: the net's answer]")
@click.option("--count", type=click.IntRange(1), help="How many.")
@click.option("--window", type=click.IntRange(1), help="Side of what occlusion covers.")
@click.option("--method", metavar="WORD", help="Where a view has several.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of what is drawn.")
@click.option("--temperature", type=Number(0), default=1.0, show_default=True, help="Of sampled text.")
@click.option("--primer", default="", metavar="TEXT", help="What sampled text begins with.")
@click.option("--diff", is_flag=True, help="With net: how SPEC and INPUT, another one, differ.")
@click.option("--force", is_flag=True, help="Replace the folder of an earlier call.")
@click.option("--allow-uncertified", is_flag=True, help="Look at a model without a certificate.")
@device_option()
@spec_options
def command(
    what: str,
    source: str,
    output: str | None,
    as_json: bool,
    npz: str | None,
    reading: "Reading",
    **words: Any,
) -> int:
    """Draw WHAT of a net: its filters, what it makes of INPUT, its mistakes.

    INPUT is what `netspec predict` takes; without, the first of the net's own test data, else a
    photograph. Without -o it says in words what it found.
    """
    from netspec.seeing.registry import view_names
    from netspec.seeing.subject import open_subject
    from netspec.seeing.whole import look, look_at_all
    from netspec.seeing.writing import check_target

    names = view_names()
    if what not in (*names, ALL):
        raise unknown_name("view", what, (*names, ALL), "see --help")
    check_words(what, click.get_current_context())
    if output is not None:
        check_target(Path(output), words["force"])
    asked = read_asked(words, reading)
    words = {key: words[key] for key in ("weights", "seed", "device", "allow_uncertified")}
    subject = open_subject(source, reading=reading, **words)
    shown = look_at_all(names, subject, asked) if what == ALL else [look(what, subject, asked)]
    write(shown, subject, output, npz)
    if as_json:
        import json

        values = {seen.view: dict(seen.values) for seen, _ in shown}
        click.echo(json.dumps(values if what == ALL else values[what], indent=1, ensure_ascii=False))
    elif output is None:
        for seen, _ in shown:
            click.echo("\n".join([seen.title, *(f"  {line}" for line in seen.told)]))
    return 0


def read_asked(words: dict[str, Any], reading: "Reading") -> "Asked":
    import sys
    from dataclasses import fields

    from netspec.seeing.seen import Asked

    found = {key: words[key] for key in (f.name for f in fields(Asked)) if key in words}
    # as much as `predict` reads
    given = sys.stdin.buffer.read(1 << 28) if "-" in words["inputs"] else b""
    return Asked(**found, given=given, reading=reading)


def write(shown: Any, subject: "Subject", output: str | None, npz: str | None) -> None:
    from netspec.seeing.summary import summary
    from netspec.seeing.writing import pack_arrays, write_figures, write_packed

    arrays = npz and pack_arrays(Path(npz), [seen for seen, _ in shown])
    if output is not None:
        told = summary(subject) if len(shown) > 1 else []
        files = write_figures(Path(output), subject.name, told, shown)
        said = output if len(files) == 1 else f"{count_of(len(files), 'file')} in {output}"
        click.echo(f"wrote {said}", err=True)
    if npz and arrays:
        write_packed(Path(npz), arrays)
        click.echo(f"wrote {npz}", err=True)
