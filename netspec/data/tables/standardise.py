"""Numbers less their mean, by their deviation: both of the training part, for all parts and for
what is predicted. In: a source of samples of one axis; out: a Source.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from netspec.data.source import Array, Field, Rows, Source, Subset
from netspec.diagnostics import fail

__all__ = ["Standardised", "measure", "standardise"]

AT_ONCE = 4096


def measure(source: Source) -> dict[str, Any]:
    """Mean and deviation of each number of the first field, over all samples. A column that is one
    value is only moved. Raises SpecError NS641 where samples are not of one axis.
    """
    first, field = next(iter(source.fields.items()))
    if len(field.shape) != 1 or field.dtype.kind not in "fiu":
        raise fail(
            "NS641",
            f"standardise takes numbers in a row, [N, D]; {first} is {list(field.shape)} {field.dtype}",
            path=source.name,
        )
    total, square = np.zeros(field.shape[0] or 0), np.zeros(field.shape[0] or 0)
    for values in pieces(source, first):
        total += values.sum(0)
    mean = total / len(source)
    for values in pieces(source, first):  # again, by the mean: of large numbers squares alone lose all digits
        square += ((values - mean) ** 2).sum(0)
    deviation = np.sqrt(square / len(source))
    return {"field": first, "mean": mean.tolist(), "std": np.where(deviation > 0, deviation, 1.0).tolist()}


def pieces(source: Source, first: str) -> Any:
    """The values of the first field, some thousand samples at a time, float64."""
    for start in range(0, len(source), AT_ONCE):
        rows = source.batch(np.arange(start, min(start + AT_ONCE, len(source))))
        yield np.asarray(rows[first], np.float64)


class Standardised(Subset):
    """A source whose first field is (x - mean) / std, float32."""

    def __init__(self, source: Source, facts: Mapping[str, Any]) -> None:
        super().__init__(source, np.arange(len(source)))
        self.left_out = source.left_out
        words = ("field", "mean", "std")
        self.facts = {**source.facts, **{word: facts[word] for word in words if word in facts}}
        self.mean, self.std = (np.array(facts[key], np.float64) for key in ("mean", "std"))
        self.first, field = next(iter(source.fields.items()))
        if field.shape != self.mean.shape:
            fact = f"the training data had {len(self.mean)} numbers in a sample, here are {list(field.shape)}"
            raise fail("NS652", fact, path=source.name)
        self.fields = {**source.fields, self.first: Field(field.shape, np.dtype(np.float32))}

    def change(self, rows: Mapping[str, Any]) -> dict[str, Any]:
        values: Array = (np.asarray(rows[self.first], np.float64) - self.mean) / self.std
        return {**rows, self.first: values.astype(np.float32)}

    def batch(self, indices: Array) -> Rows:
        return self.change(super().batch(indices))

    def whole(self) -> dict[str, Array] | None:
        arrays = super().whole()
        return None if arrays is None else self.change(arrays)


def standardise(source: Source, facts: Mapping[str, Any]) -> Source:
    """The source as training data fixed it; itself where they did not."""
    if "mean" in facts and "mean" not in source.facts:
        return Standardised(source, facts)
    return source
