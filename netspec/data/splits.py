"""Parts of data that have none of their own: fifths, or shares drawn from a seed, in each class.
In: a source; out: a part of it, and what a part lacks.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from netspec.data.source import Array, Source, Subset
from netspec.diagnostics import Diagnostic
from netspec.diagnostics.words import list_briefly

__all__ = [
    "Folds",
    "draw_part",
    "draw_samples",
    "fifths_within",
    "lacking",
    "lacking_names",
    "lacking_numbers",
    "strata",
]

SHOWN = 6
"""Classes in one message: a line and a half."""
EACH = 5
"""Samples of a number, on the average, from which on whole numbers are taken for classes: targets are rarer."""
PAIRS = 2
"""So many are enough where the numbers are 0, 1, 2, ... without a gap, as those of classes are."""
TRAIN, DRAWN = 0, {"test": 1, "val": 2}
"""How samples are marked; a small class gives to the test first."""
BOOTSTRAP = 3
"""Parts these draws from others of the same seed."""


def fifths_within(source: Source, split: str | None) -> Source:
    """The part of a source whose labels are known: `test` is every fifth sample of each class,
    from its first on, `train` the rest; a class of one sample is trained on.
    """
    if split not in ("train", "test"):
        return source
    tested = np.zeros(len(source), bool)
    for _, at in strata(source):
        tested[at[::5]] = len(at) > 1
    return Subset(source, np.flatnonzero(tested == (split == "test")))


class Folds(NamedTuple):
    """Cross-validation: how many folds there are, and which of them, from 1, is `val`."""

    parts: int
    number: int


def draw_part(
    source: Source, part: str | None, shares: Mapping[str, float], seed: int, folds: Folds | None = None
) -> Source:
    """The part `train`, `val` or `test` of a source, in the source's order; `shares`: of val, test;
    folds: `val` is one of them, of what the test leaves.

    Within each class samples are drawn by the seed and the class alone, at least one for each part
    while there are enough, the first for training. Without classes (targets, labels that have
    places or are read with the samples) it is drawn from all alike. Folds differ by one sample at
    most, and by one of each class.
    """
    if part not in ("train", "val", "test"):
        return source
    marks, dealt = np.full(len(source), TRAIN), 0
    for label, at in strata(source):
        order = at[permute(len(at), seed, label)]
        begin = 0
        for role, count in count_parts(len(at), shares).items():
            marks[order[begin : begin + count]] = DRAWN[role]
            begin += count
        if folds is not None:
            mine = (np.arange(dealt, dealt + len(order) - begin) % folds.parts) == folds.number - 1
            marks[order[begin:][mine]] = DRAWN["val"]
            dealt += len(order) - begin
    return Subset(source, np.flatnonzero(marks == DRAWN.get(part, TRAIN)))


def draw_samples(source: Source, seed: int) -> Source:
    """As many samples as a source has, drawn from it with replacement (Efron 1979)."""
    draw = np.random.RandomState(np.random.MT19937(np.random.SeedSequence([seed, BOOTSTRAP])))
    return Subset(source, draw.randint(0, len(source), len(source)))


def strata(source: Source) -> Iterator[tuple[int, Array]]:
    """Each class and where its samples are; all samples as one where classes are not known."""
    labels = classes_of(source)
    if labels is None:
        labels = np.zeros(len(source), np.int64)
    order = np.argsort(labels, kind="stable")
    values, begin = np.unique(labels[order], return_index=True)
    yield from zip(values.tolist(), np.split(order, begin[1:]), strict=True)


def classes_of(source: Source) -> Array | None:
    """The class of each sample, where it has one that is known: a number that has a name, else a
    whole number, of a file of floats too, if there are EACH samples of a number on the average, or
    PAIRS of integers without a gap; targets, such as prices, are rarer.
    """
    labels = source.labels()
    if labels is None or labels.size != len(source) or not labels.size:
        return None
    flat: Array = labels.reshape(-1)
    integer = flat.dtype.kind in "iu"
    if integer and source.classes:
        return flat
    if not integer and not (flat.dtype.kind == "f" and bool((np.rint(flat) == flat).all())):
        return None
    numbers = np.unique(flat)
    each = PAIRS if integer and numbers[0] == 0 and numbers[-1] == len(numbers) - 1 else EACH
    if each * len(numbers) > len(flat):
        return None
    return flat.astype(np.int64)


def permute(count: int, seed: int, label: int) -> Array:
    """An order of a class's samples, from NumPy's frozen RandomState: the same everywhere."""
    # SeedSequence takes no number below 0
    entropy = np.random.SeedSequence([n & (2**64 - 1) for n in (seed, label)])
    return np.random.RandomState(np.random.MT19937(entropy)).permutation(count)


def count_parts(count: int, shares: Mapping[str, float]) -> dict[str, int]:
    """How many of `count` samples each part gets: its share, one at least, but none of the last."""
    found, left = {}, count - 1
    for role in DRAWN:
        if shares.get(role):
            found[role] = max(0, min(left, max(1, round(shares[role] * count))))
            left -= found[role]
    return found


def lacking(source: Source, part: str) -> tuple[Diagnostic, ...]:
    """NS668 for the named classes of which a part (training, test, validation) has no sample."""
    labels = source.labels()
    if labels is None or labels.ndim != 1 or not source.classes:
        return ()
    return lacking_names(source.name, part, source.classes, set(labels.tolist()), "sample")


def lacking_numbers(source: Source, part: str, trained: Source) -> tuple[Diagnostic, ...]:
    """NS668 for the classes that have numbers alone, of which the training data have samples and a
    part has none.
    """
    labels, known = source.labels(), trained.labels()
    if source.classes or labels is None or known is None or known.dtype.kind not in "iu":
        return ()
    if labels.size != len(source) or known.size != len(trained):
        return ()  # several to a sample: places, words
    values = np.unique(known).tolist()
    held = set(labels.reshape(-1).tolist())
    there = [number for number, value in enumerate(values) if value in held]
    return lacking_names(source.name, part, [str(value) for value in values], there, "sample")


def lacking_names(
    path: str, part: str, classes: Sequence[str], there: Container[int], kind: str
) -> tuple[Diagnostic, ...]:
    """NS668 for the classes whose numbers are not there. kind: what would be of a class."""
    absent = [name for number, name in enumerate(classes) if number not in there]
    if not absent:
        return ()
    fact = f"the {part} data have no {kind} of {list_briefly(absent, SHOWN)}"
    note = f"{len(classes) - len(absent)} of {len(classes)} classes are measured"
    if part == "training":
        note = "the net never learns to answer so"
    return (Diagnostic("NS668", fact, path=path, notes=(note,)),)
