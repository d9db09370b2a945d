"""Who trains in a run's folder: one process at a time. In: a folder; out: it is ours while a block
runs, or a finding that says whose it is.
"""

import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from netspec.diagnostics import fail
from netspec.diagnostics.words import show_bytes
from netspec.file_writing import Held, forget_drafts, hold_file, refuse_link
from netspec.strict_json import JsonError, read_object
from netspec.training.run.checkpoint import SOLVER

__all__ = ["OWNER", "check_room", "own"]

OWNER = "owner.json"
WRITTEN = (".yaml", ".json", ".jsonl", ".safetensors", ".png")
"""What the files of a run are called."""


@contextmanager
def own(run: Path, resume: bool, first: bool = True) -> Iterator[None]:
    """Make the folder of a new run, and hold it while the block runs. Drafts that a kill left are
    removed. first: of several processes the one that writes; the others hold nothing.

    A run's folder may come from a stranger: where one of the files that training writes is a link
    there, nothing is written at all. NS602: another process trains in it. NS677: it holds a run.
    NS679: there is none to resume. NS673: it cannot be written.
    """
    if not first:
        yield
        return
    if resume and not run.is_dir():
        raise fail("NS679", "no such folder", path=str(run))
    try:
        run.mkdir(parents=True, exist_ok=True)
        links = sorted(path for path in run.iterdir() if path.suffix in WRITTEN)
    except OSError as error:
        raise fail("NS673", error.strerror or str(error), path=str(run)) from error
    for path in links:
        refuse_link(path, "NS673")
    try:
        with hold_file(run / OWNER, describe_self(), "NS673"):
            if not resume and (run / SOLVER).exists():
                raise fail("NS677", f"it holds {SOLVER}", path=str(run))
            forget_drafts(run)
            yield
    except Held as held:
        note = "it can be gone on with (--resume) once that process has ended"
        raise fail("NS602", describe(held.text), path=str(run), notes=(note,)) from None


def describe_self() -> str:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return json.dumps({"process": os.getpid(), "host": platform.node(), "since": now}) + "\n"


def describe(text: str) -> str:
    """Whose it is, by what the other process wrote; a file from a stranger may say anything."""
    try:
        said = read_object(text)
    except JsonError:
        said = {}
    process, host, since = (f"{said.get(key, 'unknown')}"[:80] for key in ("process", "host", "since"))
    return f"process {process} on {host} trains in it since {since}"


def check_room(run: Path, needed: int) -> None:
    """NS603 where the disk of a run's folder has less room than its files will take."""
    free = shutil.disk_usage(run).free
    if free < needed:
        fact = (
            f"two snapshots and the best weights take {show_bytes(needed)}, the disk has {show_bytes(free)}"
        )
        raise fail("NS603", fact, path=str(run))
