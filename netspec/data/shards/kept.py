"""Indices of shards, kept in a file of a run, so that the next start goes only through shards that
changed. In: indices by file; out: a line of JSON for each. A damaged file is as none.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from netspec.data.kept_lines import read_lines
from netspec.data.shards.braces import MOST
from netspec.data.shards.index import ShardIndex
from netspec.data.source import Array
from netspec.file_writing import write_text
from netspec.strict_json import BYTES

__all__ = ["NAME", "Key", "find_kept", "write_kept"]

NAME = "shards.jsonl"
COLUMNS = 4
"""Numbers that are kept of a sample: where its header and its picture begin, bytes, its label."""
CODE = "<i8"
NONE: Mapping["Key", ShardIndex] = {}


class Key(NamedTuple):
    """What an index holds for: a file as it was (bytes, time of its last change in ns), and the
    word of a sample's .json that is the label.
    """

    path: str
    size: int
    time: int
    label: str | None


def write_kept(path: Path, indices: Mapping[Key, ShardIndex]) -> None:
    """Write the indices of shards in which all can be read, whole or not at all. Raises SpecError
    NS673 where the file cannot be written.
    """
    lines = (json.dumps([*key, pack(index), list(index.values)]) for key, index in indices.items())
    write_text(path, "".join(f"{line}\n" for line in lines if len(line) < BYTES), "NS673", follow=False)


def pack(index: ShardIndex) -> str:
    table = np.stack([index.heads, index.begins, index.sizes, index.codes], 1)
    return b64encode(table.astype(CODE).tobytes()).decode("ascii")


def find_kept(places: Iterable[Path]) -> Mapping[Key, ShardIndex]:
    """What the first of some folders that has such a file kept of its shards."""
    for place in places:
        with suppress(OSError):
            found = (place / NAME).stat()
            return read_kept(place / NAME, (found.st_size, found.st_mtime_ns))
    return NONE


@lru_cache(maxsize=1)  # training, validation and test ask one after the other
def read_kept(path: Path, version: tuple[int, int]) -> Mapping[Key, ShardIndex]:
    found: dict[Key, ShardIndex] = {}
    for line in read_lines(path, BYTES):
        found |= unpack(line)
        if len(found) >= MOST:
            break
    return found


def unpack(line: object) -> dict[Key, ShardIndex]:
    """A key and its index; empty where the line holds none, or one that cannot be of such a file."""
    if not isinstance(line, list) or len(line) != len(Key._fields) + 2:
        return {}
    path, size, time, label, packed, values = line
    plain = isinstance(path, str) and type(size) is int and type(time) is int and isinstance(packed, str)
    if not plain or not isinstance(label, str | None) or not is_texts(values):
        return {}
    with suppress(ValueError):
        table = np.frombuffer(b64decode(packed, validate=True), CODE).astype(np.int64).reshape(-1, COLUMNS)
        if fits(table, size, len(values)):
            heads, begins, sizes, codes = np.ascontiguousarray(table.T)
            index = ShardIndex(heads, begins, sizes, codes, tuple(values), ())
            return {Key(path, size, time, label): index}
    return {}


def is_texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(each, str) for each in values)


def fits(table: Array, size: int, labels: int) -> bool:
    """Whether all samples lie within the file, and their labels are among those that are there."""
    heads, begins, sizes, codes = table.T
    inside = (heads >= 0) & (begins >= 0) & (sizes > 0) & (begins <= size) & (sizes <= size - begins)
    return bool((inside & (heads < size) & (codes >= 0) & (codes < labels)).all())
