"""The end of a process that has said all it has to say, and whether a command has one of its own."""

import atexit
import os
import sys
import threading

import click

__all__ = ["OWN_PROCESS", "end_process", "is_last_work"]

OWN_PROCESS = object()
"""What `main` gives its context: nobody else's work comes after the command."""

LIBRARIES = ("torch", "onnxruntime", "h5py", "grpc")
"""What holds threads, devices or files of its own and is to end in its own way."""


def is_last_work() -> bool:
    """Whether nothing comes after the running command: not so where another program calls it."""
    context = click.get_current_context(silent=True)
    return context is not None and context.find_root().obj is OWN_PROCESS


def end_process(code: int) -> None:
    """Leave with this exit code, and do not free one by one what the system frees at once: after a `check` of
    ResNet-152 that is a tenth of all its work. Returns where the usual end is needed: a library that has its
    own, a thread at work, output that cannot be written (Python tells of it and changes the code).
    """
    if any(name in sys.modules for name in LIBRARIES) or threading.active_count() > 1:
        return
    atexit._run_exitfuncs()  # as the usual end does before anything else
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return
    os._exit(code)
