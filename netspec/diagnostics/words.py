"""Words for what findings carry as values: the one place where evidence becomes sentences."""

from collections.abc import Sequence

from netspec.diagnostics.evidence import Missed
from netspec.diagnostics.model import Diagnostic

__all__ = ["LISTED", "count_of", "further", "list_briefly", "list_some", "remarks", "show_bytes"]

LISTED = 20
"""Things that a finding names in a line each; the others are counted."""


def remarks(d: Diagnostic) -> tuple[str, ...]:
    """The notes of a finding, what its evidence tells first."""
    if isinstance(d.evidence, Missed):
        return (*of_shape(d.evidence), *d.notes)
    return d.notes


def further(count: int) -> tuple[str, ...]:
    """The note on findings that are left out because one change clears them all."""
    if count:
        return (f"{count} other {'finding has' if count == 1 else 'findings have'} the same cause",)
    return ()


def of_shape(missed: Missed) -> tuple[str, ...]:
    """Which layer made a shape another, as far as that is known."""
    if missed.first is not None:
        first = missed.first
        return (f"the first layer that differs is {first.layer}: with {first.number} it gives {first.gives}",)
    if len(missed.among) > 1:
        if missed.agreed:
            begin = f"{missed.agreed} is as expected: the"
        else:
            begin = "the"
        return (f"{begin} first layer that differs is among {', '.join(missed.among)}",)
    return ()


def count_of(count: int, one: str, many: str = "") -> str:
    """`1 sample`, `2 samples`, `1,000 boxes`: a number and its noun. many: where it is not one + s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def list_briefly(names: Sequence[str], most: int) -> str:
    """`a, b and 3 more`: at most so many of some names."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def list_some(lines: Sequence[str], where: str = "") -> tuple[str, ...]:
    """Notes, a line each: the first LISTED, and how many more there are, and where."""
    more = len(lines) - LISTED
    return (*lines[:LISTED], *([f"and {more:,} more{where}"] if more > 0 else []))


def show_bytes(size: int) -> str:
    """Bytes in units of 1000: `23.1 kB`."""
    value, units = float(size), ["B", "kB", "MB", "GB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.3g} {units[0]}"
