"""What the first filters of a net on sequences look for, as sequence logos.

Of the data's windows that a filter answers with more than half of its strongest answer, the share of
each letter at each place (Alipanahi et al. 2015, DeepBind, supplement 10.2); without data, the shares
that the filter's own weights make, exp(s w) / sum, s so that the largest spread is LOGIT. --method AGCT:
the letters' order, by default ACGT.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from netspec.diagnostics import SpecError, fail
from netspec.diagnostics.words import count_of
from netspec.pictures.figure import Figure
from netspec.seeing.samples import samples_of
from netspec.seeing.seen import SAMPLE, Array, Asked, Seen
from netspec.seeing.sequences import LETTERS, alphabet, draw_logo, sequence_input
from netspec.seeing.subject import Subject

__all__ = ["MANY", "TAKES", "WHOLE", "draw", "see"]

WHOLE = MANY = True
TAKES = (*SAMPLE, "unit", "count", "method")
MOST, LOOKED, LOGIT, HALF = 16, 200, 5.0, 0.5
"""Filters, and samples searched for what they answer to. A spread of LOGIT makes the strongest letter some
150 times likelier than the weakest; a place counts as found above HALF of the way from the least answer to
the largest.
"""


def see(subject: Subject, asked: Asked) -> Seen:
    """Shares (4, K) of the letters by filter. count: how many filters; unit: one of them."""
    name, letters = sequence_input(subject), alphabet(asked.method, subject.path)
    first = next((each for each in subject.filters() if each.weight.shape[1] == len(LETTERS)), None)
    if first is None:
        raise fail("NS750", "no layer slides filters over four letters", path=subject.path)
    weight = first.weight.reshape(len(first.weight), len(LETTERS), -1)
    if asked.unit is not None and asked.unit >= len(weight):
        raise fail(
            "NS757",
            f"unit {asked.unit}; {first.layer} has {count_of(len(weight), 'filter')}",
            path=subject.path,
        )
    strongest = np.argsort(-np.ptp(weight, 1).sum(1), kind="stable")[: asked.count or MOST]
    units = np.sort(strongest).tolist() if asked.unit is None else [asked.unit]
    sequences = find_sequences(subject, asked, name)
    arrays, rows = {}, []
    for unit in units:
        shares, windows = shares_of(weight[unit], sequences)
        arrays[str(unit)] = shares
        rows.append({"unit": unit, "windows": windows, "consensus": consensus(shares, letters)})
    told = [f"{first.layer}: {count_of(len(weight), 'filter')} of {count_of(weight.shape[2], 'letter')}"]
    told += [f"filter {row['unit']}: {row['consensus']}" for row in rows[:6]]
    return Seen(
        "motifs",
        f"Motifs of {subject.name}",
        told,
        {"layer": first.layer, "filters": rows, "letters": letters},
        arrays,
    )


def find_sequences(subject: Subject, asked: Asked, name: str) -> list[Array]:
    """One-hot sequences (4, L) of the data; none where there are no data."""
    try:
        samples = samples_of(subject, asked, LOOKED)
    except SpecError:
        if asked.inputs or asked.data:
            raise
        return []
    made = [sample.arrays[name].reshape(len(LETTERS), -1) for sample in samples]
    return [each for each in made if set(np.unique(each).tolist()) <= {0.0, 1.0}]


def shares_of(weight: Array, sequences: list[Array]) -> tuple[Array, int]:
    """The letters' shares at each place, and of how many windows."""
    length = weight.shape[1]
    fitting = [each for each in sequences if each.shape[1] >= length]
    if not fitting:
        scale = LOGIT / max(float(np.ptp(weight, 0).max()), 1e-12)
        made = np.exp(weight.astype(np.float64) * scale)
        return made / made.sum(0), 0
    windows = np.concatenate(
        [np.lib.stride_tricks.sliding_window_view(s, length, 1).swapaxes(0, 1) for s in fitting]
    )
    answers = np.einsum("nlk,lk->n", windows, weight)
    least = answers.min() + (answers.max() - answers.min()) * (1 + HALF) / 2
    chosen = windows[answers >= least]
    return (chosen.sum(0) + 0.25) / (len(chosen) + 1), len(chosen)


def consensus(shares: Array, letters: str) -> str:
    """The likeliest letter of each place, n where none has half."""
    return "".join(
        {True: letters[int(i)]}.get(bool(p > HALF), "n")
        for i, p in zip(shares.argmax(0), shares.max(0), strict=True)
    )


def draw(seen: Seen) -> Iterator[Figure]:
    """A logo for each filter."""
    for row in seen.values["filters"]:
        told: Any = f"of {count_of(row['windows'], 'window')} of the data"
        if not row["windows"]:
            told = "by its weights alone"
        unit = row["unit"]
        yield Figure(
            f"Filter {unit}",
            draw_logo(seen.arrays[str(unit)], f"{seen.values['layer']} {unit}", seen.values["letters"]),
            told,
        )
