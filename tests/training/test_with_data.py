"""The loop on the batches of the data layer: a stop and a resume change nothing, and each test sample counts once."""

from pathlib import Path

import pytest
import torch

from netspec.data.source import ArraySource
from netspec.training.batches.loader import Batches, Feed, Order
from netspec.training.job import Job
from netspec.training.loop import train
from tests.training.tiny import data, job, words

pytestmark = pytest.mark.torch
FEED = Feed({"data": "data", "label": "label"})


def real_job(max_iter: int) -> Job:
    """The tiny job, fed by the data layer: 50 samples in shuffled batches of 8, tested on 20 in batches of 6."""
    tiny = job(words(max_iter=max_iter))
    sources = [
        ArraySource("memory", {name: tensor.numpy() for name, tensor in data(count).items()}, "label")
        for count in (50, 20)
    ]
    return Job(
        tiny.net,
        tiny.parameters,
        tiny.words,
        Batches(sources[0], 8, Order(True, True, 3), FEED),
        tiny.test_net,
        Batches(sources[1], 6, Order(False, False), FEED),
        spec_hash="tiny",
    )


def test_stopped_and_resumed(tmp_path: Path) -> None:
    whole = train(real_job(33), tmp_path / "whole", device="cpu")
    train(real_job(20), tmp_path / "parts", device="cpu")
    parts = train(real_job(33), tmp_path / "parts", device="cpu", resume=True)
    assert (tmp_path / "whole/weights.safetensors").read_bytes() == (
        tmp_path / "parts/weights.safetensors"
    ).read_bytes()
    assert whole.metrics == parts.metrics


def test_test_is_over_all_samples(tmp_path: Path) -> None:
    begun = real_job(5)
    result = train(begun, tmp_path, device="cpu")
    assert begun.test_net is not None
    with torch.no_grad():
        whole = begun.test_net(**data(20))
    assert result.metrics["accuracy"] == pytest.approx(float(whole["accuracy"]))
    assert result.metrics["loss"] == pytest.approx(float(whole["loss"]), rel=1e-6)
