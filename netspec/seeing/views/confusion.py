"""Which classes are taken for which: the counts of `netspec test`, as a matrix.

Row i, column j: samples (or places) of class i that were answered j; colour is the root of the share
of the row, so that few mistakes are seen beside many hits.
"""

from collections.abc import Iterator

from netspec.diagnostics.words import count_of
from netspec.pictures.figure import Figure, Table
from netspec.pictures.matrices import confusion_drawing
from netspec.seeing.judged import judge, part_of, tell_part
from netspec.seeing.seen import Asked, Seen
from netspec.seeing.subject import Subject

__all__ = ["TAKES", "WHOLE", "draw", "see"]

WHOLE = True
TAKES = ("part",)
MOST_PAIRS = 10


def see(subject: Subject, asked: Asked) -> Seen:
    """Counts (true, answered) of the first loss that tells classes apart."""
    found = judge(subject.need_net("confusion"), part_of(asked, subject))
    counts = found.counts
    pairs = [
        (int(counts[i, j]), found.classes[i], found.classes[j])
        for i in range(len(counts))
        for j in range(len(counts))
        if i != j and counts[i, j]
    ]
    pairs = sorted(pairs, key=lambda pair: -pair[0])[:MOST_PAIRS]
    every = count_of(int(counts.sum()), "place" if found.kind == "places" else "sample")
    told = [f"{int(counts.trace()):,} of {every} right, accuracy {found.accuracy:.4f}"]
    for times, true, taken in pairs[:1]:
        told.append(f"most often: {true} taken for {taken}, {count_of(times, 'time')}")
    told += tell_part(asked, found)
    values = {
        "part": found.part,
        "loss": found.loss,
        "classes": list(found.classes),
        "accuracy": found.accuracy,
        "confusion": counts.tolist(),
        "pairs": pairs,
    }
    return Seen("confusion", f"Confusion matrix of {subject.name}", told, values, {"confusion": counts})


def draw(seen: Seen) -> Iterator[Figure]:
    """The matrix, and the pairs that are confused most."""
    drawing = confusion_drawing(seen.values["classes"], seen.values["confusion"], seen.values["loss"])
    yield Figure("Confusion matrix", drawing)
    if seen.values["pairs"]:
        rows = [(true, answer, f"{count:,}") for count, true, answer in seen.values["pairs"]]
        yield Figure("Most often confused", Table(("class", "taken for", "times"), rows, frozenset((2,))))
