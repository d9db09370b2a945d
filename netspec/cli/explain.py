"""`netspec explain`."""

from typing import TYPE_CHECKING

import click

from netspec.cli.options import spec_options

if TYPE_CHECKING:
    from netspec.reading import Reading

__all__ = ["command"]


@click.command("explain")
@click.argument("what", metavar="CODE | SPEC")
@click.argument("path", required=False, metavar="[LAYER | VALUE]")
@spec_options
def command(what: str, path: str | None, reading: "Reading") -> None:
    """Explain a code, a layer's sizes, or where a value comes from.

    `netspec explain NS301`: the code's page. `netspec explain lenet.yaml conv1`: how the layer's sizes come about.
    `netspec explain lenet.yaml conv1.stride`, `... train.solver.base_lr`: file and line, variables, defaults, override.
    """
    if path is None and what.upper().startswith("NS") and what[2:].isdigit():
        explain_code(what.upper())
        return
    if path is None:
        raise click.UsageError("name a code, or a spec and one of its layers or values")
    from netspec import driver
    from netspec.analysis.explain import explanation
    from netspec.analysis.origin import is_layer, origin

    program = driver.load(what, reading)
    click.echo(explanation(program.graph("test"), path) if is_layer(program.resolved, path) else origin(program.resolved, path))


def explain_code(code: str) -> None:
    """The code's page."""
    from importlib.resources import files

    from netspec.diagnostics.codes import CODES
    from netspec.diagnostics.suggest import nearest

    if code not in CODES:
        near = nearest(code, CODES)
        raise click.UsageError(f"no code {code}." + (f" Did you mean {' or '.join(near)}?" if near else ""))
    click.echo(files("netspec.diagnostics").joinpath("pages", f"{code}.md").read_text(encoding="utf-8").rstrip())
