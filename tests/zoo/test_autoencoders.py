"""What the denoising, the sparse and the contractive autoencoder are for: trained for a moment, beside themselves without it."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from netspec import compiled, driver
from netspec.data.sources.digits import open_digits
from netspec.read_options import Reading
from netspec.training.run.folder import load_run
from netspec.training.session import train_program
from tests.zoo.kinds import SPECS, program

pytestmark = pytest.mark.torch
SHORT = (
    "train.solver.max_iter=300",
    "train.solver.test_interval=0",
    "train.solver.display=0",
    "train.solver.snapshot=0",
)


@cache
def trained(name: str, *settings: str) -> Any:
    """The net, deployed, after a short training; its run's folder is thrown away."""
    made = driver.load(str(SPECS[name]), Reading(settings=(*SHORT, *settings)))
    folder = Path(mkdtemp()) / "run"
    train_program(made, folder, device="cpu")
    return load_run(folder).net


@cache
def digits() -> Tensor:
    return torch.from_numpy(open_digits("test").batch(np.arange(360))["image"].astype(np.float32) / 255)


def blobs(net: Any, values: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        return net.forward_blobs({"data": values})


def test_noise_is_in_training_alone_and_keeps_the_mean() -> None:
    net: Any = compiled.compile(program("denoising-autoencoder-digits").training_graph("train"), "train")
    values = torch.rand(400, 1, 8, 8) + 0.5
    noisy = blobs(net, values)["noisy"]
    assert 0.28 < (noisy == 0).float().mean() < 0.32
    assert abs(noisy.mean() - values.mean()) < 0.01
    assert torch.equal(blobs(net.eval(), values)["noisy"], values.flatten(1))
    assert [node.layer.type for node in program("denoising-autoencoder-digits").graph().graph.nodes].count("Dropout") == 1  # fmt: skip


@pytest.mark.slow
def test_a_denoising_autoencoder_draws_what_is_missing() -> None:
    draw = torch.Generator().manual_seed(7)
    kept = (torch.rand(digits().shape, generator=draw) >= 0.3) / 0.7
    errors = {}
    for ratio in ("0.3", "0"):
        net = trained(
            "denoising-autoencoder-digits", f"noisy.dropout_ratio={ratio}", "train.solver.max_iter=600"
        )
        with torch.no_grad():
            errors[ratio] = float((net(digits() * kept) - digits().flatten(1)).square().mean())
    assert errors["0.3"] < 0.85 * errors["0"], errors
    assert errors["0.3"] < 0.3 * float((digits() * kept - digits()).square().mean())


def test_the_penalty_of_sparse_codes_is_the_divergence_of_coins() -> None:
    net: Any = compiled.compile(program("sparse-autoencoder-digits").training_graph("train"), "train")
    found = blobs(net, digits())
    mean, rest = found["code"].double().mean(0), 0.05
    assert torch.allclose(found["activity"].double(), mean)
    coins = rest * torch.log(rest / mean) + (1 - rest) * torch.log((1 - rest) / (1 - mean))
    entropy = -(rest * np.log(rest) + (1 - rest) * np.log(1 - rest))
    assert float(found["sparsity"] - entropy) == pytest.approx(float(coins.mean()), rel=1e-4)
    loss, sparsity = float(found["loss"]), float(found["sparsity"])
    net(digits())
    assert float(net.total_loss.detach()) == pytest.approx(loss + 100 * sparsity, rel=1e-5)


def test_a_sparse_code_is_at_rest_mostly() -> None:
    """Without the penalty the units of this net are on for 0.46 of the time."""
    net = trained("sparse-autoencoder-digits")
    activity = blobs(net, digits())["code"].mean(0)
    assert 0.04 < activity.mean() < 0.1 and activity.max() < 0.2, activity


def test_the_penalty_of_a_contractive_code_is_its_jacobian() -> None:
    from torch.autograd.functional import jacobian

    net: Any = compiled.compile(program("contractive-autoencoder-digits").training_graph("train"), "train")
    few = digits()[:5]
    found = blobs(net, few)
    weight, bias = (each.detach() for each in net.layer_parameters("encode"))
    wanted = [
        float(jacobian(lambda x: torch.sigmoid(weight @ x + bias), each.flatten()).square().sum())
        for each in few
    ]
    assert found["jacobian"].tolist() == pytest.approx(wanted, rel=1e-4)
    assert float(found["contraction"]) == pytest.approx(np.mean(wanted), rel=1e-4)


def test_the_penalty_reaches_the_encoder_through_its_matrix_and_its_slope() -> None:
    net: Any = compiled.compile(program("contractive-autoencoder-digits").training_graph("train"), "train")
    few, (weight, bias) = digits()[:5], net.layer_parameters("encode")
    net(few)
    net.total_loss.backward()
    x = few.flatten(1)
    code = torch.sigmoid(x @ weight.T + bias)
    draw, shift = net.layer_parameters("decode")
    drawn = (
        torch.nn.functional.binary_cross_entropy_with_logits(code @ draw.T + shift, x, reduction="sum") / 5
    )
    norm = ((code * (1 - code)).square() @ weight.square().sum(1)).mean()
    (wanted,) = torch.autograd.grad(drawn + 0.1 * norm, weight)
    torch.testing.assert_close(weight.grad, wanted)


def test_a_contractive_code_moves_less() -> None:
    norms = {}
    for strength in ("0.1", "0.0"):
        net = trained("contractive-autoencoder-digits", f"vars.strength={strength}")
        weight, _ = net.layer_parameters("encode")
        code = blobs(net, digits())["code"]
        with torch.no_grad():
            norms[strength] = float(((code * (1 - code)).square() @ weight.square().sum(1)).mean())
    assert norms["0.1"] < 0.5 * norms["0.0"], norms
