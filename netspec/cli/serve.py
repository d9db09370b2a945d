"""`netspec serve MODEL.onnx`: an exported model behind the Open Inference Protocol."""

from typing import Any

import click

from netspec.cli.options import device_option

__all__ = ["command"]


@click.command("serve")
@click.argument("model", type=click.Path())
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; 0.0.0.0 for every interface.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@device_option("auto: cuda where it works.")
@click.option("--name", help="Name of the model in URLs.  [default: the file's name]")
@click.option(
    "--max-batch",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Most rows that waiting requests are joined to.",
)
@click.option(
    "--join",
    is_flag=True,
    help="Join requests of a file, not of netspec's making, that does not say that rows stay apart.",
)
@click.option(
    "--queue",
    type=click.IntRange(1),
    default=256,
    show_default=True,
    help="Most requests that wait; beyond, the answer is 503.",
)
@click.option(
    "--threads",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Threads of one run; 0 is one per core.",
)
@click.option(
    "--allow-uncertified",
    is_flag=True,
    help="Serve a model without a certificate, or that is not the file it was given for.",
)
def command(model: str, **options: Any) -> None:
    """Serve MODEL, an ONNX file, over HTTP (Open Inference Protocol v2) until Ctrl-C or SIGTERM.

    What is served is what was certified: other files need --allow-uncertified.
    """
    from netspec.serving.server import serve

    serve(model, **options)
