"""Processes that tests start, stop and kill: forked from one that has imported torch, whose import costs more than what they do.

Nothing waits for the disk, neither here nor in the tests (conftest imports this): a killed process loses no byte that the system has taken.
"""

import multiprocessing
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Child", "netspec"]

os.fsync = lambda fd: None

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["torch", "tests.training.tiny", "netspec.cli", "netspec.api", "netspec.training.train"]
)


class Child:
    """A function in a process of its own; what it prints goes to files beside `folder`."""

    def __init__(
        self, work: Callable[..., Any], *arguments: Any, folder: Path, limit: int | None = None
    ) -> None:
        """limit: size of files in bytes, which stands for a full disk."""
        self.out, self.err = (folder.with_name(f"{folder.name}.{word}") for word in ("out", "err"))
        self.process = FORKS.Process(target=begin, args=(work, arguments, folder, self.out, self.err, limit))
        self.process.start()

    def wait(self) -> int:
        """The exit code, negative for a signal."""
        self.process.join()
        assert self.process.exitcode is not None
        return self.process.exitcode

    def __iter__(self) -> Any:
        """The exit code, and what was printed."""
        yield from (self.wait(), self.out.read_text(), self.err.read_text())


def begin(
    work: Callable[..., Any],
    arguments: tuple[Any, ...],
    folder: Path,
    out: Path,
    err: Path,
    limit: int | None,
) -> None:
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    os.chdir(folder)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    work(*arguments)


def netspec(*arguments: str) -> None:
    """The command, as its process would run it."""
    from netspec.cli import main

    sys.argv = ["netspec", *arguments]
    main()
