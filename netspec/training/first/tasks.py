"""What a first net is to tell: one class of some, several at once, numbers, the class of each pixel.
In: an opened source; out: its last layers, outputs and losses, as lines of YAML.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from netspec.data.binding import one_class_error
from netspec.data.source import Array, Source
from netspec.diagnostics import SpecError, fail

__all__ = ["Classes", "Numbers", "Several", "Task", "printable", "quote", "task_of"]

RARER = 5
"""So many times rarer, a class weighs more in the loss."""
EACH = 5
"""Samples of a class on the average: whole numbers and words that are rarer are targets, or names."""
LEAST = 10
"""Targets: of fewer no part can be spared."""
FEW = 20
"""So many different whole numbers are classes, however they lie; more only without gaps, from 0 on."""
ROWS = 2
"""Axes of labels of which a sample has several."""


class Task(ABC):
    """What a net is to tell. drawn: how parts are drawn, behind other words; most: samples of the
    class that has most, None where there are no classes.
    """

    drawn = ""
    most: int | None = None

    @abstractmethod
    def say(self, what: str) -> str:
        """What the net does with samples of a kind, as `Tells 3 classes of images apart`."""

    @abstractmethod
    def tally(self) -> str:
        """As `3 classes`."""

    @abstractmethod
    def scores(self) -> Iterator[str]:
        """The layers behind the last features."""

    @abstractmethod
    def losses(self) -> Iterator[str]:
        """`train.loss`, where the default is none."""

    def output(self, labels: str) -> Iterator[str]:
        """The outputs' section. labels: the file of class names."""
        yield "output: prob"

    def file_names(self) -> tuple[str, ...]:
        """Names for the file of labels."""
        return ()


@dataclass(frozen=True)
class Classes(Task):
    """One class of some for each sample. names: theirs, empty where they are numbers alone."""

    names: tuple[str, ...]
    counts: tuple[int, ...]
    what: str = "samples"

    drawn = "; drawn within each class"

    @property
    def most(self) -> int | None:  # type: ignore[override]
        return max(self.counts, default=None)

    def file_names(self) -> tuple[str, ...]:
        return self.names

    def say(self, what: str) -> str:
        return f"Tells {len(self.counts)} classes of {what} apart"

    def tally(self) -> str:
        return f"{len(self.counts)} classes"

    def scores(self) -> Iterator[str]:
        yield f"  - {{name: score, type: InnerProduct, num_output: {len(self.counts)}}}"
        yield "  - {name: prob, type: Softmax}"

    def output(self, labels: str) -> Iterator[str]:
        if not self.names:
            yield "output: prob"
            return
        yield "output:"
        yield f"  prob: {{labels: {quote(labels)}}}"

    def losses(self) -> Iterator[str]:
        """Where classes are to weigh: those of many samples would else drown the others."""
        there = [count for count in self.counts if count]
        most, least = max(there, default=0), min(there, default=0)
        if not least or most < RARER * least:
            return
        names = self.names or tuple(map(str, range(len(self.counts))))
        often, rarely = (printable(names[self.counts.index(n)]) for n in (most, least))
        yield (
            f"  # {most:,} {self.what} of {often}, {least:,} of {rarely}: each class counts as much as every other"
        )
        yield "  loss:"
        yield "    - {name: loss, type: SoftmaxWithLoss, class_weight: balanced}"
        yield "    - {name: accuracy, type: Accuracy, include: {phase: TEST}}"


@dataclass(frozen=True)
class Several(Task):
    """Any of some classes at once: a row of 0 and 1 for each sample."""

    names: tuple[str, ...]
    width: int

    def say(self, what: str) -> str:
        return f"Tells which of {self.width} classes each of some {what} belongs to"

    def tally(self) -> str:
        return f"{self.width} classes, any of them at once"

    def scores(self) -> Iterator[str]:
        yield f"  - {{name: score, type: InnerProduct, num_output: {self.width}}}"
        yield "  - {name: prob, type: Sigmoid}"

    def output(self, labels: str) -> Iterator[str]:
        return Classes(self.names, ()).output(labels)

    def file_names(self) -> tuple[str, ...]:
        return self.names

    def losses(self) -> Iterator[str]:
        yield "  # each class is judged by itself"
        yield "  loss: {type: SigmoidCrossEntropyLoss, bottom: [score, label]}"


@dataclass(frozen=True)
class Numbers(Task):
    """One or several numbers for each sample; mean and deviation of all."""

    names: tuple[str, ...]
    width: int
    mean: float
    deviation: float

    def say(self, what: str) -> str:
        return f"Tells {self.tally()} of {what}"

    def tally(self) -> str:
        if self.names:
            return ", ".join(self.names)
        return "a number" if self.width == 1 else f"{self.width} numbers"

    def scores(self) -> Iterator[str]:
        yield f"  - {{name: units, type: InnerProduct, num_output: {self.width}}}"
        yield "  # from deviations off the mean of all samples to the units of the data"
        yield f"  - {{name: value, type: Power, scale: {self.deviation:.6g}, shift: {self.mean:.6g}}}"

    def output(self, labels: str) -> Iterator[str]:
        yield "output: value"

    def losses(self) -> Iterator[str]:
        weight = 1 / self.deviation**2
        yield "  # in squares of the deviation, so that the rate is right whatever the units are"
        yield f"  loss: {{type: EuclideanLoss, loss_weight: {weight:.6e}}}"


def task_of(source: Source, what: str = "samples", notes: tuple[str, ...] = ()) -> Task:
    """What the labels of a source ask for. notes: how to say what is the label. Raises SpecError
    NS664 (all of one class), NS736 (there are none, or nothing can be learned of them).
    """
    labels = source.labels()
    if source.label is None or labels is None:
        raise refuse(source, "there is no label: nothing says what is to be learned", notes)
    if labels.ndim == ROWS and labels.shape[1] > 1:
        return judge_rows(source, labels)
    if labels.size != len(source):
        raise refuse(
            source, f"the label of a sample is {list(labels.shape[1:])}: no class, no row of numbers"
        )
    flat = labels.reshape(-1)
    if (flat == flat[0]).all():
        raise one_class_error(source, flat[0])
    if len(np.unique(flat)) == len(flat) and (source.classes or len(flat) < LEAST):
        raise refuse(
            source, f"{len(flat):,} samples have a label of their own each: none is left to test with"
        )
    if source.classes:
        if EACH * len(source.classes) > len(flat) and len(source.classes) > FEW:
            raise refuse(
                source,
                f"{len(flat):,} samples have {len(source.classes):,} labels: names, no classes",
                notes,
            )
        return Classes(source.classes, count_of(flat, len(source.classes)), what)
    if is_class(flat):
        if flat.min() < 0:
            raise refuse(
                source, f"labels go from {flat.min():g} to {flat.max():g}, classes count from 0", notes
            )
        return Classes((), count_of(flat, int(flat.max()) + 1), what)
    return numbers_of(source, flat[:, None])


def judge_rows(source: Source, rows: Array) -> Task:
    """Of labels that are rows."""
    if not np.isin(rows, (0, 1)).all():
        return numbers_of(source, rows)
    if (rows.sum(1) == 1).all():
        raise refuse(source, "labels are rows with one 1 each: the number of the class, their argmax, is one")
    names = source.columns if len(source.columns) == rows.shape[1] else ()
    return Several(names, rows.shape[1])


def numbers_of(source: Source, rows: Array) -> Numbers:
    values = rows.astype(np.float64)
    deviation = float(values.std())
    if not np.isfinite(deviation) or not deviation:
        raise refuse(source, "labels are not finite, or one value")
    names = source.columns if len(source.columns) == rows.shape[1] else ()
    return Numbers(names, rows.shape[1], float(values.mean()), deviation)


def is_class(flat: Array) -> bool:
    """Whether numbers are those of classes: whole ones, not many, or without gaps from 0 on."""
    if not np.isfinite(flat).all() or (np.rint(flat) != flat).any():
        return False
    found = np.unique(flat)
    dense = found[0] == 0 and found[-1] == len(found) - 1
    return bool(EACH * len(found) <= len(flat) and (len(found) <= FEW or dense))


def count_of(labels: Array, width: int) -> tuple[int, ...]:
    return tuple(np.bincount(labels.astype(np.int64), minlength=width).tolist())


def refuse(source: Source, fact: str, notes: tuple[str, ...] = ()) -> SpecError:
    """NS736."""
    return fail("NS736", fact, path=source.name, notes=notes)


def printable(name: str) -> str:
    """A name in a comment: one line, whatever it holds."""
    return "".join(c if c.isprintable() else "?" for c in name)


def quote(text: str) -> str:
    """A text in YAML's double quotes, whatever it holds; a dollar is doubled, since one begins a
    variable.
    """
    return json.dumps(text.replace("$", "$$"), ensure_ascii=False)
