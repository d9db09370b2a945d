"""Which places the score of a class needs: how much it falls where a square covers them.

    D_ij = S_k(x) - mean over squares that cover (i, j) of S_k(x with the square at its mean colour)

Zeiler, Fergus 2014 (arXiv:1311.2901), section 4.2. Squares go half their side at a time; many inputs
run at once. Of a large net the squares are larger, so that all runs together take MACS multiplications.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from netspec.diagnostics import SpecError, fail
from netspec.diagnostics.words import count_of
from netspec.pictures.figure import Figure
from netspec.pictures.words import only
from netspec.seeing.answers import chosen_answer
from netspec.seeing.effort import batch_that_fits, macs_of
from netspec.seeing.over import over_picture
from netspec.seeing.samples import samples_of, show_pixels
from netspec.seeing.seen import SAMPLE, Array, Asked, Seen
from netspec.seeing.subject import Subject

__all__ = ["TAKES", "WHOLE", "draw", "see"]

WHOLE = True
TAKES = (*SAMPLE, "label", "window")
BATCH = 64
"""Covered pictures that run at once where memory allows."""
PARTS = (8, 6, 4, 3, 2)
"""Of the shorter side, that a square covers: the first that is cheap enough, 225 squares to 9; window:
its side in pixels instead.
"""
MACS = 300_000_000_000
"""Half a minute of one core."""


def see(subject: Subject, asked: Asked) -> Seen:
    """The map (h, w) of the first sample."""
    name = subject.picture
    if not name:
        raise fail(
            "NS750", "occlusion covers squares of a picture, and no input takes one", path=subject.path
        )
    sample = samples_of(subject, asked)[0]
    base = subject.run(sample.arrays)
    output, number, word, label = chosen_answer(subject, base, asked)
    x = sample.arrays[name]
    height, width = x.shape[2:]
    shapes = {key: value.shape for key, value in sample.arrays.items()}
    side = asked.window or choose_side(height, width, macs_of(subject, shapes))
    if side > min(height, width):
        raise fail("NS752", f"a square of {side} does not fit {height}x{width}", path=subject.path)
    corners = [(i, j) for i in starts(height, side) for j in starts(width, side)]
    size = batch_that_fits(subject, shapes, BATCH)
    scores = np.concatenate(list(run_all(subject, sample.arrays, name, corners, side, output, number, size)))
    whole = float(base[output].reshape(1, -1)[0, number])
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for (i, j), score in zip(corners, scores.tolist(), strict=True):
        total[i : i + side, j : j + side] += whole - score
        count[i : i + side, j : j + side] += 1
    found = total / count
    values = {"sample": sample.name, "answer": word, "class": label, "number": number, "score": whole, "side": side,
              "squares": len(corners), "lowest": float(scores.min())}  # fmt: skip
    squares = f"{count_of(len(corners), 'square')} of {side}x{side}"
    falls = f"the score falls from {whole:.4g} to {float(scores.min()):.4g} at most"
    told = [f"of {sample.name}, for {word}", f"{squares}; {falls}"]
    told += only(side > usual_side(height, width) and not asked.window,
                 "larger squares than of a smaller net, for time: --window N chooses")  # fmt: skip
    arrays = {"occlusion": found, "input": show_pixels(x[0], subject.contract(name))}
    return Seen("occlusion", f"Occlusion of {subject.name}", told, values, arrays)


def usual_side(height: int, width: int) -> int:
    """The side where time is no matter."""
    return max(1, min(height, width) // PARTS[0])


def choose_side(height: int, width: int, macs: int) -> int:
    """Pixels along a square, for so many multiplications a run."""
    sides = [max(1, min(height, width) // part) for part in PARTS]
    cheap = (side for side in sides if len(starts(height, side)) * len(starts(width, side)) * macs <= MACS)
    return next(cheap, sides[-1])


def starts(length: int, side: int) -> list[int]:
    """Where squares begin, the last one at the end."""
    return sorted({*range(0, length - side + 1, max(1, side // 2)), length - side})


def run_all(  # what is covered, of which input, and whose score
    subject: Subject, arrays: Mapping[str, Array], name: str, corners: list[tuple[int, int]], side: int, output: str,
    number: int, size: int,
) -> Iterator[Array]:  # fmt: skip
    """The class's score with each square covered; one by one where the net takes a batch of one."""
    x = arrays[name]
    gray = x.mean((0, 2, 3))[:, None, None]
    at = 0
    while at < len(corners):
        chosen = corners[at : at + size]
        given = {key: np.repeat(value, len(chosen), 0) for key, value in arrays.items()}
        for row, (i, j) in enumerate(chosen):
            given[name][row, :, i : i + side, j : j + side] = gray
        try:
            made = subject.run(given)[output]
        except SpecError:
            if size == 1:
                raise
            size = 1
            continue
        yield made.reshape(len(chosen), -1)[:, number]
        at += size


def draw(seen: Seen) -> Iterator[Figure]:
    told = f"bright: what {seen.values['answer']} needs"
    yield over_picture("Occlusion", seen.arrays["input"], seen.arrays["occlusion"], told)
