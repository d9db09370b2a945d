"""A first spec for pictures: a small convolutional net that fits their sizes and classes. In: a
Survey and what is to be told; out: YAML.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

from netspec.data.inventory.parts import open_sections
from netspec.data.pictures.survey import Showing, Survey, folder_of, survey
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
from netspec.training.first.tasks import Classes, Task, quote, task_of

__all__ = ["CONVOLUTIONAL", "TRAINED", "convolve", "draft_pictures", "may_flip", "space", "spec_text"]

SIDES = (32, 48, 64, 96, 128, 160, 192, 224)
"""What pictures of many sizes are resized to: the largest that half of them need not be enlarged for. Each
can be halved four times.
"""
SMALL = 64
"""Images that are all of one size, at most this, are taken as they are."""
WIDTHS = (32, 64, 128, 256, 256)
WIDEST = 16
"""From so wide on a last stage works on what the poolings left, where it costs little."""
LAST = 4
"""Poolings stop where the image is so wide."""
CROPPED = 16
"""Smaller images are shown whole: a border would be too large a part of them."""
TRAINED = Length("images", 200_000, 4, 60)
"""Images that a training sees, at 32 x 32 some ten minutes on two cores; epochs at least and at most."""
CONVOLUTIONAL = """\
defaults:
  # no bias: BatchNorm takes it away, the Scale behind has one
  Convolution: {kernel_size: 3, pad: same, weight_filler: msra, bias_term: false}
  # a short training: statistics follow the newest batches, Caffe's 0.999 lags behind
  BatchNorm: {moving_average_fraction: 0.95}
  Scale: {bias_term: true}
  InnerProduct: {weight_filler: xavier}"""
SIDED = frozenset(("left", "right", "east", "west", "l", "r"))


def draft_pictures(sections: Mapping[str, DataSection], path: Path, showing: Showing) -> Draft:
    """The draft for a folder with a folder per class, or for a table of pictures."""
    parts = open_sections(sections, path)
    found = survey(parts, path, showing)
    task = task_of(
        folder_of(parts[next(name for name in ("train", "all", *parts) if name in parts)]), "images"
    )
    section = next(iter(sections.values()))
    more = f", label: {quote(section.label)}" if section.label is not None else ""

    def text(name: str, seen: Seen, labels: str) -> str:
        return spec_text(found, name, words_of(section, seen) + more, labels, task)

    notes: tuple[str, ...] = ()
    if found.copies:
        copies = "1 image is a copy" if found.copies == 1 else f"{found.copies:,} images are copies"
        notes = (f"{copies} of another: netspec data {path} --json lists them",)
    said = f"{task.tally()}, {trained_on(count_samples(found)):,} images to train on"
    return Draft(text, task.file_names(), said, notes, found.findings)


def spec_text(found: Survey, name: str, where: str, labels: str, task: Task | None = None) -> str:
    """The whole spec. where: the words that name the data, labels: the file of class names, both as
    seen from the spec. task: by default to tell the classes apart.

    Stages of a 3x3 convolution, a pooling and BatchNorm halve the image until it is about 4 pixels
    wide; a mean over what is left feeds one score a class. Sizes that differ are resized by their
    shorter side and cropped in the middle. Parts that the folder lacks are drawn within classes.
    """
    task = task or Classes(found.classes, found.counts or (0,) * len(found.classes), "images")
    lines = [*head(found, name, task), "layers:", *convolve(min(space(found)[0])), *task.scores()]
    return "\n".join([*lines, *tail(found, where, labels, task)]) + "\n"


def count_samples(found: Survey) -> Counted:
    return Counted(found.whole, found.roles, max(found.counts, default=found.total))


def space(found: Survey) -> tuple[tuple[int, int], bool]:
    """Height and width of the net's input, and whether images have to be resized to it."""
    if len(set(found.sizes)) == 1 and max(found.sizes[0]) <= SMALL:
        return found.sizes[0], False
    short = median(min(size) for size in found.sizes)
    side = max((side for side in SIDES if side <= short), default=SIDES[0])
    return (side, side), True


def head(found: Survey, name: str, task: Task) -> Iterator[str]:
    (height, width), resized = space(found)
    heights, widths = sorted(h for h, _ in found.sizes), sorted(w for _, w in found.sizes)
    if len(set(found.sizes)) == 1:
        seen = "one size"
    else:
        seen = f"{heights[0]} to {heights[-1]} high and {widths[0]} to {widths[-1]} wide"
    contract = [f"color: {'gray' if found.gray else 'rgb'}"]
    contract += [f"resize: {height}", f"crop_size: {height}"] if resized else []
    contract += [f"mean_value: {numbers(found.mean)}", f"std_value: {numbers(found.deviation, 1)}"]
    yield from begin(name, task.say("images"))
    yield "input:"
    yield (f"  # {found.whole:,} images were looked at: {seen}, {'gray' if found.gray else 'in colour'}")
    channels = 1 if found.gray else 3
    yield f"  data: {{shape: [N, {channels}, {height}, {width}], image: {{{', '.join(contract)}}}}}"
    yield CONVOLUTIONAL


def convolve(short: int) -> Iterator[str]:
    """The layers up to one mean for each channel, of pictures or signals whose shorter side is so
    long.
    """
    stages = max(1, min(len(WIDTHS), (short // 4).bit_length() - 1))
    if short >= WIDEST:
        stages = min(len(WIDTHS), stages + 1)
    for i, width in enumerate(WIDTHS[:stages], 1):
        yield f"  - {{name: conv{i}, type: Convolution, num_output: {width}}}"
        if short >> i >= LAST:
            # before the rest, which then works on a quarter of the places: a third less time
            yield f"  - {{name: pool{i}, type: Pooling, pool: MAX, kernel_size: 2, stride: 2}}"
        yield f"  - {{name: norm{i}, type: BatchNorm}}"
        yield f"  - {{name: scale{i}, type: Scale}}"
        yield f"  - {{name: relu{i}, type: ReLU}}"
    yield "  - {name: mean, type: Pooling, pool: AVE, global_pooling: true}"


def tail(found: Survey, where: str, labels: str, task: Task) -> Iterator[str]:
    counted = count_samples(found)
    batch = max(1, min(64, found.total // 4))
    yield from data(task, counted, labels, lambda part: f"{where}, split: {part}, batch_size: {batch}")
    yield from augment(found)
    yield from task.losses()
    yield from solver(trained_on(counted), batch, TRAINED)


def augment(found: Survey) -> Iterator[str]:
    """Mild changes: those that leave a picture of its class what it is."""
    (height, width), resized = space(found)
    changes = []
    if may_flip(found):
        changes.append("{type: Flip}")
    if resized or min(height, width) >= CROPPED:
        changes.append(f"{{type: Crop, size: [{height}, {width}], pad: {min(height, width) // 8}}}")
    if not may_flip(found):
        yield "  # no {type: Flip}: a digit or a letter in the mirror is another one, or none"
    if changes:
        yield f"  augment: [{', '.join(changes)}]"


def may_flip(found: Survey) -> bool:
    """Whether left and right are alike: so it is in photographs, not in gray pictures of marks, nor
    where classes are called by a digit, a letter, or a side.
    """
    words = [set(name.lower().replace("-", "_").split("_")) for name in found.classes]
    marks = sum(len(name) <= 1 or name.isdecimal() for name in found.classes) * 2 > len(found.classes)
    return not (found.gray or marks or any(each & SIDED for each in words))
