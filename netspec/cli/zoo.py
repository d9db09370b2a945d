"""`netspec zoo`."""

from typing import Any

import click

__all__ = ["command", "entry"]


@click.command("zoo")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(as_json: bool) -> None:
    """List the specs that ship with netspec: input, parameters, MACs, paper.

    A name of this list serves wherever a spec is asked for: `netspec check zoo:lenet-5`; `netspec init --from zoo:lenet-5` copies one.
    """
    from netspec.syntax.paths import zoo_specs

    found = [entry(name, str(path)) for name, path in zoo_specs()]
    if as_json:
        import json

        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    from netspec.cli.table import table

    rows = [(e["name"], inputs(e["input"]), amount(e["parameters"]), amount(e["macs"]), e["source"]) for e in found]
    click.echo(table(("name", "input", "parameters", "MACs", "paper"), rows, right=(2, 3)))


def entry(name: str, path: str) -> dict[str, Any]:
    """What the zoo tells of one spec: `{name, path, input, parameters, statistics, macs, source}`. Raises SpecError."""
    from netspec import driver
    from netspec.analysis.cost import as_json, cost

    program = driver.load(path)
    found = as_json(cost(program.graph()))
    counts = found["totals"]
    return {
        "name": name,
        "path": path,
        "input": found["inputs"],
        "parameters": counts["parameters"],
        "statistics": counts["statistics"],
        "macs": counts["macs"],
        "source": program.resolved.file.source,
    }


def inputs(shapes: dict[str, list[int | str]]) -> str:
    """`1x28x28`; several inputs are parted by commas; the batch is left out."""
    return ", ".join("x".join(map(str, shape[1:] or shape)) for shape in shapes.values())


def amount(count: int | None) -> str:
    """With commas; a count that depends on a symbol is open."""
    return "open" if count is None else f"{count:,}"
