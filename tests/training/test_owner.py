"""A run's folder has one owner; a run that has no room does not begin; of two snapshots a whole one is used."""

import errno
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from netspec.diagnostics import SpecError
from netspec.training.loop import train
from netspec.training.run.owner import OWNER, own
from netspec.training.run.weights import read_tensors
from tests.children import Child
from tests.training.test_resume import same_weights
from tests.training.tiny import job, train_in_child, words

pytestmark = pytest.mark.torch


def codes(error: pytest.ExceptionInfo[SpecError]) -> list[str]:
    return [d.code for d in error.value.diagnostics]


def hold(run: Path) -> None:
    """A child that owns a folder until it is killed."""
    with own(run, resume=False):
        (run / "begun").touch()
        signal.pause()


def test_a_second_trainer_is_told_whose_the_folder_is(tmp_path: Path) -> None:
    child = Child(hold, tmp_path / "run", folder=tmp_path)
    while child.process.is_alive() and not (tmp_path / "run/begun").exists():
        time.sleep(0.01)
    number = child.process.pid
    for resume in (False, True):
        with pytest.raises(SpecError) as error:
            train(job(words(max_iter=3)), tmp_path / "run", device="cpu", resume=resume)
        assert codes(error) == ["NS602"]
        assert f"process {number} on " in error.value.diagnostics[0].fact
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["begun", OWNER]
    child.process.kill()
    child.wait()
    train(job(words(max_iter=3)), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run" / OWNER).exists()


def test_a_full_disk_leaves_no_owner_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "write", refuse)
        with pytest.raises(SpecError) as error, own(tmp_path, resume=False):
            pytest.fail("it was not written whose the folder is")
    assert codes(error) == ["NS673"] and not list(tmp_path.iterdir())
    with own(tmp_path, resume=True):
        pass


def test_an_owner_that_is_no_owner_holds_nobody_off(tmp_path: Path) -> None:
    for text in ("", "{", '{"process": [1], "host": null}', "\0" * 5000):
        (tmp_path / OWNER).write_text(text)
        with own(tmp_path, resume=False):
            assert json.loads((tmp_path / OWNER).read_text())["process"] == os.getpid()
            with pytest.raises(SpecError) as error, own(tmp_path, resume=True):
                pass
            assert codes(error) == ["NS602"]
    (tmp_path / OWNER).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SpecError) as error, own(tmp_path, resume=True):
        pass
    assert codes(error) == ["NS673"] and not (tmp_path / "elsewhere").exists()


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_room_is_looked_for_before_the_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run then takes fits into what was asked for, but for headers of files."""
    free = 0
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 0, free))
    with pytest.raises(SpecError) as error:
        train(job(words(max_iter=20)), tmp_path / "none", device="cpu")
    assert codes(error) == ["NS603"] and "the disk has 0 B" in str(error.value)
    assert list((tmp_path / "none").iterdir()) == []
    free = 10**6
    train(job(words(max_iter=20)), tmp_path / "run", device="cpu")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize("harm", [cut, Path.unlink])
@pytest.mark.parametrize("name", ["solver.safetensors", "weights.safetensors"])
def test_the_older_snapshot_is_used_where_the_newer_is_damaged(
    tmp_path: Path, name: str, harm: Callable[[Path], None]
) -> None:
    train(job(words(max_iter=28)), tmp_path / "run", device="cpu")
    train(job(words(max_iter=40)), tmp_path / "whole", device="cpu")
    harm(tmp_path / "run" / name)
    result = train(job(words(max_iter=40)), tmp_path / "run", device="cpu", resume=True)
    assert [d.code for d in result.findings] == ["NS604"]
    assert "of iteration 21" in result.findings[0].fact
    same_weights(tmp_path / "run", tmp_path / "whole")
    assert read_tensors(tmp_path / "run/weights.before.safetensors")[1]["iteration"] == 35


def test_where_both_are_damaged_the_newer_is_told_of(tmp_path: Path) -> None:
    train(job(words(max_iter=28)), tmp_path, device="cpu")
    for name in ("solver.safetensors", "weights.before.safetensors"):
        cut(tmp_path / name)
    with pytest.raises(SpecError) as error:
        train(job(words(max_iter=40)), tmp_path, device="cpu", resume=True)
    assert codes(error) == ["NS674"] and error.value.diagnostics[0].path == str(
        tmp_path / "solver.safetensors"
    )


@pytest.mark.parametrize("crash", ["5", "7"])
def test_killed_while_the_older_snapshot_is_put_aside(tmp_path: Path, crash: str) -> None:
    """Before its second half, and before the new solver's file."""
    more: dict[str, Any] = {"max_iter": 20}
    child = Child(train_in_child, tmp_path / "killed", more, crash, folder=tmp_path)
    assert child.wait() == -signal.SIGKILL
    train(job(words(**more)), tmp_path / "killed", device="cpu", resume=True)
    train(job(words(**more)), tmp_path / "whole", device="cpu")
    same_weights(tmp_path / "whole", tmp_path / "killed")
