"""A source some of whose samples cannot be taken: each is told when it is asked for, so that a
table to predict loses a line, not the run. In: a source, what is wrong by sample; out: a Source.
"""

from collections.abc import Mapping

import numpy as np

from netspec.data.source import Array, Rows, Source, Subset
from netspec.diagnostics import SpecError

__all__ = ["Faulty", "hint_skip"]


def hint_skip(what: str) -> str:
    """How to go on without what cannot be taken."""
    return f"`on_error: skip` in the data section leaves such {what} out"


class Faulty(Subset):
    """The same samples. Raises SpecError where one of `faults` is read."""

    def __init__(self, source: Source, faults: Mapping[int, SpecError]) -> None:
        super().__init__(source, np.arange(len(source)))
        self.faults = faults

    def batch(self, indices: Array) -> Rows:
        for index in indices.tolist():
            if index in self.faults:
                raise self.faults[index]
        return super().batch(indices)

    def whole(self) -> None:
        return None
