"""What one run of a net costs, so that views that need hundreds stay bounded. In: a Subject and shapes
of its inputs; out: multiplications, the numbers of its largest value, a batch that fits.
"""

from collections.abc import Mapping
from typing import Any

from netspec.ir.dims import evaluate, symbols
from netspec.seeing.subject import NetSubject, Subject

__all__ = ["batch_that_fits", "macs_of", "open_sizes"]

BYTES = 256_000_000
"""Of the largest value in a batch and three more like it: what a layer reads, makes and works in."""


def open_sizes(subject: NetSubject, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """What inputs of these shapes make of the sizes that are open by name."""
    found: dict[str, int] = {}
    for given in subject.typed.graph.inputs:
        declared = subject.typed.types[given.value].shape
        for size, number in zip(declared, shapes.get(given.value.name, ()), strict=False):
            found |= dict.fromkeys([name for name in symbols(size) if str(size) == name], number)
    return found


def macs_of(subject: Subject, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Multiplications of one sample; 0 for a model file, which does not tell."""
    if not isinstance(subject, NetSubject):
        return 0
    from netspec.analysis.cost import cost

    return number_of(evaluate(cost(subject.typed).macs, {**open_sizes(subject, shapes), "N": 1}))


def batch_that_fits(subject: Subject, shapes: Mapping[str, tuple[int, ...]], most: int) -> int:
    """How many samples may run at once, `most` at most."""
    if not isinstance(subject, NetSubject):
        return most
    sizes = {**open_sizes(subject, shapes), "N": 1}
    largest = 1
    for each in subject.typed.types.values():
        numbers = 1
        for size in each.shape:
            numbers *= max(1, number_of(evaluate(size, sizes)))
        largest = max(largest, numbers)
    return max(1, min(most, BYTES // (4 * 4 * largest)))


def number_of(size: Any) -> int:
    return size if isinstance(size, int) else 0
