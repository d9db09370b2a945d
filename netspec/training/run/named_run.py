"""Which run, and which program, a name means: a spec, a run's folder, the latest run of a net, a new one."""

import os
import time
from pathlib import Path

from netspec import driver
from netspec.diagnostics import fail
from netspec.read_options import PLAIN, Reading
from netspec.training.run.folder import again, is_run, program_of, read_record
from netspec.training.world import World, launch_key

__all__ = ["find_begun", "find_run", "make_run", "reread"]

LONGEST_PART = 200
"""Bytes of a folder's name: systems take 255, a number and a draft's ending come behind it."""
STAMP = len("2026-11-29T12-00-00")


def reread(
    spec: str, run: Path | None, resume: bool, reading: Reading = PLAIN
) -> tuple[Path | None, driver.Program]:
    """A spec or a run's folder as the command line names it: the run, if one is meant, and the
    program.

    A run that goes on keeps the settings it began with; new ones come after them. Raises SpecError
    NS679, NS683 and what reading raises.
    """
    if is_run(spec):
        record = read_record(Path(spec))
        return run or (Path(spec) if resume else None), program_of(Path(spec), record, reading)
    if not resume:
        return run, driver.load(spec, reading)
    run = run or find_run(driver.load(spec, reading).name, resume=True)
    if not run.is_dir():
        raise fail("NS679", "no such folder", path=str(run))
    return run, driver.load(spec, again(read_record(run), reading))


def find_run(name: str, resume: bool, base: Path = Path("runs")) -> Path:
    """runs/<name>/<time>, a number added where that is taken; to resume, the latest there. NS679:
    there is none.
    """
    folder = base / folder_of(name)
    if resume:
        found = sorted((path for path in folder.glob("*") if is_run(path)), key=parse_begin)
        if not found:
            raise fail("NS679", "it holds no run", path=str(folder))
        return found[-1]
    stamp = time.strftime("%Y-%m-%dT%H-%M-%S")
    count, path = 1, folder / stamp
    while path.exists():
        count += 1
        path = folder / f"{stamp}-{count}"
    return path


def folder_of(name: str) -> str:
    """What the folder of a net's runs is called: one part of a path, on one line, as long as systems
    take one.
    """
    parted = ("/", os.sep)
    safe = "".join(c if c.isprintable() and c not in parted else "_" for c in name)
    safe = safe.encode()[:LONGEST_PART].decode(errors="ignore")
    return safe if safe.strip(". ") else "net"


def make_run(name: str) -> Path:
    """The folder that find_run names, made by this process: of two that begin in one second each
    has its own. NS673: it cannot be made.
    """
    while True:
        path = find_run(name, resume=False)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise fail("NS673", error.strerror or str(error), path=str(path)) from error
        return path


def find_begun(name: str, run: Path | None, world: World) -> Path | None:
    """The run that this launch has begun, where its processes were started anew; else None."""
    key = launch_key(os.environ)
    if not world.restarts or not key:
        return None
    found = [run] if run is not None else [*(Path("runs") / folder_of(name)).glob("*")]
    for path in sorted(found, reverse=True):
        if is_run(path) and read_record(path).get("launch") == key:
            return path
    return None


def parse_begin(path: Path) -> tuple[str, int, str]:
    """When a run began, by the name that find_run gave it: the second, and which of those begun in
    it.
    """
    count = path.name[STAMP + 1 :]
    return path.name[:STAMP], int(count) if count.isascii() and count.isdecimal() else 1, path.name
