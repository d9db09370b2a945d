"""`netspec completion`."""

import click

__all__ = ["command"]


@click.command("completion")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def command(shell: str) -> None:
    """Print the completion script: `netspec completion bash >> ~/.bashrc`."""
    from click.shell_completion import get_completion_class

    from netspec.cli import group

    cls = get_completion_class(shell)
    assert cls is not None
    click.echo(cls(group, {}, "netspec", "_NETSPEC_COMPLETE").source())
