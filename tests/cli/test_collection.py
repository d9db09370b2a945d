"""Python's garbage collector stands still while much is built, and is as it was afterwards."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from netspec.cli import group, main
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
from netspec.cli import group, main
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


def test_a_check_inside_another_program_does_not_take_the_end_for_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`main` is a process's own work; a command that a program calls goes over none of the program's objects."""
    (tmp_path / "net.yaml").write_text("input: {data: [N, 3]}\nlayers:\n  - {name: r, type: ReLU}\n")
    counted: list[bool] = []
    monkeypatch.setattr(gc, "get_freeze_count", lambda: counted.append(True) or 1)
    words = ["check", str(tmp_path / "net.yaml")]
    assert CliRunner().invoke(group, words, standalone_mode=False).return_value == 0
    assert counted == []
    monkeypatch.setattr(sys, "argv", ["netspec", *words])
    with pytest.raises(SystemExit):
        main()
    assert counted == [True]
