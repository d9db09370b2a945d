"""What a run keeps for the next look at its data, a line of JSON each. In: a file; out: what its lines
hold. A damaged file is as none, a damaged line as no line.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from netspec.file_reading import open_text
from netspec.strict_json import JsonError, read_json

__all__ = ["read_lines"]


def read_lines(path: Path, longest: int) -> Iterator[object]:
    """The values of a file's lines of at most `longest` characters, as far as they can be read."""
    with suppress(OSError, ValueError), open_text(path, [path.parent]) as file:
        while line := file.readline(longest):
            with suppress(JsonError):
                yield read_json(line)
