"""`netspec explain`."""

import click

__all__ = ["command"]


@click.command("explain")
@click.argument("what", metavar="CODE | SPEC")
@click.argument("path", required=False)
def command(what: str, path: str | None) -> None:
    """Explain a diagnostic code (`netspec explain NS301`), or how a layer's sizes come about (`netspec explain lenet.yaml conv1`)."""
    if path is None and what.upper().startswith("NS") and what[2:].isdigit():
        explain_code(what.upper())
        return
    if path is None:
        raise click.UsageError("name a code, or a spec and one of its layers")
    from netspec import driver
    from netspec.analysis.explain import explanation

    click.echo(explanation(driver.load(what).graph("test"), path))


def explain_code(code: str) -> None:
    """The code's page."""
    from importlib.resources import files

    from netspec.diagnostics.codes import CODES
    from netspec.diagnostics.suggest import nearest

    if code not in CODES:
        near = nearest(code, CODES)
        raise click.UsageError(f"no code {code}." + (f" Did you mean {' or '.join(near)}?" if near else ""))
    click.echo(files("netspec.diagnostics").joinpath("pages", f"{code}.md").read_text(encoding="utf-8").rstrip())
