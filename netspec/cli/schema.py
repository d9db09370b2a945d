"""`netspec schema`."""

import click

__all__ = ["command"]


@click.command("schema")
def command() -> None:
    """Print the JSON Schema (draft 2020-12) of the spec language, for editors and for other programs."""
    import json

    from netspec.resolve.published import published_schema

    click.echo(json.dumps(published_schema(), indent=1, ensure_ascii=False))
