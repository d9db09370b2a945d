"""A first spec for pictures with masks: a small U-Net with elastic deformation. In: the folders; out:
YAML.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from netspec.data.inventory.parts import open_sections
from netspec.data.inventory.take import classes_held, judge, take_inventory
from netspec.data.pictures.survey import Showing, folder_of, look_at_colors
from netspec.data.source import Array, spread
from netspec.data.sources.masks import IGNORED, MaskedFolder, to_numbers
from netspec.diagnostics import Diagnostic, SpecError, fail
from netspec.file_reading import open_in
from netspec.imaging.decode import open_picture
from netspec.resolve.sections.train import DataSection
from netspec.training.first.draft import (
    Counted,
    Draft,
    Length,
    Seen,
    begin,
    data,
    numbers,
    solver,
    trained_on,
    words_of,
)
from netspec.training.first.pictures import CONVOLUTIONAL
from netspec.training.first.tasks import Task

__all__ = ["NESTED", "Maps", "draft_masks", "maps_of", "nest"]

SIDE = 128
"""The longer side of pictures is brought to this at most: four times the places cost four times the time."""
STEP = 8
"""Sides are halved three times, and must meet again on the way up."""
WIDTH = 16
"""Maps of the first level, doubled at each."""
LEVELS = 3
NESTED = f"""{CONVOLUTIONAL}
  Deconvolution: {{kernel_size: 2, stride: 2, weight_filler: msra}}
  Pooling: {{pool: MAX, kernel_size: 2, stride: 2, round_mode: EXACT}}"""
MOST_COLORS = 64
"""Colours of masks that are taken for classes."""
TRAINED = Length("pictures", 4_000, 10, 100)
"""Pictures that a training sees, some ten minutes at 128 x 128 on two cores; epochs at least and at most."""


@dataclass(frozen=True)
class Maps(Task):
    """The class of each pixel. ignored: masks hold pixels of no class."""

    width: int
    ignored: bool = False
    colors: tuple[tuple[int, ...], ...] = ()

    def say(self, what: str) -> str:
        return f"Tells the class of each pixel of {what}, {self.width} in all"

    def tally(self) -> str:
        return f"{self.width} classes of pixels"

    def scores(self) -> Iterator[str]:
        yield f"  - {{name: score, type: Convolution, num_output: {self.width}, kernel_size: 1, bias_term: true}}"
        yield "  - {name: prob, type: Softmax}"

    def losses(self) -> Iterator[str]:
        ignored = f", ignore_label: {IGNORED}" if self.ignored else ""
        yield "  loss:"
        yield f"    - {{name: loss, type: SoftmaxWithLoss{ignored}}}"
        yield f"    - {{name: accuracy, type: Accuracy{ignored}, include: {{phase: TEST}}}}"
        yield f"    - {{name: iou, type: IoU{ignored}, include: {{phase: TEST}}}}"


def maps_of(labels: Array) -> Maps:
    """Of labels (n, h, w)."""
    found = np.unique(labels)
    ignored = bool(found[-1] == IGNORED)
    rest = found[found != IGNORED] if ignored else found
    return Maps(max(2, int(rest[-1]) + 1), ignored)


def draft_masks(sections: Mapping[str, DataSection], path: Path, showing: Showing) -> Draft:
    """The draft for pictures with masks, in a folder each. Raises SpecError NS697 as the source does,
    NS736 (masks of one class).
    """
    own = "train" if "train" in sections else next(iter(sections))
    colors = find_colors(open_sections({own: sections[own]}, path)[own])
    sections = {role: call_classes(section, colors) for role, section in sections.items()}
    parts = open_sections(sections, path)
    with showing(sum(map(len, parts.values()))) as tick:
        found = take_inventory(parts, tick=tick)
    said: list[Diagnostic] = judge(found)
    if errors := [each for each in said if each.severity == "error"]:
        raise SpecError(errors)
    part = next(each for each in found.parts if each.name == own)
    held = sorted({number for mask in part.masks.values() for number in classes_held(mask)})
    classes = [number for number in held if number != IGNORED]
    if len(classes) < 2:
        raise fail("NS736", f"all pixels of the masks are {classes}: nothing to tell apart", path=part.source)
    task = Maps(classes[-1] + 1, IGNORED in held, colors)
    counted = Counted(part.samples, tuple(role for role in parts if role != "all"), part.samples)
    gray, mean, deviation = look_at_colors(folder_of(parts[own]))
    sizes = [(picture.height, picture.width) for picture in part.pictures.values()]
    seen_as = Look(side_of(sizes), len({*sizes}) == 1, gray, mean, deviation)

    def text(name: str, seen: Seen, labels: str) -> str:
        lines = [*head(seen_as, name, task, counted), *nest(seen_as.side, task.width)]
        return "\n".join([*lines, *tail(sections, task, counted, seen)]) + "\n"

    return Draft(
        text, (), f"{task.tally()}, {trained_on(counted):,} pictures with masks to train on", (), tuple(said)
    )


class Look(NamedTuple):
    """What the pictures are brought to, whether they are of one size, and their colours."""

    side: tuple[int, int]
    alike: bool
    gray: bool
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


def find_colors(source: object) -> tuple[tuple[int, ...], ...]:
    """The colours of masks that hold colours, the most frequent first; empty where they hold numbers,
    or more colours than classes.
    """
    if not isinstance(source, MaskedFolder):
        return ()
    counts: Counter[tuple[int, ...]] = Counter()
    for i in spread(len(source.masks), 50).tolist():
        with open_in(source.masks[i], source.mask_roots) as file:
            mask = to_numbers(open_picture(file, str(source.masks[i])))
            if mask.mode != "RGB":
                return ()
            for count, color in mask.getcolors(mask.width * mask.height) or ():
                counts[tuple(color)] += count  # type: ignore[arg-type]
    if len(counts) > MOST_COLORS:
        return ()
    return tuple(color for color, _ in counts.most_common())


def call_classes(section: DataSection, colors: Sequence[tuple[int, ...]]) -> DataSection:
    named = {f"class{i}": list(color) for i, color in enumerate(colors)}
    return section.replace(colors=named) if named else section


def side_of(sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Height and width of the net's input: those of most pictures, no longer than SIDE, and such that
    halves fit.
    """
    (height, width), _ = Counter(sizes).most_common(1)[0]
    scale = min(1.0, SIDE / max(height, width))
    return tuple(max(STEP, round(side * scale / STEP) * STEP) for side in (height, width))  # type: ignore[return-value]


def head(look: Look, name: str, task: Maps, counted: Counted) -> Iterator[str]:
    height, width = look.side
    contract = f"color: {'gray' if look.gray else 'rgb'}, resize: [{height}, {width}]"
    contract += f", mean_value: {numbers(look.mean)}, std_value: {numbers(look.deviation, 1)}"
    yield from begin(name, task.say("pictures"))
    yield "input:"
    yield f"  # {counted.whole:,} pictures {'of one size' if look.alike else 'of several sizes'} with their masks"
    yield f"  data: {{shape: [N, {1 if look.gray else 3}, {height}, {width}], image: {{{contract}}}}}"
    yield NESTED


def nest(side: Sequence[int], classes: int, before: Sequence[str] = ()) -> Iterator[str]:
    """U-Net's layers (Ronneberger, Fischer, Brox 2015), as many levels as halves fit, on maps that
    keep their size. before: layers in front of them.
    """
    levels = max(
        (n for n in range(LEVELS + 1) if all(s % 2**n == 0 and s >> n >= 4 for s in side)), default=0
    )
    yield "blocks:"
    yield "  double:"
    yield "    vars: {width: required}"
    yield "    layers:"
    for i in (1, 2):
        yield f"      - {{name: conv{i}, type: Convolution, num_output: $width}}"
        yield f"      - {{name: norm{i}, type: BatchNorm}}"
        yield f"      - {{name: scale{i}, type: Scale}}"
        yield f"      - {{name: relu{i}, type: ReLU}}"
    yield "  up:"
    yield "    vars: {width: required}"
    yield "    bottom: [x, skip]"
    yield "    layers:"
    yield "      - {name: deconv, type: Deconvolution, bottom: x, num_output: $width}"
    yield "      - {name: concat, type: Concat, bottom: [skip, deconv]}"
    yield "      - {name: out, block: double, vars: {width: $width}}"
    yield "layers:"
    yield from before
    for i in range(1, levels + 1):
        yield f"  - {{name: down{i}, block: double, vars: {{width: {WIDTH << i - 1}}}}}"
        yield f"  - {{name: pool{i}, type: Pooling}}"
    yield f"  - {{name: bottom, block: double, vars: {{width: {WIDTH << levels}}}}}"
    for i in range(levels, 0, -1):
        below = "bottom" if i == levels else f"up{i + 1}"
        yield f"  - {{name: up{i}, block: up, bottom: [{below}, down{i}], vars: {{width: {WIDTH << i - 1}}}}}"
    yield from Maps(classes).scores()


def tail(sections: Mapping[str, DataSection], task: Maps, counted: Counted, seen: Seen) -> Iterator[str]:
    batch = max(1, min(8, trained_on(counted) // 4))
    first = sections.get("train") or next(iter(sections.values()))

    def where(part: str) -> str:
        section = sections.get(part, first)
        # a part with folders of its own is taken whole
        word = "all" if section is not first or (part == "train" and section.path != first.path) else part
        return f"{words_of(section, seen)}, split: {word}, batch_size: {batch}{colors_of(task)}"

    yield from data(task, counted, "", where)
    yield "  # what is seen through a microscope bends; masks bend with it"
    yield "  augment: [{type: Flip}, {type: Elastic, alpha: 6, grid: 4, border: reflect, probability: 0.5}]"
    yield from task.losses()
    yield from solver(trained_on(counted), batch, TRAINED, adam=0.002)


def colors_of(task: Maps) -> str:
    """The colours of the classes, to be called as they are."""
    if not task.colors:
        return ""
    named = ", ".join(f"class{i}: {list(color)}" for i, color in enumerate(task.colors))
    return f", colors: {{{named}}}"
