"""What an engine refuses, as a finding: an input, or more weights than memory holds. In: shapes; out:
SpecError.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod

from netspec.diagnostics import fail
from netspec.ir.graph import TypedGraph

__all__ = ["check_weights", "fitting", "within_memory"]

MOST_WEIGHTS = 1_000_000_000
"""4 GB: what a run has, fitted into memory once; what a spec says need not."""

SHORT = ("can't allocate memory", "not enough memory", "out of memory")
"""What torch says of memory, in an error of no class of its own."""


def check_weights(typed: TypedGraph, path: str) -> None:
    """Raises SpecError NS753 where a net that is not trained has too many weights to be made for a
    look.
    """
    shapes = [ref.weight.shape for ref in typed.weight_refs()]
    count = sum(prod(n for n in shape if isinstance(n, int)) for shape in shapes)
    if count > MOST_WEIGHTS:
        fact = f"{count:,} weights, of which {MOST_WEIGHTS:,} are made for a net that is not trained"
        raise fail("NS753", fact, path=path)


@contextmanager
def fitting(path: str, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[None]:
    """Raises SpecError NS752 where torch cannot run the net on inputs of these shapes."""
    try:
        with within_memory(path):
            yield
    except (RuntimeError, ValueError, IndexError) as error:
        told = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise fail("NS752", f"the net cannot run on {told}: {why}", path=path) from error


@contextmanager
def within_memory(path: str) -> Iterator[None]:
    """Raises SpecError NS753 where memory ends, of the machine or of its device."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        why = (str(error).strip() or "memory is short").splitlines()[0]
        if not isinstance(error, MemoryError) and not any(word in why for word in SHORT):
            raise
        raise fail("NS753", f"memory ends: {why.rpartition('Allocator: ')[2]}", path=path) from error
