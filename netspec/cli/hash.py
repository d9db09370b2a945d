"""`netspec hash`."""

from typing import TYPE_CHECKING

import click

from netspec.cli.options import spec_options

if TYPE_CHECKING:
    from netspec.read_options import Reading

__all__ = ["command"]


@click.command("hash")
@click.argument("specs", nargs=-1, required=True)
@spec_options
def command(specs: tuple[str, ...], reading: "Reading") -> None:
    """Print a hash of the network that each spec describes: equal for the same network, however it
    is written.

    Names of layers, their order where it does not matter, blocks, anchors and variables make no
    difference; inputs, parameters, wiring, sharing, fillers and rates do.
    """
    from netspec import driver
    from netspec.analysis.fingerprint import network_hash

    for path in specs:
        click.echo(f"{network_hash(driver.load(path, reading).graphs())}  {path}")
