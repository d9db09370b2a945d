"""A run that is killed and resumed ends with the very weights of one that was not; a run that is interrupted says so and can go on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from netspec.diagnostics import SpecError
from netspec.training.loop import train
from netspec.training.weights import read_tensors
from tests.training.tiny import job, words

pytestmark = pytest.mark.torch
TINY = [sys.executable, "-m", "tests.training.tiny"]
ROOT = Path(__file__).parents[2]
SETTINGS: dict[str, dict[str, Any]] = {
    "sgd": {},
    "adam": {"type": "Adam", "base_lr": 0.01},
    "rmsprop": {"type": "RMSProp", "momentum": 0.0, "base_lr": 0.01},
    "itersize": {"iter_size": 2, "clip_gradients": 1.0, "type": "Nesterov", "average_loss": 4},
}


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def spawn(run: Path, more: dict[str, Any], *flags: str, crash: str = "") -> subprocess.Popen[bytes]:
    return subprocess.Popen([*TINY, str(run), repr(more), *flags], cwd=ROOT, env=os.environ | {"CRASH_AT": crash})


def lines(run: Path) -> list[dict[str, Any]]:
    path = run / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")] if path.exists() else []


def wait_for(run: Path, iteration: int, child: subprocess.Popen[bytes]) -> None:
    """Until the child has logged an iteration."""
    while not any(line["iteration"] >= iteration for line in lines(run)):
        assert child.poll() is None, "the child ended early"
        time.sleep(0.005)


def same_weights(one: Path, two: Path) -> None:
    assert (one / "weights.safetensors").read_bytes() == (two / "weights.safetensors").read_bytes()
    assert (one / "best.safetensors").read_bytes() == (two / "best.safetensors").read_bytes()
    buffers = [read_tensors(run / "solver.safetensors")[0] for run in (one, two)]
    assert buffers[0].keys() == buffers[1].keys()
    assert all(torch.equal(buffers[0][name], buffers[1][name]) for name in buffers[0])


def comparable(run: Path) -> list[dict[str, Any]]:
    """The log but for times."""
    return [{k: v for k, v in line.items() if k not in ("time", "images_per_second")} for line in lines(run)]


@pytest.mark.parametrize("name", SETTINGS)
def test_kill_and_resume(name: str, tmp_path: Path) -> None:
    more = SETTINGS[name] | {"max_iter": 600, "snapshot": 37, "test_interval": 50}
    train(job(words(**more)), tmp_path / "whole", device="cpu")
    child = spawn(tmp_path / "killed", more)
    wait_for(tmp_path / "killed", 120, child)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    result = train(job(words(**more)), tmp_path / "killed", device="cpu", resume=True)
    assert (result.iteration, result.exit_code) == (600, 0)
    same_weights(tmp_path / "whole", tmp_path / "killed")
    assert comparable(tmp_path / "whole") == comparable(tmp_path / "killed")


@pytest.mark.parametrize("crash", ["before", "1", "2", "3", "5", "6"])
def test_killed_while_saving(crash: str, tmp_path: Path) -> None:
    """Each snapshot replaces three files; the child kills itself just before (by number) one of the first snapshots' replacements."""
    train(job(words()), tmp_path / "whole", device="cpu")
    child = spawn(tmp_path / "killed", {}, crash=crash)
    assert child.wait() == -signal.SIGKILL
    train(job(words()), tmp_path / "killed", device="cpu", resume=True)
    same_weights(tmp_path / "whole", tmp_path / "killed")
    assert sorted(p.name for p in (tmp_path / "killed").iterdir()) == sorted(p.name for p in (tmp_path / "whole").iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_saves_and_stops(number: signal.Signals, tmp_path: Path) -> None:
    more = {"max_iter": 3000, "snapshot": 0}
    child = spawn(tmp_path / "stopped", more)
    wait_for(tmp_path / "stopped", 100, child)
    child.send_signal(number)
    assert child.wait() == 128 + number
    end = lines(tmp_path / "stopped")[-1]
    assert end["phase"] == "end" and end["reason"] == "interrupted" and 100 <= end["iteration"] < 3000
    assert read_tensors(tmp_path / "stopped" / "weights.safetensors")[1]["iteration"] == end["iteration"]
    train(job(words(**more)), tmp_path / "stopped", device="cpu", resume=True)
    train(job(words(**more)), tmp_path / "whole", device="cpu")
    same_weights(tmp_path / "whole", tmp_path / "stopped")


def test_resume_with_a_longer_training(tmp_path: Path) -> None:
    train(job(words()), tmp_path / "a", device="cpu")
    train(job(words(max_iter=60)), tmp_path / "a", device="cpu", resume=True)
    train(job(words(max_iter=60)), tmp_path / "b", device="cpu")
    same_weights(tmp_path / "a", tmp_path / "b")


def codes(error: pytest.ExceptionInfo[SpecError]) -> list[str]:
    return [d.code for d in error.value.diagnostics]


def test_a_run_is_not_overwritten(tmp_path: Path) -> None:
    train(job(words(max_iter=3)), tmp_path, device="cpu")
    before = (tmp_path / "weights.safetensors").read_bytes()
    with pytest.raises(SpecError) as error:
        train(job(words(max_iter=3)), tmp_path, device="cpu")
    assert codes(error) == ["NS677"]
    assert (tmp_path / "weights.safetensors").read_bytes() == before


def test_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as error:
        train(job(words()), tmp_path / "typo", device="cpu", resume=True)
    assert codes(error) == ["NS679"]
    assert not (tmp_path / "typo").exists()
