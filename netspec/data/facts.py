"""What training data fix for all other data (`Source.facts`), kept beside the run: a rate,
categories, means. In: a source or a file's text; out: plain values.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netspec.data.source import Source
from netspec.data.tables.columns import FORMS
from netspec.data.tables.rows import as_raw
from netspec.diagnostics import fail
from netspec.file_reading import read_bytes
from netspec.file_writing import write_text
from netspec.strict_json import JsonError, read_object

__all__ = ["FACTS", "KEY", "TABLE", "facts_of", "read_facts", "write_facts"]

FACTS, KEY, TABLE = "data.json", "netspec.data", "netspec.table"
"""A run's file, and the entry of an exported model's metadata that holds the same; the one that
names the input that takes rows of a table as they are."""
LONGEST = 1 << 26


def write_facts(source: Source, folder: Path) -> None:
    """Write the facts of training data to a run, whole or not at all; nothing where there are
    none.
    """
    if source.facts:
        text = json.dumps(dict(source.facts), indent=1, ensure_ascii=False)
        write_text(folder / FACTS, text + "\n", "NS665", follow=False)


def read_facts(run: Path) -> Mapping[str, Any]:
    """The facts of a run; none where it has no such file. Raises SpecError NS683 where it is
    damaged.
    """
    path = run / FACTS
    if not path.is_file():
        return {}
    try:
        return check_facts(read_object(read_bytes(path, [run], LONGEST + 1)))
    except OSError as error:
        raise fail("NS683", f"{FACTS}: {error.strerror or error}", path=str(run)) from error
    except JsonError as error:
        raise fail("NS683", f"{FACTS} is damaged: {error}", path=str(run)) from error


def facts_of(metadata: Mapping[str, str], path: str) -> Mapping[str, Any]:
    """The facts that a model's metadata hold; none where they are silent. Of one that takes rows as
    they are, those by which sources give them so. Raises SpecError NS721.
    """
    try:
        facts = check_facts(read_object(metadata.get(KEY, "{}")))
        return as_raw(facts) if TABLE in metadata else facts
    except JsonError as error:
        raise fail("NS721", f"the metadata {KEY} must be a sound JSON object: {error}", path=path) from error


def check_facts(facts: dict[str, Any]) -> Mapping[str, Any]:
    """The facts, each of its type. Raises JsonError."""
    rate = facts.get("rate", 1)
    if type(rate) is not int or not 1 <= rate <= 1 << 24:
        raise JsonError(f"rate must be a whole number of samples a second: it is {rate!r:.40}")
    for word in ("mono", "resample"):
        if type(facts.get(word, False)) is not bool:
            raise JsonError(f"{word} must be true or false")
    for word in ("mean", "std"):
        check_numbers(word, facts.get(word, []))
    letters, length = facts.get("alphabet", "A"), facts.get("length")
    if not isinstance(letters, str) or not letters.isascii() or not letters.isalpha():
        raise JsonError("alphabet must be letters")
    if length is not None and (type(length) is not int or length < 1):
        raise JsonError(f"length must be a whole number of letters: it is {length!r:.40}")
    if not isinstance(facts.get("field", ""), str):
        raise JsonError("field must be a name")
    columns = facts.get("columns", [])
    if not isinstance(columns, list) or not all(map(is_column, columns)):
        raise JsonError("columns must be a list of columns, each with a name")
    beside = facts.get("beside", [])
    if not isinstance(beside, list) or not all(isinstance(name, str) for name in beside):
        raise JsonError("beside must be a list of names")
    return facts


def check_numbers(word: str, values: object) -> None:
    """Raises JsonError for what is no list of finite numbers, std above 0."""
    if not isinstance(values, list) or not all(map(is_number, values)):
        raise JsonError(f"{word} must be a list of finite numbers")
    if word == "std" and not all(value > 0 for value in values):
        raise JsonError("std must be above 0")


def is_column(found: object) -> bool:
    """Whether JSON has a column: its name, and of a table what its cells are."""
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        return False
    words = found.get("categories", [])
    fill = found.get("fill")
    return (
        set(found) <= {"name", "form", "categories", "fill", "empty"}
        and found.get("form", "number") in FORMS
        and isinstance(words, list)
        and all(isinstance(word, str) for word in words)
        and (fill is None or is_number(fill))
        and type(found.get("empty", 0)) is int
    )


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
