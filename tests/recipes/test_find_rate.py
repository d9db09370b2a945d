"""A learning rate is suggested where the loss falls, and nothing is left of the trial."""

import json
import signal
from pathlib import Path

import pytest

from netspec.diagnostics import SpecError
from netspec.recipes.find_rate import HIGHEST, LOWEST, Trial, suggest
from netspec.training.loop import Training
from tests.training.specs import Line, write

pytestmark = pytest.mark.torch


def test_a_tenth_of_the_rate_of_the_least_loss() -> None:
    trials = [Trial(rate, 0.0, mean) for rate, mean in ((1e-4, 2.0), (1e-2, 1.5), (0.31, 0.4), (3.0, 1.9))]
    assert suggest(trials) == 0.03
    for flat in ([], [trials[0], Trial(1.0, 0.0, 1.95)]):
        with pytest.raises(SpecError, match="NS619"):
            suggest(flat)


def test_a_rate_is_found_for_the_digits_and_the_net_is_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    line = Line(monkeypatch, capsys)
    more = {"val_data": {"source": "digits"}, "split": {"val": 0.1}, "stop": 2, "average": "EMA"}
    spec = write(Path("net.yaml"), train=more)
    assert line("train", spec, "--find-lr", "--json") == 0, line.err
    found = json.loads(line.out)
    rates = [trial["rate"] for trial in found["trials"]]
    assert rates[0] == pytest.approx(LOWEST) and rates == sorted(rates) and rates[-1] <= HIGHEST * 1.001
    assert 0.001 < found["base_lr"] < 0.5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.yaml"]
    assert line("train", spec, "--find-lr") == 0
    assert f"base_lr: {found['base_lr']:g} is" in line.out and max(map(len, line.out.splitlines())) <= 80


def test_a_search_that_is_stopped_suggests_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The losses so far are no reason to say that they fall at no rate."""
    monkeypatch.chdir(tmp_path)
    line = Line(monkeypatch, capsys)
    advance = Training.advance

    def stopped(self: Training) -> None:
        advance(self)
        self.interrupt.signal = signal.SIGINT

    monkeypatch.setattr(Training, "advance", stopped)
    assert line("train", write(Path("net.yaml")), "--find-lr") == 130
    assert "no rate to suggest" in line.err and "base_lr" not in line.out + line.err
