"""Pooling by a p-norm against the formula, in torch and in the exported file: p = 1, 2, 3 and what is no whole number."""

from itertools import product

import numpy as np
import onnxruntime as ort
import pytest
import torch

import netspec
from netspec.driver import load_source
from netspec.emit.onnx_model import onnx_model
from netspec.source import Source

pytestmark = [pytest.mark.torch, pytest.mark.onnx]
WAYS = {"norm_type: 1": 1.0, "norm_type: 3": 3.0, "norm_type: 2.5": 2.5, "": 2.0}


def by_hand(x: np.ndarray, p: float, k: int, s: int, pad: int) -> np.ndarray:
    """(sum |x|^p)^(1/p) of each window that lies in the input and its border, rounded up as Caffe does."""
    wide = np.pad(np.abs(x), [(0, 0), (0, 0), (pad, pad + k + s), (pad, pad + k + s)])
    counts = [-(-(n + 2 * pad - k) // s) + 1 for n in x.shape[2:]]
    counts = [
        c - 1 if pad and (c - 1) * s >= n + pad else c for c, n in zip(counts, x.shape[2:], strict=True)
    ]
    y = np.empty((*x.shape[:2], *counts))
    for i, j in product(*map(range, counts)):
        y[:, :, i, j] = (wide[:, :, i * s : i * s + k, j * s : j * s + k] ** p).sum((2, 3)) ** (1 / p)
    return y


@pytest.mark.parametrize("shape", ["[N, 2, 6, 7]", "[N, 2, H, W]"])
@pytest.mark.parametrize(("k", "s", "pad"), [(2, 2, 0), (3, 2, 1), (3, 1, 0)])
@pytest.mark.parametrize("norm", WAYS)
def test_windows_by_norm(norm: str, k: int, s: int, pad: int, shape: str) -> None:
    words = f"pool: {'LP, ' + norm if norm else 'L2'}, kernel_size: {k}, stride: {s}, pad: {pad}"
    program = load_source(
        Source("one.yaml", f"input: {{data: {shape}}}\nlayers:\n  - {{name: l, type: Pooling, {words}}}\n")
    )
    x = np.random.default_rng(1).normal(size=(2, 2, 6, 7)).astype(np.float32)
    wanted = by_hand(x.astype(np.float64), WAYS[norm], k, s, pad)
    np.testing.assert_allclose(netspec.compile(program)(torch.from_numpy(x)).numpy(), wanted, rtol=1e-5)
    session = ort.InferenceSession(
        onnx_model(program.graph(), {}).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    np.testing.assert_allclose(session.run(None, {"data": x})[0], wanted, rtol=1e-5)


@pytest.mark.parametrize("norm", ["norm_type: 1", "norm_type: 3", ""])
def test_the_whole_map_by_norm(norm: str) -> None:
    words = f"pool: {'LP, ' + norm if norm else 'L2'}, global_pooling: true"
    program = load_source(
        Source(
            "one.yaml", f"input: {{data: [N, 2, H, W]}}\nlayers:\n  - {{name: l, type: Pooling, {words}}}\n"
        )
    )
    x = np.random.default_rng(1).normal(size=(2, 2, 3, 4)).astype(np.float32)
    wanted = (np.abs(x.astype(np.float64)) ** WAYS[norm]).sum((2, 3), keepdims=True) ** (1 / WAYS[norm])
    np.testing.assert_allclose(netspec.compile(program)(torch.from_numpy(x)).numpy(), wanted, rtol=1e-5)
    session = ort.InferenceSession(
        onnx_model(program.graph(), {}).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    np.testing.assert_allclose(session.run(None, {"data": x})[0], wanted, rtol=1e-5)
