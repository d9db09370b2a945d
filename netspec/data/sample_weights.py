"""How often a training draws each of its samples. In: a file of numbers, a line each, and a source;
out: the source with its weights. NS617 where they do not fit.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from netspec.data.paths import existing, reading_error, resolve_path, roots_for
from netspec.data.place import Place
from netspec.data.source import Array, Source, Subset
from netspec.diagnostics import fail
from netspec.file_reading import read_bytes
from netspec.file_writing import write_text

__all__ = ["weigh", "write_sample_weights"]

LONGEST = 1 << 28


def weigh(source: Source, file: str, place: Place) -> Source:
    """The same samples, weighted by a file."""
    path = existing(resolve_path(file, place.root, place.allow_outside))
    try:
        text = read_bytes(path, roots_for(place.root, place.allow_outside), LONGEST).decode(
            "utf-8", "replace"
        )
    except OSError as error:
        raise reading_error(path, error) from error
    made = Subset(source, np.arange(len(source)))
    made.weights = parse(text.split("\n"), path)
    if len(made.weights) != len(source):
        fact = f"{len(made.weights):,} weights, and {len(source):,} training samples in {source.name}"
        raise fail("NS617", fact, path=str(path))
    return made


def parse(lines: Sequence[str], path: Path) -> Array:
    """The numbers of the lines. NS617 at the first line that holds none."""
    rows = [line.strip() for line in lines]
    while rows and not rows[-1]:
        rows.pop()
    found = np.array([number_of(row) for row in rows], np.float64)
    wrong = np.flatnonzero(~np.isfinite(found) | (found < 0))
    if len(wrong):
        row = rows[wrong[0]][:40] or "nothing"
        raise fail("NS617", f"line {wrong[0] + 1} must be a number of at least 0: {row}", path=str(path))
    if not found.any():
        raise fail("NS617", "at least one weight must be above 0", path=str(path))
    # of the sum of numbers near the largest one, nothing would be left
    found /= found.max()
    return found


def number_of(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def write_sample_weights(path: Path, weights: Array) -> None:
    """Write what `weigh` reads back to the bit, up to a factor."""
    lines = "".join(f"{weight!r}\n" for weight in weights.tolist())
    write_text(path, lines, "NS673", follow=False)
