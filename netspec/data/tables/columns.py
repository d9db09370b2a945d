"""Columns of a table as what a net takes: numbers, categories, cells that are empty. In: cells by
column, what training fixed; out: arrays by field.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from netspec.data.source import Array
from netspec.diagnostics import SpecError, fail
from netspec.diagnostics.words import list_briefly, list_some
from netspec.resolve.sections.train import DataSection

__all__ = [
    "EMPTY",
    "FORMS",
    "MANY",
    "Cells",
    "Column",
    "columns_of",
    "encode",
    "encode_rows",
    "learn_columns",
    "match_names",
]

EMPTY = frozenset(("", "na", "n/a", "nan", "null", "none"))
"""What stands in a cell of numbers where there is none."""
FORMS = ("number", "one_hot", "index")
SHOWN, LISTED = 6, 20
MANY = 100
"""Categories at most where nobody says that a column holds some: names and ids are none."""


class Cells(NamedTuple):
    """Cells by column, all of one length; the place of each row, as `line 7`. path: of the
    table.
    """

    columns: Mapping[str, Sequence[str]]
    places: Sequence[str]
    path: Path


class Column(NamedTuple):
    """A column of the input. form: number, one_hot or index; categories in the order of their
    numbers; fill: what an empty cell counts as, None where none may be empty. empty: how many of
    the training data are.
    """

    name: str
    form: str = "number"
    categories: tuple[str, ...] = ()
    fill: float | None = None
    empty: int = 0

    def fact(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**self._asdict(), "categories": list(self.categories)}


def columns_of(facts: Mapping[str, Any]) -> tuple[Column, ...]:
    """The columns that the facts of the training data hold."""
    return tuple(
        Column(**{**each, "categories": tuple(each.get("categories", ()))})
        for each in facts.get("columns", ())
    )


def match_names(have: Sequence[str], wanted: Sequence[str], beside: Sequence[str], path: Path) -> None:
    """Raises SpecError NS633 where a table lacks columns of the training data, or has others.
    beside: those that it may have.
    """
    missing = [name for name in wanted if name not in have]
    more = [name for name in have if name not in wanted and name not in beside]
    facts = [f"no column {list_briefly(missing, SHOWN)}"] if missing else []
    facts += [f"the training data had no column {list_briefly(more, SHOWN)}"] if more else []
    if facts:
        note = f"the net takes {list_briefly(list(wanted), LISTED)}"
        raise fail("NS633", "; ".join(facts), path=str(path), notes=(note,))


def learn_columns(cells: Cells, section: DataSection, labels: Sequence[str] = ()) -> tuple[Column, ...]:
    """What the columns of training data are: numbers, or categories in sorted order. labels: the
    columns that are none of these, which `categories` may name, too. Raises SpecError NS641, NS654.
    """
    for name, form in section.categories.items():
        if name in labels and form == "index":
            continue
        if name not in cells.columns or form not in FORMS[1:]:
            there = ", ".join(cells.columns)
            raise fail(
                "NS641",
                f"categories says {name}: {form}; a column of {there}, and one_hot or index",
                path=str(cells.path),
            )
    return tuple(learn_column(name, cells, section) for name in cells.columns)


def learn_column(name: str, cells: Cells, section: DataSection) -> Column:
    column = cells.columns[name]
    full = [cell for cell in column if cell.casefold() not in EMPTY]
    numeric = [is_finite(cell) for cell in full]
    form = section.categories.get(name)
    # mostly numbers: the others are faults to be told, not words
    if form is None and (all(numeric) or 2 * sum(numeric) > len(numeric)):
        return Column(
            name,
            empty=len(column) - len(full),
            fill=fill_of(section, [float(c) for c, n in zip(full, numeric, strict=True) if n]),
        )
    words = tuple(sorted({cell for cell in column if cell or section.empty != "refuse"}))
    if form is None and len(words) > MANY:
        note = f"`categories: {{{name}: one_hot}}` says that they are, `columns:` leaves the column out"
        fact = f"{name} holds {len(words):,} different words: too many to be categories"
        raise fail("NS654", fact, path=str(cells.path), notes=(note,))
    return Column(name, form or "one_hot", words, empty=column.count(""))


def fill_of(section: DataSection, numbers: Sequence[float]) -> float | None:
    """What an empty cell of a column of numbers counts as."""
    if section.empty == "refuse":
        return None
    if section.empty != "mean":
        if not is_finite(str(section.empty)):
            raise fail("NS641", f"empty takes refuse, mean, or a number: {section.empty!r}")
        return float(section.empty)
    return float(np.mean(numbers)) if numbers else 0.0


def is_finite(cell: str) -> bool:
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False


def encode_rows(
    cells: Cells, columns: Sequence[Column], apart: bool, raw: bool = False
) -> tuple[dict[str, Array], dict[int, SpecError]]:
    """The fields of all rows. apart: what is wrong with a row is told of it alone, by its number;
    else raises SpecError as encode does. raw: as an exported model takes them.
    """
    try:
        return encode(cells, columns, raw=raw), {}
    except SpecError:
        if not apart:
            raise
    made, faults = [], dict[int, SpecError]()
    for row in range(len(cells.places)):
        one = Cells(
            {name: [column[row]] for name, column in cells.columns.items()},
            cells.places[row:][:1],
            cells.path,
        )
        try:
            made.append(encode(one, columns, raw=raw))
        except SpecError as error:
            faults[row] = error
            made.append(encode(one, columns, blank=True, raw=raw))
    return {name: np.concatenate([each[name] for each in made]) for name in made[0]}, faults


def encode(
    cells: Cells, columns: Sequence[Column], blank: bool = False, raw: bool = False
) -> dict[str, Array]:
    """Field data (D,) float32: numbers, and a 1 for each category of one_hot columns, in the order
    of the columns; a field of its own, (), for each index column.

    Raises SpecError NS654 for all empty cells and all that are no numbers, NS634 for categories
    that the training data did not have. blank: 0 for whatever stands there. raw: a number for each
    column of data, of a category its number, NaN for an empty cell that has a fill.
    """
    if blank:
        nothing = {name: ["0"] * len(cells.places) for name in cells.columns}
        columns = [each._replace(categories=("0", *each.categories[1:])) for each in columns]
        cells = cells._replace(columns=nothing)
    faults: list[str] = []
    parts: list[Array] = []
    fields: dict[str, Array] = {}
    for column in columns:
        if column.form == "number":
            own = column._replace(fill=np.nan) if raw and column.fill is not None else column
            parts.append(read_numbers(cells, own, faults)[:, None])
            continue
        codes = read_codes(cells, column, faults)
        if column.form == "index":
            fields[column.name] = codes
        elif raw:
            parts.append(codes.astype(np.float32)[:, None])
        else:
            parts.append(np.eye(len(column.categories), dtype=np.float32)[codes])
    if faults:
        raise tell_cells(faults, cells.path)
    if parts:
        fields = {"data": np.concatenate(parts, axis=1), **fields}
    return fields


def tell_cells(faults: Sequence[str], path: Path) -> SpecError:
    """NS654 for cells that cannot be taken: the one, or how many, each with its line."""
    hint = "`empty: mean`, or a number, in the data section fills empty cells"
    if len(faults) == 1:
        return fail("NS654", faults[0], path=str(path), notes=(hint,))
    fact = f"{len(faults):,} cells cannot be taken"
    return fail("NS654", fact, path=str(path), notes=(*list_some(faults), hint))


def read_numbers(cells: Cells, column: Column, faults: list[str]) -> Array:
    """A column of numbers, (rows,) float32."""
    made = np.zeros(len(cells.places), np.float32)
    for row, cell in enumerate(cells.columns[column.name]):
        if is_finite(cell):
            made[row] = float(cell)
        elif cell.casefold() not in EMPTY:
            faults.append(f"{cells.places[row]}: {column.name} is {cell!r:.60}, no number")
        elif column.fill is None:
            faults.append(f"{cells.places[row]}: {column.name} is empty")
        else:
            made[row] = column.fill
    return made


def read_codes(cells: Cells, column: Column, faults: list[str]) -> Array:
    """The number of each cell's category, (rows,) int64. NS634: some were not there in training."""
    numbers = {name: number for number, name in enumerate(column.categories)}
    made = np.zeros(len(cells.places), np.int64)
    strange: dict[str, str] = {}
    for row, cell in enumerate(cells.columns[column.name]):
        if cell in numbers:
            made[row] = numbers[cell]
        elif not cell:
            faults.append(f"{cells.places[row]}: {column.name} is empty")
        else:
            strange.setdefault(cell, cells.places[row])
    if strange:
        said = [f"{cell!r:.60} ({place})" for cell, place in strange.items()]
        known = list_briefly(list(column.categories), SHOWN)
        fact = f"{column.name} was never {list_briefly(said, SHOWN)} in training, which knew {known}"
        raise fail("NS634", fact, path=str(cells.path))
    return made
