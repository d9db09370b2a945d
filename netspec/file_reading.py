"""Opening files to read, by one rule: regular files only, and no link followed out of the folder
that a file was asked for in.

Every reader opens through here (a test greps). Knows no format. The errors are OSErrors, so that a
reader words them as it words any.
"""

import io
import os
import stat
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import BinaryIO, TextIO

from netspec.allowed_paths import list_allowed, within

__all__ = [
    "HeldFolders",
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
    "stat_in",
]

PLAIN = sys.platform in ("win32", "emscripten")
# never waits (a pipe in a file's place would hold us up), and makes no terminal ours
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


class HeldFolders:
    """Some roots, for opening many files below them: a folder is judged and opened once, and while
    it is held, files are opened in it without following a link. Any other file goes the way of
    `open_below`.
    """

    MOST = 64  # of the 1,024 that a process may mostly hold open

    def __init__(self, roots: Iterable[Name]) -> None:
        self.handles: dict[str, int] = {}
        self.roots = tuple(roots)
        self.lock = threading.Lock()

    def __iter__(self) -> Iterator[Name]:
        return iter(self.roots)

    def open(self, path: Name, buffering: int = -1) -> BinaryIO:
        """A file below a root; buffering: 0 where it is read in few pieces. Raises as open_below does."""
        folder, name = os.path.split(os.fspath(path))
        try:
            with self.lock:
                # locked: another thread that opens a folder may close this one's handle
                handle = os.open(name, READ | NOFOLLOW, dir_fd=self.handle(folder))
        except OSError:  # a link, or what open_below has words for
            return open_through(path, self.roots)
        return regular(handle, path, buffering)

    def stat(self, path: Name) -> os.stat_result:
        """What the system knows of a file below a root. Raises as open_below does."""
        folder, name = os.path.split(os.fspath(path))
        try:
            with self.lock:
                found = os.stat(name, dir_fd=self.handle(folder), follow_symlinks=False)
        except OSError:
            found = None
        if found is None or stat.S_ISLNK(found.st_mode):
            return os.stat(real_file(path, self.roots))
        check_regular(found, path)
        return found

    def handle(self, folder: str) -> int:
        """A handle of a folder, held from then on; of many, those that were first asked for go."""
        if folder not in self.handles:
            if not BY_PARTS:
                raise OutsideRootError(0, "folders are not held on this system", folder)
            while len(self.handles) >= self.MOST:
                os.close(self.handles.pop(next(iter(self.handles))))
            self.handles[folder] = open_steps(real_path(folder, self.roots))
        return self.handles[folder]

    def __del__(self) -> None:
        for handle in self.handles.values():
            os.close(handle)


def open_file(path: Name) -> BinaryIO:
    """A file that its user named, links followed. Raises OSError, NotRegularError before anything
    could block.
    """
    # before: opening a device may do things; `regular` asks once more of what was opened
    check_regular(os.stat(path), path)
    return regular(os.open(path, READ), path)


def open_in(path: Name, roots: Roots, buffering: int = -1) -> BinaryIO:
    """A file below some folders, or, without them, as its user named it. buffering: as of
    HeldFolders, which open many.
    """
    if isinstance(roots, HeldFolders):
        return roots.open(path, buffering)
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
    if isinstance(roots, HeldFolders):
        return roots.open(path)
    return open_through(path, roots)


def open_through(path: Name, roots: Iterable[Name]) -> BinaryIO:
    """The same, with nothing held."""
    full = real_file(path, roots)
    if not BY_PARTS:
        return regular(os.open(full, READ | NOFOLLOW), path)
    place, name = os.path.split(full)
    folder = open_steps(place)
    try:
        return regular(os.open(name, READ | NOFOLLOW, dir_fd=folder), path)
    finally:
        os.close(folder)


def open_steps(full: str) -> int:
    """A handle of a folder, opened part by part, none of which may be a link."""
    folder = os.open(os.sep, STEP)
    for part in filter(None, full.split(os.sep)):
        try:
            inner = os.open(part, STEP | NOFOLLOW, dir_fd=folder)
        finally:
            os.close(folder)
        folder = inner
    return folder


def real_file(path: Name, roots: Iterable[Name]) -> str:
    """The path of a regular file with its links followed, for libraries that open files themselves.
    Raises as open_below does.
    """
    full = real_path(path, roots)
    check_regular(os.stat(full), path)
    return full


def real_path(path: Name, roots: Iterable[Name]) -> str:
    """A path with its links followed. Raises OutsideRootError where it leads out of all roots."""
    full = os.path.realpath(path)
    homes = [*(os.path.realpath(root) for root in roots), *list_allowed()]
    if not any(within(full, home) for home in homes):
        raise OutsideRootError(
            0,
            f"it leads to {full}, outside {homes[0] if homes else 'every folder'}",
            os.fspath(path),
        )
    return full


def stat_in(path: Name, roots: Roots) -> os.stat_result:
    """What the system knows of a file below some folders, links followed. Raises as open_below
    does.
    """
    if isinstance(roots, HeldFolders):
        return roots.stat(path)
    return os.stat(path if roots is None else real_file(path, roots))


def regular(handle: int, path: Name, buffering: int = -1) -> BinaryIO:
    """An open handle as a file; closed where it turns out to be none."""
    try:
        check_regular(os.fstat(handle), path)
    except OSError:
        os.close(handle)
        raise
    return os.fdopen(handle, "rb", buffering)


def check_regular(found: os.stat_result, path: Name) -> None:
    """Raises NotRegularError (IsADirectoryError for a folder) for what is no file."""
    if stat.S_ISREG(found.st_mode):
        return
    kind = next((word for test, word in KINDS if test(found.st_mode)), "no file")
    if kind == "a folder":
        # 21 is EISDIR
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
        size = os.fstat(file.fileno()).st_size
        if 0 < size < most:  # Python takes memory for all that it is asked for, and gives it back
            most = size + 1
        return file.read(most)


def read_text(path: Name, roots: Roots = None, *, encoding: str = "utf-8", errors: str = "strict") -> str:
    """The text of a file. Raises OSError, UnicodeDecodeError."""
    return read_bytes(path, roots).decode(encoding, errors)
