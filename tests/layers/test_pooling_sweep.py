"""Pooling against Caffe's rules written out as loops: every small size, window, step and border, values, places and gradients."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from netspec.ir.types import TensorType
from netspec.layers.common.windows import pool_sizes
from netspec.layers.pooling import Pooling
from netspec.torch_modules import pooling

pytestmark = pytest.mark.torch

LOWEST = float(np.finfo(np.float32).min)
CASES = [
    (size, k, s, p)
    for size, k, s, p in product(range(1, 8), range(1, 5), range(1, 5), range(4))
    if p < k <= size + 2 * p
]


def made(layer: Pooling, x: TensorType) -> Any:
    text = layer.torch(x)
    target = text.target.removeprefix("nn.")
    return getattr(nn if "." in text.target else pooling, target)(*text.arguments, **text.keywords).eval()


def count(size: int, k: int, s: int, p: int, up: bool) -> int:
    """Caffe's number of windows along an axis; `p` not 0 is the only border of the layer."""
    free = size + 2 * p - k
    n = (-(-free // s) if up else free // s) + 1
    return n - 1 if up and p and (n - 1) * s >= size + p else n


def loops(x: Any, k: int, s: int, p: int, up: bool) -> tuple[Any, Any, Any]:
    """Maxima, their places, and means of the rows of x, one window after the other."""
    size = x.shape[1]
    windows = [(o * s - p, min(o * s - p + k, size + p)) for o in range(count(size, k, s, p, up))]
    best, places, means = [], [], []
    for row in x:
        for begin, end in windows:
            inside = list(range(max(begin, 0), min(end, size)))
            best.append(max((row[i] for i in inside), default=LOWEST))
            places.append(next((i for i in inside if row[i] == best[-1]), -1))
            with np.errstate(all="ignore"):
                means.append(np.float32(sum(row[i] for i in inside)) / np.float32(end - begin))
    shape = (len(x), len(windows))
    return np.reshape(best, shape), np.reshape(places, shape), np.reshape(means, shape)


@pytest.mark.parametrize("up", [True, False], ids=["CEIL", "FLOOR"])
def test_windows_along_one_axis(up: bool) -> None:
    mode = "CEIL" if up else "FLOOR"
    rng = np.random.default_rng(0)
    for size, k, s, p in CASES:
        data = rng.integers(-2, 3, (3, size)).astype(np.float32) - 3
        best, places, means = loops(data, k, s, p, up)
        x = torch.from_numpy(data)[None]
        bottom = TensorType((1, 3, size))
        layer = Pooling(kernel_size=k, stride=s, pad=p, round_mode=mode, top_count=2)
        y, mask = made(layer, bottom)(x)
        assert layer.infer(bottom)[0].shape == tuple(y.shape), (size, k, s, p)
        np.testing.assert_array_equal(y[0].numpy(), best, err_msg=str((size, k, s, p)))
        np.testing.assert_array_equal(mask[0].numpy(), places, err_msg=str((size, k, s, p)))
        mean = made(Pooling(pool="AVE", kernel_size=k, stride=s, pad=p, round_mode=mode), bottom)(x)
        np.testing.assert_allclose(mean[0].numpy(), means, rtol=1e-6, err_msg=str((size, k, s, p)))


def test_first_of_equals_takes_the_gradient() -> None:
    for size, k, s, p in CASES:
        x = torch.zeros(1, 1, size, requires_grad=True)
        layer = Pooling(kernel_size=k, stride=s, pad=p, top_count=1)
        y = made(layer, TensorType((1, 1, size)))(x)
        y.sum().backward()
        _, places, _ = loops(np.zeros((1, size), np.float32), k, s, p, True)
        wanted = np.bincount(places[places >= 0], minlength=size)
        assert x.grad is not None
        np.testing.assert_array_equal(x.grad[0, 0].numpy(), wanted, err_msg=str((size, k, s, p)))


def test_two_axes_are_two_times_one() -> None:
    """Means are products of the axes' own, but where padding on one axis cuts the other (Caffe's rule for the whole layer)."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        (h, kh, sh, ph), (w, kw, sw, pw) = (CASES[i] for i in rng.integers(0, len(CASES), 2))
        layer = Pooling(pool="AVE", kernel_size=(kh, kw), stride=(sh, sw), pad=(ph, pw))
        x = torch.from_numpy(rng.standard_normal((2, 3, h, w)).astype(np.float32))
        bottom = TensorType(tuple(x.shape))
        y = made(layer, bottom)(x).numpy()
        assert y.shape[2:] == pool_sizes((h, w), layer.window(bottom), "CEIL")
        wanted = weights(h, kh, sh, ph, y.shape[2]) @ x.numpy() @ weights(w, kw, sw, pw, y.shape[3]).T
        np.testing.assert_allclose(
            y, wanted, rtol=1e-4, atol=1e-5, err_msg=str((h, kh, sh, ph, w, kw, sw, pw))
        )


def weights(size: int, k: int, s: int, p: int, windows: int) -> Any:
    """The matrix that takes the mean of each window along an axis."""
    rows = np.zeros((windows, size))
    for o in range(windows):
        begin, end = o * s - p, min(o * s - p + k, size + p)
        rows[o, max(begin, 0) : max(min(end, size), 0)] = 1 / (end - begin) if end != begin else 0
        if end == begin:
            rows[o] = np.nan
    return rows


def test_stochastic_pooling_draws_in_proportion() -> None:
    torch.manual_seed(0)
    layer = Pooling(pool="STOCHASTIC", kernel_size=2, stride=2)
    x = torch.tensor([[[[1.0, 3.0], [0.0, 4.0]]]]).expand(4000, 1, 2, 2)
    module = made(layer, TensorType((4000, 1, 2, 2)))
    drawn = module.train()(x).flatten()
    for value, share in ((1.0, 1 / 8), (3.0, 3 / 8), (0.0, 0.0), (4.0, 4 / 8)):
        assert abs(float((drawn == value).float().mean()) - share) < 0.04
    assert torch.allclose(module.eval()(x).flatten(), torch.tensor((1 + 9 + 16) / 8))
