"""The loop on a GPU: the numbers of the CPU within rounding, a resumed run, losses read in blocks."""

from pathlib import Path

import pytest
import torch

from netspec.diagnostics import SpecError
from netspec.training.job import Job
from netspec.training.loop import train
from netspec.training.run.weights import read_tensors
from tests.training.tiny import TinyNet, data, job, words

pytestmark = [pytest.mark.torch, pytest.mark.gpu]


def without_dropout(**more: object) -> Job:
    """The two devices draw other random numbers, so nothing may be dropped."""
    made = job(words(**more))
    assert isinstance(made.net, TinyNet)
    made.net.drop.p = 0.0
    return made


@pytest.mark.parametrize("kind", ["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam", "AdamW"])
def test_gpu_is_cpu(kind: str, tmp_path: Path) -> None:
    more = {
        "type": kind,
        "momentum": 0.0 if kind in ("AdaGrad", "RMSProp") else 0.9,
        "delta": 1e-3,
        "iter_size": 2,
        "clip_gradients": 0.5,
    }
    for device in ("cpu", "cuda"):
        train(without_dropout(**more), tmp_path / device, device=device)
    train(without_dropout(**more, max_iter=20), tmp_path / "parts", device="cuda")
    train(without_dropout(**more), tmp_path / "parts", device="cuda", resume=True)
    cpu, *others = (
        read_tensors(tmp_path / name / "weights.safetensors")[0] for name in ("cpu", "cuda", "parts")
    )
    for other in others:
        for name, tensor in cpu.items():
            torch.testing.assert_close(other[name], tensor, rtol=1e-3, atol=1e-4)


def test_divergence_names_its_iteration(tmp_path: Path) -> None:
    """The losses of many iterations are read together; the message still names the first bad one."""
    tensors = data()
    tensors["data"][17, 2] = torch.inf
    found = []
    for device in ("cpu", "cuda"):
        with pytest.raises(SpecError) as error:
            train(
                job(words(display=1000, snapshot=0, test_interval=0), tensors=tensors),
                tmp_path / device,
                device=device,
            )
        found.append(error.value.diagnostics[0].fact)
    assert found[0] == found[1]
