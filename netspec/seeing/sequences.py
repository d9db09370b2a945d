"""Sequences of four letters, one-hot. In: a Subject; out: which input takes them, and letters."""

import numpy as np

from netspec.data.samples import Sample
from netspec.diagnostics import fail
from netspec.pictures.shapes import Drawing, Line, Shape, Text
from netspec.seeing.seen import Array
from netspec.seeing.subject import Subject

__all__ = ["LETTERS", "alphabet", "draw_logo", "letters_of", "sequence_input"]

LETTERS = "ACGT"
COLORS = {"U": "#d62839", "A": "#109648", "C": "#255c99", "G": "#b3770a", "T": "#d62839"}
WIDE, TALL, LEAST = 22, 80, 0.06
"""A letter 22 pixels wide and up to 80 tall, two bits; below LEAST of that it would be a smear."""
LEFT, TOP, EVERY = 34, 26, 5
"""Of a logo: room for the bits and the title, and every how many places one has its number."""
DRAWN = 40
"""Letters of a drawn sequence, where a net takes any number."""


def alphabet(word: str | None, path: str) -> str:
    """The letters in the order of their channels: as --method says, else ACGT. Raises SpecError
    NS757.
    """
    if word is None:
        return LETTERS
    if sorted(word) not in (sorted(LETTERS), sorted("ACGU")):
        raise fail("NS757", f"method {word}: an order of the letters, as AGCT", path=path)
    return word


def sequence_input(subject: Subject) -> str:
    """The input of shape (4, L), or with axes of one place between. Raises SpecError NS750."""
    for name, taken in subject.taken.items():
        shape = taken.shape
        if len(shape) >= 2 and shape[0] == len(LETTERS) and all(n == 1 for n in shape[1:-1]):
            return name
    raise fail("NS750", "no input takes sequences of four letters, (4, L)", path=subject.path)


def letters_of(sample: Sample, name: str, seed: int, subject_fixed: bool = False) -> tuple[Array, bool]:
    """A sequence (1, 4, ..., L), one-hot, and whether it had to be drawn: what was given is none."""
    x = sample.arrays[name]
    if bool(((x == 0) | (x == 1)).all()) and bool((x.sum(1) == 1).all()):
        return x, False
    length = {True: x.shape[-1]}.get(subject_fixed or x.shape[-1] > 8, DRAWN)
    numbers = np.random.default_rng(seed).integers(0, len(LETTERS), length)
    made = np.eye(len(LETTERS), dtype=np.float32)[numbers].T
    return made.reshape(1, len(LETTERS), *x.shape[2:-1], length), True


def draw_logo(shares: Array, title: str, letters: str = LETTERS) -> Drawing:
    """A sequence logo of shares (4, K): letters as high as what they tell, in bits, of two at most.

    Places are counted from 1.

    R = log2 4 + sum over letters of p log2 p;  a letter is p R high     (Schneider, Stephens 1990)
    """
    count, bottom = shares.shape[1], float(TOP + TALL)
    shapes: list[Shape] = [Text(LEFT, 16, title, 13, bold=True), Text(4, 16, "bits", 10, fill="soft")]
    for number in (0, 1, 2):
        y = bottom - number / 2 * TALL
        shapes.append(Line(((LEFT, y), (LEFT + count * WIDE, y)), "line"))
        shapes.append(Text(LEFT - 6, y + 4, str(number), 10, "end", "soft"))
    bits = 2 + (shares * np.log2(shares.clip(1e-9))).sum(0)
    for k in range(count):
        left, y = LEFT + k * WIDE, bottom
        if k == 0 or (k + 1) % EVERY == 0:
            shapes.append(Text(left + WIDE / 2, bottom + 14, str(k + 1), 10, "middle", "soft"))
        for i in np.argsort(shares[:, k], kind="stable").tolist():
            height = float(shares[i, k] * bits[k]) / 2 * TALL
            if height >= LEAST * TALL:
                letter = letters[i]
                shapes.append(Text(left, y, letter, height / 0.72, fill=COLORS[letter], wide=WIDE - 2))
                y -= height
    return Drawing(LEFT + 8 + count * WIDE, bottom + 20, tuple(shapes))
