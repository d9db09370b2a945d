"""`netspec hash`."""

import click

from netspec.cli.options import spec_options

__all__ = ["command"]


@click.command("hash")
@click.argument("specs", nargs=-1, required=True)
@spec_options
def command(specs: tuple[str, ...], settings: tuple[str, ...], stages: tuple[str, ...], level: int) -> None:
    """Print a hash of the network that each spec describes: equal for the same network, however it is written.

    Names of layers, their order where it does not matter, blocks, anchors and variables make no difference; inputs, parameters, wiring,
    sharing, fillers and rates do.
    """
    from netspec import driver
    from netspec.analysis.canonical import network_hash

    for path in specs:
        click.echo(f"{network_hash(driver.load(path, frozenset(stages), level, settings).graphs())}  {path}")
