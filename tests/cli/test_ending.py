"""A process that ends at once has written all it wrote, run what was to run at its end, and kept its exit code."""

import os
import subprocess
import sys

import pytest

RUN = "import sys; sys.argv = ['netspec', *sys.argv[1:]]; from netspec.cli import run; run()"
AT_END = "import atexit; atexit.register(lambda: print('at the end')); "
FREED = """
import os, sys
class Held:
    def __del__(self, write=os.write): write(2, b'freed')
sys.held = Held()
"""


def call(code: str, *words: str, stdout: int = subprocess.PIPE) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-c", code, *words], stdout=stdout, stderr=subprocess.PIPE, check=False, timeout=60
    )


def test_all_is_written_and_what_waits_for_the_end_runs() -> None:
    done = call(AT_END + RUN, "schema")
    assert done.returncode == 0
    assert done.stdout.rstrip().endswith(b"}\nat the end")
    assert len(done.stdout) > 1 << 16  # more than a pipe holds


@pytest.mark.parametrize(("words", "code"), [(("check", "zoo:nothing"), 1), (("check", "--nothing"), 2)])
def test_the_exit_code_is_kept(words: tuple[str, ...], code: int) -> None:
    done = call(RUN, *words)
    assert done.returncode == code
    assert done.stdout + done.stderr


def test_objects_are_not_freed_one_by_one() -> None:
    assert call(FREED + RUN, "hash", "zoo:lenet").stderr == b""


@pytest.mark.parametrize(
    "plant",
    [
        "import types; sys.modules['torch'] = types.ModuleType('torch'); ",
        "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start(); ",
    ],
)
def test_libraries_and_threads_end_in_their_own_way(plant: str) -> None:
    assert call(FREED + plant + RUN, "hash", "zoo:lenet").stderr == b"freed"


def test_output_that_cannot_be_written_is_a_finding() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        done = call(RUN, "hash", "zoo:lenet", stdout=full)
    finally:
        os.close(full)
    assert done.returncode == 1
    assert b"error[NS501]: cannot write the file: standard output: No space left on device" in done.stderr
    assert b"Exception ignored" not in done.stderr


@pytest.mark.parametrize(
    "plant",
    [
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (450_000_000,) * 2); ",
        "import netspec.cli\ndef main(**words): raise MemoryError\nnetspec.cli.group.main = main\n",
    ],
)
def test_memory_that_ends_is_no_bug_in_netspec(plant: str) -> None:
    """Where torch cannot be loaded, and anywhere else."""
    done = call(plant + RUN, "see", "confusion", "zoo:lenet-digits")
    assert done.returncode == 1 and b"NS791" in done.stderr
