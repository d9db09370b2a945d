"""Changes drawn from a list for each sample, by name and strength. The strengths at 1 are those of
the papers; the pairs of AutoAugment are its authors'.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from netspec.augmentation.kernels.batch import Batch
from netspec.augmentation.kernels.color import contrast, saturate
from netspec.augmentation.kernels.draw import Draw
from netspec.augmentation.kernels.histograms import equalize, stretch
from netspec.augmentation.kernels.maps import Linear, affine
from netspec.augmentation.kernels.texture import soften

__all__ = ["PAIRS", "auto_augment", "rand_augment", "trivial_augment"]


class Limits(NamedTuple):
    """What each change does at strength 1. shift: a share of the size, or pixels where above 1."""

    slant: float
    shift: float
    turn: float
    factor: float
    bits: int


# AutoAugment and RandAugment: 150 of 331 pixels
PAPER = Limits(0.3, 150 / 331, 30.0, 0.9, 4)
WIDE = Limits(0.99, 32.0, 135.0, 0.99, 6)  # TrivialAugment's wide space
LIST = (
    *(
        "identity",
        "slant_x",
        "slant_y",
        "shift_x",
        "shift_y",
        "turn",
        "brightness",
        "color",
        "contrast",
    ),
    *("sharpness", "posterize", "solarize", "stretch", "equalize"),
)
MOVING = ("slant_x", "slant_y", "shift_x", "shift_y", "turn")
SIGNED = (*MOVING, "brightness", "color", "contrast", "sharpness")
"""Changes that go to either side."""


def rand_augment(batch: Batch, draw: Draw, probability: float, count: int, strength: float) -> Batch:
    """`count` changes of one strength."""
    chosen = draw.chance(probability, "probability")
    for k in range(count):
        which = draw.integers(len(LIST), f"change {k}").where(chosen, 0)  # 0: identity
        batch = change(batch, draw.entry(k), which, torch.full((len(draw),), strength), PAPER)
    return batch


def trivial_augment(batch: Batch, draw: Draw, probability: float) -> Batch:
    """One change of any strength."""
    chosen = draw.chance(probability, "probability")
    strength = draw.integers(31, "strength").float() / 30  # 31 strengths, as in the paper
    return change(batch, draw, draw.integers(len(LIST), "change").where(chosen, 0), strength, WIDE)


def auto_augment(batch: Batch, draw: Draw, probability: float, policy: str) -> Batch:
    """A pair of changes."""
    pairs = PAIRS[policy]
    which, chosen = draw.integers(len(pairs), "pair"), draw.chance(probability, "probability")
    names = (*LIST, "invert")
    for k in (0, 1):
        table = torch.tensor([(names.index(pair[k][0]), *pair[k][1:]) for pair in pairs])[which]
        taken = chosen & (torch.from_numpy(draw.unit(f"chance {k}")) < table[:, 1])
        # AutoAugment's strengths are 0 to 9
        batch = change(batch, draw.entry(k), table[:, 0].long().where(taken, 0), table[:, 2] / 9, PAPER)
    return batch


def change(batch: Batch, draw: Draw, which: Tensor, strength: Tensor, limits: Limits) -> Batch:
    """Each sample changed by one of the list (by index; `invert` comes last), of a strength from 0
    to 1.
    """
    names = (*LIST, "invert")
    signed = strength * draw.sign("sign")
    moving = torch.isin(which, torch.tensor([names.index(name) for name in MOVING]))
    if bool(moving.any()):
        batch = batch.map(move(batch.size, which, signed, limits).choose(moving)).settle()
    for i in sorted({*which.tolist()} - {0, *(names.index(name) for name in MOVING)}):
        chosen, by = which == i, (signed if names[i] in SIGNED else strength)
        batch = batch.change_image(recolor(names[i], by[chosen], limits), draw, chosen)
    return batch


def move(size: tuple[int, int], which: Tensor, by: Tensor, limits: Limits) -> Linear:
    """The maps of the samples whose change is of place."""

    def amount(name: str, limit: float) -> Tensor:
        return by * limit * (which == LIST.index(name))

    shift = [limits.shift if limits.shift > 1 else limits.shift * side for side in size]
    slant = [torch.rad2deg(torch.atan(amount(name, limits.slant))) for name in ("slant_x", "slant_y")]
    angle = amount("turn", limits.turn)
    return affine(
        len(by),
        angle,
        (amount("shift_x", shift[1]), amount("shift_y", shift[0])),
        1.0,
        (slant[0], slant[1]),
    )


def recolor(name: str, by: Tensor, limits: Limits) -> Callable[[Tensor, Draw, str], Tensor]:
    """A change of values as a function of the images, by a strength each."""

    def made(x: Tensor, draw: Draw, order: str) -> Tensor:
        s = by[:, None, None, None].to(x.device)
        f = 1 + limits.factor * s
        if name == "brightness":
            return x * f
        if name == "color":
            return saturate(x, f, order)
        if name == "contrast":
            return contrast(x, f, order)
        if name == "sharpness":
            return x + (f - 1) * (x - soften(x))
        if name == "posterize":
            step = 2.0 ** (limits.bits * s).round()
            return (x / step).floor() * step
        if name == "solarize":
            return torch.where(x >= 255 * (1 - s), 255 - x, x)
        plain: dict[str, Callable[[Tensor], Tensor]] = {"stretch": stretch, "equalize": equalize}
        return plain[name](x) if name in plain else 255 - x

    return made


Pair = tuple[tuple[str, float, float], tuple[str, float, float]]


def read_pairs(text: str) -> tuple[Pair, ...]:
    """Pairs a line: name, chance, strength from 0 to 9, twice."""
    rows = [line.split() for line in text.strip().splitlines()]
    return tuple(((a, float(p), float(m)), (b, float(q), float(n))) for a, p, m, b, q, n in rows)


PAIRS = {
    "cifar10": read_pairs(
        """
        invert     0.1 0  contrast   0.2 6
        turn       0.7 2  shift_x    0.3 9
        sharpness  0.8 1  sharpness  0.9 3
        slant_y    0.5 8  shift_y    0.7 9
        stretch    0.5 0  equalize   0.9 0
        slant_y    0.2 7  posterize  0.3 7
        color      0.4 3  brightness 0.6 7
        sharpness  0.3 9  brightness 0.7 9
        equalize   0.6 0  equalize   0.5 0
        contrast   0.6 7  sharpness  0.6 5
        color      0.7 7  shift_x    0.5 8
        equalize   0.3 0  stretch    0.4 0
        shift_y    0.4 3  sharpness  0.2 6
        brightness 0.9 6  color      0.2 8
        solarize   0.5 2  invert     0.0 0
        equalize   0.2 0  stretch    0.6 0
        equalize   0.2 0  equalize   0.6 0
        color      0.9 9  equalize   0.6 0
        stretch    0.8 0  solarize   0.2 8
        brightness 0.1 3  color      0.7 0
        solarize   0.4 5  stretch    0.9 0
        shift_y    0.9 9  shift_y    0.7 9
        stretch    0.9 0  solarize   0.8 3
        equalize   0.8 0  invert     0.1 0
        shift_y    0.7 9  stretch    0.9 0
        """
    ),
    "imagenet": read_pairs(
        """
        posterize  0.4 8  turn       0.6 9
        solarize   0.6 5  stretch    0.6 0
        equalize   0.8 0  equalize   0.6 0
        posterize  0.6 7  posterize  0.6 6
        equalize   0.4 0  solarize   0.2 4
        equalize   0.4 0  turn       0.8 8
        solarize   0.6 3  equalize   0.6 0
        posterize  0.8 5  equalize   1.0 0
        turn       0.2 3  solarize   0.6 8
        equalize   0.6 0  posterize  0.4 6
        turn       0.8 8  color      0.4 0
        turn       0.4 9  equalize   0.6 0
        equalize   0.0 0  equalize   0.8 0
        invert     0.6 0  equalize   1.0 0
        color      0.6 4  contrast   1.0 8
        turn       0.8 8  color      1.0 2
        color      0.8 8  solarize   0.8 7
        sharpness  0.4 7  invert     0.6 0
        slant_x    0.6 5  equalize   1.0 0
        color      0.4 0  equalize   0.6 0
        equalize   0.4 0  solarize   0.2 4
        solarize   0.6 5  stretch    0.6 0
        invert     0.6 0  equalize   1.0 0
        color      0.6 4  contrast   1.0 8
        equalize   0.8 0  equalize   0.6 0
        """
    ),
}
