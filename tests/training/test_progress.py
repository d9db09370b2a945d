"""What a training shows: a bar on a terminal only, lines elsewhere; and what its log says."""

import io
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from netspec.training import loop
from netspec.training.loop import train
from netspec.training.progress import Bar, Lines, reporter
from netspec.training.run.log import Log
from tests.training.tiny import OnePass, Shuffled, job, words

pytestmark = pytest.mark.torch


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_where_there_is_no_terminal(tmp_path: Path) -> None:
    stream = io.StringIO()
    shown = reporter(stream)
    assert isinstance(shown, Lines)
    train(job(words(max_iter=10)), tmp_path, device="cpu", progress=shown)
    first, *rest = stream.getvalue().splitlines()
    assert first.startswith("test 0/10: loss ") and "\x1b" not in stream.getvalue()
    assert [line.split(":")[0] for line in rest] == ["train 5/10", "train 10/10", "test 10/10"]


@pytest.mark.parametrize("colours", [True, False])
def test_bar_on_a_terminal_of_80_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, colours: bool
) -> None:
    """Count and time left stay whole, numbers stand below, and no line is wider."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if not colours:
        monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    shown = reporter(stream)
    assert isinstance(shown, Bar)
    train(job(words(max_iter=20)), tmp_path, device="cpu", progress=shown)
    text = stream.getvalue()
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
    last = [line.strip("\r") for line in plain.splitlines()][-3:]
    assert re.fullmatch(r"train ━+ +20/20 0:00:00", last[0])
    assert re.fullmatch(r"train  loss \S+  accuracy \S+  images/s \S+", last[1].rstrip())
    assert re.fullmatch(r"test   loss \S+  accuracy \S+", last[2].rstrip())
    assert all(len(line) <= 80 for line in re.split(r"[\r\n]+", plain))
    assert ("\x1b[38;5" in text or "\x1b[3" in text) == colours


def records(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_log(tmp_path: Path) -> None:
    train(job(words(max_iter=10, average_loss=3)), tmp_path, device="cpu")
    log = records(tmp_path)
    assert [(r["phase"], r["iteration"]) for r in log] == [
        ("test", 0),
        ("train", 5),
        ("train", 10),
        ("test", 10),
        ("end", 10),
    ]
    assert log[1].keys() == {
        "phase",
        "iteration",
        "loss",
        "accuracy",
        "learning_rate",
        "images_per_second",
        "time",
    }
    assert log[1]["learning_rate"] == pytest.approx(0.05 * (1 + 0.01 * 4) ** -0.75)
    assert log[0].keys() == {"phase", "iteration", "loss", "accuracy", "best", "time"}
    assert log[0]["best"] is True and log[-1]["reason"] == "finished"


def test_speed_is_samples_by_the_seconds_of_training_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that a batch of eight moves by two seconds, a test and a snapshot by many."""
    seconds = 1000.0

    def lasting(method: Any, most: float) -> Any:
        def work(*args: Any) -> Any:
            nonlocal seconds
            seconds += most
            return method(*args)

        return work

    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: seconds))
    monkeypatch.setattr(Shuffled, "__next__", lasting(Shuffled.__next__, 2))
    monkeypatch.setattr(Shuffled, "state", lasting(Shuffled.state, 70))
    monkeypatch.setattr(OnePass, "load", lasting(OnePass.load, 50))
    every = words(max_iter=12, display=3, test_interval=4, snapshot=5)
    train(job(every), tmp_path, device="cpu")
    train(job(words(max_iter=18, display=3, test_interval=4)), tmp_path, device="cpu", resume=True)
    speeds = [r["images_per_second"] for r in records(tmp_path) if r["phase"] == "train"]
    assert speeds == [4.0] * 6


def test_shown_loss_is_the_mean_of_the_last_iterations(tmp_path: Path) -> None:
    train(job(words(max_iter=6, display=1)), tmp_path / "each", device="cpu")
    train(job(words(max_iter=6, display=6, average_loss=4)), tmp_path / "mean", device="cpu")
    each = [r["loss"] for r in records(tmp_path / "each") if r["phase"] == "train"]
    (mean,) = [r["loss"] for r in records(tmp_path / "mean") if r["phase"] == "train"]
    assert mean == pytest.approx(sum(each[2:]) / 4)


def test_a_log_can_be_rewound(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.rewind(5)
    for phase, iteration in (("test", 0), ("train", 5), ("test", 5), ("train", 6)):
        log.write({"phase": phase, "iteration": iteration, "loss": float("nan")})
    with log.path.open("a") as file:
        file.write('{"phase": "train", "iter')
    log.rewind(5)
    assert [(r["phase"], r["iteration"], r["loss"]) for r in records(tmp_path)] == [
        ("test", 0, None),
        ("train", 5, None),
    ]
