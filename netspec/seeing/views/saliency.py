"""Which pixels the score of a class, or another number of the net's, hangs on: the size of its gradient.

    M_ij = max over channels c of |d S_k / d x_cij|

Simonyan, Vedaldi, Zisserman 2014 (arXiv:1312.6034); S_k before the softmax. --method smooth: the mean
over inputs with noise of a tenth of their range (SmoothGrad, Smilkov et al. 2017); --method input:
the gradient times the input.
"""

from collections.abc import Iterator

import numpy as np

from netspec.diagnostics import fail
from netspec.pictures.colors import heat
from netspec.pictures.figure import Figure
from netspec.pictures.tiles import enlarge, thicken
from netspec.seeing.answers import chosen_answer
from netspec.seeing.over import over_picture
from netspec.seeing.samples import samples_of, show_pixels
from netspec.seeing.seen import SAMPLE, Array, Asked, Seen
from netspec.seeing.subject import Subject
from netspec.seeing.tensors import bare_scores, gradient_of, picture_input

__all__ = ["TAKES", "WHOLE", "draw", "see"]

WHOLE = True
TAKES = (*SAMPLE, "label", "method", "count")
DRAWS, NOISE = 16, 0.1
"""SmoothGrad's noise is 10 to 20 % of the range of the input (Smilkov et al. 2017); beyond some 16 draws
the picture changes little, and it takes as many passes.
"""
BAND = 32
"""Pixels down of what has one row."""
METHODS = ("gradient", "smooth", "input")


def see(subject: Subject, asked: Asked) -> Seen:
    """The map (...space) of the first sample; class: by default the answer."""
    net, name = subject.need_net("saliency"), picture_input(subject, "saliency")
    method = asked.method or METHODS[0]
    if method not in METHODS:
        raise fail("NS757", f"method {method}; there are {', '.join(METHODS)}", path=subject.path)
    sample = samples_of(subject, asked)[0]
    output, number, word, label = chosen_answer(subject, subject.run(sample.arrays), asked)
    x = sample.arrays[name]
    shown = [x]
    if method == "smooth":
        rng = np.random.default_rng(asked.seed)
        spread = NOISE * float(np.ptp(x) or 1.0)
        shown = [
            x + spread * rng.standard_normal(x.shape).astype(np.float32) for _ in range(asked.count or DRAWS)
        ]
    total: Array = np.zeros(x.shape[1:], np.float64)
    for each in shown:
        given = sample._replace(arrays={**sample.arrays, name: each})
        with bare_scores(net, output):
            total += gradient_of(net, given, name, lambda made: made[output].flatten(1)[:, number])[0]
    gradient = total / len(shown)
    if method == "input":
        gradient = gradient * x[0]
    found = np.abs(gradient).max(0)
    arrays = {"saliency": found, "gradient": gradient}
    if subject.picture == name:
        arrays["input"] = show_pixels(x[0], subject.contract(name))
    values = {"sample": sample.name, "answer": word, "class": label, "number": number, "output": output,
              "method": method}  # fmt: skip
    return Seen("saliency", f"Saliency of {subject.name}", [f"of {sample.name}, for {word}"], values, arrays)


def draw(seen: Seen) -> Iterator[Figure]:
    """Heat, and heat over the picture."""
    found = seen.arrays["saliency"]
    if "input" in seen.arrays:
        yield over_picture("Saliency", seen.arrays["input"], found, f"for {seen.values['answer']}")
    else:
        rows = found.reshape(-1, found.shape[-1])
        yield Figure("Saliency", thicken(enlarge(heat(rows), 512), BAND), f"for {seen.values['answer']}")
