"""Python's garbage collector stands still while much is built, and is as it was afterwards."""

import gc
import subprocess
import sys

import pytest

from netspec.garbage_collection import at_the_end, no_collection


@pytest.mark.parametrize("collecting", [True, False])
def test_it_is_as_it_was(collecting: bool) -> None:
    was = gc.isenabled()
    try:
        (gc.enable if collecting else gc.disable)()
        with no_collection(), at_the_end(), no_collection():
            assert not gc.isenabled()
        assert gc.isenabled() == collecting
    finally:
        (gc.enable if was else gc.disable)()


def test_what_is_frozen_stays_so() -> None:
    gc.freeze()
    before = gc.get_freeze_count()
    with at_the_end():
        pass
    assert gc.get_freeze_count() >= before > 0


def test_what_is_there_at_the_end_is_gone_over_no_more() -> None:
    code = """
import gc
from netspec.garbage_collection import at_the_end
gc.set_threshold(1000, 10, 10)
gone_over = []
def note(when, how):
    if when == "start":
        gone_over.append(sum(len(gc.get_objects(young)) for young in range(how["generation"] + 1)))
gc.callbacks.append(note)
with at_the_end():
    kept = [[] for _ in range(100_000)]
more = [[] for _ in range(3000)]
assert gone_over and max(gone_over) < 10_000 and not gc.get_freeze_count(), gone_over
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
