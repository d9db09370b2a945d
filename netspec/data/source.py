"""A source: samples by index, each with named fields. Sources hold raw values; transforms and
devices are other people's business.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from netspec.diagnostics import Diagnostic, fail
from netspec.file_writing import write_text
from netspec.resolve.sections.image import Shape

__all__ = [
    "MEMORY",
    "Array",
    "ArraySource",
    "Field",
    "Rows",
    "Source",
    "Subset",
    "find_origin",
    "split_source",
    "spread",
    "write_classes",
]

Array = npt.NDArray[Any]
Rows = Mapping[str, "Array | list[Array]"]
"""Fields of some samples, sample axis first; a list of arrays where the samples differ in size."""

Color = Literal["rgb", "bgr", "gray"]
MEMORY = 1 << 30
"""Sources up to so many bytes are handed out whole, to be kept on the device: CIFAR-10 is one as floats
(737 MB), and a machine that trains has that much to spare.
"""


class Field(NamedTuple):
    """One field: shape of a sample (None where samples differ), its type, and the axis of the batch
    that counts samples.

    boxes: a sample is some rows, and a batch has the rows of all its samples, (1, 1, rows,
    columns), the sample's number in front of each.
    """

    shape: Shape
    dtype: np.dtype[Any]
    batch_axis: int = 0
    boxes: bool = False


class Source(ABC):
    """Samples 0 .. len - 1. The first field feeds the only input of a net; `label` names the field
    that feeds its labels.

    name: what messages call it (a path, or the source's word).   classes: names of the labels 0, 1, ..., where they have names.
    color: the order of the first field's channels, where it is known.   decoded: its images went through the input contract when they were
    decoded, so their colour and size are as the input wants them.   streams: sample i + streams goes on where sample i ended, so batches
    have so many and keep their order; 0: samples stand for themselves.   steady: a sample has the same values whenever it is read.
    named: `where` calls a sample by a name of its own, as a file has.   length: samples of the first field are made so long along
    their last axis when they become a batch (framing.py).   facts: what training data fix for all other data, as JSON has it, such as a
    rate, categories, means.   left_out: why some samples are not among them, which `on_error: skip` allows.   weights: how often a training
    draws each of them; None: all alike.   columns: names of the numbers of a label that is a row of them.
    """

    name: str
    fields: dict[str, Field]
    label: str | None = None
    classes: tuple[str, ...] | None = None
    color: Color | None = None
    decoded: bool = False
    streams: int = 0
    steady: bool = True
    named: bool = False
    length: int | None = None
    facts: Mapping[str, Any] = {}
    left_out: tuple[str, ...] = ()
    weights: "Array | None" = None
    columns: tuple[str, ...] = ()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def batch(self, indices: Array) -> Rows:
        """The samples at some indices, in that order, sample axis first; may be called from another
        thread.
        """

    def whole(self) -> dict[str, Array] | None:
        """All samples, for a source that lies in memory and is small; else None."""
        return None

    def where(self, index: int) -> str:
        """How messages call a sample: its number, or the line of the file that it stands on."""
        return f"sample {index}"

    def remarks(self) -> tuple[Diagnostic, ...]:
        """What is odd about the samples that were read since it was asked last, as warnings."""
        return ()

    def signatures(self) -> Sequence[str] | None:
        """What tells each sample from others without reading it, where it is a file: name and
        length; else None.
        """
        return None

    def labels(self) -> Array | None:
        """All labels, where they can be had without reading the samples; else None."""
        arrays = self.whole()
        if arrays is not None and self.label in arrays:
            return arrays[self.label]
        return None


class ArraySource(Source):
    """Samples in arrays that share their first axis, in memory or memory-mapped."""

    def __init__(
        self,
        name: str,
        arrays: Mapping[str, Array],
        label: str | None = None,
        classes: tuple[str, ...] | None = None,
        color: Color | None = None,
        axes: Mapping[str, int] | None = None,
    ) -> None:
        self.name = name
        self.arrays = {key: as_labels(a) if key == label else a for key, a in arrays.items()}
        self.label = label
        self.classes = classes
        self.color = color
        self.fields = {
            key: Field(a.shape[1:], a.dtype, (axes or {}).get(key, 0)) for key, a in self.arrays.items()
        }
        lengths = {key: len(a) for key, a in self.arrays.items()}
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{n} in {key}" for key, n in lengths.items())
            raise fail("NS646", f"every field needs as many samples: {counts}", path=name)
        self.count = min(lengths.values(), default=0)
        self.places: Callable[[int], str] | None = None

    def __len__(self) -> int:
        return self.count

    def where(self, index: int) -> str:
        if self.places is not None:
            return self.places(index)
        return super().where(index)

    def batch(self, indices: Array) -> Rows:
        return {key: a[indices] for key, a in self.arrays.items()}

    def whole(self) -> dict[str, Array] | None:
        if sum(a.nbytes for a in self.arrays.values()) <= MEMORY:
            return self.arrays
        return None


class Subset(Source):
    """Some samples of a source, in a given order."""

    def __init__(self, source: Source, indices: Array) -> None:
        self.source = source
        self.indices = indices
        self.name, self.fields, self.label = source.name, source.fields, source.label
        self.classes, self.color, self.decoded = source.classes, source.color, source.decoded
        self.steady, self.named, self.columns = source.steady, source.named, source.columns
        self.length, self.facts, self.left_out = source.length, source.facts, source.left_out
        if source.weights is not None:
            self.weights = source.weights[indices]

    def __len__(self) -> int:
        return len(self.indices)

    def batch(self, indices: Array) -> Rows:
        return self.source.batch(self.indices[indices])

    def whole(self) -> dict[str, Array] | None:
        arrays = self.source.whole()
        if arrays is None:
            return None
        return {key: a[self.indices] for key, a in arrays.items()}

    def where(self, index: int) -> str:
        return self.source.where(int(self.indices[index]))

    def remarks(self) -> tuple[Diagnostic, ...]:
        return self.source.remarks()

    def signatures(self) -> Sequence[str] | None:
        names = self.source.signatures()
        if names is None:
            return None
        return [names[i] for i in self.indices.tolist()]

    def labels(self) -> Array | None:
        labels = self.source.labels()
        if labels is None:
            return None
        return labels[self.indices]


def split_source(source: Source, split: str | None) -> Source:
    """The part of a source without parts of its own: `test` is every fifth sample (index % 5 == 0),
    `train` the rest, else all.
    """
    if split not in ("train", "test"):
        return source
    index = np.arange(len(source))
    return Subset(source, index[(index % 5 == 0) == (split == "test")])


def spread(count: int, most: int) -> Array:
    """The numbers of at most so many of `count` samples, spread evenly, the first and the last
    among them.
    """
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.int64))


def find_origin(source: Source) -> tuple[Source, Array]:
    """The whole that a part of a source, or a part of one, is taken from, and the numbers of its
    samples there.
    """
    numbers: Array = np.arange(len(source))
    while isinstance(source, Subset):
        numbers = source.indices[numbers]
        source = source.source
    return source, numbers


def as_labels(values: Array) -> Array:
    """Labels as int64 where they are integers: what indexes classes must not be a byte; floats
    (targets) stay.
    """
    if values.dtype.kind in "iub" and values.dtype != np.int64:
        return values.astype(np.int64)
    return values


def write_classes(source: Source, folder: str | Path) -> Path | None:
    """Write the class map {name: label}, in the order of the labels, to `folder`/classes.json
    (whole or not at all); None without names.
    """
    if source.classes is None:
        return None
    path = Path(folder) / "classes.json"
    text = json.dumps(
        {name: label for label, name in enumerate(source.classes)}, indent=1, ensure_ascii=False
    )
    write_text(path, text + "\n", "NS665", follow=False)
    return path
