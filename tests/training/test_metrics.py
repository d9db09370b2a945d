"""Means over samples, the window of losses, tests of a net, and tensors that stay shared when nets move."""

import math
from typing import Any

import pytest
import torch
from torch import nn

import netspec
from netspec.torch_modules.metric import Accuracy
from netspec.training.device import move
from netspec.training.evaluate import evaluate
from netspec.training.loop import train
from netspec.training.metrics import LossWindow, WeightedMeans, scalars
from netspec.training.optim.solver import ParameterSpec
from tests.training.tiny import OnePass, TinyNet, data, job, words

pytestmark = pytest.mark.torch


def test_a_short_batch_weighs_less() -> None:
    means = WeightedMeans()
    means.add({"accuracy": torch.tensor(1.0)}, 8)
    means.add({"accuracy": torch.tensor(0.0)}, 2)
    assert means.result() == {"accuracy": 0.8}
    assert WeightedMeans().result() == {}


def test_numbers_among_outputs() -> None:
    assert scalars(torch.tensor(2.0)) == {"loss": torch.tensor(2.0)}
    assert list(scalars({"scores": torch.zeros(1), "loss": torch.tensor(1.0)})) == ["loss"]


def test_window_of_losses() -> None:
    window = LossWindow(2, [5.0])
    assert window.read() is None and window.mean == 5.0
    window.add(torch.tensor(1.0))
    window.add(torch.tensor(3.0))
    window.add(torch.tensor(4.0))
    assert window.read() is None
    assert (window.mean, window.count) == (3.5, 3)
    window.add(torch.tensor(1.0))
    window.add(torch.tensor(-math.inf))
    window.add(torch.tensor(math.nan))
    assert window.read() == (4, -math.inf)


def test_evaluation_is_the_mean_over_all_samples() -> None:
    """20 samples in batches of 6, 6, 6, 2 give what one batch of 20 gives."""
    torch.manual_seed(0)
    net = TinyNet().eval()
    tensors = data(20)
    with torch.no_grad():
        whole = net(**tensors)
    parts = OnePass(tensors, 6)
    for _ in range(2):
        metrics = evaluate(net, parts, torch.device("cpu"))
        assert metrics == pytest.approx(
            {"loss": float(whole["loss"]), "accuracy": float(whole["accuracy"])}, rel=1e-6
        )
    first = evaluate(net, parts, torch.device("cpu"), test_iter=2)
    with torch.no_grad():
        want = net(**{name: tensor[:12] for name, tensor in tensors.items()})
    assert first is not None and first["loss"] == pytest.approx(float(want["loss"]))
    assert evaluate(net, parts, torch.device("cpu"), stop=lambda: True) is None


def test_evaluation_changes_no_tensor_of_the_net() -> None:
    net = TinyNet().eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    evaluate(net, OnePass(data(20), 6), torch.device("cpu"))
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_nets_stay_tied_when_they_move() -> None:
    """The meta device stands for another one: statistics are moved once and shared by both nets."""
    one, two = nn.BatchNorm1d(3, affine=False), nn.BatchNorm1d(3, affine=False)
    two.running_mean, two.running_var = one.running_mean, one.running_var
    (moved,) = move([one, two], [ParameterSpec("mean", one.running_mean, 0.0)], torch.device("meta"))
    assert one.running_mean is two.running_mean is moved.tensor
    assert one.running_mean.is_meta and one.running_var is two.running_var


def test_training_learns(tmp_path_factory: pytest.TempPathFactory) -> None:
    begun = job(words(test_interval=0, max_iter=150, base_lr=0.1))
    begun.test_batches.tensors = data()  # type: ignore[union-attr]
    result = train(begun, tmp_path_factory.mktemp("run") / "run", device="cpu")
    assert result.metrics["accuracy"] > 0.75
    assert result.metrics["loss"] < 0.9
    assert result.best["iteration"] == 150


def test_scores_that_are_no_numbers_are_missed() -> None:
    scores = torch.tensor([[0.0, 1.0], [math.nan, math.nan], [1.0, math.nan]])
    assert Accuracy()(scores, torch.tensor([1, 0, 0])).item() == pytest.approx(2 / 3)


@pytest.mark.parametrize("call", [netspec.load, netspec.check, netspec.compile])
def test_what_is_no_path_is_refused_by_its_type(call: Any) -> None:
    with pytest.raises(TypeError, match="not dict"):
        call({"netspec": 1})


def test_a_phase_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="one of test, train, deploy: it is 'tset'"):
        netspec.compile("specs/lenet.yaml", "tset")
