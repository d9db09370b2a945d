"""A first spec for a folder of images: a small convolutional net that fits their sizes and classes.
In: a Survey; out: YAML.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import NamedTuple

from netspec.data.pictures.survey import Survey

__all__ = ["spec_text", "trained_on"]

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
SEEN = 200_000
"""Images that a training sees: at 32 x 32 some ten minutes on two cores."""
FEWEST, MOST = 4, 60
"""Epochs at least and at most."""
ENOUGH = 5
"""Images in a class from which on some can be spared to choose the weights."""
RARER = 5
"""So many times rarer, a class weighs more in the loss."""
DEFAULTS = """\
defaults:
  # no bias: BatchNorm takes it away, the Scale behind has one
  Convolution: {kernel_size: 3, pad: same, weight_filler: msra, bias_term: false}
  # a short training: statistics follow the newest batches, Caffe's 0.999 lags behind
  BatchNorm: {moving_average_fraction: 0.95}
  Scale: {bias_term: true}
  InnerProduct: {weight_filler: xavier}"""
SIDED = frozenset(("left", "right", "east", "west", "l", "r"))


def spec_text(found: Survey, name: str, path: str, labels: str) -> str:
    """The whole spec. path: the folder, labels: the file of class names, both as seen from the
    spec.

    Stages of a 3x3 convolution, a pooling and BatchNorm halve the image until it is about 4 pixels
    wide; a mean over what is left feeds one score a class. Sizes that differ are resized by their
    shorter side and cropped in the middle. Parts that the folder lacks are drawn within classes.
    """
    return "\n".join([*head(found, name), *layers(found), *tail(found, path, labels)]) + "\n"


def space(found: Survey) -> tuple[tuple[int, int], bool]:
    """Height and width of the net's input, and whether images have to be resized to it."""
    if len(set(found.sizes)) == 1 and max(found.sizes[0]) <= SMALL:
        return found.sizes[0], False
    short = median(min(size) for size in found.sizes)
    side = max((side for side in SIDES if side <= short), default=SIDES[0])
    return (side, side), True


def head(found: Survey, name: str) -> Iterator[str]:
    (height, width), resized = space(found)
    heights, widths = sorted(h for h, _ in found.sizes), sorted(w for _, w in found.sizes)
    if len(set(found.sizes)) == 1:
        seen = "one size"
    else:
        seen = f"{heights[0]} to {heights[-1]} high and {widths[0]} to {widths[-1]} wide"
    contract = [f"color: {'gray' if found.gray else 'rgb'}"]
    contract += [f"resize: {height}", f"crop_size: {height}"] if resized else []
    contract += [f"mean_value: {numbers(found.mean)}", f"std_value: {numbers(found.deviation, 1)}"]
    yield "netspec: 1"
    yield f"name: {quote(name)}"
    yield f"description: Tells {len(found.classes)} classes of images apart; begun by `netspec init`."
    yield "input:"
    yield (f"  # {found.whole:,} images were looked at: {seen}, {'gray' if found.gray else 'in colour'}")
    channels = 1 if found.gray else 3
    yield f"  data: {{shape: [N, {channels}, {height}, {width}], image: {{{', '.join(contract)}}}}}"
    yield DEFAULTS


def layers(found: Survey) -> Iterator[str]:
    short = min(space(found)[0])
    stages = max(1, min(len(WIDTHS), (short // 4).bit_length() - 1))
    if short >= WIDEST:
        stages = min(len(WIDTHS), stages + 1)
    yield "layers:"
    for i, width in enumerate(WIDTHS[:stages], 1):
        yield f"  - {{name: conv{i}, type: Convolution, num_output: {width}}}"
        if short >> i >= LAST:
            # before the rest, which then works on a quarter of the places: a third less time
            yield f"  - {{name: pool{i}, type: Pooling, pool: MAX, kernel_size: 2, stride: 2}}"
        yield f"  - {{name: norm{i}, type: BatchNorm}}"
        yield f"  - {{name: scale{i}, type: Scale}}"
        yield f"  - {{name: relu{i}, type: ReLU}}"
    yield "  - {name: mean, type: Pooling, pool: AVE, global_pooling: true}"
    yield f"  - {{name: score, type: InnerProduct, num_output: {len(found.classes)}}}"
    yield "  - {name: prob, type: Softmax}"


def tail(found: Survey, path: str, labels: str) -> Iterator[str]:
    batch = max(1, min(64, found.total // 4))
    where = f"source: images, path: {quote(path)}"
    yield from data(found, labels, lambda part: f"{where}, split: {part}, batch_size: {batch}")
    yield from augment(found)
    yield from balance(found)
    yield from solver(trained_on(found), batch, Length("images", SEEN, FEWEST, MOST))


def data(found: Survey, labels: str, where: Callable[[str], str]) -> Iterator[str]:
    """The outputs' names, and the parts of the data. where: the words of a part's section."""
    shares = shares_of(found)
    yield "output:"
    yield f"  prob: {{labels: {quote(labels)}}}"
    yield "train:"
    yield f"  data: {{{where('train')}}}"
    if measured(found):
        yield "  # chooses the best weights, RUN/best.safetensors"
        yield f"  val_data: {{{where('val')}}}"
        yield "  # measured once, at the end: what chose nothing is an honest measure"
    yield f"  test_data: {{{where('test')}}}"
    if shares:
        drawn = ", ".join(f"{part}: {share}" for part, share in shares.items())
        yield "  # what the folder does not set apart itself; drawn within each class"
        yield f"  split: {{{drawn}, seed: 0}}"


class Length(NamedTuple):
    """How long a training is: so many samples (`what` they are) are seen, in fewest to most epochs."""

    what: str
    seen: int
    fewest: int
    most: int


def solver(learning: int, batch: int, length: Length) -> Iterator[str]:
    """The solver of a classifier that learns from so many samples."""
    epochs = max(length.fewest, min(length.most, round(length.seen / learning)))
    each, rate = max(1, learning // batch), float(f"{0.1 * batch / 64:.1g}")
    yield f"  # about {epochs * learning:,} {length.what} in all: more epochs help, if you have the time"
    yield f"  solver: {{type: SGD, base_lr: {rate}, momentum: 0.9, weight_decay: 0.0005, lr_policy: cosine,"
    yield f"           epochs: {epochs}, test_interval: {each}, snapshot: {each}, display: 100, random_seed: 1}}"


def measured(found: Survey) -> bool:
    """Whether there are images to validate on."""
    return "val" in found.roles or max(found.counts, default=found.total) >= ENOUGH


def shares_of(found: Survey) -> dict[str, float]:
    """The parts that have to be drawn."""
    wanted = {"val": 0.1, "test": 0.2}
    if not measured(found):
        del wanted["val"]
    return {part: share for part, share in wanted.items() if part not in found.roles}


def trained_on(found: Survey) -> int:
    """About how many images are left to learn from."""
    return max(1, round(found.whole * (1 - sum(shares_of(found).values()))))


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


def balance(found: Survey) -> Iterator[str]:
    """The losses, where classes are to weigh: those of many images would else drown the others."""
    most, least = max(found.counts, default=0), min(found.counts, default=0)
    if least and most >= RARER * least:
        often, rarely = (found.classes[found.counts.index(n)] for n in (most, least))
        yield f"  # {most:,} images of {printable(often)}, {least:,} of {printable(rarely)}: each class counts as much as every other"
        yield "  loss:"
        yield "    - {name: loss, type: SoftmaxWithLoss, class_weight: balanced}"
        yield "    - {name: accuracy, type: Accuracy, include: {phase: TEST}}"


def numbers(values: Sequence[float], least: int = 0) -> str:
    """`[125, 123, 114]`."""
    return f"[{', '.join(str(max(least, round(value))) for value in values)}]"


def printable(name: str) -> str:
    """A name in a comment: one line, whatever it holds."""
    return "".join(c if c.isprintable() else "?" for c in name)


def quote(text: str) -> str:
    """A text in YAML's double quotes, whatever it holds; a dollar is doubled, since one begins a
    variable.
    """
    return json.dumps(text.replace("$", "$$"), ensure_ascii=False)
