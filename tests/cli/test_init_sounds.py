"""`netspec init FOLDER` of sounds: from files to a prediction in four commands; `netspec data` on the same folder."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from netspec.cli import group
from tests.data.sounds import write_wav

pytestmark = [pytest.mark.torch, pytest.mark.onnx]
RATE = 2000


def run(*words: str) -> str:
    result: Any = CliRunner().invoke(group, list(words), standalone_mode=False)
    assert result.exception is None, (result.exception, result.output)
    return str(result.output)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NETSPEC_DATA", raising=False)
    chance, t = np.random.RandomState(0), np.arange(400) / RATE
    for i in range(20):
        for name, low, high in (("deep", 40, 120), ("high", 400, 900)):
            tone = np.sin(2 * np.pi * chance.uniform(low, high) * t + chance.uniform(0, 6))
            write_wav(tmp_path / "tones" / name / f"{i}.wav", 0.5 * tone, RATE)
    return tmp_path


def test_four_commands_tell_deep_tones_from_high_ones(home: Path) -> None:
    assert "2 classes, 28 sounds to train on" in run("init", "tones")
    run("train", "tones.yaml", "--run", "run", "--quiet", "--set", "train.solver.epochs=8")
    run("export", "run", "-o", "tones.onnx", "--no-certify")
    for name in ("deep", "high"):
        made = run(
            "predict", "tones.onnx", f"tones/{name}", "--allow-uncertified", "--top", "1", "--csv", "-"
        )
        answers = [line.split(",")[3] for line in made.splitlines()[1:]]
        assert answers.count(name) >= 19, made


def test_sounds_of_several_rates_and_lengths_are_brought_to_one(home: Path) -> None:
    write_wav(home / "tones/deep/fast.wav", np.zeros(4000), 2 * RATE)
    run("init", "tones")
    text = Path("tones.yaml").read_text()
    assert "rate: 2000, resample: true" in text and "data: [N, 1, 400]" in text
    run("train", "tones.yaml", "--run", "run", "--quiet", "--set", "train.solver.epochs=1")


def test_data_counts_classes_and_lengths(home: Path) -> None:
    write_wav(home / "tones/deep/long.wav", np.sin(np.arange(500)), RATE)
    said = run("data", "tones")
    assert "rate       2,000 Hz" in said and "lengths    400 (40), 500 (1), from 400 to 500 samples" in said
    assert "deep    21" in said
