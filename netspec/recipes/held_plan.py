"""What a folder of several runs holds, written down when it begins. In: a folder and a text; out: the
file, or NS610, NS677, NS679: it holds something else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netspec.diagnostics import SpecError, fail
from netspec.file_reading import read_bytes
from netspec.file_writing import write_text

__all__ = ["begin_folder", "leaving_nothing"]

LONGEST = 1 << 20


def begin_folder(folder: Path, name: str, held: str, resume: bool) -> None:
    """Write down what is made, or see that it is what the folder holds."""
    if not (folder / name).is_file():
        if resume:
            raise fail("NS679", f"it holds no {name}", path=str(folder))
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / name, held, "NS673", follow=False)
    elif not resume:
        raise fail("NS677", f"it holds {name}", path=str(folder))
    elif read_held(folder, name) != held:
        raise fail("NS610", f"its {name} has other settings", path=str(folder))


@contextmanager
def leaving_nothing(folder: Path, name: str) -> Iterator[None]:
    """Work in a folder that was begun: where it is refused before anything else lies there, the folder
    goes, so that the same command can be given again.
    """
    try:
        yield
    except SpecError:
        if [each.name for each in folder.iterdir()] == [name]:
            (folder / name).unlink()
            folder.rmdir()
        raise


def read_held(folder: Path, name: str) -> str:
    """What a folder says that it holds: it is compared, never followed."""
    try:
        return read_bytes(folder / name, [folder], LONGEST).decode("utf-8", "replace")
    except OSError as error:
        raise fail("NS610", error.strerror or str(error), path=str(folder / name)) from error
