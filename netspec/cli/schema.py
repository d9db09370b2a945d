"""`netspec schema`."""

import click

__all__ = ["command"]


@click.command("schema")
def command() -> None:
    """Print the JSON Schema (draft 2020-12) of the spec language, for editors and for other
    programs.
    """
    from netspec.resolve.json_schema.publish import build_schema
    from netspec.resolve.json_schema.shared import written_out

    click.echo(written_out(build_schema()), nl=False)
