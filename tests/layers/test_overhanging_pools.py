"""Pooling windows larger than the padded input, against Caffe's loops written out: as many windows, the same values, the same refusals."""

import random
from math import ceil
from typing import Any

import numpy as np
import pytest

from netspec.driver import load_source
from netspec.repair.check import check_source
from netspec.source import Source

pytestmark = pytest.mark.torch


def caffe(x: np.ndarray, pool: str, k: int, s: int, p: int) -> np.ndarray | None:
    """Caffe's PoolingLayer on (H, W); None where it would refuse its shape."""
    counts = []
    for size in x.shape:
        count = ceil((size + 2 * p - k) / s) + 1
        if p and (count - 1) * s >= size + p:
            count -= 1
        counts.append(count)
    if min(counts) < 1:
        return None
    y = np.zeros(counts)
    for at in np.ndindex(*counts):
        starts = [i * s - p for i in at]
        ends = [min(b + k, size + p) for b, size in zip(starts, x.shape, strict=True)]
        area = np.prod([e - b for b, e in zip(starts, ends, strict=True)])
        part = x[
            tuple(slice(max(b, 0), min(e, size)) for b, e, size in zip(starts, ends, x.shape, strict=True))
        ]
        y[at] = part.max() if pool == "MAX" else part.sum() / area
    return y


def spec(height: int, width: int, words: str, dialect: str = "caffe") -> Source:
    text = f"dialect: {dialect}\ninput: {{x: [1, 1, {height}, {width}]}}\nlayers:\n  - {{name: p, type: Pooling, {words}}}\n"
    return Source("net.yaml", text)


def test_windows_and_values_are_caffes() -> None:
    import torch

    import netspec

    draw, seen = random.Random(5), {"refused": 0, "over": 0}
    while min(seen.values()) < 20:
        height, width, k, s = draw.randint(1, 6), draw.randint(1, 6), draw.randint(2, 9), draw.randint(1, 5)
        p, pool = draw.randint(0, min(2, k - 1)), draw.choice(["MAX", "AVE"])
        if k <= min(height, width) + 2 * p:
            continue
        source = spec(height, width, f"pool: {pool}, kernel_size: {k}, stride: {s}, pad: {p}")
        x = np.random.default_rng(len(seen)).normal(size=(height, width))
        expected = caffe(x, pool, k, s, p)
        seen["refused" if expected is None else "over"] += 1
        codes = {d.code for d in check_source(source)}
        if expected is None:
            assert codes == {"NS301"}
            continue
        assert "NS440" in codes
        assert not any(d.severity == "error" for d in check_source(source))
        net: Any = netspec.compile(load_source(source).graph())
        np.testing.assert_allclose(net(torch.tensor(x)[None, None]).numpy()[0, 0], expected, rtol=1e-6)
        for words, dialect in (
            ("round_mode: EXACT", "caffe"),
            ("round_mode: FLOOR", "caffe"),
            ("engine: CAFFE", "torch"),
            ("round_mode: CEIL", "torch"),
        ):
            refused = spec(
                height, width, f"pool: {pool}, kernel_size: {k}, stride: {s}, pad: {p}, {words}", dialect
            )
            assert {d.code for d in check_source(refused)} & {"NS301", "NS305"}, (words, dialect)


def test_sizes_know_it() -> None:
    from netspec.analysis.sizes.legal import legal_sizes

    source = Source(
        "net.yaml",
        "input: {x: [N, 1, H, H]}\nlayers:\n  - {name: p, type: Pooling, kernel_size: 7, stride: 3, pad: 1}\n",
    )
    (axis,) = [axis for axis in legal_sizes(load_source(source).graph()).axes if axis.name == "H"]
    taken = {n for n in range(1, 20) if caffe(np.zeros((n, n)), "MAX", 7, 3, 1) is not None}
    assert taken == set(range(3, 20))
    assert [(p.start, p.step, p.last) for p in axis.progressions] == [(3, 1, None)]
