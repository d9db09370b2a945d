"""CSV tables: numbers in columns, one of them the label. Every cell that does not fit is named with
its line.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netspec.data.faulty import Faulty, hint_skip
from netspec.data.paths import existing, reading_error, resolve_path, roots_for
from netspec.data.place import Place
from netspec.data.source import Array, ArraySource, Source, split_source
from netspec.data.tables.columns import match_names
from netspec.diagnostics import SpecError, fail
from netspec.diagnostics.words import list_some
from netspec.file_reading import Roots, open_text
from netspec.resolve.sections.train import DataSection, find_missing

__all__ = ["is_number", "open_csv"]

# Python's own is 128 KiB; it holds for the whole process
csv.field_size_limit(1 << 20)
SKIP = hint_skip("rows")
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def open_csv(section: DataSection, split: str | None, place: Place) -> Source:
    """Fields data (columns,) float32, every column but the label's in the file's order, and label.

    A first line with a cell that is no number is the header. Labels that are whole numbers stand
    for themselves; other numbers are targets, float32; words are classes, numbered in sorted order.
    Beside training data the columns are theirs, by name; what is predicted needs no label. Raises
    SpecError NS643, NS650 (no rows), NS654 (a cell or row; `on_error: skip` leaves such rows out),
    NS641 (no such column), NS663 (a class unknown to the training), NS633 (other columns).
    """
    if section.path is None:
        raise fail("NS641", find_missing(section))
    path = existing(resolve_path(section.path, place.root, place.allow_outside))
    skipping = section.on_error == "skip"
    header, places, rows = read_rows(path, roots_for(place.root, place.allow_outside), skipping)
    if not rows:
        raise fail("NS650", "holds no rows" + (" below its header" if header else ""), path=str(path))
    width = len(header or rows[0])
    chosen, column = choose_columns(header, width, section, place, path)
    odd = odd_rows(rows, width, column)
    if place.predicting and odd:
        column, odd = None, {}  # some are what is to be found out
    data = np.empty((len(rows), len(chosen)), np.float32)
    kept: list[int] = []
    left_out: list[str] = []
    faults: dict[int, SpecError] = {}
    for at, (row, line) in enumerate(zip(rows, places, strict=True)):
        try:
            if skipping and at in odd:
                raise fail("NS654", f"line {line}: {odd[at]}", path=str(path))
            data[len(kept)] = numbers(check_width(row, width, chosen, line, path), line, path)
            kept.append(at)
        except SpecError as error:
            if place.predicting and len(row) == width:
                faults[len(kept)] = error
                data[len(kept)] = 0
                kept.append(at)
                continue
            if not skipping:
                raise
            left_out.append(error.diagnostics[0].fact)
    if not kept:
        raise fail("NS650", f"none of {len(rows):,} rows can be read", path=str(path))
    lines = [places[at] for at in kept]
    source = ArraySource(str(path), {"data": data[: len(kept)]})
    if column is not None:
        cells = [rows[at][column] for at in kept]
        labels, names = labels_of(cells, place.classes, path, lines, (SKIP,))
        source = ArraySource(str(path), {"data": data[: len(kept)], "label": labels}, "label", names)
    if header:
        label = place.facts.get("label") if column is None else header[column]
        source.facts = {"columns": [{"name": header[at]} for at in chosen], "label": label}
    source.places = lambda index: f"line {lines[index]}"
    source.left_out = tuple(left_out)
    return split_source(Faulty(source, faults) if faults else source, split)


def choose_columns(
    header: list[str] | None, width: int, section: DataSection, place: Place, path: Path
) -> tuple[list[int], int | None]:
    """The columns of the data, in order, and that of the label; None where what is predicted has
    none.
    """
    wanted = [str(each["name"]) for each in place.facts.get("columns", ())]
    if header and wanted:
        label = section.label or place.facts.get("label")
        labelled = label in header or not place.predicting
        match_names(header, [*wanted, label] if labelled and label else wanted, (), path)
        return [header.index(name) for name in wanted], header.index(label) if labelled and label else None
    count = len(wanted) or (place.shape[0] if place.shape is not None and len(place.shape) == 1 else None)
    if place.predicting and width == count:
        return list(range(width)), None
    column = label_column(section.label, header, width, path)
    return [at for at in range(width) if at != column], column


def odd_rows(rows: list[list[str]], width: int, column: int | None) -> dict[int, str]:
    """Which rows of the table's width have a label that cannot be taken, and why."""
    whole = [at for at, row in enumerate(rows) if len(row) == width and column is not None]
    return {whole[n]: why for n, why in odd_labels([rows[at][column or 0] for at in whole]).items()}


def check_width(row: list[str], width: int, chosen: list[int], line: int, path: Path) -> list[str]:
    """The cells of a row beside its label. Raises SpecError NS654 where it is shorter or longer."""
    if len(row) != width:
        raise tell_ragged(line, len(row), width, path)
    return [row[at] for at in chosen]


def tell_ragged(line: int, count: int, width: int, path: Path) -> SpecError:
    """NS654 for a row that is shorter or longer than others."""
    fact = f"line {line} has {count} cells, the lines before it have {width}"
    return fail("NS654", fact, path=str(path))


def read_rows(
    path: Path, roots: Roots = None, uneven: bool = False
) -> tuple[list[str] | None, list[int], list[list[str]]]:
    """Header (or None), the line that each row begins on, and the rows; all of one length, if not
    `uneven`.
    """
    try:
        # spreadsheets put a byte order mark in front
        with open_text(path, roots, newline="", encoding="utf-8-sig") as file:
            found = list(lines(csv.reader(file), path, uneven))
    except UnicodeDecodeError as error:
        raise fail("NS645", f"byte {error.start} is not UTF-8 text", path=str(path)) from error
    except csv.Error as error:
        raise fail("NS645", f"not a table: {error}", path=str(path)) from error
    except OSError as error:
        raise reading_error(path, error) from error
    places, rows = [place for place, _ in found], [row for _, row in found]
    # the last cell may be a label, and a word
    if not rows or all(is_number(cell) for cell in rows[0][:-1] or rows[0]):
        return None, places, rows
    return [cell.strip() for cell in rows[0]], places[1:], rows[1:]


def lines(reader: Any, path: Path, uneven: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Rows and the line that each begins on, as an editor counts: blank lines count, and a quoted
    cell may hold several.
    """
    width = after = 0
    for row in reader:
        number, after = after + 1, reader.line_num
        if not row:
            continue
        width = width or len(row)
        if len(row) != width and not uneven:
            raise tell_ragged(number, len(row), width, path)
        yield number, row


def label_column(label: str | None, header: list[str] | None, width: int, path: Path) -> int:
    """Where the label stands: the column named, else `label`, else the last."""
    if width < 2:
        raise fail(
            "NS654",
            "a table needs a column of labels and one of data, here is one column",
            path=str(path),
            notes=notes_on_separators(header or ()),
        )
    if label is None:
        if header and "label" in header:
            return header.index("label")
        return width - 1
    if header and label in header:
        return header.index(label)
    if label.isdecimal() and int(label) < width:
        return int(label)
    if header:
        columns = ", ".join(header)
    else:
        columns = f"0 to {width - 1} (there is no header)"
    raise fail("NS641", f"no column {label}; the columns are {columns}", path=str(path))


def notes_on_separators(header: Sequence[str]) -> tuple[str, ...]:
    """What parts the cells of a table that seems to have one column."""
    found = [word for mark, word in SEPARATORS.items() if any(mark in cell for cell in header)]
    return tuple(f"its cells are parted by {word}, those of a CSV file are by commas" for word in found[:1])


def numbers(cells: list[str], line: int, path: Path) -> list[float]:
    try:
        values = list(map(float, cells))
    except ValueError:
        wrong = next(cell for cell in cells if not is_number(cell))
        raise fail("NS654", f"line {line}: {wrong!r} is not a number", path=str(path)) from None
    if not np.isfinite(values).all():
        raise fail(
            "NS654",
            f"line {line}: {cells[int(np.flatnonzero(~np.isfinite(values))[0])]!r} is not a finite number",
            path=str(path),
        )
    return values


def labels_of(
    cells: list[str],
    classes: Sequence[str] | None,
    path: Path,
    places: Sequence[int],
    notes: tuple[str, ...] = (),
) -> tuple[Array, tuple[str, ...] | None]:
    """Labels as whole numbers, targets, or numbered names. Raises SpecError NS654 for all that are
    empty or not finite, NS663.
    """
    if odd := odd_labels(cells):
        lines = [f"line {places[n]}: {why}" for n, why in odd.items()]
        raise tell_odd(lines, len(cells), str(path), notes)
    if classes is None and all(map(is_number, cells)):
        values = np.array(list(map(float, cells)))
        # past 2^53 a double does not hold each whole number
        whole = (
            np.isfinite(values).all() and (values == np.rint(values)).all() and np.abs(values).max() < 2**53
        )
        return (values.astype(np.int64) if whole else values.astype(np.float32)), None
    words = [cell.strip() for cell in cells]
    if classes is not None:
        names = tuple(classes)
    else:
        names = tuple(sorted(set(words)))
    number = {name: n for n, name in enumerate(names)}
    unknown = next((n for n, word in enumerate(words) if word not in number), None)
    if unknown is not None:
        raise fail(
            "NS663",
            f"line {places[unknown]}: class {words[unknown]!r} was not there in training, which knew"
            f" {', '.join(names)}",
            path=str(path),
        )
    return np.array([number[word] for word in words], np.int64), names


def odd_labels(cells: Sequence[str]) -> dict[int, str]:
    """Which labels cannot be taken, and why: those of empty cells, and where all others are
    numbers, those that are not finite, as a table has them that was written with NaN for nothing.
    """
    odd = {n: "no label, its cell is empty" for n, cell in enumerate(cells) if not cell.strip()}
    if all(is_number(cell) for n, cell in enumerate(cells) if n not in odd):
        lost = (n for n, cell in enumerate(cells) if n not in odd and not math.isfinite(float(cell)))
        odd |= {n: f"the label {cells[n].strip()!r} is not a finite number" for n in lost}
    return dict(sorted(odd.items()))


def tell_odd(lines: Sequence[str], total: int, path: str, notes: tuple[str, ...] = (SKIP,)) -> SpecError:
    """NS654 for labels that cannot be taken: the first, or how many of all, each with its line."""
    if len(lines) == 1:
        return fail("NS654", lines[0], path=path, notes=notes)
    fact = f"{len(lines):,} of {total:,} labels cannot be taken"
    return fail("NS654", fact, path=path, notes=(*list_some(lines), *notes))


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
