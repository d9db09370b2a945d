"""`netspec diff`."""

from typing import TYPE_CHECKING, Any

import click

from netspec.cli.options import phase_option, spec_options

if TYPE_CHECKING:
    from netspec.driver import Program
    from netspec.ir.graph import TypedGraph
    from netspec.read_options import Reading

__all__ = ["command"]


@click.command("diff")
@click.argument("before")
@click.argument("after")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@phase_option()
@spec_options
def command(before: str, after: str, as_json: bool, phase: str, reading: "Reading") -> int:
    """Say how two specs differ as networks: layers, shapes, counts, and what becomes of each weight
    tensor.

    The order of layers where it does not matter, anchors, variables and blocks written out make no
    difference. Exit code: 0 for the same network, 1 for another.
    """
    from netspec import driver
    from netspec.analysis.diff import changes, moves, totals, untold
    from netspec.analysis.fingerprint import network_hash

    programs = [driver.load(path, reading) for path in (before, after)]
    a, b = (program.graph(phase) for program in programs)
    same = network_hash(programs[0].graphs()) == network_hash(programs[1].graphs())
    mine = changes(a, b)
    beside = []
    if not same and (other := elsewhere(programs, phase)):
        # what both phases show is told once
        beside = [change for change in changes(*other) if change not in mine]
    mine += [] if same else untold([*mine, *beside])
    found: dict[str, Any] = {
        "same": same,
        "layers": [change._asdict() for change in mine],
        "elsewhere": [change._asdict() for change in beside],
        "totals": {name: [plain(x), plain(y)] for name, x, y in totals(a, b)},
        "weights": [tensor(move) for move in moves(a, b)],
    }
    if as_json:
        import json

        click.echo(json.dumps(found, indent=2))
        if same:
            return 0
        return 1
    click.echo("the same network" if same else "different networks")
    for change in mine:
        click.echo(f"  {change.text}")
    if beside:
        click.echo("in training:" if phase != "train" else "in test:")
    for change in beside:
        click.echo(f"  {change.text}")
    for name, (x, y) in found["totals"].items():
        click.echo(
            f"{name}: {show_size(x)} -> {show_size(y)}"
            + (f" ({y / x - 1:+.1%})" if isinstance(x, int) and isinstance(y, int) and x else "")
        )
    rows = moves(a, b)
    count = {
        status: sum(row.status == status for row in rows)
        for status in ("kept", "renamed", "reshaped", "new", "dropped")
    }
    if rows:
        click.echo(f"weights: {', '.join(f'{n} {status}' for status, n in count.items() if n)}")
    for row in (row for row in rows if row.status != "kept"):
        click.echo(f"  {row.text}")
    if same:
        return 0
    return 1


def elsewhere(programs: "list[Program]", phase: str) -> "tuple[TypedGraph, TypedGraph] | None":
    """Both nets in the phase that was not asked for; None where one of them has no net there."""
    from netspec.diagnostics.model import SpecError

    try:
        a, b = (program.graph("test" if phase == "train" else "train") for program in programs)
    except SpecError:
        return None
    return a, b


def tensor(move: Any) -> dict[str, Any]:
    fields: dict[str, Any] = move._asdict()
    return {
        name: list(map(plain, value)) if isinstance(value, tuple) else value for name, value in fields.items()
    }


def plain(size: Any) -> Any:
    if size is None or isinstance(size, (int, str, bool)):
        return size
    return str(size)


def show_size(size: Any) -> str:
    if isinstance(size, int):
        return f"{size:,}"
    if size is None:
        return "open"
    return str(size)
