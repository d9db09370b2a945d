"""`netspec compile`."""

from typing import TYPE_CHECKING

import click

from netspec.cli.options import phase_option, spec_options

if TYPE_CHECKING:
    from netspec.read_options import Reading

__all__ = ["command"]


@click.command("compile")
@click.argument("spec")
@click.option("-o", "--output", required=True, help="The Python file to write; - for standard output.")
@phase_option()
@spec_options
def command(spec: str, output: str, phase: str, reading: "Reading") -> None:
    """Write the network as a Python file that needs only torch: the very text that netspec itself
    runs.
    """
    from netspec import driver
    from netspec.emit.torch_source import torch_source
    from netspec.file_writing import write_text

    text = torch_source(driver.load(spec, reading).graph(phase), origin=spec)
    if output == "-":
        click.echo(text, nl=False)
        return
    write_text(output, text)
    click.echo(f"wrote {output}")
