"""What a net that knows nothing costs, as each loss says it, is what its module gives; a fresh net far beyond it is told of (NS772)."""

from pathlib import Path

import pytest
import torch

from netspec import driver
from netspec.compiled import compile as compile_graph
from netspec.diagnostics import Diagnostic
from netspec.source import Source
from netspec.training.divergence import judge_first_loss
from netspec.training.job_building import guess_of
from netspec.training.session import train_program
from tests.training.specs import LAYERS, program

pytestmark = pytest.mark.torch
LOSSES = [
    ("{type: SoftmaxWithLoss}", (4, 7), (4,), 7),
    ("{type: SoftmaxWithLoss, class_weight: [1, 2, 4]}", (4, 3), (4,), 3),
    ("{type: SoftmaxWithLoss, normalization: BATCH_SIZE}", (4, 5), (4,), 5),
    ("{type: SoftmaxWithLoss, normalization: FULL}", (4, 5, 3, 2), (4, 3, 2), 5),
    ("{type: SoftmaxWithLoss, axis: 2}", (2, 4, 6), (2, 4), 6),
    ("{type: SoftmaxWithLoss, loss_weight: 0.5}", (4, 7), (4,), 7),
    ("{type: SigmoidCrossEntropyLoss}", (4, 6), (4, 6), 2),
    ("{type: SigmoidCrossEntropyLoss, normalization: VALID}", (4, 2, 3), (4, 2, 3), 2),
]


@pytest.mark.parametrize(("loss", "scores", "labels", "classes"), LOSSES)
def test_a_guess_is_the_loss_of_scores_that_are_alike(
    loss: str, scores: tuple[int, ...], labels: tuple[int, ...], classes: int
) -> None:
    alike = 0.7 if "Softmax" in loss else 0  # a softmax knows differences alone
    text = (
        f"netspec: 1\nname: guess\ninput: {{x: {list(scores)}, label: {list(labels)}}}\n"
        f"layers:\n  - {{name: f, type: Power, bottom: x, shift: {alike}, scale: 0}}\n"
        f"  - {{name: loss, bottom: [f, label], {loss[1:-1]}}}\n"
    )
    typed = driver.load_source(Source("guess.yaml", text)).training_graph("train")
    net = compile_graph(typed, "train")
    draw = torch.Generator().manual_seed(1)
    given = torch.randint(0, classes, labels, generator=draw)
    net(torch.randn(scores, generator=draw), given if len(labels) < len(scores) else given.float())
    assert guess_of(typed) == pytest.approx(float(net.total_loss), rel=1e-5)


@pytest.mark.parametrize("loss", ["{type: SoftmaxWithLoss, normalization: NONE}", "{type: EuclideanLoss}"])
def test_what_no_one_can_guess_is_not_guessed(loss: str) -> None:
    shape = [4, 3] if "Euclid" in loss else [4]
    text = f"netspec: 1\ninput: {{x: [4, 3], label: {shape}}}\nlayers:\n  - {{name: loss, bottom: [x, label], {loss[1:-1]}}}\n"
    assert guess_of(driver.load_source(Source("guess.yaml", text)).training_graph("train")) is None


def codes(found: tuple[Diagnostic, ...]) -> list[str]:
    return [each.code for each in found]


def test_a_fresh_net_far_beyond_guessing_is_told(tmp_path: Path) -> None:
    raw = {"data": {"shape": ["N", 1, 8, 8], "image": {"color": "gray"}}}
    short = {"max_iter": 2, "base_lr": 1e-5}
    large = train_program(program(input=raw, layers=LAYERS[3:], solver=short), tmp_path / "a", device="cpu")
    assert codes(large.findings) == ["NS772"]
    assert "2.303" in large.findings[0].fact and "data reaches 255" in large.findings[0].notes[0]
    assert not train_program(program(layers=LAYERS[3:], solver=short), tmp_path / "b", device="cpu").findings
    # what goes on from weights is not fresh
    again = program(input=raw, layers=LAYERS[3:], solver=short | {"max_iter": 4})
    assert not train_program(again, tmp_path / "a", device="cpu", resume=True).findings


def test_ten_times_is_the_bound() -> None:
    batch = {"x": torch.ones(2, 3), "label": torch.zeros(2)}
    assert not judge_first_loss(9.9, 1.0, batch, "run") and not judge_first_loss(
        float("nan"), 1.0, batch, "run"
    )
    (found,) = judge_first_loss(10.1, 1.0, batch, "run")
    assert found.notes == ("a smaller weight_filler brings the scores of the fresh net together",)
