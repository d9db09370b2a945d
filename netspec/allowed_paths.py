"""What a spec may reach besides its own folder: places that the command line names
(--allow-outside). Knows no spec and no kind of path.

They are kept in the environment, where processes that load data find them too.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

__all__ = ["VARIABLE", "allowing", "list_allowed", "reachable", "within"]

VARIABLE = "NETSPEC_ALLOW_OUTSIDE"


def list_allowed() -> tuple[str, ...]:
    """The files and folders that specs may reach besides their own folder, symbolic links
    followed.
    """
    return tuple(os.path.realpath(place) for place in os.environ.get(VARIABLE, "").split(os.pathsep) if place)


@contextmanager
def allowing(places: Iterable[str]) -> Iterator[None]:
    """While the block runs, specs may reach these files and folders too."""
    before = os.environ.get(VARIABLE)
    named = [os.path.realpath(place) for place in places]
    if named:
        os.environ[VARIABLE] = os.pathsep.join([*named, *([before] if before else [])])
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before


def reachable(path: str, folder: str) -> bool:
    """Whether a spec of `folder` may reach a path: it lies there, or in an allowed place. Symbolic
    links are followed before judging.
    """
    full = os.path.realpath(path)
    return within(full, os.path.realpath(folder)) or any(within(full, place) for place in list_allowed())


def within(path: str, folder: str) -> bool:
    """Whether a resolved path is a resolved folder (or file), or lies in it."""
    # with the separator: /data-private does not lie in /data; without it twice, for / itself
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
