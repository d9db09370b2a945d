"""Weights as our fillers draw them against statistics of what Caffe's drew: least, greatest, mean, standard deviation, share of zeros."""

from pathlib import Path

import numpy as np
import pytest
import torch

import netspec
from netspec.driver import load_source
from netspec.source import Source
from netspec.torch_modules.base import bilinear_

RECORDED = np.load(Path(__file__).parent / "fillers" / "fillers.npz")
LAYERS = {
    "conv": "input: {x: [1, 32, 8, 8]}\nlayers:\n  - {name: l, type: Convolution, num_output: 64, kernel_size: 3, %s}\n",
    "conv_group4": "input: {x: [1, 32, 8, 8]}\nlayers:\n  - {name: l, type: Convolution, num_output: 64, kernel_size: 3, group: 4, %s}\n",
    "deconv": "input: {x: [1, 32, 8, 8]}\nlayers:\n  - {name: l, type: Deconvolution, num_output: 64, kernel_size: 3, %s}\n",
    "ip": "input: {x: [1, 150]}\nlayers:\n  - {name: l, type: InnerProduct, num_output: 200, %s}\n",
}
FILLERS = {
    "default": "",
    "constant": "{type: constant, value: 0.3}",
    "uniform": "{type: uniform, min: -0.2, max: 0.7}",
    "uniform_default": "{type: uniform}",
    "gaussian": "{type: gaussian, mean: 0.5, std: 0.02}",
    "gaussian_default": "{type: gaussian}",
    "gaussian_sparse": "{type: gaussian, sparse: 15}",
    "unitball": "{type: positive_unitball}",
    **{
        f"{type_}{end}": f"{{type: {type_}, variance_norm: {norm}}}"
        for type_ in ("xavier", "msra")
        for end, norm in (("", "FAN_IN"), ("_out", "FAN_OUT"), ("_ave", "AVERAGE"))
    },
}
UNBOUNDED = ("gaussian", "msra")


def drawn(layer: str, filler: str) -> torch.Tensor:
    torch.manual_seed(3)
    words = f"weight_filler: {FILLERS[filler]}" if FILLERS[filler] else "bias_term: true"
    return (
        netspec.compile(load_source(Source("net.yaml", LAYERS[layer] % words)))
        .layer_parameters("l")[0]
        .detach()
    )


def test_every_recorded_filler_is_here() -> None:
    keys = {f"{layer}__{filler}" for layer in LAYERS for filler in FILLERS}
    assert keys == {key for key in RECORDED.files if not key.endswith("__rowsum") and key != "meta"}


@pytest.mark.torch
@pytest.mark.parametrize("filler", FILLERS)
@pytest.mark.parametrize("layer", LAYERS)
def test_statistics(layer: str, filler: str) -> None:
    """Means within five standard errors of one another, spreads within 4 % (sparse ones 15), ends within 2 % of the range."""
    least, greatest, mean, deviation, zeros = RECORDED[f"{layer}__{filler}"]
    weight = drawn(layer, filler).double()
    error = 5 * deviation * (2 / weight.numel()) ** 0.5 + 1e-6
    assert weight.mean().item() == pytest.approx(mean, abs=error)
    assert weight.std().item() == pytest.approx(
        deviation, rel=0.04 if filler != "gaussian_sparse" else 0.15, abs=1e-6
    )
    assert (weight == 0).double().mean().item() == pytest.approx(zeros, abs=0.03)
    if not filler.startswith(UNBOUNDED):
        room = 0.02 * (greatest - least) + 1e-6
        ends = weight.min().item(), weight.max().item()
        assert ends == (
            pytest.approx(least, abs=room),
            pytest.approx(greatest, abs=room if filler != "unitball" else 0.25 * greatest),
        )


@pytest.mark.torch
@pytest.mark.parametrize("layer", LAYERS)
def test_unit_ball(layer: str) -> None:
    """Each row, counted by the weight's first axis, sums to 1."""
    sums = drawn(layer, "unitball").flatten(1).sum(1)
    torch.testing.assert_close(sums, torch.ones_like(sums))


@pytest.mark.torch
@pytest.mark.parametrize("size", range(1, 8))
def test_a_bilinear_kernel_is_caffe_s_formula(size: int) -> None:
    """BilinearFiller of filler.hpp, number by number: even kernels and odd ones have other centres."""
    weight = torch.full((2, 1, size, size), torch.nan)
    bilinear_(weight)
    factor = (size + 1) // 2
    centre = (2 * factor - 1 - factor % 2) / (2 * factor)
    for i, value in enumerate(weight.flatten().tolist()):
        x, y = i % size, i // size % size
        wanted = (1 - abs(x / factor - centre)) * (1 - abs(y / factor - centre))
        assert value == pytest.approx(wanted, abs=1e-7)
