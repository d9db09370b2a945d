"""Classes of which a training would learn, or show, less than it seems. In: opened parts, what a
net makes of their labels; out: warnings. Reads labels and names of folders, no sample.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from netspec.data.binding import LabelRule
from netspec.data.folder_layout import note_beside
from netspec.data.parts import describe_part
from netspec.data.source import Source, find_origin
from netspec.data.sources.image_folder import ImageFolder
from netspec.data.splits import lacking
from netspec.diagnostics import Diagnostic
from netspec.diagnostics.words import list_briefly

__all__ = [
    "alike",
    "find_training",
    "judge_classes_of",
    "name_part",
    "rare",
    "tell_idle_outputs",
    "tell_standing_classes",
]

NAMES = {"train": "training", "val": "validation", "test": "test", "all": "whole"}
MANY_TIMES = 10
"""From which ratio on a rare class is told: below it, training mostly copes."""
SHOWN = 6
TOGETHER = 8
"""Samples in a row that are of one class by chance once in 2^7 times at most, where classes are even."""


def name_part(part: str) -> str:
    """A part in words: `training`, `test of data2` where several data layers read for it."""
    return describe_part(part, NAMES)


def judge_classes_of(parts: Mapping[str, Source]) -> Iterator[Diagnostic]:
    """NS668 for classes that a part lacks, or whose names differ by their case alone; and for
    folders with such classes that no part was taken for.
    """
    first = find_training(parts)
    if first is not None:
        yield from alike(first)
    for name, source in parts.items():
        yield from lacking(source, name_part(name))


def find_training(parts: Mapping[str, Source]) -> Source | None:
    """The part that a training learns from."""
    return next((parts[name] for name in ("train", "all") if name in parts), None)


def alike(source: Source) -> Iterator[Diagnostic]:
    """NS668 for names of classes that are one to a reader, and to file systems that know no case;
    for folders beside the parts that hold classes of theirs.
    """
    groups: dict[str, list[str]] = {}
    for name in source.classes or ():
        groups.setdefault(name.strip().casefold(), []).append(name)
    same = [" and ".join(names) for names in groups.values() if len(names) > 1]
    if same:
        note = "they are learned as classes of their own: if they are one, put their samples together"
        fact = f"classes whose names differ by case or blanks alone: {list_briefly(same, SHOWN)}"
        yield Diagnostic("NS668", fact, path=source.name, notes=(note,))
    origin, _ = find_origin(source)
    if isinstance(origin, ImageFolder) and origin.beside:
        fact, note = note_beside(origin.beside)
        yield Diagnostic("NS668", fact, path=str(origin.beside[0].parent), notes=(note,))


def rare(source: Source) -> Iterator[Diagnostic]:
    """NS668 where a class of the training data is many times rarer than another."""
    labels = source.labels()
    if labels is None or labels.ndim != 1 or labels.dtype.kind not in "iu":
        return
    values, counts = np.unique(labels[labels >= 0], return_counts=True)
    if len(values) < 2 or counts.max() < MANY_TIMES * counts.min():
        return
    most, least = int(counts.argmax()), int(counts.argmin())
    names = [name_of(source, int(values[at])) for at in (least, most)]
    fact = f"training samples: {counts[least]:,} of {names[0]}, {counts[most]:,} of {names[1]}"
    note = "`class_weight: balanced` at the loss weighs each class alike, `balance: true` in the data"
    note += " draws them alike; else a net that never answers the rare one looks good"
    yield Diagnostic("NS668", fact, path=source.name, notes=(note,))


def tell_idle_outputs(source: Source, rule: LabelRule) -> Iterator[Diagnostic]:
    """NS668 where a net tells more classes apart than the training data hold; those that have names
    and no samples are told by `lacking`.
    """
    labels = source.labels()
    if rule.rows or labels is None or labels.size != len(source) or not len(source):
        return
    held = set(np.unique(labels).tolist()) - set(rule.ignored)
    named = len(source.classes or ())
    idle = [number for number in range(named, rule.width) if number not in held]
    if not idle:
        return
    count = rule.width - len(idle)
    fact = f"{rule.layer} tells {rule.width:,} classes apart, the training data hold {count:,}"
    fact += f": no sample is of {list_briefly(list(map(str, idle)), SHOWN)}"
    note = "what an output without samples answers is never learned"
    if idle[0] == count:
        note = f"{note}: {count:,} outputs are enough"
    yield Diagnostic("NS668", fact, path=source.name, notes=(note,))


def tell_standing_classes(source: Source, batch_size: int) -> Iterator[Diagnostic]:
    """NS668 where training data that are read in their order stand class by class, so that most
    batches hold one class alone.
    """
    labels = source.labels()
    size = max(batch_size, TOGETHER)
    if labels is None or labels.ndim != 1 or labels.dtype.kind not in "iu" or len(labels) < 2 * size:
        return
    if (labels == labels[0]).all():
        return
    rows = labels[: len(labels) // size * size].reshape(-1, size)
    alone = int((rows == rows[:, :1]).all(1).sum())
    if 2 * alone <= len(rows):
        return
    fact = f"the training data stand class by class: of {len(rows):,} rows of {size:,} samples"
    fact += f" {alone:,} are of one class alone, and `shuffle: false` keeps them so"
    note = "a net forgets a class while it sees another: `shuffle: true` draws a new order for each epoch"
    yield Diagnostic("NS668", fact, path=source.name, notes=(note,))


def name_of(source: Source, number: int) -> str:
    """A class as its data call it."""
    if source.classes and number < len(source.classes):
        return source.classes[number]
    return f"class {number}"
