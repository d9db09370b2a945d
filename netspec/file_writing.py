"""Writing files by one rule: whole or not at all, from a draft in the same folder that nobody else
can have made. Knows no format.

A draft is called TARGET.PID-HOST-RANDOM.part. What a killed process left is removed by the next one
that writes to the same target.
"""

import errno
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from netspec.diagnostics.model import fail

__all__ = [
    "Held",
    "append_text",
    "aside",
    "draft_of",
    "forget_drafts",
    "hold_file",
    "is_special",
    "keep_before",
    "refusal",
    "refuse_link",
    "replacing",
    "replacing_folder",
    "sync",
    "write_text",
]

DRAFT = re.compile(
    r"(?P<target>.+)\.(?P<pid>[0-9]{1,10})-(?P<host>[0-9a-f]{8})-[0-9a-f]{16}\.part", re.DOTALL
)
DAY = 86_400
"""Seconds after which a draft of another machine, whose processes cannot be asked for, is a left
one.
"""


@contextmanager
def replacing(path: str | Path, code: str = "NS501", *, follow: bool = True) -> Iterator[Path]:
    """A draft beside `path` to write to; at the end it takes the place of `path`, on any error it
    is removed.

    A link stays one: what it leads to is replaced; without `follow`, as for the files of a run, a
    link is refused. A file keeps its permissions, a new one has the user's usual ones. A device or
    a pipe that the user named is written to. Raises SpecError with `code` where the system refuses:
    no such folder, no permission, disk full.
    """
    if not follow:
        refuse_link(path, code)
    try:
        with begin(path, follow) as draft:
            yield draft
    except OSError as error:
        raise fail(code, refusal(error, Path(path)), path=str(path)) from error


def begin(path: str | Path, follow: bool) -> AbstractContextManager[Path]:
    """How a path is written: through a draft, but for a device or a pipe."""
    if not follow:
        return swapping(Path(path))
    if is_special(path):
        return streaming(Path(path))
    return swapping(Path(os.path.realpath(path)))


def refusal(error: OSError, path: Path) -> str:
    """Why a file cannot be written, in the system's words; of folders that are not there, the
    first.
    """
    missing = [each for each in path.parents if not each.exists()]
    if error.errno == errno.ENOENT and missing:
        return f"there is no folder {missing[-1]}"
    if error.errno:
        return os.strerror(error.errno)
    return str(error)


def is_special(path: str | Path) -> bool:
    """Whether there is something at a path that is neither a file nor a folder: a device, a
    pipe.
    """
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


@contextmanager
def swapping(target: Path) -> Iterator[Path]:
    """A draft that takes the place of a file, or makes a new one. Raises OSError."""
    forget_drafts(target.parent, target.name)
    draft = draft_of(target)
    # 0o666, of which the user's umask takes its part
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), 0o666))
    try:
        mode = (target if target.is_file() else draft).stat().st_mode
        yield draft
        if draft.stat().st_mode != mode:  # some writers make files that only their owner may read
            with suppress(OSError):  # a file system without permissions
                draft.chmod(mode)
        # the bytes before the name: after a crash there is the old file or the new one, whole
        sync(draft)
        draft.replace(target)
        with suppress(OSError):
            # the change of names lasts once the folder's entries are on the disk
            sync(target.parent)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


@contextmanager
def aside(path: str | Path) -> Iterator[None]:
    """While the block runs, a file stands under a draft's name; it comes back if the block fails,
    else it is removed.
    """
    target = Path(os.path.realpath(path))
    kept = draft_of(target)
    there = target.is_file()
    if there:
        target.replace(kept)
    try:
        yield
    # Ctrl-C as well: the file must come back
    except BaseException:
        if there:
            kept.replace(target)
        raise
    if there:
        kept.unlink()


@contextmanager
def replacing_folder(path: str | Path, code: str = "NS501") -> Iterator[Path]:
    """A new folder beside `path` to write files to; at the end it takes the place of `path`, a
    folder with all that it holds or nothing; on any error it is removed. Raises SpecError with
    `code` where the system refuses.
    """
    target = Path(os.path.realpath(path))
    draft, old = draft_of(target), draft_of(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        forget_drafts(target.parent, target.name)
        draft.mkdir()
        yield draft
        for file in draft.iterdir():
            sync(file)
        if target.is_dir():
            target.replace(old)
        draft.replace(target)
    except OSError as error:
        raise fail(code, refusal(error, target), path=str(path)) from error
    finally:
        if old.exists() and not target.exists():
            old.replace(target)
        for each in (draft, old):
            shutil.rmtree(each, ignore_errors=True)


def draft_of(target: Path) -> Path:
    """A name for a draft of a target: whose it is, and a part that nobody can guess."""
    return target.with_name(f"{target.name}.{os.getpid()}-{this_host()}-{secrets.token_hex(8)}.part")


def this_host() -> str:
    """This machine in eight digits: process numbers mean nothing on another."""
    import platform

    return f"{zlib.crc32(platform.node().encode()):08x}"


def forget_drafts(folder: Path, target: str | None = None) -> None:
    """Remove the drafts in a folder, of one target or of all, whose process is gone: only what
    bears our name for it and is our user's.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in list(entries):
            found = DRAFT.fullmatch(entry.name)
            if found is None or target not in (None, found["target"]):
                continue
            with suppress(OSError):
                kind = entry.stat(follow_symlinks=False)
                if is_left(found, kind):
                    remove(Path(entry.path), kind)


def is_left(draft: "re.Match[str]", found: os.stat_result) -> bool:
    """Whether nobody writes to a draft any more."""
    if hasattr(os, "geteuid") and found.st_uid != os.geteuid():
        return False
    if draft["host"] != this_host() or os.name == "nt":  # there, asking whether a process lives would end it
        return time.time() - found.st_mtime > DAY
    return not lives(int(draft["pid"]))


def lives(process: int) -> bool:
    """Whether a process of that number runs."""
    try:
        os.kill(process, 0)
    # ten digits of a name may be more than a process can be numbered
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        return True
    return True


def remove(path: Path, found: os.stat_result) -> None:
    """A draft, which is a file or (of a model with its data) a folder; a link is removed, not
    followed.
    """
    if stat.S_ISDIR(found.st_mode):
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()


def refuse_link(path: str | Path, code: str) -> None:
    """Raises SpecError where a file of a run is a link: its folder may come from a stranger, and
    nothing is written through it.
    """
    if os.path.islink(path):
        raise fail(
            code,
            "it is a link; the files of a run are written in its own folder only",
            path=str(path),
        )


def append_text(path: str | Path, text: str, code: str) -> None:
    """Add text to the end of a file of a run, which is no link and has no second name elsewhere.
    Raises SpecError.
    """
    refuse_link(path, code)
    flags = (
        os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    )
    try:
        with os.fdopen(os.open(path, flags, 0o666), "a", encoding="utf-8") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
                raise fail(code, "it is no file of its own: another name leads to it too", path=str(path))
            file.write(text)
    except OSError as error:
        raise fail(code, refusal(error, Path(path)), path=str(path)) from error


class Held(Exception):  # noqa: N818 - an answer, not a fault
    """Another process holds a file; text: what it wrote there."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@contextmanager
def hold_file(path: Path, text: str, code: str) -> Iterator[None]:
    """While the block runs, a file of a run, no link, is locked and says who we are; then it is
    gone. What a killed process left is taken over: its lock ended with it.

    Raises Held where another process has it, SpecError with `code` where the system refuses. A file
    system without locks holds nobody off.
    """
    refuse_link(path, code)
    try:
        handle = lock(path)
    except OSError as error:
        raise fail(code, refusal(error, path), path=str(path)) from error
    try:
        try:
            # what a killed process wrote is longer, perhaps
            os.ftruncate(handle, 0)
            os.write(handle, text.encode())
        except OSError as error:
            raise fail(code, refusal(error, path), path=str(path)) from error
        yield
    finally:
        with suppress(OSError):
            # gone before it is free: who waits for the lock then sees that the file is another
            path.unlink()
        os.close(handle)


def lock(path: Path) -> int:
    """A handle of the file, locked. Raises Held, OSError."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    while True:
        handle = os.open(path, flags, 0o666)
        try:
            take_lock(handle)
        except BlockingIOError:
            text = os.read(handle, 1000).decode(errors="replace")
            os.close(handle)
            raise Held(text) from None
        with suppress(OSError):
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        os.close(handle)  # who had it took it away before we locked it


def take_lock(handle: int) -> None:
    """Raises BlockingIOError where another has it."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # a network's file system may have none
        return


def keep_before(path: Path, other: Path, code: str) -> None:
    """Let `other` be what `path` is now: a second name, which stays when `path` is replaced; a copy
    where the system has no such. Raises SpecError.
    """
    draft = draft_of(other)
    try:
        try:
            # a link never replaces: it gets a draft's name, and that is moved
            os.link(path, draft)
        except OSError:
            shutil.copy2(path, draft)
        draft.replace(other)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise fail(code, refusal(error, other), path=str(other)) from error


@contextmanager
def streaming(target: Path) -> Iterator[Path]:
    """A draft whose bytes are written to a device or a pipe at the end. Raises OSError."""
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "draft"
        yield draft
        with draft.open("rb") as file, target.open("wb") as out:
            shutil.copyfileobj(file, out)


def sync(path: Path) -> None:
    """Bring a file, or a folder's entries where the system can, to the disk."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: str | Path, text: str, code: str = "NS501", *, follow: bool = True) -> None:
    """Write a text file whole or not at all. Raises SpecError."""
    with replacing(path, code, follow=follow) as draft:
        draft.write_text(text, encoding="utf-8")
