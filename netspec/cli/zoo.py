"""`netspec zoo`."""

import click

from netspec.reference.zoo_entry import amount, entry, inputs

__all__ = ["command"]


@click.command("zoo")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(name: str | None, as_json: bool) -> None:
    """List the specs that ship with netspec (input, parameters, MACs, paper), or show the page of
    the one called NAME.

    A name of this list serves wherever a spec is asked for: `netspec check zoo:lenet-5`; `netspec
    init --from zoo:lenet-5` copies one.
    """
    if name is not None:
        show_one(name.removeprefix("zoo:"), as_json)
    else:
        show_all(as_json)


def show_one(name: str, as_json: bool) -> None:
    """A net's page, or its line of the list as JSON. Raises SpecError for a name that the zoo has
    not.
    """
    from pathlib import Path

    from netspec import driver
    from netspec.syntax.paths import PREFIX, zoo_path

    path = zoo_path(name)
    if as_json:
        import json

        click.echo(json.dumps(entry(name, path)[0], indent=2, ensure_ascii=False))
        return
    from netspec.cli.output.plain_page import plain_page
    from netspec.reference.zoo_page import page

    program = driver.load(path)
    stem = Path(path).stem
    click.echo(
        f"{plain_page(page(stem, Path(path), program))}\n\nPictures: docs/zoo/{stem}.md. The text: netspec"
        f" init --from {PREFIX}{stem} -o -"
    )


def show_all(as_json: bool) -> None:
    from netspec.syntax.paths import zoo_specs

    found = [entry(name, str(path)) for name, path in zoo_specs()]
    if as_json:
        import json

        click.echo(json.dumps([e for e, _ in found], indent=2, ensure_ascii=False))
        return
    from netspec.cli.output.table import table

    rows = [(e["name"], inputs(e["input"]), amount(e["parameters"]), macs, e["source"]) for e, macs in found]
    click.echo(table(("name", "input", "parameters", "MACs", "paper"), rows, right=(2, 3)))
