"""Writing files whole or not at all: a draft in the same folder, brought to disk, then put in place. Knows no format."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from netspec.diagnostics.model import fail

__all__ = ["is_special", "refusal", "replacing", "write_text"]


@contextmanager
def replacing(path: str | Path, code: str = "NS501") -> Iterator[Path]:
    """A draft beside `path` to write to; at the end it takes the place of `path`, on any error it is removed.

    A link stays one: what it leads to is replaced. A file keeps its permissions, a new one has the user's usual ones. A device or a pipe is
    written to. Raises SpecError with `code` where the system refuses: no such folder, no permission, disk full.
    """
    try:
        with streaming(Path(path)) if is_special(path) else swapping(Path(os.path.realpath(path))) as draft:
            yield draft
    except OSError as error:
        raise fail(code, refusal(error, Path(path)), path=str(path)) from error


def refusal(error: OSError, path: Path) -> str:
    """Why a file cannot be written, in the system's words; of folders that are not there, the first."""
    missing = [each for each in path.parents if not each.exists()]
    if error.errno == errno.ENOENT and missing:
        return f"there is no folder {missing[-1]}"
    return os.strerror(error.errno) if error.errno else str(error)


def is_special(path: str | Path) -> bool:
    """Whether there is something at a path that is neither a file nor a folder: a device, a pipe."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


@contextmanager
def swapping(target: Path) -> Iterator[Path]:
    """A draft that takes the place of a file, or makes a new one. Raises OSError."""
    draft = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        draft.touch()
        mode = (target if target.is_file() else draft).stat().st_mode
        yield draft
        if draft.stat().st_mode != mode:  # some writers make files that only their owner may read
            with suppress(OSError):  # a file system without permissions
                draft.chmod(mode)
        sync(draft)
        draft.replace(target)
        with suppress(OSError):
            sync(target.parent)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


@contextmanager
def streaming(target: Path) -> Iterator[Path]:
    """A draft whose bytes are written to a device or a pipe at the end. Raises OSError."""
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "draft"
        yield draft
        with draft.open("rb") as file, target.open("wb") as out:
            shutil.copyfileobj(file, out)


def sync(path: Path) -> None:
    """Bring a file's or folder's content to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: str | Path, text: str, code: str = "NS501") -> None:
    """Write a text file whole or not at all. Raises SpecError."""
    with replacing(path, code) as draft:
        draft.write_text(text, encoding="utf-8")
