"""A model of a stranger, tried where its end ends nothing else: in, a file without a sound certificate; out,
nothing, or SpecError NS761 where onnxruntime takes the process with it that loads it and runs it once.
"""

import os
import signal
import subprocess
import sys

from netspec.diagnostics import SpecError, fail
from netspec.seal import check_allowed

__all__ = ["try_apart"]

PROGRAM = "import sys; sys.path[:] = {path!r}; from netspec.serving.trial import run; run(*sys.argv[1:])"


def try_apart(path: str | os.PathLike[str], device: str = "auto", threads: int = 0) -> None:
    """Load a file in a process of its own and run it once on zeros, unless it has its certificate. What
    else is wrong with it is told by who loads it next. Raises SpecError NS761.
    """
    if not is_foreign(path):
        return
    command = [sys.executable, "-c", PROGRAM.format(path=sys.path), os.fspath(path), device, str(threads)]
    tried = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    if tried.returncode:
        fact = f"onnxruntime ended {tell_end(tried.returncode)} as it loaded it, or ran it once on zeros"
        raise fail("NS761", fact, path=os.fspath(path))


def is_foreign(path: str | os.PathLike[str]) -> bool:
    try:
        check_allowed(path)
    except SpecError:
        return True
    return False


def tell_end(status: int) -> str:
    if status < 0:
        return f"by signal {-status} ({signal.strsignal(-status)})"
    return f"with exit status {status}"


def run(path: str, device: str, threads: str) -> None:
    """What the other process does. Whatever is raised here is raised again in the one that asked."""
    from netspec.serving.engine import open_model
    from netspec.serving.repository import warm_up
    from netspec.serving.tensors import RequestError

    try:
        warm_up(open_model(path, device, int(threads), allow_uncertified=True))
    except (SpecError, RequestError):
        return
