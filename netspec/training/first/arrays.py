"""A first spec for arrays of samples: a net by the axes that a sample has. In: a file of arrays, or a
store; out: YAML.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from netspec.data.inventory.parts import open_sections
from netspec.data.source import Array, Source, spread
from netspec.diagnostics import fail
from netspec.resolve.sections.train import DataSection
from netspec.training.first.draft import (
    Counted,
    Draft,
    Length,
    Seen,
    begin,
    data,
    solver,
    trained_on,
    words_of,
)
from netspec.training.first.masks import NESTED, Maps, maps_of, nest
from netspec.training.first.pictures import CONVOLUTIONAL, CROPPED, convolve
from netspec.training.first.rows import TableWords, rows_text
from netspec.training.first.tasks import Task, task_of

__all__ = ["draft_arrays"]

MOST = 500
"""Samples whose values are looked at."""
SIGNAL = 8
"""An array of two axes with at least so many rows is a picture without an axis of channels, if it holds bytes."""
UNIT = 1.0
"""Means up to here are of numbers that somebody has scaled already, no pixels from 0 to 255."""
COLORS = {1: "gray", 3: "rgb"}
TRAINED = Length("samples", 100_000, 5, 60)
"""Samples that a training sees, some minutes; epochs at least and at most."""
LEVEL = "  - {name: level, type: BatchNorm}   # whatever the units of the data are"
NOTES = (
    "the label is the array called label, labels, y, target or targets; `label: NAME` in the data section names another",
)


class Look(NamedTuple):
    """A sample's shape, and of each channel mean and deviation. bytes: values are those of pictures."""

    shape: tuple[int, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    bytes: bool

    @property
    def picture(self) -> bool:
        return len(self.shape) == 3

    @property
    def pixels(self) -> bool:
        """Whether the contract of a picture's pixels brings them to one scale."""
        return self.picture and self.shape[0] in COLORS and (self.bytes or max(self.mean) > UNIT)

    @property
    def without_channels(self) -> bool:
        return len(self.shape) == 2 and self.bytes and self.shape[0] >= SIGNAL


def draft_arrays(sections: Mapping[str, DataSection], path: Path) -> Draft:
    """The draft for arrays. Raises SpecError NS736 for samples that no net here takes."""
    section = next(iter(sections.values()))
    parts = open_sections(sections, path)
    source = parts["train" if "train" in parts else next(iter(parts))]
    look = look_at(source)
    labels = source.labels()
    maps = look.picture and labels is not None and labels.shape[1:] == look.shape[1:]
    task: Task = maps_of(labels) if maps and labels is not None else task_of(source, "samples", NOTES)
    counted = Counted(len(source), tuple(role for role in parts if role != "all"), task.most or len(source))

    def text(name: str, seen: Seen, labels: str) -> str:
        where = words_of(section, seen)
        if len(look.shape) == 1:
            return rows_text(name, task, counted, look.shape[0], where, labels, TableWords(section, False))
        if isinstance(task, Maps):
            body = nest(look.shape[1:], task.width, () if look.pixels else (LEVEL,))
        else:
            body = bodies(look, task)
        lines = [*head(look, name, task, counted), *body]
        return "\n".join([*lines, *tail(look, task, counted, where, labels)]) + "\n"

    said = f"{task.tally()}, {trained_on(counted):,} samples to train on"
    return Draft(text, task.file_names(), said)


def look_at(source: Source) -> Look:
    """Some samples of a source. NS736: of axes that nothing here takes."""
    name, field = next(iter(source.fields.items()))
    rows = source.batch(spread(len(source), MOST))[name]
    if isinstance(rows, list) or field.dtype.kind not in "iufb" or not 1 <= len(field.shape) <= 3:
        shown = list(field.shape)
        raise fail(
            "NS736",
            f"samples of {name} are {shown} {field.dtype}: one to three axes are taken",
            path=source.name,
        )
    values: Array = np.asarray(rows, np.float64)
    shape = values.shape[1:]
    if len(shape) == 3 and shape[2] in (1, 3, 4) and shape[0] not in (1, 3, 4):
        note = "netspec reads channels first: `array.transpose(0, 3, 1, 2)`, written to a file of its own"
        raise fail(
            "NS736", f"samples of {name} are {list(shape)}: channels last", path=source.name, notes=(note,)
        )
    if not np.isfinite(values).all():
        raise fail("NS736", f"{name} holds values that are not finite", path=source.name)
    axes = (0, *range(2, values.ndim))
    deviation = np.maximum(values.std(axes), 1e-6)
    return Look(shape, tuple(values.mean(axes).tolist()), tuple(deviation.tolist()), field.dtype == np.uint8)


def head(look: Look, name: str, task: Task, counted: Counted) -> Iterator[str]:
    shape = f"[N, {', '.join(map(str, look.shape))}]"
    yield from begin(name, task.say("samples"))
    yield "input:"
    yield f"  # {counted.whole:,} samples were looked at"
    if look.pixels:
        words = (
            f"color: {COLORS[look.shape[0]]}, mean_value: {few(look.mean)}, std_value: {few(look.deviation)}"
        )
        yield f"  data: {{shape: {shape}, image: {{{words}}}}}"
    else:
        yield f"  data: {shape}"
    yield NESTED if isinstance(task, Maps) else CONVOLUTIONAL


def bodies(look: Look, task: Task) -> Iterator[str]:
    """The layers of a net with one answer for a sample."""
    yield "layers:"
    if look.without_channels:
        yield f"  - {{name: picture, type: Reshape, shape: {{dim: [0, 1, {look.shape[0]}, {look.shape[1]}]}}}}"
    if not look.pixels:
        yield LEVEL
    places = look.shape if look.without_channels else look.shape[1:]
    yield from convolve(min(places))
    yield from task.scores()


def tail(look: Look, task: Task, counted: Counted, where: str, labels: str) -> Iterator[str]:
    batch = max(1, min(64, trained_on(counted) // 4))
    yield from data(task, counted, labels, lambda part: f"{where}, split: {part}, batch_size: {batch}")
    height, width = look.shape[-2:]
    if look.picture and not isinstance(task, Maps) and min(height, width) >= CROPPED:
        yield "  # {type: Flip} besides, where left and right are alike"
        yield f"  augment: [{{type: Crop, size: [{height}, {width}], pad: {min(height, width) // 8}}}]"
    yield from task.losses()
    yield from solver(trained_on(counted), batch, TRAINED)


def few(values: tuple[float, ...]) -> str:
    return f"[{', '.join(f'{value:.4g}' for value in values)}]"
