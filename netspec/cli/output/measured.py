"""What `test` measured, as lines for a terminal and rows of a CSV. In: plain data; out: text. Knows
no net.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["confusion_csv", "lines_of"]

COLUMNS = ("precision", "recall", "f1", "iou", "ap", "mae", "rmse", "r2")
SHOWN_ROWS = 40
"""Of more classes the table shows those that are met best and worst."""
WIDTH = 80
"""Columns of a terminal that nobody has widened: a confusion matrix that is wider is told as its pairs, the
CONFUSED largest. Names of classes are cut at LONGEST.
"""
CONFUSED = 10
LONGEST = 24


def lines_of(name: str, judged: Mapping[str, Any]) -> Iterator[str]:
    """The measures of one loss."""
    rows = judged.get("classes") or judged.get("values") or []
    if not rows:
        return
    words = [word for word in COLUMNS if word in judged]
    support = judged.get("support")
    kind = {
        "classes": "classes",
        "places": "classes, by place",
        "labels": "labels",
        "numbers": "values",
    }
    kind["boxes"] = "classes, by boxes"
    accuracy = f", accuracy {judged['accuracy']:.4f}" if "accuracy" in judged else ""
    yield ""
    yield f"{name}: {len(rows)} {kind[judged['kind']]}{accuracy}"
    yield from table_of(rows, words, judged, support)
    if "calibration" in judged:
        bins = judged["calibration"]
        yield f"  calibration error {bins['error']:.4f}, {len(bins['bins'])} of 15 bins of confidence hold samples"
    if "confusion" in judged:
        yield from confusion_lines(rows, judged["confusion"])


def table_of(
    rows: Sequence[str],
    words: Sequence[str],
    judged: Mapping[str, Any],
    support: Sequence[int] | None,
) -> Iterator[str]:
    """A row per class, and the means."""
    width = min(max(map(len, (*rows, "mean"))), LONGEST)
    yield (f"  {'':{width}}" + "".join(f"{word:>11}" for word in words) + ("    support" if support else ""))
    chosen = range(len(rows))
    if len(rows) > SHOWN_ROWS:
        order = sorted(chosen, key=lambda i: judged[words[-1]][i])
        chosen = [*order[: SHOWN_ROWS // 2], *order[-SHOWN_ROWS // 2 :]]  # type: ignore[assignment]
    for i in chosen:
        count = f"{support[i]:11,}" if support else ""
        yield (f"  {cut(rows[i]):{width}}" + "".join(f"{judged[word][i]:11.4f}" for word in words) + count)
    if len(rows) > len(chosen):
        yield f"  (the {SHOWN_ROWS // 2} lowest and the {SHOWN_ROWS // 2} highest {words[-1]} of {len(rows)})"
    if len(rows) > 1 and judged.get("mean"):
        count = f"{sum(support):11,}" if support else ""
        yield (f"  {'mean':{width}}" + "".join(f"{judged['mean'][word]:11.4f}" for word in words) + count)


def confusion_lines(names: Sequence[str], matrix: Sequence[Sequence[int]]) -> Iterator[str]:
    """The matrix where it fits into a terminal, else what is confused most."""
    cell = max(len(str(max(map(max, matrix)))), 1) + 1
    left = min(max(map(len, names)), LONGEST)
    if 2 + left + (cell + 1) * len(names) <= WIDTH and len(names) <= SHOWN_ROWS:
        heads = [f"{i:>{cell + 1}}" for i in range(len(names))]
        yield "  confusion: a row per true class, a column per answer"
        yield f"  {'':{left}}" + "".join(heads)
        for name, row in zip(names, matrix, strict=True):
            yield f"  {cut(name):{left}}" + "".join(f"{count:>{cell + 1}}" for count in row)
        return
    pairs = [(n, i, j) for i, row in enumerate(matrix) for j, n in enumerate(row) if n and i != j]
    if pairs:
        yield "  most often confused (--csv FILE writes the whole matrix):"
        for count, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2]))[:CONFUSED]:
            yield f"    {names[i]} taken for {names[j]}: {count:,}"


def cut(name: str) -> str:
    """A name that fits its column."""
    if len(name) > LONGEST:
        return name[: LONGEST - 3] + "..."
    return name


def confusion_csv(judged: Mapping[str, Any]) -> str:
    """The confusion matrix with the names of its classes: a row per true class."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["true \\ answer", *judged["classes"]])
    rows.writerows([name, *row] for name, row in zip(judged["classes"], judged["confusion"], strict=True))
    return text.getvalue()
