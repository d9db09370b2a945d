"""Runs a command of netspec in a forked child: bounded in memory and time, in a folder of its own, every step outside noted.

Comes in: arguments and a folder; goes out: what became of it. The parent has imported what is slow to import; a child costs a fork.
"""

import json
import os
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Outcome", "run"]

MEMORY, SECONDS, WALL = 2 << 30, 20, 200
STARTS = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "subprocess.Popen",
    "socket.connect",
    "pty.spawn",
)
WRITES = (
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.chmod",
    "os.chown",
    "os.truncate",
    "shutil.rmtree",
)
ALLOWED = ("/dev/null", "/proc/self")


class Outcome(NamedTuple):
    """How a run ended: exit code (-9 killed for time or memory), what it did that it may not, its last words, what it cost."""

    code: int
    offences: tuple[str, ...]
    words: str
    seconds: float
    megabytes: int

    @property
    def faults(self) -> list[str]:
        """What is wrong with it; nothing where all promises were kept."""
        found = list(self.offences)
        if self.code not in (0, 1, 2):
            found.append(f"exit {self.code}")
        found += [
            word
            for word in ("NS901", "NS791", "Traceback (most recent call last)", "MemoryError")
            if word in self.words
        ]
        return found


def run(arguments: list[str], folder: Path, job: Callable[[], None] | None = None) -> Outcome:
    """The outcome of `netspec ARGUMENTS` in a folder; of a job, where one is given, done in its place."""
    warm()
    report = folder.parent / f"{folder.name}.report"
    words = folder.parent / f"{folder.name}.words"
    pid = os.fork()
    if pid == 0:
        try:
            child(arguments, folder, report, words, job)
        finally:
            os._exit(99)
    _, status, spent = os.wait4(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    note(code, spent)
    noted = json.loads(report.read_text()) if report.exists() else []
    return Outcome(
        code,
        tuple(noted),
        words.read_text(errors="replace") if words.exists() else "",
        spent.ru_utime + spent.ru_stime,
        spent.ru_maxrss >> 10,
    )


def note(code: int, spent: resource.struct_rusage) -> None:
    """A line for each run in the file that NETSPEC_SWEEP names, if it names one: the test, exit code, seconds, megabytes."""
    if where := os.environ.get("NETSPEC_SWEEP"):
        with Path(where).open("a") as file:
            file.write(
                f"{os.environ.get('PYTEST_CURRENT_TEST')} {code} {spent.ru_utime + spent.ru_stime:.2f} {spent.ru_maxrss >> 10}\n"
            )


def warm() -> None:
    """Import in the parent what a child would otherwise import each time; a child of a process with threads would hang."""
    import h5py  # noqa: F401
    import jsonschema  # noqa: F401
    import numpy  # noqa: F401

    import netspec.cli.check
    import netspec.driver
    import netspec.importers.caffe  # noqa: F401


def child(
    arguments: list[str], folder: Path, report: Path, words: Path, job: Callable[[], None] | None
) -> None:
    """The child's whole life: bounds, the watch, the command or job, the report."""
    os.chdir(folder)
    sys.dont_write_bytecode = True  # Python's own files are nobody's offence
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder.parent / f"{folder.name}.tmp")
    os.makedirs(tempfile.tempdir, exist_ok=True)
    out = os.open(words, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.stdout, sys.stderr = (os.fdopen(fd, "w", errors="backslashreplace") for fd in (1, 2))
    offences: list[str] = []
    watch(folder, offences)
    bound()
    code = 98
    sys.argv = ["netspec", *arguments]
    try:
        from netspec.cli import main

        (job or main)()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    with os.fdopen(os.open(report, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "w") as file:
        json.dump([each for each in offences if str(report) not in each], file)
    os._exit(code)


def bound() -> None:
    """Two gigabytes more than now, twenty seconds of processor time, some minutes of the clock."""
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, now + MEMORY))
    spent = resource.getrusage(resource.RUSAGE_SELF)
    last = int(spent.ru_utime + spent.ru_stime) + SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (last, last + 5))
    signal.alarm(WALL)


def watch(folder: Path, offences: list[str]) -> None:
    """Note each program that is started and each write outside the folder."""
    inside = tuple(os.path.realpath(path) + os.sep for path in (folder, tempfile.gettempdir()))

    def outside(path: Any) -> bool:
        if isinstance(path, int) or path is None:
            return False
        real = os.path.realpath(os.fsdecode(path))
        return not (real + os.sep).startswith((*inside, *ALLOWED))

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event in STARTS or (
            event in WRITES
            and any(outside(path) for path in given[:2] if isinstance(path, (str, bytes, os.PathLike)))
        ):
            offences.append(f"{event} {given!r}"[:300])
        elif event == "open" and writes(given[1], given[2]) and outside(given[0]):
            offences.append(f"open {given!r}"[:300])

    sys.addaudithook(hook)


def writes(mode: Any, flags: Any) -> bool:
    """Whether a file is opened to be written."""
    if isinstance(mode, str):
        return bool(set(mode) & set("wax+"))
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
