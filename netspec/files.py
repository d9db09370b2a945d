"""Writing files whole or not at all: a draft in the same folder, brought to disk, then put in place. Knows no format."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from netspec.diagnostics.model import fail

__all__ = ["replacing", "write_text"]


@contextmanager
def replacing(path: str | Path, code: str = "NS501") -> Iterator[Path]:
    """A draft beside `path` to write to; at the end it takes the place of `path`, on any error it is removed.

    Raises SpecError with `code` where the system refuses: no such folder, no permission, disk full.
    """
    target = Path(path)
    draft = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        yield draft
        sync(draft)
        draft.replace(target)
        with suppress(OSError):
            sync(target.parent)
    except OSError as error:
        raise fail(code, os.strerror(error.errno) if error.errno else str(error), path=str(path)) from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


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
