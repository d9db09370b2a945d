"""`netspec train --fit`: the largest batch, with its arithmetic."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from netspec.read_options import Reading
    from netspec.recipes.fit_batch import Need

__all__ = ["FREE", "run_fit"]

FREE = "free"
PARTS = {
    "weights": "",
    "gradients": "of what is trained",
    "solver": "the solver's state",
    "average": "train.average",
    "values": "made and kept, and their gradients, at the peak",
}


def run_fit(spec: str, room: str, device: str, reading: "Reading", as_json: bool) -> int:
    """Find the batch and tell it; the exit code."""
    from netspec.recipes.fit_batch import fit_batch
    from netspec.training.run.named_run import reread

    there = read_room(room, device)
    _, program = reread(spec, None, False, reading)
    need = fit_batch(program, there)
    if as_json:
        import json

        click.echo(json.dumps({**need._asdict(), "total": need.total, "room": there}, indent=2))
        return 0
    click.echo("\n".join(lines(need, there)))
    return 0


def read_room(room: str, device: str) -> int:
    """The bytes that --fit means."""
    from netspec.recipes.fit_batch import measure_free
    from netspec.resolve.sections.expect import worth
    from netspec.training.device import find_device

    if room != FREE:
        found = worth(room) or worth(room.replace("K", "k"))  # 100KB is what many write
        if found is None or not found >= 1 or room.endswith("s"):
            raise click.UsageError(f"--fit {room}: write a number of bytes, such as 8GB or 512MiB")
        return int(found)
    free = measure_free(find_device(device))
    if free is None:
        raise click.UsageError("the system does not tell what is free: give it, as --fit 8GB")
    return free


def lines(need: "Need", room: int) -> Iterator[str]:
    """A row for each part, their sum, and the batch."""
    from netspec.cli.output.table import table

    found = need._asdict()
    rows = [(name, f"{found[name]:,}", words) for name, words in PARTS.items() if found[name]]
    rows += [("sum", f"{need.total:,}", "bytes, in float32"), ("room", f"{room:,}", "")]
    yield table(("", "bytes", ""), rows, (1,))
    yield ""
    yield f"batch_size: {need.batch} is the largest that fits; work space of layers comes on top"
