"""A run that is killed and resumed ends with the very weights of one that was not; a run that is interrupted says so and can go on."""

import json
import random
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from netspec.diagnostics import SpecError
from netspec.training.loop import train
from netspec.training.run.weights import read_tensors
from tests.children import Child
from tests.training.tiny import job, recipe_job, train_in_child, words

pytestmark = pytest.mark.torch
SETTINGS: dict[str, dict[str, Any]] = {
    "sgd": {},
    "adam": {"type": "Adam", "base_lr": 0.01},
    "rmsprop": {"type": "RMSProp", "momentum": 0.0, "base_lr": 0.01},
    "itersize": {"iter_size": 2, "clip_gradients": 1.0, "type": "Nesterov", "average_loss": 4},
    "falling": {
        "lr_policy": "plateau",
        "gamma": 0.5,
        "patience": 1,
        "average": {"decay": 0.9},
        "stop": {"patience": 9},
    },
    "restarts": {
        "lr_policy": "warm_restarts",
        "stepsize": 30,
        "clip_value": 0.1,
        "average": {"type": "SWA", "start": 30, "every": 7},
    },
}


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def lines(run: Path) -> list[dict[str, Any]]:
    path = run / "log.jsonl"
    return (
        [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
        if path.exists()
        else []
    )


def same_weights(one: Path, two: Path) -> None:
    assert (one / "weights.safetensors").read_bytes() == (two / "weights.safetensors").read_bytes()
    assert (one / "best.safetensors").read_bytes() == (two / "best.safetensors").read_bytes()
    buffers = [read_tensors(run / "solver.safetensors")[0] for run in (one, two)]
    assert buffers[0].keys() == buffers[1].keys()
    assert all(torch.equal(buffers[0][name], buffers[1][name]) for name in buffers[0])


def comparable(run: Path) -> list[dict[str, Any]]:
    """The log but for times."""
    return [{k: v for k, v in line.items() if k not in ("time", "images_per_second")} for line in lines(run)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing stopped."""
    run = tmp_path_factory.mktemp("runs") / "whole"
    train(job(words()), run, device="cpu")
    return run


@pytest.mark.parametrize("name", SETTINGS)
def test_kill_and_resume(name: str, tmp_path: Path) -> None:
    """Killed in iteration 48, behind the snapshot of 38 and lines of the log that come again."""
    more = SETTINGS[name] | {"max_iter": 100, "snapshot": 19, "test_interval": 25}
    train(recipe_job(more), tmp_path / "whole", device="cpu")
    kill(more, 48, tmp_path)
    assert lines(tmp_path / "killed")[-1]["iteration"] == 45
    end(more, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("seed", range(5))
def test_kill_anywhere_several_times(name: str, seed: int, tmp_path: Path) -> None:
    """Up to four times a run, at iterations that are drawn."""
    draw = random.Random(seed)
    more = SETTINGS[name] | {
        "max_iter": 100,
        "snapshot": draw.choice([3, 19, 40]),
        "test_interval": draw.choice([5, 25]),
    }
    train(recipe_job(more), tmp_path / "whole", device="cpu")
    for at in sorted(draw.sample(range(1, 99), draw.randint(1, 4))):
        kill(more, at, tmp_path)
    end(more, tmp_path)


def kill(more: dict[str, Any], iteration: int, folder: Path) -> None:
    """Train, or go on, in a child that kills itself in an iteration."""
    strike = (iteration * more.get("iter_size", 1), signal.SIGKILL)
    resume = (folder / "killed/solver.safetensors").exists()
    child = Child(train_in_child, folder / "killed", more, "", strike, resume, folder=folder)
    assert child.wait() == -signal.SIGKILL


def end(more: dict[str, Any], folder: Path) -> None:
    """Go on to the end, which is that of a run that nothing stopped."""
    result = train(recipe_job(more), folder / "killed", device="cpu", resume=True)
    assert (result.iteration, result.exit_code) == (100, 0)
    same_weights(folder / "whole", folder / "killed")
    assert comparable(folder / "whole") == comparable(folder / "killed")


@pytest.mark.parametrize(
    "crash", ["before", "2", "3", "5", *(pytest.param(n, marks=pytest.mark.slow) for n in ("1", "6"))]
)
def test_killed_while_saving(crash: str, tmp_path: Path, whole: Path) -> None:
    """Each snapshot replaces three files; the child kills itself just before (by number) one of the first snapshots' replacements."""
    assert Child(train_in_child, tmp_path / "killed", {}, crash, folder=tmp_path).wait() == -signal.SIGKILL
    train(job(words()), tmp_path / "killed", device="cpu", resume=True)
    same_weights(whole, tmp_path / "killed")
    assert sorted(p.name for p in (tmp_path / "killed").iterdir()) == sorted(p.name for p in whole.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_saves_and_stops(number: signal.Signals, tmp_path: Path) -> None:
    more = {"max_iter": 60, "snapshot": 0}
    assert (
        Child(train_in_child, tmp_path / "stopped", more, "", (40, number), folder=tmp_path).wait()
        == 128 + number
    )
    end = lines(tmp_path / "stopped")[-1]
    assert end["phase"] == "end" and end["reason"] == "interrupted" and 40 <= end["iteration"] <= 41
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
