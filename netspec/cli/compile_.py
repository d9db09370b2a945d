"""`netspec compile`."""

from typing import TYPE_CHECKING

import click

from netspec.cli.options import phase_option, spec_options

if TYPE_CHECKING:
    from netspec.ir.graph import TypedGraph
    from netspec.read_options import Reading

__all__ = ["command"]


@click.command("compile")
@click.argument("spec")
@click.option("-o", "--output", help="The Python file to write; - for standard output.")
@click.option("--explain", is_flag=True, help="Say which layers run as one; without -o, nothing else.")
@click.option("--no-fuse", is_flag=True, help="Run each layer by itself.")
@phase_option()
@spec_options
def command(
    spec: str, output: str | None, explain: bool, no_fuse: bool, phase: str, reading: "Reading"
) -> None:
    """Write the network as a Python file that needs only torch: the very text that netspec itself
    runs.
    """
    from netspec import driver
    from netspec.emit.torch_source import torch_source
    from netspec.file_writing import write_text

    if output is None and not explain:
        raise click.UsageError("Missing option '-o' / '--output', or --explain.")
    typed = driver.load(spec, reading).graph(phase)
    if explain:
        tell_fusions(typed, no_fuse, to_error=output == "-")
    if output is None:
        return
    text = torch_source(typed, origin=spec, fused=not no_fuse)
    if output == "-":
        click.echo(text, nl=False)
        return
    write_text(output, text)
    click.echo(f"wrote {output}")


def tell_fusions(typed: "TypedGraph", no_fuse: bool, to_error: bool) -> None:
    """Which layers run as one in torch, and in an exported file. to_error: the text itself goes
    to standard output.
    """
    from netspec.fusion.passes import FILE_PASSES, explain_fusions, explain_kept, fold_layers, fuse

    found = () if no_fuse else fuse(typed)
    for line in explain_fusions(found) if found else ["each layer runs by itself"]:
        click.echo(line, err=to_error)
    if not no_fuse and typed.graph.phase == "TEST":
        more = [each for each in fold_layers(typed) if each not in found]
        for line in (*explain_fusions(more, FILE_PASSES), *explain_kept(typed)):
            click.echo(line, err=to_error)
