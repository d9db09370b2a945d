"""SegNet's weights of classes: what the fork computes with them is what the imported loss computes."""

from pathlib import Path
from typing import Any

import pytest
import torch

import netspec
from netspec.importers.prototxt import Imported, import_prototxt

pytestmark = pytest.mark.torch
NET = """
name: "s"
input: "scores" input_shape { dim: 2 dim: 3 dim: 2 dim: 2 }
input: "label" input_shape { dim: 2 dim: 2 dim: 2 }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "scores" bottom: "label" top: "loss"
        loss_param { ignore_label: 11 %s } }
"""
WEIGHTS = "class_weighting: 0.2 class_weighting: 0.5 class_weighting: 3.5"


def imported(words: str) -> Imported:
    Path("net.prototxt").write_text(NET % words)
    return import_prototxt("net.prototxt")


def words_of(result: Imported) -> Any:
    return result.tree["layers"][-1]["loss_param"]


def told(result: Imported) -> list[str]:
    return [found.fact for found in result.findings if found.code in ("NS021", "NS025")]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_loss_is_the_forks() -> None:
    """sum of w[y] times -log p[y], by the fork over the number of labels, here over the sum of w."""
    result = imported(f"weight_by_label_freqs: true {WEIGHTS}")
    assert words_of(result) == {"ignore_label": 11, "class_weight": [0.2, 0.5, 3.5]}
    assert "divided by the sum of the weights" in told(result)[0] and len(told(result)) == 1
    random = torch.Generator().manual_seed(0)
    scores = torch.randn((2, 3, 2, 2), generator=random)
    label = torch.tensor([[[0, 1], [2, 11]], [[1, 1], [0, 2]]])
    weights = torch.tensor([0.2, 0.5, 3.5])
    seen = label != 11
    logs = scores.log_softmax(1).movedim(1, -1)[seen]
    each = -weights[label[seen]] * logs.gather(1, label[seen][:, None])[:, 0]
    Path("net.yaml").write_text(result.text)
    net = netspec.compile(netspec.load("net.yaml"), "train")
    net(scores, label)
    assert float(net.total_loss) == pytest.approx(float(each.sum() / weights[label[seen]].sum()))
    alike = imported(f"weight_by_label_freqs: true normalize: false {WEIGHTS}")
    assert told(alike) == ["class_weighting of layer loss: class_weight says the same here"]
    Path("net.yaml").write_text(alike.text)
    net = netspec.compile(netspec.load("net.yaml"), "train")
    net(scores, label)
    assert float(net.total_loss) == pytest.approx(float(each.sum() / 2))


def test_weights_that_the_fork_does_not_heed_are_left_out() -> None:
    for switch in ("", "weight_by_label_freqs: false"):
        result = imported(f"{switch} {WEIGHTS}")
        assert words_of(result) == {"ignore_label": 11} and "heeds it only beside" in told(result)[0]
    assert words_of(imported("weight_by_label_freqs: false")) == {"ignore_label": 11}


def test_frequencies_without_numbers_are_kept_and_told() -> None:
    """The fork then counts labels itself: nobody knows its weights."""
    result = imported("weight_by_label_freqs: true")
    assert words_of(result)["weight_by_label_freqs"] is True and "kept as it is" in told(result)[0]
