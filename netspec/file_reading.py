"""Opening files to read, by one rule: regular files only, and no link followed out of the folder
that a file was asked for in.

Every reader opens through here (a test greps). Knows no format. The errors are OSErrors, so that a
reader words them as it words any.
"""

import io
import os
import stat
import sys
from collections.abc import Iterable
from typing import BinaryIO, TextIO

from netspec.allowed_paths import list_allowed, within

__all__ = [
    "NotRegularError",
    "OutsideRootError",
    "Roots",
    "open_below",
    "open_file",
    "open_in",
    "open_text",
    "read_bytes",
    "read_given",
    "read_text",
    "real_file",
]

PLAIN = sys.platform in ("win32", "emscripten")
READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | (0 if PLAIN else os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
STEP = getattr(os, "O_PATH", 0) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
NOFOLLOW = 0 if PLAIN else os.O_NOFOLLOW
BY_PARTS = sys.platform == "linux"
"""Where a folder can be held without leave to list it; elsewhere the judged path is opened whole,
its last part not as a link.
"""
KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)

Name = str | os.PathLike[str]
Roots = Iterable[Name] | None
"""The folders that a file must lie in; None: its user named it, so it may lie anywhere."""


class NotRegularError(OSError):
    """There is something at a path that is no file: reading it could block, or do anything."""


class OutsideRootError(OSError):
    """A path leads out of the folder that it was asked for in, by its parts or by a link."""


def open_file(path: Name) -> BinaryIO:
    """A file that its user named, links followed. Raises OSError, NotRegularError before anything
    could block.
    """
    check_regular(os.stat(path), path)
    return regular(os.open(path, READ), path)


def open_in(path: Name, roots: Roots) -> BinaryIO:
    """A file below some folders, or, without them, as its user named it."""
    if roots is None:
        return open_file(path)
    return open_below(path, roots)


def read_given(path: Name, most: int = -1) -> bytes:
    """The bytes of a file that the command line names; of what the shell opened for the program
    (/dev/stdin, /dev/fd/63), too.
    """
    if os.path.abspath(path).startswith(("/dev/stdin", "/dev/fd/", "/proc/self/fd/")):
        with open(path, "rb") as file:
            return file.read(most)
    return read_bytes(path, None, most)


def open_below(path: Name, roots: Iterable[Name]) -> BinaryIO:
    """A file below one of some folders, or where --allow-outside lets it be. Raises OSError,
    NotRegularError, OutsideRootError.

    A link that stays below is fine. The path is judged once with all its links followed, then
    opened part by part without following any, so that what is opened is what was judged.
    """
    full = real_file(path, roots)
    if not BY_PARTS:
        return regular(os.open(full, READ | NOFOLLOW), path)
    folder = os.open(os.sep, STEP)
    try:
        *parts, name = [part for part in full.split(os.sep) if part]
        for part in parts:
            inner = os.open(part, STEP | NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        return regular(os.open(name, READ | NOFOLLOW, dir_fd=folder), path)
    finally:
        os.close(folder)


def real_file(path: Name, roots: Iterable[Name]) -> str:
    """The path of a regular file with its links followed, for libraries that open files themselves.
    Raises as open_below does.
    """
    full = os.path.realpath(path)
    homes = [*(os.path.realpath(root) for root in roots), *list_allowed()]
    if not any(within(full, home) for home in homes):
        raise OutsideRootError(
            0, f"it leads to {full}, outside {homes[0] if homes else 'every folder'}", os.fspath(path)
        )
    check_regular(os.stat(full), path)
    return full


def regular(handle: int, path: Name) -> BinaryIO:
    """An open handle as a file; closed where it turns out to be none."""
    try:
        check_regular(os.fstat(handle), path)
    except OSError:
        os.close(handle)
        raise
    return os.fdopen(handle, "rb")


def check_regular(found: os.stat_result, path: Name) -> None:
    """Raises NotRegularError (IsADirectoryError for a folder) for what is no file."""
    if stat.S_ISREG(found.st_mode):
        return
    kind = next((word for test, word in KINDS if test(found.st_mode)), "no file")
    if kind == "a folder":
        raise IsADirectoryError(21, "it is a folder", os.fspath(path))
    raise NotRegularError(0, f"it is {kind}, not a file", os.fspath(path))


def open_text(
    path: Name, roots: Roots = None, *, encoding: str = "utf-8", newline: str | None = None
) -> TextIO:
    """The same as text: below `roots`, or, without them, as its user named it."""
    return io.TextIOWrapper(open_in(path, roots), encoding=encoding, newline=newline)


def read_bytes(path: Name, roots: Roots = None, most: int = -1) -> bytes:
    """The bytes of a file, at most so many."""
    with open_in(path, roots) as file:
        return file.read(most)


def read_text(path: Name, roots: Roots = None, *, encoding: str = "utf-8", errors: str = "strict") -> str:
    """The text of a file. Raises OSError, UnicodeDecodeError."""
    return read_bytes(path, roots).decode(encoding, errors)
