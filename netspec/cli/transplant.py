"""`netspec transplant`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netspec.cli.options import phase_option, spec_options

if TYPE_CHECKING:
    from netspec.analysis.diff import Move
    from netspec.ir.graph import TypedGraph
    from netspec.read_options import Reading

__all__ = ["command"]


@click.command("transplant")
@click.argument("weights", type=click.Path())
@click.argument("before")
@click.argument("after")
@click.option("-o", "--output", required=True, type=click.Path(), help="The safetensors file to write.")
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="For the fillers of tensors that are new.",
)
@phase_option()
@spec_options
def command(
    weights: str, before: str, after: str, output: str, seed: int, phase: str, reading: "Reading"
) -> None:
    """Carry WEIGHTS, a safetensors file or a run's folder, of the spec BEFORE, over to the spec
    AFTER.

    A tensor is kept, renamed or reshaped (a dense layer becomes a convolution of the same weights);
    what is new in AFTER starts as its filler says.
    """
    from netspec import driver
    from netspec.analysis.diff import moves
    from netspec.training.run.folder import is_run, weights_file
    from netspec.training.run.weights import read_tensors, write_tensors

    old, new = (driver.load(path, reading).graph(phase) for path in (before, after))
    rows = moves(old, new)
    tensors, _ = read_tensors(weights_file(Path(weights), "last") if is_run(weights) else Path(weights))
    wanted = [row for row in rows if row.source is not None and row.target is not None]
    refuse(wanted, tensors, weights)
    carried = {row.target: reshape_tensor(row, tensors) for row in wanted}
    kinds = {tensor.dtype for tensor in carried.values()}
    started = fresh(new, seed) if any(row.status == "new" for row in rows) else {}
    targets = [row.target for row in rows if row.target is not None]
    # a file in half precision stays one: what is new joins in its type
    if len(kinds) == 1:
        started = {name: tensor.to(*kinds) for name, tensor in started.items()}
    write_tensors(
        Path(output),
        {name: carried[name] if name in carried else started[name] for name in targets},
        {},
        "NS501",
        follow=True,
    )
    moved = sum(tensor.numel() for tensor in carried.values())
    every = moved + sum(
        tensors[row.source].numel() for row in rows if row.status == "dropped" and row.source in tensors
    )
    share = f" ({moved / every:.0%})" if every else ""
    click.echo(f"wrote {output}: {moved:,} of {every:,} numbers of {before} carried{share}")
    for row in (row for row in rows if row.status != "kept"):
        click.echo(f"  {row.text}")


def refuse(rows: "list[Move]", tensors: dict[str, Any], path: str) -> None:
    """NS031 for each tensor that is to be carried and is not in the file, has another shape than
    the spec says, or holds no fractions.
    """
    from netspec.diagnostics.model import Diagnostic, SpecError

    found = []
    for row in rows:
        tensor = tensors.get(str(row.source))
        if tensor is None:
            have = "it is not in the file"
        elif tuple(tensor.shape) != row.before:
            have = f"in the file it has {list(tensor.shape)}"
        elif not tensor.is_floating_point():
            have = (
                f"in the file it holds {str(tensor.dtype).removeprefix('torch.')}, not floating-point numbers"
            )
        else:
            continue
        found.append(
            Diagnostic("NS031", f"{row.source} must have shape {list(row.before or ())}: {have}", path=path)
        )
    if found:
        raise SpecError(found)


def reshape_tensor(row: "Move", tensors: dict[str, Any]) -> Any:
    """A tensor of the file in the shape of its new place."""
    assert row.source is not None and row.after is not None
    tensor = tensors[row.source]
    return (tensor.T if row.transposed else tensor).reshape(row.after)


def fresh(typed: "TypedGraph", seed: int) -> dict[str, Any]:
    """Every tensor of a net as its filler makes it, by name."""
    import torch

    from netspec.compiled import compile

    torch.manual_seed(seed)
    net: Any = compile(typed)
    return {
        ref.name: net.layer_parameters(ref.node.name)[ref.index]
        for ref in typed.weight_refs()
        if not ref.shared
    }
