"""Sets of sizes said briefly: as arithmetic progressions without end, and runs. Knows no net."""

from typing import NamedTuple

__all__ = ["Progression", "compress"]

MOST_PERIOD = 1024
"""Ten halvings, more than nets of pictures have; the search costs a shift of all bits a period."""


class Progression(NamedTuple):
    """start, start + step, ... up to last (None: without end)."""

    start: int
    step: int = 1
    last: int | None = None

    def goes_on_to(self, size: int) -> bool:
        """Whether it holds a size, being without end."""
        return self.last is None and size >= self.start and (size - self.start) % self.step == 0

    def text(self, name: str) -> str:
        """`188 + 16n`, `32..40`, `7`, `at least 5`."""
        if self.last is None:
            if self.step == 1:
                return f"{name} >= {self.start}"
            return f"{name} = {self.start} + {self.step}n"
        if self.last == self.start:
            return f"{name} = {self.start}"
        if self.step == 1:
            return f"{name} = {self.start}..{self.last}"
        return f"{name} = {self.start}..{self.last} in steps of {self.step}"


def compress(legal: list[bool]) -> tuple[Progression, ...]:
    """The legal sizes, legal[0] being size 1, as progressions without end, then what stands before
    them as runs.
    """
    limit = len(legal)
    step, begin = period(legal)
    endless = [Progression(start, step) for start in residues(legal, step, begin)]
    covered = {n for p in endless for n in range(p.start, limit + 1, p.step)}
    rest = [n for n in range(1, limit + 1) if legal[n - 1] and n not in covered]
    return (*runs(rest), *endless)


def period(legal: list[bool]) -> tuple[int, int]:
    """The shortest period that the sizes have from some size on, and that size: over the upper half
    at least, and twice.
    """
    limit = len(legal)
    bits = sum(1 << i for i, fine in enumerate(legal) if fine)
    for step in range(1, MOST_PERIOD + 1):
        differ = (bits ^ (bits >> step)) & ((1 << (limit - step)) - 1)
        begin = differ.bit_length() + 1
        if begin <= limit // 2 and limit - begin >= 2 * step:
            return step, begin
    return 1, limit + 1


def residues(legal: list[bool], step: int, begin: int) -> list[int]:
    """Where each endless progression starts: as far down as it goes on without a gap."""
    starts = []
    for first in range(begin, min(begin + step, len(legal) + 1)):
        if legal[first - 1]:
            start = first
            while start - step >= 1 and legal[start - step - 1]:
                start -= step
            starts.append(start)
    return sorted(starts)


def runs(sizes: list[int]) -> list[Progression]:
    """Finitely many sizes, neighbours taken together."""
    found: list[Progression] = []
    for n in sizes:
        if found and found[-1].last == n - 1:
            found[-1] = found[-1]._replace(last=n)
        else:
            found.append(Progression(n, 1, n))
    return found
