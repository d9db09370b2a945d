"""A table of files, pictures or sounds, and their labels: one class, one number, or several of them
for each. In: a CSV file; out: a Source.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netspec.data.faulty import Faulty
from netspec.data.folder_layout import choose_role, name_role
from netspec.data.paths import existing, resolve_path, roots_for, roots_of
from netspec.data.place import Place
from netspec.data.source import Array, ArraySource, Source, split_source
from netspec.data.sources.audio import SOUNDS, AudioFolder, form_of, of_files
from netspec.data.sources.csv import (
    is_number,
    labels_of,
    notes_on_separators,
    odd_labels,
    read_rows,
    tell_odd,
)
from netspec.data.sources.image_folder import PICTURES, ImageFolder, Kind
from netspec.data.tables.columns import Cells, columns_of, encode_rows, learn_columns, match_names
from netspec.data.tables.parquet import read_parquet
from netspec.data.tables.rows import RAW
from netspec.diagnostics import SpecError, fail
from netspec.diagnostics.words import list_some
from netspec.file_reading import Roots
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection, find_missing

__all__ = ["SPLIT", "Rowed", "TableFolder", "file_column", "open_table", "table_roles"]

SPLIT = "split"
"""The column that says which part a row belongs to."""
SHOWN = 6
"""Names in one message: a line and a half."""
KINDS = (PICTURES, SOUNDS)


class TableFolder(ImageFolder):
    """Field image as of an ImageFolder, label: a class (), or numbers (columns,) float32."""

    def __init__(
        self,
        name: str,
        files: Sequence[Path],
        labels: Array,
        classes: tuple[str, ...] | None,
        contract: ImageContract,
        roots: Sequence[Path],
        lines: Sequence[int],
    ) -> None:
        super().__init__(name, files, labels, classes, contract, roots)
        self.lines = lines

    def where(self, index: int) -> str:
        return f"line {self.lines[index]}, {self.files[index]}"

    def signatures(self) -> list[str]:
        rows = zip(self.lines, self.files, strict=True)
        return [f"{line} {file.name} {self.count_bytes(i)}" for i, (line, file) in enumerate(rows)]


class TableSounds(AudioFolder):
    """Field data as of an AudioFolder, label as of a TableFolder."""

    lines: Sequence[int] = ()

    def where(self, index: int) -> str:
        return f"line {self.lines[index]}, {self.files[index]}"


class Rowed:
    """A table that was read: its columns by name, and the line of each row."""

    def __init__(self, path: Path, roots: Roots) -> None:
        header: list[str] | None
        packed = path.suffix.lower() == ".parquet"
        header, lines, rows = read_parquet(path, roots) if packed else read_rows(path, roots)
        named = [name for name in header or () if ends_as(name, *KINDS)]
        if header is None or named or not rows:
            raise fail(
                "NS654",
                "a table needs a first line with the names of its columns",
                path=str(path),
            )
        if len(header) == 1 and (notes := notes_on_separators(header)):
            raise fail("NS654", f"the first line is one cell, {header[0]}", path=str(path), notes=notes)
        twice = [name for name in header if header.count(name) > 1]
        if twice:
            raise fail("NS654", f"two columns are called {twice[0]}", path=str(path))
        self.path, self.lines, self.rows, self.word = path, lines, rows, "row" if packed else "line"
        self.columns = {name: [row[i].strip() for row in rows] for i, name in enumerate(header)}

    def column(self, name: str) -> list[str]:
        """A column's cells. NS641: there is none of that name."""
        if name not in self.columns:
            raise fail(
                "NS641",
                f"no column {name}; the columns are {', '.join(self.columns)}",
                path=str(self.path),
            )
        return self.columns[name]


def open_table(section: DataSection, split: str | None, place: Place) -> Source:
    """The rows of a table. The column of files is the first whose cells all end as pictures do, or
    all as sounds; their names start at `images`, by default the table's folder. A column `split`
    says the part of each row. Without a column of files the others are what the net takes
    (columns.py).

    Labels: the columns that `label` names, separated by commas; by default `label`, else all
    others. One column of words or whole numbers is a class, anything else numbers. Rows whose label
    is empty are left out only where `on_error: skip` says so. Raises SpecError NS641, NS643 (files
    that are not there, all of them), NS654, NS663.
    """
    if section.path is None:
        raise fail("NS641", find_missing(section))
    root, allow_outside = place.root, place.allow_outside
    path = existing(resolve_path(section.path, root, allow_outside))
    table = Rowed(path, roots_for(root, allow_outside))
    files = file_column(table, section)
    if files is None:
        return open_values(table, section, split, place)
    column, kind = files
    top = (
        existing(resolve_path(section.images, root, allow_outside), "folder")
        if section.images
        else path.parent
    )
    find = find_labels if place.predicting else label_columns
    wanted = find(section.label, table, column, place.facts)
    chosen, empty = rows_of(table, split, wanted, section.on_error == "skip")
    if not len(chosen):
        raise fail("NS650", "holds no rows" + (f" of the part {split}" if split else ""), path=str(path))
    lines = [table.lines[i] for i in chosen]
    names, skipping = [table.columns[column][i] for i in chosen], section.on_error == "skip"
    found_files, lost = find_files(names, lines, top, root, allow_outside)
    if lost and (not skipping or len(lost) == len(names)):
        there = f"{len(lost):,} of {len(names):,} files are not in {top}"
        if len(lost) <= SHOWN:
            raise fail("NS643", f"{there}: {', '.join(lost.values())}", path=str(path))
        raise fail("NS643", there, path=str(path), notes=list_some([*lost.values()]))
    sound = [at for at in range(len(names)) if at not in lost]
    chosen, lines, found_files = ([each[at] for at in sound] for each in (chosen, lines, found_files))  # type: ignore[assignment]
    empty += tuple(f"{line}: no such file" for line in lost.values())
    labels, found = mark_rows(table, wanted, chosen, section, place)
    roots = roots_of(root, top, allow_outside)
    source: Source
    if kind is PICTURES:
        source = TableFolder(str(path), found_files, labels, found, place.file_contract, roots, lines)
    else:
        form = form_of(section, place.shape, place.facts)
        sounds, kept = of_files(TableSounds, str(path), found_files, labels, form, roots, skipping)
        sounds.classes, sounds.lines = found, [lines[i] for i in kept]
        source = sounds
    source.left_out, source.columns = (*source.left_out, *empty), tuple(wanted)
    source.facts = {**source.facts, "label": list(wanted)}
    if not wanted:
        del source.fields["label"]
        source.label = None
    if SPLIT in table.columns:
        return source
    return split_source(source, split)


def ends_as(name: str, *kinds: Kind) -> bool:
    return any(Path(name).suffix.lower() in kind.suffixes for kind in kinds)


def file_column(table: Rowed, section: DataSection) -> tuple[str, Kind] | None:
    """The column of files, and what they are; None in a table of values. NS654: of a column that
    mostly names files, or where `images` says where files are, some cells do not.
    """
    some = section.images is not None
    for name, cells in table.columns.items():
        for kind in KINDS:
            named = sum(ends_as(cell, kind) for cell in cells)
            if named == len(cells):
                return name, kind
            some |= 2 * named > len(cells)
    if not some:
        return None
    raise fail("NS654", "no column holds names of pictures, or of sounds, alone", path=str(table.path))


def open_values(table: Rowed, section: DataSection, split: str | None, place: Place) -> Source:
    """A table of values: columns that are the training's, or are learned from; labels as of files,
    by default the last column. What is predicted needs none. Raises SpecError NS633, NS634, NS641,
    NS650, NS654, NS663.
    """
    known = columns_of(place.facts)
    wanted = value_labels(table, section, place)
    names = [column.name for column in known] or list(section.columns)
    names = names or [name for name in table.columns if name not in (*wanted, SPLIT)]
    if known:
        beside = [word for fact in ("label", "beside") for word in place.facts.get(fact, ())]
        match_names([*table.columns], names, [*wanted, *beside, SPLIT], table.path)
    chosen, empty = rows_of(table, split, wanted, section.on_error == "skip")
    if not chosen or not names:
        raise fail(
            "NS650",
            "holds no " + ("rows" if names else "columns to learn from"),
            path=str(table.path),
        )
    places = [f"{table.word} {table.lines[i]}" for i in chosen]
    cells = Cells({name: [table.column(name)[i] for i in chosen] for name in names}, places, table.path)
    columns = known or learn_columns(cells, section, wanted)
    skipping = section.on_error == "skip" and not place.predicting
    arrays, faults = encode_rows(cells, columns, place.predicting or skipping, RAW in place.facts)
    if skipping and faults:
        sound = [row for row in range(len(chosen)) if row not in faults]
        empty += tuple(line for row in sorted(faults) for line in tell_row(faults[row]))
        if not sound:
            raise fail("NS650", f"none of {len(chosen):,} rows can be taken", path=str(table.path))
        arrays = {name: values[sound] for name, values in arrays.items()}
        chosen, places, faults = [chosen[row] for row in sound], [places[row] for row in sound], {}
    classes, label = None, None
    if wanted:
        label = "label"
        arrays["label"], classes = mark_rows(table, wanted, chosen, section, place)
    source = ArraySource(str(table.path), arrays, label, classes)
    source.places, source.left_out, source.columns = places.__getitem__, empty, tuple(wanted)
    source.facts = {
        "columns": [column.fact() for column in columns],
        "label": wanted or list(place.facts.get("label", ())),
        # columns of the training table that nothing is learned from: other tables have them, too
        "beside": list(place.facts.get("beside", ()))
        or [name for name in table.columns if name not in (*names, *wanted, SPLIT)],
    }
    if faults:
        return Faulty(source, faults)
    if SPLIT in table.columns:
        return source
    return split_source(source, split)


def tell_row(error: SpecError) -> tuple[str, ...]:
    """Why a row cannot be taken, a line for each cell."""
    (found,) = error.diagnostics
    return found.notes[:-1] or (found.fact,)


def value_labels(table: Rowed, section: DataSection, place: Place) -> list[str]:
    """The columns that are the label: those named, those of the training, `label`, else the last
    one; none where what is predicted lacks some.
    """
    said = section.label.split(",") if section.label else [*place.facts.get("label", ())]
    names = [name.strip() for name in said]
    others = [name for name in table.columns if name != SPLIT]
    names = names or (["label"] if "label" in others else others[-1:])
    if place.predicting and (not set(names) <= set(table.columns) or not columns_of(place.facts)):
        return []
    for name in names:
        table.column(name)
    if place.predicting and any(odd_labels(table.columns[name]) for name in names):
        return []  # some are what is to be found out
    return names


def label_columns(label: str | None, table: Rowed, files: str, facts: Mapping[str, Any]) -> list[str]:
    """The columns that are the label."""
    if label is not None:
        names = [name.strip() for name in label.split(",")]
        for name in names:
            table.column(name)
        return names
    if "label" in table.columns:
        return ["label"]
    others = [name for name in table.columns if name not in (files, SPLIT)]
    if not others:
        raise fail("NS654", "no column is left for the labels", path=str(table.path))
    return others


def find_labels(label: str | None, table: Rowed, files: str, facts: Mapping[str, Any]) -> list[str]:
    """The columns that are the label of what is predicted: those named, those of the training, or
    the default; none where some are not there, or hold what is to be found out.
    """
    names = label.split(",") if label else [*facts.get("label", ())]
    if not names:
        others = [name for name in table.columns if name not in (files, SPLIT)]
        alone = others[:1] if len(others) == 1 else []
        names = ["label"] if "label" in others else alone
    names = [name.strip() for name in names]
    if not set(names) <= set(table.columns) or any(odd_labels(table.columns[name]) for name in names):
        return []
    return names


def rows_of(
    table: Rowed, split: str | None, wanted: Sequence[str], skipping: bool
) -> tuple[list[int], tuple[str, ...]]:
    """The rows of a part that have their labels, and what is said of the others. NS654: some cannot
    be taken, and they are not to be left out.
    """
    chosen = range(len(table.rows))
    parts = table.columns.get(SPLIT)
    if parts is not None and split != "all":
        roles = [name_role(cell)[0] for cell in parts]
        lost = next((i for i, role in enumerate(roles) if role is None), None)
        if lost is not None:
            raise fail(
                "NS654",
                f"{table.word} {table.lines[lost]}: {parts[lost]!r} is no part",
                path=str(table.path),
            )
        role = choose_role(split, roles)
        chosen = [i for i in chosen if roles[i] == role]  # type: ignore[assignment]
    odd: dict[int, str] = {}
    for name in wanted:
        found = odd_labels([table.columns[name][i] for i in chosen])
        odd |= {chosen[n]: f"{name}: {why}" for n, why in found.items() if chosen[n] not in odd}
    said = tuple(f"{table.word} {table.lines[i]}: {odd[i]}" for i in sorted(odd))
    if odd and not skipping:
        raise tell_odd(said, len(chosen), str(table.path))
    return [i for i in chosen if i not in odd], said


def find_files(
    names: Sequence[str], lines: Sequence[int], top: Path, root: Path, allow_outside: bool
) -> tuple[list[Path], dict[int, str]]:
    """The file of each row; by their place, those that are not there."""
    base = top if allow_outside else root
    files = [resolve_path(top / name, base) for name in names]
    rows = enumerate(zip(names, lines, files, strict=True))
    return files, {at: f"{name} (line {line})" for at, (name, line, file) in rows if not file.is_file()}


def mark_rows(
    table: Rowed, wanted: Sequence[str], chosen: Sequence[int], section: DataSection, place: Place
) -> tuple[Array, tuple[str, ...] | None]:
    """Labels, and the names of classes where they have some; zeros where no column is the label."""
    if not wanted:
        return np.zeros(len(chosen), np.int64), None
    return read_labels(table, wanted, chosen, place.classes or name_classes(table, wanted, section))


def read_labels(
    table: Rowed, wanted: Sequence[str], chosen: Sequence[int], classes: Sequence[str] | None
) -> tuple[Array, tuple[str, ...] | None]:
    """Labels, and the names of classes where they have some."""
    if len(wanted) == 1:
        return labels_of(
            [table.columns[wanted[0]][i] for i in chosen],
            classes,
            table.path,
            [table.lines[i] for i in chosen],
        )
    values = np.empty((len(chosen), len(wanted)), np.float32)
    for column, name in enumerate(wanted):
        for row, i in enumerate(chosen):
            cell = table.columns[name][i]
            if not is_number(cell) or not math.isfinite(float(cell)):
                raise fail(
                    "NS654",
                    f"{table.word} {table.lines[i]}: {name} is {cell!r}, no number",
                    path=str(table.path),
                )
            values[row, column] = float(cell)
    return values, None


def name_classes(table: Rowed, wanted: Sequence[str], section: DataSection) -> tuple[str, ...] | None:
    """The classes of a label that `categories` says to be words, though its cells are numbers, such
    as -1 and 1: all that the table holds, by size. None where it says nothing of the label.
    """
    if len(wanted) != 1 or wanted[0] not in section.categories:
        return None
    words = {cell for cell in table.columns[wanted[0]] if cell}
    if all(map(is_number, words)):
        return tuple(sorted(words, key=float))
    return tuple(sorted(words))


def table_roles(section: DataSection, root: Path, allow_outside: bool = False) -> tuple[str, ...]:
    """The parts that a table's column `split` tells."""
    path = existing(resolve_path(section.path or "", root, allow_outside))
    cells: Mapping[str, list[str]] = Rowed(path, roots_for(root, allow_outside)).columns
    found = {name_role(cell)[0] for cell in cells.get(SPLIT, ())}
    return tuple(role for role in ("train", "val", "test") if role in found)
