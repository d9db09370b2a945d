"""Which views there are: every file of netspec/seeing/views is one, by its name. In: a name; out:
its module.
"""

import ast
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from netspec.pictures.figure import Figure
from netspec.seeing.seen import Asked, Seen
from netspec.seeing.subject import Subject

__all__ = ["View", "describe_views", "find_view", "view_names"]

FOLDER = Path(__file__).with_name("views")


class View(Protocol):
    """A module of views/. One that looks at many samples has MANY = True: `see all` shows it the net's
    own data, whatever INPUT the others get.
    """

    WHOLE: bool
    """Whether `see all` shows it: it needs no word of its own."""
    TAKES: tuple[str, ...]
    """The fields of Asked that it reads; what else is asked for is refused."""

    def see(self, subject: Subject, asked: Asked) -> Seen: ...
    def draw(self, seen: Seen) -> "list[Figure]": ...


@cache
def view_names() -> tuple[str, ...]:
    """All names, in order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__"))


@cache
def describe_views() -> dict[str, str]:
    """The first line of each view's file, read without running any."""
    found = {}
    for name in view_names():
        text = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text("utf-8"))) or ""
        found[name] = " ".join(text.split("\n\n")[0].split())
    return found


def find_view(name: str) -> View:
    """The module of a view."""
    return cast(View, import_module(f"netspec.seeing.views.{name}"))
