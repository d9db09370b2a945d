"""What stands in the fields of a source: how far values go, what is missing, which samples are of
one value. In: a source; out: FieldFacts by name.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from netspec.data.source import Array, Source, spread

__all__ = ["FieldFacts", "look_at_fields"]

MANY = 2_000
"""Samples that are looked at where not all are asked for, spread evenly."""
TOLD = 1_000
"""Samples that are named of each kind: the others are counted."""
CHUNK = 256
"""Samples that are read together: enough for numpy to be quick, few enough to lie in a cache."""


class FieldFacts(NamedTuple):
    """shape and type of a sample; low, high: of all finite values; missing: samples with NaN or
    infinity; plain: samples with one value throughout (only fields with axes). Both by number.
    lengths: of the last axis where samples differ in it, and how many have each.
    """

    shape: tuple[int | None, ...]
    dtype: str
    low: float | None = None
    high: float | None = None
    missing: tuple[int, ...] = ()
    plain: tuple[int, ...] = ()
    missing_count: int = 0
    plain_count: int = 0
    lengths: Mapping[int, int] = {}

    def join(self, numbers: Array, values: Array) -> "FieldFacts":
        """With some more samples, (n, ...), whose numbers are given."""
        rows = values.reshape(len(values), -1)
        if rows.dtype.kind not in "fiub" or not rows.size:
            return self
        finite = np.isfinite(rows) if rows.dtype.kind == "f" else np.ones(rows.shape, bool)
        seen = rows[finite]
        missing = numbers[~finite.all(1)].tolist()
        same = (rows == rows[:, :1]).all(1) if rows.shape[1] > 1 else np.zeros(len(rows), bool)
        plain = numbers[same].tolist()
        lengths = dict(self.lengths)
        if self.shape[-1:] == (None,):
            lengths[values.shape[-1]] = lengths.get(values.shape[-1], 0) + len(values)
        return self._replace(
            lengths=lengths,
            low=least(self.low, seen, np.min),
            high=least(self.high, seen, np.max),
            missing=(*self.missing, *missing)[:TOLD],
            plain=(*self.plain, *plain)[:TOLD],
            missing_count=self.missing_count + len(missing),
            plain_count=self.plain_count + len(plain),
        )


def least(before: float | None, values: Array, choose: Callable[[Array], float]) -> float | None:
    """The least, or the greatest, of what was known and of some values."""
    if not values.size:
        return before
    now = float(choose(values))
    return now if before is None else float(choose(np.array([before, now])))


def look_at_fields(
    source: Source, whole: bool, tick: Callable[[int], None] = lambda count: None
) -> tuple[dict[str, FieldFacts], int]:
    """The facts of every field, and how many samples were looked at: all of them where `whole` is
    asked for or they lie in memory.
    """
    found = {name: FieldFacts(field.shape, str(field.dtype)) for name, field in source.fields.items()}
    count = 0
    for numbers, rows in chunks(source, whole or source.whole() is not None):
        for name, values in rows.items():
            found[name] = found[name].join(numbers, values)
        count += len(numbers)
        tick(len(numbers))
    return found, count


def chunks(source: Source, whole: bool) -> Iterator[tuple[Array, dict[str, Array]]]:
    """Numbers of samples and their fields, some hundred at a time."""
    every = spread(len(source), len(source) if whole else MANY)
    for start in range(0, len(every), CHUNK):
        numbers = every[start : start + CHUNK]
        rows = source.batch(numbers)
        if any(isinstance(values, list) for values in rows.values()):
            for i in range(len(numbers)):  # samples that differ in size
                yield (
                    numbers[i : i + 1],
                    {name: np.asarray(values[i])[None] for name, values in rows.items()},
                )
        else:
            yield numbers, {name: np.asarray(values) for name, values in rows.items()}
