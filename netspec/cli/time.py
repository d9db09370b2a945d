"""`netspec time`."""

import json
from typing import TYPE_CHECKING, Any

import click

from netspec.cli.options import device_option, spec_options

if TYPE_CHECKING:
    from netspec.exporters.timing import Timing
    from netspec.read_options import Reading

__all__ = ["command"]

ENGINES = ("torch", "onnxruntime")


@click.command("time")
@click.argument("source", metavar="SPEC|RUN")
@device_option()
@click.option(
    "--engine",
    type=click.Choice(("both", *ENGINES)),
    default="both",
    show_default=True,
    help="What to run it with.",
)
@click.option("--size", "sizes", multiple=True, metavar="NAME=NUMBER", help="An open size: N=8, H=512.")
@click.option(
    "--calls",
    type=click.IntRange(1),
    help="Calls to measure.  [default: a second's worth, 30 at least]",
)
@click.option(
    "--top",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="How many layers to show, the slowest first.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, with every layer.")
@spec_options
def command(
    source: str,
    device: str,
    engine: str,
    top: int,
    as_json: bool,
    reading: "Reading",
    **options: Any,
) -> int:
    """Measure how long a call of the deployed net takes, in torch and in onnxruntime, and which
    layers spend the time.

    Calls begin and end with arrays in memory; those of the warm-up do not count. p95: 95 of 100
    calls take at most this. A limit that the spec sets (expect: {latency: {p95: 3ms, device: cpu}})
    is held against onnxruntime's times on that device.
    """
    from netspec.cli import report
    from netspec.exporters.devices import device_for
    from netspec.exporters.export import origin_of
    from netspec.exporters.latency import judge_latency, timings
    from netspec.exporters.timing import Plan

    origin = origin_of(source, None, reading)
    engines = ENGINES if engine == "both" else (engine,)
    found = timings(
        origin.program,
        origin.net,
        device_for(device),
        engines,
        numbers(options["sizes"]),
        Plan(options["calls"] or 0),
    )
    if as_json:
        click.echo(json.dumps([{"engine": t.engine, "device": t.device, "batch": t.batch, "calls": len(t.times),
                                "seconds": t.summary, "layers": dict(t.layers)} for t in found], indent=2))  # fmt: skip
    else:
        click.echo(show_timings(found, top))
    findings = [d for t in found if t.engine == "onnxruntime" for d in judge_latency(origin.program, t)]
    report(findings)
    if findings:
        return 1
    return 0


def numbers(said: tuple[str, ...]) -> dict[str, int]:
    """`("N=8",)` as `{"N": 8}`."""
    found = {}
    for text in said:
        name, _, size = text.partition("=")
        # isdigit alone takes digits that int() refuses, as in H=2²
        if not name or not (size.isascii() and size.isdigit()) or int(size) < 1:
            raise click.UsageError(f"--size is NAME=NUMBER: got {text!r}")
        found[name] = int(size)
    return found


def show_timings(found: "list[Timing]", top: int) -> str:
    """A row per engine, then the layers that take longest."""
    from netspec.cli.output.table import table

    heads = ("engine", "device", "batch", "calls", "mean ms", "p50", "p95", "p99")
    rows = [
        (
            t.engine,
            t.device,
            str(t.batch),
            f"{len(t.times):,}",
            *(ms(s) for s in t.summary.values()),
        )
        for t in found
    ]
    text = table(heads, rows, right=range(2, 8))
    names = sorted(
        dict.fromkeys(name for t in found for name in t.layers),
        key=lambda n: -max(t.layers.get(n, 0) for t in found),
    )
    if not top or not names:
        return text
    sums = [sum(t.layers.values()) or 1 for t in found]
    lines = [
        (
            name,
            *(
                cell
                for t, whole in zip(found, sums, strict=True)
                for cell in (ms(t.layers.get(name, 0)), f"{t.layers.get(name, 0) / whole:.0%}")
            ),
        )
        for name in names[:top]
    ]
    columns = ("layer", *(word for t in found for word in (f"{t.engine} ms", "share")))
    if len(names) > top:
        rest = f"\n({len(names) - top} more: --top)"
    else:
        rest = ""
    return f"{text}\n\n{table(columns, lines, right=range(1, len(columns)))}{rest}"


def ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g}"
