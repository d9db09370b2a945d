"""The labels of a whole source. In: a source; out: labels in pieces, samples by class. Knows no
torch.
"""

import numpy as np

from netspec.data.source import Array, Source
from netspec.diagnostics import fail

__all__ = ["labels_of", "samples_by_class"]

AT_ONCE = 1024
"""Samples that are read together where labels cannot be had without them."""


def labels_of(source: Source, field: str) -> list[Array]:
    """All labels of a field, in pieces; read with their samples where there is no other way."""
    arrays = source.whole()
    if field == source.label and (known := source.labels()) is not None:
        return [known]
    if arrays is not None and field in arrays:
        return [arrays[field]]
    starts = range(0, len(source), AT_ONCE)
    rows = (source.batch(np.arange(at, min(at + AT_ONCE, len(source))))[field] for at in starts)
    return [piece for each in rows for piece in pieces(each)]


def pieces(rows: Array | list[Array]) -> list[Array]:
    """The labels of some samples, sample axis first; one by one where they differ in size."""
    if isinstance(rows, list):
        return [row[None] for row in rows]
    return [rows]


def samples_by_class(source: Source) -> list[Array]:
    """The samples of each class that occurs, in order. Raises SpecError NS696 where labels do not
    number classes, one a sample.
    """
    if source.label is None:
        raise fail(
            "NS696",
            "`balance: true` draws by class, and its samples have no labels",
            path=source.name,
        )
    labels = np.concatenate([each.reshape(len(each), -1) for each in labels_of(source, source.label)])
    if labels.shape != (len(source), 1) or (labels != np.rint(labels)).any():
        fact = f"`balance: true` needs one class a sample; labels have the shape {list(labels.shape[1:])}"
        if labels.shape[1:] == (1,):
            fact = "`balance: true` needs whole numbers as labels"
        raise fail("NS696", fact, path=source.name)
    return [np.flatnonzero(labels[:, 0] == number) for number in np.unique(labels)]
