"""Data that turn out to be damaged in the middle of a training. In: what reading raised, or what a
source lost, and where the training stands; out: findings that say so.
"""

from pathlib import Path
from typing import Any

from netspec.data.mended import SPOILT, Mended
from netspec.diagnostics import Diagnostic, SpecError

__all__ = ["Lost", "place_fault"]


def place_fault(error: SpecError, iteration: int, total: int, run: Path, saved: int) -> SpecError:
    """The same with the iteration, and how the run goes on; itself where no file is at fault."""
    found = error.diagnostics[0]
    if found.code not in SPOILT:
        return error
    notes = (
        f"read for iteration {iteration + 1} of {total}; the snapshot of iteration {saved} is in {run}",
        f"`netspec train {run} --resume --set train.data.on_error=skip` goes on from it without this file",
    )
    told = Diagnostic(found.code, found.fact, path=found.path, notes=(*found.notes, *notes))
    return SpecError([told, *error.diagnostics[1:]])


class Lost:
    """What the sources of some batches lose as they are read."""

    def __init__(self, *batches: Any) -> None:
        sources = (getattr(each, "source", None) for each in batches)
        self.sources = [each for each in sources if isinstance(each, Mended)]
        self.written = [0] * len(self.sources)

    def tell(self) -> list[Diagnostic]:
        """NS691 for what nobody was told of."""
        return [found for source in self.sources for found in source.tell()]

    def write(self) -> list[str]:
        """What no log holds yet."""
        lines = [line for n, each in zip(self.written, self.sources, strict=True) for line in each.lines[n:]]
        self.written = [len(each.lines) for each in self.sources]
        return lines
