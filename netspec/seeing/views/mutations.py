"""What every single change of a sequence does to the score: a mutation map.

    D_li = S(x with letter l at place i) - S(x)

Alipanahi et al. 2015 (DeepBind), figure 4; Zhou, Troyanskaya 2015 (DeepSEA). All changes run in
batches. --method AGCT: the letters' order, by default ACGT. Of longer sequences the middle MOST places are changed.
"""

from collections.abc import Iterator

import numpy as np

from netspec.pictures.colors import blue_red
from netspec.pictures.figure import Figure
from netspec.pictures.shapes import Drawing, Image, Shape, Text
from netspec.seeing.answers import chosen_answer
from netspec.seeing.samples import samples_of
from netspec.seeing.seen import SAMPLE, Asked, Seen
from netspec.seeing.sequences import LETTERS, alphabet, letters_of, sequence_input
from netspec.seeing.subject import Subject

__all__ = ["TAKES", "WHOLE", "draw", "see"]

WHOLE = True
TAKES = (*SAMPLE, "label", "method", "window")
MOST, BATCH, CELL = 120, 64, 12
"""Places, which times CELL pixels are 1,440: three letters each are tried, so 360 sequences run."""


def see(subject: Subject, asked: Asked) -> Seen:
    """The map (4, places) of the first sample."""
    name, order = sequence_input(subject), alphabet(asked.method, subject.path)
    sample = samples_of(subject, asked)[0]
    x, drew = letters_of(sample, name, asked.seed, subject.taken[name].shape[-1] is not None)
    arrays = {**sample.arrays, name: x}
    base = subject.run(arrays)
    output, number, word, _ = chosen_answer(subject, base, asked)
    whole = float(base[output].reshape(1, -1)[0, number])
    length = x.shape[-1]
    first = max(0, (length - (asked.window or MOST)) // 2)
    places = list(range(first, min(length, first + (asked.window or MOST))))
    trials = [(i, letter) for i in places for letter in range(len(LETTERS))]
    scores = []
    for at in range(0, len(trials), BATCH):
        chosen = trials[at : at + BATCH]
        given = {key: np.repeat(value, len(chosen), 0) for key, value in arrays.items()}
        for row, (i, letter) in enumerate(chosen):
            given[name][row, ..., i] = 0
            given[name][row, letter, ..., i] = 1
        scores += subject.run(given)[output].reshape(len(chosen), -1)[:, number].tolist()
    found = (np.array(scores) - whole).reshape(len(places), len(LETTERS)).T
    letters = "".join(order[i] for i in x.reshape(len(LETTERS), -1).argmax(0))
    where = sample.name
    if drew:
        where = f"a sequence of {length} drawn letters"
    worst = np.unravel_index(int(np.abs(found).argmax()), found.shape)
    told = [f"of {where}, for {word}, score {whole:.4g}", f"most: {letters[places[worst[1]]]}{places[worst[1]] + 1} to "
            f"{order[worst[0]]}, {found[worst]:+.4g}"]  # fmt: skip
    values = {
        "sample": where,
        "score": whole,
        "first": first,
        "sequence": letters,
        "letters": order,
        "class": number,
        "answer": word,
    }
    return Seen("mutations", f"Mutation map of {subject.name}", told, values, {"mutations": found})


def draw(seen: Seen) -> Iterator[Figure]:
    """Rows are letters, columns places, counted from 1; the sequence stands above."""
    found, first = seen.arrays["mutations"], seen.values["first"]
    count = found.shape[1]
    shapes: list[Shape] = [Image(24, 34, count * CELL, 4 * CELL, blue_red(found))]
    for i, letter in enumerate(seen.values["sequence"][first : first + count]):
        shapes.append(Text(24 + (i + 0.5) * CELL, 28, letter, 10, "middle"))
        if i == 0 or (first + i + 1) % 10 == 0:
            shapes.append(Text(24 + (i + 0.5) * CELL, 12, str(first + i + 1), 9, "middle", "soft"))
    shapes += [Text(8, 34 + (i + 0.8) * CELL, letter, 10) for i, letter in enumerate(seen.values["letters"])]
    most = float(np.abs(found).max())
    told = f"blue: the score falls, red: it rises; darkest {most:.3g}"
    yield Figure("Mutation map", Drawing(30 + count * CELL, 40 + 4 * CELL, tuple(shapes)), told)
