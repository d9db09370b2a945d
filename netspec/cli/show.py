"""`netspec show`."""

import click

from netspec.cli.options import spec_options

__all__ = ["command"]


@click.command("show")
@click.argument("spec")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option(
    "--phase",
    type=click.Choice(("deploy", "test", "train")),
    default="deploy",
    show_default=True,
    help="Which net: what the outputs need, or all layers of a phase.",
)
@spec_options
def command(spec: str, as_json: bool, phase: str, settings: tuple[str, ...], stages: tuple[str, ...], level: int) -> None:
    """Show every layer: type, output shape, parameters, MACs.

    Parameters are what training changes; fixed weights and statistics (batch norm's mean and variance) are counted apart; a shared weight
    counts once, at its first owner. MACs are multiply-accumulates for N = 1 of convolutions, transposed convolutions, dense, recurrent and
    attention products; all else counts 0.
    """
    from netspec import driver
    from netspec.analysis.cost import as_json as to_json
    from netspec.analysis.cost import cost

    found = cost(driver.load(spec, frozenset(stages), level, settings).graph(phase))
    if as_json:
        import json

        click.echo(json.dumps(to_json(found), indent=2))
        return
    from netspec.cli.table import rows_of, table

    click.echo(table(("layer", "type", "output", "parameters", "MACs"), rows_of(found), right=(3, 4)))
    extra = "".join(f", {count:,} {what}" for count, what in ((found.statistics, "statistics"), (found.fixed, "fixed")) if count)
    macs = f"{found.macs:,}" if isinstance(found.macs, int) else str(found.macs)
    click.echo(f"\n{found.name}: {found.parameters:,} parameters{extra}, {macs} MACs at N = 1")
