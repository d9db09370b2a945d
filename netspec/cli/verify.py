"""`netspec verify`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from netspec.cli.export import sample_lines, tell_quantized

if TYPE_CHECKING:
    from netspec.serving.verify import Verified

__all__ = ["command"]


@click.command("verify")
@click.argument("model", metavar="MODEL.onnx", type=click.Path())
@click.option(
    "--device",
    type=click.Choice(("auto", "cpu", "cuda")),
    default="cpu",
    show_default=True,
    help="Where to ask the probes.",
)
def command(model: str, device: str) -> None:
    """Check that MODEL is the file that was certified, and that it answers here as it did there;
    says what was proven, and when.

    Needs no torch. The exit status is 1 where it has no certificate, is another file, or answers
    otherwise.
    """
    from netspec.serving.verify import verify

    for line in lines(model, verify(model, device)):
        click.echo(line)


def lines(model: str, found: "Verified") -> Iterator[str]:
    """What is known of the file, in words."""
    said = found.certificate.get
    part = f"in part ({said('level')}), " if said("left_out") else ""
    if said("quantized"):
        how, then = "compared with a certified float file", "the float file"
    else:
        how, then = f"certified {part}".rstrip(), "then"
    yield f"{model} is the file that was {how} on {said('made')} by netspec {said('netspec')}"
    yield f"graph   {found.seal.graph}"
    yield f"weights {found.seal.weights}"
    yield from tell_quantized(said("quantized"))
    yield (
        f"{then}: {said('layers')} comparisons of a layer alone and {said('outputs')} of outputs with torch"
        f" {said('torch')}, onnxruntime {said('onnxruntime')} on {said('device')}; largest difference"
        f" {said('largest_difference'):.3g} in {said('tensor')}"
        if isinstance(said("largest_difference"), float)
        else "then: nothing that can be read"
    )
    yield from sample_lines(said("samples"))
    if said("void"):
        yield f"{said('void')} of them say nothing, since rounding is amplified there"
    if said("left_out"):
        yield f"left out then: {said('left_out')} of the comparisons of a full certificate"
    yield (
        f"here: {found.probes} probes answered by onnxruntime {found.onnxruntime}, largest difference"
        f" {found.largest:.3g}; nowhere more than {found.closest:.2g} of what is allowed"
    )
