"""`netspec sizes`."""

from typing import TYPE_CHECKING

import click

from netspec.cli.options import spec_options

if TYPE_CHECKING:
    from netspec.read_options import Reading

__all__ = ["command"]


@click.command("sizes")
@click.argument("spec")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@spec_options
def command(spec: str, as_json: bool, reading: "Reading") -> int:
    """Say which input sizes the deployed net takes: all of 1 to 4096 are tried, axis by axis.

    Letters in the input's shape are solved for, the batch apart; of a net of fixed size, its
    spatial axes, also where they do not fit. Axes that stand in one requirement are coupled: then
    the others keep their fixed size, or take the same size; a count of samples is 1.
    """
    from netspec import driver
    from netspec.analysis.sizes.coupling import joint
    from netspec.analysis.sizes.legal import as_json as to_json
    from netspec.analysis.sizes.legal import legal_sizes

    found = legal_sizes(driver.load(spec, reading).sized_graph())
    if as_json:
        import json

        click.echo(json.dumps({"axes": to_json(found), "coupled": list(joint(found))}, indent=2))
    elif not found.axes:
        click.echo("no spatial or open sizes")
    for sentence in () if as_json else joint(found):
        click.echo(sentence)
    for axis in () if as_json else found.axes:
        click.echo(f"{axis.text}   ({axis.where}{'' if axis.given is None else f', now {axis.given}'})")
        if axis.coupled:
            fixed = ", ".join(f"{other} = {size}" for other, size in axis.assumed.items())
            click.echo(f"  coupled with {', '.join(axis.coupled)}: solved for {fixed}")
        for violation in axis.illegal:
            click.echo(f"  not {violation.text}")
    if all(axis.progressions or axis.coupled for axis in found.axes):
        return 0
    return 1
