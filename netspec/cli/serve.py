"""`netspec serve MODEL.onnx`: an exported model behind the Open Inference Protocol."""

import re
from collections.abc import Callable
from typing import Any

import click

from netspec.cli.options import Number, device_option
from netspec.serving.limits import Limits, bounds, size_text

__all__ = ["command"]

SIZES = {"": 1, "KIB": 1024, "MIB": 1024**2, "GIB": 1024**3}


class Size(click.ParamType[int]):
    """A number of bytes, also as 64MiB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = re.fullmatch(r"([0-9]+)\s*([A-Z]*)", str(value).upper())
        if found is None or found[2] not in SIZES or not int(found[1]):
            self.fail(f"{value!r} is no size: write bytes, or 512KiB, 64MiB, 1GiB", param, ctx)
        return int(found[1]) * SIZES[found[2]]


def limit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option for each bound of the record."""
    # click lists options as decorators stand, the last one applied first
    for bound in reversed(bounds()):
        unit, least = bound.metadata["unit"], bound.metadata["least"]
        kind: click.ParamType[Any] = click.IntRange(least)
        if unit == "bytes":
            kind = Size()
        elif unit == "seconds":
            kind = Number(least)
        option = click.option(
            f"--{bound.name.replace('_', '-')}",
            type=kind,
            default=size_text(bound.default, unit),
            show_default=True,
            help=bound.metadata["about"],
        )
        command = option(command)
    return command


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
@click.option("--grpc-port", type=click.IntRange(0, 65535), help="Answer over gRPC too; needs netspec[grpc].")
@device_option("auto: cuda where it works.")
@click.option("--name", help="Name of the model in URLs.  [default: the file's name]")
@limit_options
@click.option(
    "--join",
    is_flag=True,
    help="Join requests of a file, not of netspec's making, that does not say that rows stay apart.",
)
@click.option(
    "--threads",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Threads of one run; 0 is one per core, shared by the workers.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Processes that share the port, each with its own models, limits and statistics.",
)
@click.option(
    "--drain-delay",
    type=Number(0),
    default=0.0,
    show_default=True,
    help="Seconds to say not ready, and go on, before the end.",
)
@click.option("--control", is_flag=True, help="Let clients load and unload models.")
@click.option(
    "--reload",
    type=Number(0),
    default=0.0,
    show_default=True,
    help="Seconds between two looks for new files of what is served; 0: none.",
)
@click.option("--api-keys", type=click.Path(), help="File of keys, a line each; clients must give one.")
@click.option("--cors", multiple=True, metavar="ORIGIN", help="Pages of this origin may ask; *: all.")
@click.option("--access-log", is_flag=True, help="A line of JSON for each answer, on standard error.")
@click.option("--tls-cert", type=click.Path(), help="PEM file of a certificate: HTTPS.")
@click.option("--tls-key", type=click.Path(), help="PEM file of its key.")
@click.option(
    "--allow-uncertified",
    is_flag=True,
    help="Serve a model without a certificate, or that is not the file it was given for.",
)
def command(model: str, **options: Any) -> None:
    """Serve MODEL, an ONNX file or a folder NAME/VERSION/model.onnx, over HTTP (Open Inference
    Protocol v2) until Ctrl-C or SIGTERM.

    What is served is what was certified: other files need --allow-uncertified.
    """
    from netspec.serving.server import serve

    if options["workers"] > 1 and options["control"]:
        raise click.UsageError("--control needs --workers 1: a request to load reaches one worker only")
    limits = Limits(**{bound.name: options.pop(bound.name) for bound in bounds()})
    serve(model, limits=limits, **options)
