"""`netspec layers`."""

from typing import TYPE_CHECKING, Any

import click

from netspec.cli.options import code_option, plugin_option, unknown_name

if TYPE_CHECKING:
    from netspec.ir.layer import Layer
    from netspec.plugins.vocabulary import Vocabulary

__all__ = ["command"]


@click.command("layers")
@click.argument("type_", metavar="[TYPE]", required=False)
@plugin_option
@code_option
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="As JSON; for one type with the schema of its parameters.",
)
def command(type_: str | None, plugins: tuple[str, ...], allow_code: bool, as_json: bool) -> None:
    """List the layer types, or describe one: equation, parameters, weights, examples."""
    vocabulary = vocabulary_of(plugins, allow_code)
    found = vocabulary.every() if type_ is None else [find_type(type_, vocabulary)]
    if as_json:
        import json

        entries = [entry(cls, whole=type_ is not None) for cls in found]
        click.echo(json.dumps(entries if type_ is None else entries[0], indent=2, ensure_ascii=False))
    elif type_ is None:
        click.echo(listing(found))
    else:
        from netspec.reference.layer_page import reference

        click.echo(reference(found[0]).rstrip())


def vocabulary_of(paths: tuple[str, ...], allow_code: bool) -> "Vocabulary":
    """netspec's types and those of some files. Raises SpecError."""
    from netspec.diagnostics.model import Diagnostics, SpecError
    from netspec.plugins.vocabulary import Vocabulary
    from netspec.resolve.plugins import with_plugin
    from netspec.syntax.located import place

    found, diagnostics = Vocabulary(allow_code=allow_code), Diagnostics()
    for path in paths:
        # named by the user, not by a spec: it may lie anywhere
        found = with_plugin(found, place(path), ".", diagnostics, inside=False)
    if diagnostics.failed:
        raise SpecError(diagnostics.sorted())
    return found


def find_type(name: str, vocabulary: "Vocabulary") -> "type[Layer]":
    """The type of that name, in any case, or of that older name; a usage error with the nearest
    names for any other.
    """
    from netspec.diagnostics.model import SpecError
    from netspec.plugins.vocabulary import PluginError
    from netspec.resolve.plugins import report_refusal

    try:
        cls = vocabulary.find(name) or next(
            (vocabulary.find(t) for t in vocabulary.types() if t.lower() == name.lower()), None
        )
    except PluginError as error:
        raise SpecError([report_refusal(error, None, None)]) from error
    if cls is None:
        raise unknown_name("layer type", name, vocabulary.types(), "layers")
    return cls


def listing(found: "list[type[Layer]]") -> str:
    """A line per type: name, param maps, sentence."""
    from netspec.cli.output.table import table
    from netspec.ir.manual import sentence

    return table(
        ("type", "param map", "what it does"),
        [(cls.type, ", ".join(cls.groups), sentence(cls)) for cls in found],
    )


def entry(cls: "type[Layer]", *, whole: bool) -> dict[str, Any]:
    """One type as JSON."""
    from netspec.ir.manual import sentence

    short: dict[str, Any] = {
        "type": cls.type,
        "summary": sentence(cls),
        "param": list(cls.groups),
        "legacy": list(cls.legacy),
    }
    short |= {"bottoms": list(cls.bottoms), "tops": list(cls.tops), "traits": sorted(cls.traits)}
    if whole:
        return {**short, "schema": cls.schema()}
    return short
