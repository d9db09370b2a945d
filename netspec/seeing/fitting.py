"""What an engine refuses of an input, as a finding. In: the shapes that are given; out: SpecError."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from netspec.diagnostics import fail

__all__ = ["fitting"]


@contextmanager
def fitting(path: str, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[None]:
    """Raises SpecError NS752 where torch cannot run the net on inputs of these shapes."""
    try:
        yield
    except (RuntimeError, ValueError, IndexError) as error:
        told = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise fail("NS752", f"the net cannot run on {told}: {why}", path=path) from error
