"""Which file a path in a spec means: relative to the spec's folder and inside it, or where the
command line allows; `zoo:` is the zoo.
"""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from netspec.allowed_paths import reachable

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "PREFIX",
    "OutsideError",
    "find_zoo",
    "not_in_zoo",
    "resolve_path",
    "roots",
    "zoo_folder",
    "zoo_path",
    "zoo_specs",
]

PREFIX = "zoo:"


class OutsideError(Exception):
    """A path that leads out of the spec's folder."""


def zoo_folder() -> "Path":
    """Where the zoo's specs lie: in the installed package, or beside it in a checkout."""
    from pathlib import Path

    return Path(find_zoo())


def find_zoo() -> str:
    """`zoo_folder` without pathlib, whose import is a fiftieth of what a check costs."""
    package = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    inside = os.path.join(package, "specs")
    return os.path.realpath(inside if os.path.isdir(inside) else os.path.join(package, os.pardir, "specs"))


def zoo_specs() -> Iterator[tuple[str, "Path"]]:
    """Name and path of every spec of the zoo, sorted by name; files that only hold blocks are left
    out.
    """
    folder = zoo_folder()
    found = {
        path.stem: path
        for path in folder.rglob("*.yaml")
        if "blocks" not in path.relative_to(folder).parts[:-1]
    }
    return iter(sorted(found.items()))


def zoo_path(name: str) -> str:
    """The file of `zoo:name`; a relative path below the zoo's folder also serves. A name that leads
    nowhere stays as it is.
    """
    folder = find_zoo()
    direct = os.path.realpath(os.path.join(folder, name))
    # zoo:../../etc/passwd leads out of the zoo, and is no name of it
    if os.path.isfile(direct) and direct.startswith(folder + os.sep):
        return direct
    return next((str(path) for stem, path in zoo_specs() if stem == name), PREFIX + name)


def not_in_zoo(name: str) -> str:
    """That the zoo has no spec of this name, and which it may mean."""
    from netspec.diagnostics.suggest import nearest

    near = nearest(name, [stem for stem, _ in zoo_specs()])
    return f"the zoo has no {name}; " + (
        f"did you mean {' or '.join(near)}?" if near else "`netspec zoo` lists what it has"
    )


def roots(folder: str) -> tuple[str, ...]:
    """Where the files lie that a spec of `folder` names: there, or in the zoo."""
    return folder or os.curdir, find_zoo()


def resolve_path(path: str, folder: str, inside: bool = True) -> str:
    """The file that `path` means in a spec of `folder`. Raises OutsideError where it leads out of
    the folder.
    """
    if path.startswith(PREFIX):
        return zoo_path(path.removeprefix(PREFIX))
    # the system's calls would raise ValueError
    if "\0" in path:
        raise OutsideError(path)
    full = os.path.normpath(os.path.join(folder, path))
    if inside and not reachable(full, folder):
        raise OutsideError(path)
    return full
