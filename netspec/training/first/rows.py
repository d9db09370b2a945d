"""A first spec for rows of numbers: a table, or an array of them. In: the file; out: YAML."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from netspec.data.inventory.parts import open_sections
from netspec.data.sources.csv import is_number
from netspec.data.sources.image_folder import PICTURES
from netspec.data.sources.table import SPLIT, Rowed, file_column
from netspec.data.tables.columns import EMPTY, MANY
from netspec.diagnostics import fail
from netspec.resolve.sections.train import DataSection
from netspec.training.first.draft import (
    Counted,
    Draft,
    Length,
    Seen,
    begin,
    data,
    solver,
    trained_on,
    words_of,
)
from netspec.training.first.tasks import Numbers, Task, is_class, printable, quote, task_of

__all__ = ["TableWords", "draft_rows", "rows_text", "say_table"]

LABELS = ("label", "class", "target", "y")
"""What the column to learn is called in published tables; else it is mostly the last one."""
TRAINED = Length("rows", 60_000, 20, 200)
"""Rows that a training sees, seconds; epochs at least and at most."""
WIDTH = 64
"""Units of each hidden layer: more only where there are thousands of rows to fit them."""


class TableWords(NamedTuple):
    """How a table is read. section: with its label; files: whether a column names files. said: words
    of the training's section, and comments on them.
    """

    section: DataSection
    files: bool
    said: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()


def say_table(section: DataSection) -> TableWords:
    """Which column of a table is the label, and which others are learned from. Raises SpecError as
    the source table does.
    """
    path = Path(section.path or "")
    table = Rowed(path, [path.parent])
    files = file_column(table, section)
    others = [name for name in table.columns if name != SPLIT and (files is None or name != files[0])]
    named = [name for word in LABELS for name in others if name.casefold() == word]
    if files is not None and files[1] is not PICTURES:
        note = "`data: {source: table, path: TABLE, rate: RATE}` reads it, as docs/language/data.md has it"
        raise fail(
            "NS735", "a table of sounds: no first spec is drafted for one", path=str(path), notes=(note,)
        )
    if files is not None:
        # several columns of 0 and 1 are the source's default: any of some classes
        marks = all(cell in ("0", "1") for name in others for cell in table.columns[name])
        label = (named or others[:1] if named or not marks or len(others) == 1 else [])[:1]
        return TableWords(section.replace(label=label[0]) if label else section, True)
    label_name = (named or others[-1:])[0]
    words, comments = [f"label: {quote(label_name)}"], []
    if not named:
        comments.append(
            f"# the last column, {printable(label_name)}, is what is learned: `label:` names another"
        )
    section = section.replace(label=label_name)
    inputs = [name for name in others if name != label_name]
    odd = {name: why for name in inputs if (why := judge_column(table.columns[name]))}
    if odd and len(odd) < len(inputs):
        left = [name for name in inputs if name not in odd]
        section = section.replace(columns=tuple(left))
        words.append(f"columns: [{', '.join(map(quote, left))}]")
        comments += [f"# left out: {printable(name)}, {why}" for name, why in odd.items()]
        inputs = left
    if any(cell.casefold() in EMPTY for name in inputs for cell in table.columns[name]):
        section = section.replace(empty="mean")
        words.append("empty: mean")
    if numbers_are_names(table.columns[label_name]):
        section = section.replace(categories={label_name: "index"})
        words.append(f"categories: {{{quote(label_name)}: index}}")
        comments.append("# index: the numbers of the label are names of classes, not their places from 0 on")
    return TableWords(section, False, tuple(words), tuple(comments))


def judge_column(cells: Sequence[str]) -> str:
    """Why nothing can be learned from a column; empty where it can."""
    found = set(cells)
    if len(found) == 1:
        return "one value for all rows"
    full = [cell for cell in cells if cell.casefold() not in EMPTY]
    if all(map(is_number, full)):
        whole = np.array([float(cell) for cell in full])
        counting = len(whole) == len(cells) > 1 and (np.abs(np.diff(whole)) == 1).all()
        return "a number of the row" if counting and len(found) == len(cells) else ""
    words = {cell for cell in full if not is_number(cell)}
    if len(words) > MANY or 2 * len(words) > len(cells):
        return f"{len(words):,} different words: names, no categories"
    return ""


def numbers_are_names(cells: Sequence[str]) -> bool:
    """Whether the label's cells are whole numbers of classes that are not 0, 1, 2, ... without gaps."""
    full = [cell for cell in cells if cell.casefold() not in EMPTY]
    if not full or not all(map(is_number, full)):
        return False
    values = np.array([float(cell) for cell in full])
    found = np.unique(values)
    return is_class(values) and not (found == np.arange(len(found))).all()


def draft_rows(words: TableWords, sections: Mapping[str, DataSection], path: Path) -> Draft:
    """The draft for a table of values."""
    source = next(iter(open_sections(dict.fromkeys(sections, words.section), path).values()))
    roles = tuple(role for role in sections if role != "all")
    notes = ("`label: COLUMN` in the data section names the column to learn",)
    task = task_of(source, "rows", notes)
    if isinstance(task, Numbers):
        task = replace(task, names=(words.section.label or "",))
    counted = Counted(len(source), roles, task.most or len(source))
    width = next(iter(source.fields.values())).shape[0] or 0

    def text(name: str, seen: Seen, labels: str) -> str:
        return rows_text(name, task, counted, width, words_of(words.section, seen), labels, words)

    said = f"{task.tally()}, {trained_on(counted):,} rows to train on"
    return Draft(text, task.file_names(), said, (), source.remarks())


def rows_text(
    name: str,
    task: Task,
    counted: Counted,
    width: int,
    where: str,
    labels: str,
    words: TableWords,
) -> str:
    """The whole spec: two hidden layers over standardised numbers."""
    lines = [*begin(name, task.say("rows")), *layers(task, counted, width)]
    batch = max(1, min(64, trained_on(counted) // 4))
    first = ", ".join(("", *words.said, "standardise: true"))

    def section(part: str) -> str:
        return f"{where}, split: {part}, batch_size: {batch}{first if part == 'train' else ''}"

    made = list(data(task, counted, labels, section))
    at = made.index("train:") + 1
    lines += [*made[:at], *(f"  {comment}" for comment in words.comments), *made[at:], *task.losses()]
    return "\n".join([*lines, *solver(trained_on(counted), batch, TRAINED, adam=0.002)]) + "\n"


def layers(task: Task, counted: Counted, width: int) -> Iterator[str]:
    yield "input:"
    yield f"  # {counted.whole:,} rows were looked at; a word counts as a 1 in the place of its category"
    yield f"  data: [N, {width}]"
    yield "defaults:"
    yield "  InnerProduct: {weight_filler: msra}"
    yield "layers:"
    for i in (1, 2):
        yield f"  - {{name: hidden{i}, type: InnerProduct, num_output: {WIDTH}}}"
        yield f"  - {{name: relu{i}, type: ReLU}}"
    yield from task.scores()
