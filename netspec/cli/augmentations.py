"""`netspec augmentations`."""

from typing import TYPE_CHECKING, Any

import click

from netspec.cli.layers import vocabulary_of
from netspec.cli.options import code_option, plugin_option, unknown_name

if TYPE_CHECKING:
    from netspec.augmentation.definition import Augmentation

__all__ = ["command"]


@click.command("augmentations")
@click.argument("type_", metavar="[TYPE]", required=False)
@plugin_option
@code_option
@click.option("--json", "as_json", is_flag=True, help="As JSON, with the schema of the parameters.")
def command(type_: str | None, plugins: tuple[str, ...], allow_code: bool, as_json: bool) -> None:
    """List the random changes of training samples, or describe one: what it does, its
    parameters.
    """
    from netspec import augmentation

    own = vocabulary_of(plugins, allow_code).augmentations
    every = [*augmentation.every(), *own.values()]
    found = every if type_ is None else [find_type(type_, every)]
    if as_json:
        import json

        entries = [entry(cls) for cls in found]
        click.echo(json.dumps(entries if type_ is None else entries[0], indent=2, ensure_ascii=False))
    elif type_ is None:
        click.echo(listing(found))
    else:
        from netspec.reference.augmentation_page import reference

        click.echo(reference(found[0], level=1).rstrip())


def find_type(name: str, every: "list[type[Augmentation]]") -> "type[Augmentation]":
    """The type of that name, in any case; a usage error with the nearest names for any other."""

    cls = next((cls for cls in every if cls.type.lower() == name.lower()), None)
    if cls is None:
        raise unknown_name("augmentation", name, [cls.type for cls in every], "augmentations")
    return cls


def listing(found: "list[type[Augmentation]]") -> str:
    """A line per type: name, what it takes, sentence."""
    from netspec.cli.output.table import table
    from netspec.ir.manual import sentence

    return table(
        ("type", "changes", "what it does"),
        [(cls.type, ", ".join(cls.takes), sentence(cls)) for cls in found],
    )


def entry(cls: "type[Augmentation]") -> dict[str, Any]:
    """One type as JSON."""
    from netspec.ir.manual import sentence

    said = {"type": cls.type, "summary": sentence(cls), "takes": list(cls.takes)}
    return {**said, "moves": cls.moves, "partners": cls.partners, "schema": cls.schema()}
