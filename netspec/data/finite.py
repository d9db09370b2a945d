"""Samples that hold NaN or infinity. In: a source and the names of its fields; out: which they are,
and the finding that says so.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from netspec.data.faulty import hint_skip
from netspec.data.source import Array, Rows, Source, find_origin
from netspec.diagnostics import SpecError, fail
from netspec.diagnostics.words import list_some

__all__ = ["find_not_finite", "not_finite_error", "tell_rows"]

STEP = 1024
SKIP = hint_skip("samples")


def find_not_finite(source: Source, fields: Iterable[str]) -> dict[int, str]:
    """By number, the samples of a source in memory that hold a number which is not finite, each
    with a line that says where; of a source that is read as it is used, none.
    """
    wanted = [name for name in fields if source.fields[name].dtype.kind == "f"]
    found: dict[int, str] = {}
    if not wanted or not source.steady or not lies_in_memory(source):
        return found
    for start in range(0, len(source), STEP):
        numbers = np.arange(start, min(start + STEP, len(source)))
        found |= tell_rows(source, source.batch(numbers), numbers, wanted)
    return found


def lies_in_memory(source: Source) -> bool:
    """Whether all samples do; of a part, those that it is taken from."""
    origin, _ = find_origin(source)
    return origin.whole() is not None


def tell_rows(source: Source, rows: Rows, numbers: Array, fields: Iterable[str]) -> dict[int, str]:
    """The same of some samples that were read, whose numbers are given."""
    found: dict[int, str] = {}
    for name in fields:
        values = rows[name]
        if isinstance(values, np.ndarray) and (values.dtype.kind != "f" or np.isfinite(values).all()):
            continue
        for number, row in zip(numbers.tolist(), values, strict=True):
            wrong = np.asarray(row)[~np.isfinite(row)]
            if wrong.size:
                more = f", and {wrong.size - 1:,} more that are not finite" if wrong.size > 1 else ""
                found.setdefault(
                    number, f"{source.where(number)}: field {name} holds {wrong.flat[0]:g}{more}"
                )
    return found


def not_finite_error(source: Source, found: Mapping[int, str]) -> SpecError:
    """NS693 for such samples, all of them."""
    lines = [found[number] for number in sorted(found)]
    if len(lines) == 1:
        return fail("NS693", lines[0], path=source.name, notes=(SKIP,))
    fact = f"{len(lines):,} of {len(source):,} samples hold numbers that are not finite"
    return fail("NS693", fact, path=source.name, notes=(*list_some(lines), SKIP))
