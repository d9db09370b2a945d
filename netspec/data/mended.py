"""Samples that turn out to be damaged when they are read, though all that was looked at before was
sound. In: a source; out: a Source in which the next sound sample stands for each of them.
"""

import numpy as np

from netspec.data.source import Array, Rows, Source, Subset
from netspec.diagnostics import Diagnostic, SpecError, fail

__all__ = ["SPOILT", "Mended"]

SPOILT = frozenset(("NS630", "NS632", "NS642", "NS643", "NS647", "NS648"))
"""What is said of one file, or one member of a shard, that cannot be read."""


class Mended(Subset):
    """The same samples, in the same order and number. Which one stands for a damaged one follows
    from the files alone, so a run that goes on learns from what it would have learned from.

    lost: why each cannot be read, by number; lines: the same in words, in the order in which they
    were found; told: how many of these were told.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source, np.arange(len(source)))
        self.lost: dict[int, Diagnostic] = {}
        self.lines: list[str] = []
        self.told = 0

    def batch(self, indices: Array) -> Rows:
        try:
            return super().batch(np.array([self.find_known(i) for i in indices.tolist()]))
        except SpecError as error:
            if error.diagnostics[0].code not in SPOILT:
                raise
        return super().batch(np.array([self.find_sound(i) for i in indices.tolist()]))

    def find_known(self, index: int) -> int:
        """The sample that stands for one, as far as it is known."""
        while index in self.lost:
            index = (index + 1) % len(self)
        return index

    def find_sound(self, index: int) -> int:
        """The first sample from one on that can be read. Raises SpecError NS650: none can."""
        while True:
            index = self.find_known(index)
            try:
                super().batch(np.array([index]))
            except SpecError as error:
                self.lose(index, error)
                continue
            return index

    def lose(self, index: int, error: SpecError) -> None:
        """Remember a damaged sample. Raises what is no damage, NS650 where it was the last."""
        found = error.diagnostics[0]
        if found.code not in SPOILT:
            raise error
        self.lost[index] = found
        self.lines.append(f"{found.path or self.where(index)}: {found.fact}")
        if len(self.lost) == len(self):
            raise fail("NS650", f"none of {len(self):,} samples can be read", path=self.name)

    def remarks(self) -> tuple[Diagnostic, ...]:
        return (*super().remarks(), *self.tell())

    def tell(self) -> tuple[Diagnostic, ...]:
        """NS691 for what was lost since it was asked last."""
        lines, self.told = self.lines[self.told :], len(self.lines)
        if not lines:
            return ()
        fact = f"{len(lines):,} found damaged when it was read: the next sound one stands for it"
        return (Diagnostic("NS691", fact, path=self.name, notes=tuple(lines)),)
