"""What an inventory found of picture files, kept in a file of a run, so that the next one looks
only at files that changed. In: pictures by path; out: a line of JSON for each. A damaged file is as
none.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from netspec.data.inventory.pictures import Picture
from netspec.data.kept_lines import read_lines
from netspec.file_writing import write_text

__all__ = ["NAME", "read_cache", "write_cache"]

NAME = "inventory.jsonl"
KINDS = tuple(type(value) for value in Picture())
LINE = 1 << 16
"""Characters of a line: a path has at most 4,096, and what was seen of a picture a few hundred."""
MOST = 1 << 22
"""Lines that are read: four million pictures."""


def read_cache(path: Path) -> dict[str, Picture]:
    """Pictures by path; empty where there is no such file, without the lines that are no
    picture's.
    """
    found: dict[str, Picture] = {}
    for line in read_lines(path, LINE):
        picture = picture_of(line)
        if picture is not None:
            found[picture[0]] = picture[1]
        if len(found) >= MOST:
            break
    return found


def picture_of(line: object) -> tuple[str, Picture] | None:
    """A path and a picture from [path, ...]; None where it is none."""
    if not isinstance(line, list) or len(line) != len(KINDS) + 1 or not isinstance(line[0], str):
        return None
    for value, kind in zip(line[1:], KINDS, strict=True):
        # what is None by default is a number otherwise
        if type(value) is not kind and not (kind is type(None) and type(value) in (int, kind)):
            return None
    return line[0], Picture(*line[1:])


def write_cache(path: Path, pictures: Mapping[str, Picture]) -> None:
    """Write a file of pictures, whole or not at all. Raises SpecError NS673 where it cannot be
    written.
    """
    lines = (json.dumps([name, *picture], ensure_ascii=True) for name, picture in pictures.items())
    write_text(path, "".join(f"{line}\n" for line in lines), "NS673", follow=False)
