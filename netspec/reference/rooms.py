"""The table of netspec's rooms, from the docstring of each package. In: an order; out: Markdown.
Must not import any of them.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from netspec.reference.tables import markdown_table

__all__ = ["Room", "read_room", "rooms_table"]

# the form that CONTRIBUTING asks of every __init__.py
FORM = re.compile(
    r"(?P<what>.+)\n\nIn:\s+(?P<given>.+?)\.\s+Out:\s+(?P<made>.+?)\.\s+Must\s+not\s+know:\s+(?P<hidden>.+)\.",
    re.DOTALL,
)
PACKAGE = Path(__file__).resolve().parent.parent


class Room(NamedTuple):
    """A package: what it is for, what comes in, what goes out, and what it must not know."""

    name: str
    what: str
    given: str
    made: str
    hidden: str


def rooms_table(order: Sequence[str]) -> str:
    """A row for each package, in the order in which one may import another; rooms inside a room
    stand below it. Raises ValueError.
    """
    rows = [
        (f"`{room.name}/`", *room[1:])
        for name in order
        if (PACKAGE / name).is_dir()
        for room in rooms_of(PACKAGE / name)
    ]
    return markdown_table(("room", "what it is for", "in", "out", "must not know"), rows)


def rooms_of(folder: Path) -> Iterator[Room]:
    """A package and the packages in it."""
    yield read_room(folder)
    for inner in sorted(folder.iterdir()):
        if (inner / "__init__.py").is_file():
            yield from rooms_of(inner)


def read_room(folder: Path) -> Room:
    """What a package says of itself. Raises ValueError where that is not in the form that
    CONTRIBUTING asks for.
    """
    file = folder / "__init__.py"
    found = FORM.fullmatch(ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "")
    name = folder.relative_to(PACKAGE).as_posix()
    if found is None:
        raise ValueError(
            f"netspec/{name}/__init__.py must begin: a sentence, an empty line, `In: ... Out: ... Must not know: ...`"
        )
    return Room(name, *(" ".join(text.split()) for text in found.groups()))
