"""Holds measured times to `expect.latency`. In: the section, and seconds; out: a finding per limit
that is broken. Measures nothing.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from netspec.diagnostics.evidence import Missed
from netspec.diagnostics.model import Diagnostic, Diagnostics
from netspec.resolve.read_record import read_record
from netspec.resolve.resolve import Resolved
from netspec.resolve.sections.expect import ExpectSection, LatencyLimit, show_amount
from netspec.syntax.located import Located

__all__ = ["Demand", "latency", "read_demand"]


class Demand(NamedTuple):
    """What `expect.latency` says, and the part of the text that says it."""

    limit: LatencyLimit
    body: Located


def read_demand(resolved: Resolved) -> Demand | None:
    """The spec's demand; None where it makes none, or none that can be read."""
    section = resolved.spec.section("expect")
    body = section.get("latency") if section is not None else None
    if section is None or body is None:
        return None
    said = read_record(ExpectSection, section, Diagnostics(), what="expect")
    if said is not None and said.latency is not None:
        return Demand(said.latency, body)
    return None


def latency(
    resolved: Resolved,
    measured: Mapping[str, float],
    device: str,
    spent: Mapping[str, float] | None = None,
) -> list[Diagnostic]:
    """NS329 for each of "p50", "p95", "p99", "mean", in seconds on a device, that is above its
    limit; none where that is about another.

    spent: seconds of each layer; those that take most are named.
    """
    demand = read_demand(resolved)
    if demand is None or demand.limit.device != device:
        return []
    diagnostics, whole = Diagnostics(), sum((spent or {}).values())
    slowest = sorted((spent or {}).items(), key=lambda pair: -pair[1])[:5]
    shares = [
        f"{layer} {show_amount(seconds, 's')} ({seconds / whole:.0%})" for layer, seconds in slowest if whole
    ]
    notes = (f"the largest shares: {', '.join(shares)}",) if shares else ()
    for name, seconds in measured.items():
        most: Any = getattr(demand.limit, name, None)
        if most is not None and seconds > most:
            at = demand.body.get(name) or demand.body
            fact = (
                f"{name} on {device} must be at most {show_amount(most, 's')}: it is"
                f" {show_amount(seconds, 's')}"
            )
            diagnostics.error("NS329", fact, at.span, notes=notes, evidence=Missed())
    return diagnostics.sorted()
