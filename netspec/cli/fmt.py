"""`netspec fmt`."""

import click

__all__ = ["command"]


@click.command("fmt")
@click.argument("specs", nargs=-1, required=True)
@click.option(
    "--check",
    "only_check",
    is_flag=True,
    help="Change nothing; exit code 1 where a file would change.",
)
@click.option("--diff", "as_diff", is_flag=True, help="Change nothing; show what would change.")
@click.option(
    "--upgrade",
    is_flag=True,
    help="Also bring files of an older version of the language up: write down the version.",
)
def command(specs: tuple[str, ...], only_check: bool, as_diff: bool, upgrade: bool) -> int:
    """Tidy specs: spacing, quotes, indentation, ends of lines. Form, order and comments stay; the
    meaning is held to be the same.

    `-` reads standard input and writes standard output.
    """
    from netspec.cli import report
    from netspec.cli.fix import show_diff, write_source
    from netspec.diagnostics.model import Diagnostics
    from netspec.source import Source
    from netspec.syntax.layout import tidy_spec
    from netspec.syntax.reader import read_file
    from netspec.syntax.upgrade import upgrade_source

    code = 0
    for path in specs:
        diagnostics = Diagnostics()
        source = read_file(path, diagnostics)
        if upgrade and source is not None:
            newer = upgrade_source(source, diagnostics)
        else:
            newer = source
        text = tidy_spec(newer, diagnostics) if newer is not None else None
        if source is None or text is None:
            report(diagnostics.sorted())
            code = 1
        elif path == "-" and not (only_check or as_diff):
            click.echo(text, nl=False)
        elif text != source.text:
            after = Source(source.name, text)
            if as_diff:
                show_diff(source, after)
            if not (only_check or as_diff):
                write_source(after)
            click.echo(f"{source.name}: {'would be' if only_check or as_diff else 'is'} tidied", err=True)
            code = max(code, int(only_check or as_diff))
    return code
