"""A first spec for a folder of images: a small convolutional net that fits their sizes and classes.
In: a Survey; out: YAML.
"""

import json
from collections.abc import Iterator
from statistics import median

from netspec.data.survey import Survey

__all__ = ["spec_text"]

SIDES = (32, 48, 64, 96, 128, 160, 192, 224)
SMALL = 64
"""Images that are all of one size, at most this, are taken as they are."""
WIDTHS = (32, 64, 128, 256, 256)


def spec_text(found: Survey, name: str, path: str, labels: str) -> str:
    """The whole spec. path: the folder, labels: the file of class names, both as seen from the
    spec.

    Stages of a 3x3 convolution and a pooling halve the image until it is about 4 pixels wide; a
    mean over what is left feeds one score a class. Sizes that differ are resized by their shorter
    side and cropped in the middle.
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
    contract += [f"mean_value: [{', '.join(str(round(m)) for m in found.mean)}]", "scale: 0.015625"]
    yield "netspec: 1"
    yield f"name: {quote(name)}"
    yield f"description: Tells {len(found.classes)} classes of images apart; begun by `netspec init`."
    yield "input:"
    yield (
        f"  # {len(found.sizes)} of {found.whole} images were looked at: {seen},"
        f" {'gray' if found.gray else 'in colour'}"
    )
    channels = 1 if found.gray else 3
    yield f"  data: {{shape: [N, {channels}, {height}, {width}], image: {{{', '.join(contract)}}}}}"
    yield "defaults:"
    yield "  Convolution: {kernel_size: 3, pad: same, weight_filler: msra}"
    yield "  InnerProduct: {weight_filler: xavier}"


def layers(found: Survey) -> Iterator[str]:
    short = min(space(found)[0])
    stages = max(1, min(len(WIDTHS), (short // 4).bit_length() - 1))
    yield "layers:"
    for i, width in enumerate(WIDTHS[:stages], 1):
        yield f"  - {{name: conv{i}, type: Convolution, num_output: {width}}}"
        yield f"  - {{name: relu{i}, type: ReLU}}"
        if short >= 4:
            yield f"  - {{name: pool{i}, type: Pooling, pool: MAX, kernel_size: 2, stride: 2}}"
    yield "  - {name: mean, type: Pooling, pool: AVE, global_pooling: true}"
    yield f"  - {{name: score, type: InnerProduct, num_output: {len(found.classes)}}}"
    yield "  - {name: prob, type: Softmax}"


def tail(found: Survey, path: str, labels: str) -> Iterator[str]:
    batch = max(1, min(64, found.total // 4))
    yield "output:"
    yield f"  prob: {{labels: {quote(labels)}}}"
    yield (
        "train:                           # without folders train and test, every fifth image is for the test"
    )
    yield f"  data: {{source: images, path: {quote(path)}, split: train, batch_size: {batch}}}"
    yield f"  test_data: {{source: images, path: {quote(path)}, split: test, batch_size: {batch}}}"
    yield "  solver: {type: Adam, base_lr: 0.001, lr_policy: fixed, epochs: 20, random_seed: 1}"


def quote(text: str) -> str:
    """A text in YAML's double quotes, whatever it holds; a dollar is doubled, since one begins a
    variable.
    """
    return json.dumps(text.replace("$", "$$"), ensure_ascii=False)
