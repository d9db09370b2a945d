"""`netspec layers`."""

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from netspec.ir.layer import Layer

__all__ = ["command"]


@click.command("layers")
@click.argument("type_", metavar="[TYPE]", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON; for one type with the schema of its parameters.")
def command(type_: str | None, as_json: bool) -> None:
    """List the layer types, or describe one: equation, parameters, weights, examples."""
    from netspec import layers

    found = layers.every() if type_ is None else [known(type_)]
    if as_json:
        import json

        entries = [entry(cls, whole=type_ is not None) for cls in found]
        click.echo(json.dumps(entries if type_ is None else entries[0], indent=2, ensure_ascii=False))
    elif type_ is None:
        click.echo(listing(found))
    else:
        from netspec.layers.reference import reference

        click.echo(reference(found[0]).rstrip())


def known(name: str) -> "type[Layer]":
    """The type of that name, in any case, or of that older name; a usage error with the nearest names for any other."""
    from netspec import layers
    from netspec.diagnostics.suggest import nearest

    cls = layers.find(name) or next((layers.find(t) for t in layers.types() if t.lower() == name.lower()), None)
    if cls is None:
        near = nearest(name, layers.types())
        hint = f" Did you mean {' or '.join(near)}?" if near else " `netspec layers` lists them."
        raise click.UsageError(f"no layer type {name!r}.{hint}")
    return cls


def listing(found: "list[type[Layer]]") -> str:
    """A line per type: name, param maps, sentence."""
    from netspec.cli.table import table
    from netspec.layers.reference import sentence

    return table(("type", "param map", "what it does"), [(cls.type, ", ".join(cls.groups), sentence(cls)) for cls in found])


def entry(cls: "type[Layer]", *, whole: bool) -> dict[str, Any]:
    """One type as JSON."""
    from netspec.layers.reference import sentence

    short: dict[str, Any] = {"type": cls.type, "summary": sentence(cls), "param": list(cls.groups), "legacy": list(cls.legacy)}
    short |= {"bottoms": list(cls.bottoms), "tops": list(cls.tops), "traits": sorted(cls.traits)}
    return {**short, "schema": cls.schema()} if whole else short
