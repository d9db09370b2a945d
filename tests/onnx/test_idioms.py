"""The builder's idioms against numpy, with sizes that are known and sizes that are not."""

from math import ceil
from typing import Any

import numpy as np
import pytest
from graphs import run, session, single, typed
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.diagnostics import SpecError
from netspec.emit.onnx_model import onnx_model
from netspec.ir.dims import evaluate, largest, smallest, symbol
from netspec.ir.types import TensorType
from netspec.layers.common.windows import Window, pool_sizes
from tests.each import each

pytestmark = pytest.mark.onnx
RNG = np.random.default_rng(0)
NUMPY = {
    "constant": "constant",
    "reflect": "reflect",
    "symmetric": "symmetric",
    "replicate": "edge",
    "circular": "wrap",
}


def data(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("shape", ["2,3,5,4", "N,3,H,W"])
@pytest.mark.parametrize("mode", NUMPY)
def test_pad_modes(mode: str, shape: str) -> None:
    x = data(2, 3, 5, 4)
    for (a, b), (c, d) in (((1, 2), (3, 0)), ((0, 0), (0, 3)), ((4, 4), (3, 3))):
        more = {"constant_values": 1.5} if mode == "constant" else {}
        wanted = np.pad(x, ((0, 0), (0, 0), (a, b), (c, d)), NUMPY[mode], **more)  # type: ignore[call-overload]
        top = ",".join(map(str, wanted.shape)) if "N" not in shape else f"N,3,H+{a + b},W+{c + d}"
        found = run(lambda g, v, a=a, b=b, c=c, d=d: g.pad(v, [(a, b), (c, d)], mode, 1.5), (shape,), top, x)
        np.testing.assert_array_equal(found, wanted)


def test_borders_whose_size_is_open() -> None:
    """As TensorFlow's `same` gives: as wide as half the input."""
    x, half = data(1, 2, 6), symbol("W") // 2
    found = run(lambda g, v: g.pad(v, [(half, 0)], "symmetric"), ("N,2,W",), "N,2,W+W//2", x)
    np.testing.assert_array_equal(found, np.pad(x, ((0, 0), (0, 0), (3, 0)), "symmetric"))


def test_padded_leaves_plain_zeros_to_the_operator() -> None:
    seen: list[Any] = []

    def build(g: Any, x: Any) -> Any:
        window = Window((3, 3), (1, 1), ((0, 2), 1), (1, 1))
        seen.extend(
            [g.padded(x, window), g.padded(x, window, "constant", 1.0), g.padded(x, window, "reflect")]
        )
        return g.Identity(seen[2][0])

    x = data(1, 2, 5, 5)
    np.testing.assert_array_equal(
        run(build, ("N,2,5,5",), "N,2,7,7", x), np.pad(x, ((0, 0), (0, 0), (0, 2), (1, 1)), "reflect")
    )
    assert seen[0][1] == [0, 1, 2, 1]
    assert seen[1][1] == seen[2][1] == [0, 0, 0, 0]
    assert [s[0].type.shape[2:] for s in seen] == [(5, 5), (7, 7), (7, 7)]


@pytest.mark.parametrize(("before", "after"), [
    ("N,3,4,5", "N,60"), ("N,3,H,W", "N,3,H*W"), ("N,3,H,W", "N,3*H,W"), ("N,C,H,W", "N*C,H,W"), ("N,C,H,W", "N*H,C*W"), ("T,N,6", "T*N,6"),
    ("T,N,6", "T,N,2,3"), ("N,6,H,W", "N,2,3,H,W"), ("2,3,4", "24"), ("N,4,W", "2*N,2*W")])  # fmt: skip
def test_reshape_keeps_symbols(before: str, after: str) -> None:
    sizes = {"N": 2, "C": 3, "H": 4, "W": 5, "T": 7}
    shape, wanted = ([int(str(evaluate(s, sizes))) for s in typed(t).shape] for t in (before, after))
    x = data(*shape)
    found = run(lambda g, v: g.reshape(v, typed(after).shape), (before,), after, x)
    np.testing.assert_array_equal(found, x.reshape(wanted))


def test_reshape_without_elements() -> None:
    assert run(lambda g, v: g.reshape(v, (0, 3)), ("3,0",), "0,3", data(3, 0)).shape == (0, 3)
    for after, shape in (("N,0", (2, 0)), ("0,N", (0, 2)), ("N,0,3", (2, 0, 3))):
        assert (
            run(
                lambda g, v, after=after: g.reshape(v, typed(after).shape), ("N,3,0",), after, data(2, 3, 0)
            ).shape
            == shape
        )


def test_flatten_matrix_aligned_slice_split_concat() -> None:
    x, w = data(2, 3, 4, 5), data(3)
    np.testing.assert_array_equal(
        run(lambda g, v: g.flatten(v, 1, 2), ("N,3,H,5",), "N,3*H,5", x), x.reshape(2, 12, 5)
    )
    np.testing.assert_array_equal(
        run(lambda g, v: g.matrix(v, 2), ("N,3,H,5",), "3*N,5*H", x), x.reshape(6, 20)
    )
    added = run(lambda g, v, b: g.Add(v, g.aligned(b, 1, 4)), ("N,3,H,W", "3"), "N,3,H,W", x, w)
    np.testing.assert_array_equal(added, x + w.reshape(3, 1, 1))
    middle = run(lambda g, v: g.slice(v, 2, 1, symbol("H") - 1), ("N,3,H,W",), "N,3,H-2,W", x)
    np.testing.assert_array_equal(middle, x[:, :, 1:3])
    swapped = run(
        lambda g, v: g.concat(g.split(v, 3, (2, symbol("W") - 2))[::-1], 3), ("N,3,H,W",), "N,3,H,W", x
    )
    np.testing.assert_array_equal(swapped, np.concatenate([x[..., 2:], x[..., :2]], 3))


def test_reduce_full_cast() -> None:
    x = data(2, 3, 4)
    mean = run(lambda g, v: g.reduce("Mean", v, (1, 2), keep=True), ("N,3,W",), "N,1,1", x)
    np.testing.assert_allclose(mean, x.mean((1, 2), keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(
        run(lambda g, v: g.reduce("SumSquare", v, (2,)), ("N,3,W",), "N,3", x), (x * x).sum(2), rtol=1e-6
    )
    assert (
        run(lambda g, v: g.full(v.type.shape, 2.5), ("N,3,W",), "N,3,W", x)
        == np.full(x.shape, 2.5, np.float32)
    ).all()
    whole = run(lambda g, v: g.cast(g.cast(v, "int64"), "float32"), ("N,3,W",), "N,3,W", x)
    np.testing.assert_array_equal(whole, np.trunc(x))


def sizes_of_dims() -> Any:
    leaf = st.one_of(st.integers(0, 9), st.sampled_from([symbol("N"), symbol("H")]))
    pairs = {
        "+": lambda a, b: a + b,
        "-": lambda a, b: a - b,
        "*": lambda a, b: a * b,
        "min": smallest,
        "max": largest,
        "//": lambda a, b: a // b if isinstance(b, int) and b else a,
    }

    def joined(inner: Any) -> Any:
        return st.tuples(st.sampled_from(sorted(pairs)), inner, inner).map(lambda t: pairs[t[0]](t[1], t[2]))

    return st.recursive(leaf, joined, max_leaves=6)


@settings(max_examples=60, deadline=None)
@given(sizes_of_dims(), st.integers(1, 9), st.integers(1, 9))
def test_sizes_at_run_time_are_the_dim(size: Any, n: int, h: int) -> None:
    """Also where they are negative: floor division, not division towards zero."""
    found = run(lambda g, x: g.cast(g.Add(g.size(size), 0), "float32"), ("N,H",), "1", data(n, h))
    assert found == [evaluate(size, {"N": n, "H": h})]


def test_a_symbol_that_stands_alone_in_no_shape_is_refused() -> None:
    with pytest.raises(SpecError) as raised:
        onnx_model(single(lambda g, x: g.expand(x, (symbol("H"), 3)), ("1,3",), ("H,3",)), {})
    assert [d.code for d in raised.value.diagnostics] == ["NS701"]
    assert "H stands alone in no input's shape" in raised.value.diagnostics[0].fact


# --- pooling: Caffe's formulas ---------------------------------------------------------------------------------------


def caffe(x: Any, k: int, s: int, p: int, kind: str, rounding: str) -> Any:
    """Caffe's pooling along the last axis, window by window (pooling_layer.cpp), as formulas."""
    size = x.shape[-1]
    count = (ceil if rounding == "CEIL" else int)((size + 2 * p - k) / s) + 1
    if p and rounding == "CEIL" and (count - 1) * s >= size + p:
        count -= 1
    found = []
    for i in range(count):
        begin = i * s - p
        end = min(begin + k, size + p)
        window = x[..., max(begin, 0) : min(end, size)]
        if kind == "max":
            found.append(
                window.max(-1) if window.shape[-1] else np.full(x.shape[:-1], -np.finfo(np.float32).max)
            )
        else:
            divisor = end - begin if kind == "average" else min(end, size) - max(begin, 0)
            found.append(window.sum(-1) / divisor if divisor else np.full(x.shape[:-1], np.nan))
    return np.stack(found, -1).astype(np.float32)


WINDOWS = [(k, s, p) for k in (1, 2, 3, 5) for s in (1, 2, 3, 4) for p in (0, 1, 2) if p < k]


@pytest.mark.parametrize("rounding", ["CEIL", "FLOOR"])
@pytest.mark.parametrize("kind", ["max", "average", "inside"])
@each("settings", WINDOWS)
def test_pooling_is_caffe_s(settings: tuple[int, int, int], kind: str, rounding: str) -> None:
    k, s, p = settings
    window = Window((k,), (s,), (p,), (1,))

    def build(g: Any, x: Any) -> Any:
        inside = kind == "average"
        return (
            g.max_pool(x, window, rounding)
            if kind == "max"
            else g.average_pool(x, window, rounding, count_include_pad=inside)
        )

    graph = single(build, ("N,2,W",), ("N,2,W",))
    graph.types[graph.graph.outputs[0]] = TensorType(
        (symbol("N"), 2, *pool_sizes((symbol("W"),), window, rounding))
    )  # type: ignore[index]
    opened = session(onnx_model(graph, {}))
    for size in range(max(k - 2 * p, 1), 10):
        x = data(2, 2, size) - 2
        np.testing.assert_allclose(
            opened.run(None, {"x0": x})[0],
            caffe(x, k, s, p, kind, rounding),
            rtol=1e-5,
            err_msg=f"size {size}",
        )


@pytest.mark.parametrize(("k", "s", "p"), [(2, 2, 0), (3, 2, 1), (1, 3, 0), (2, 3, 0)])
def test_places_of_maxima_count_within_the_plane(k: int, s: int, p: int) -> None:
    window = Window((k, k), (s, s), (p, p), (1, 1))
    x = RNG.integers(0, 3, (2, 3, 7, 6)).astype(np.float32)
    high, wide = pool_sizes((7, 6), window, "CEIL")
    found = run(
        lambda g, v: g.cast(g.max_pool_indices(v, window, "CEIL")[1], "float32"),
        ("N,3,7,6",),
        f"N,3,{high},{wide}",
        x,
    )
    for n, c, i, j in np.ndindex(*found.shape):
        rows, columns = (
            range(max(i * s - p, 0), min(i * s - p + k, 7)),
            range(max(j * s - p, 0), min(j * s - p + k, 6)),
        )
        places = [r * 6 + q for r in rows for q in columns]
        wanted = max(places, key=lambda at: (x[n, c].flat[at], -at)) if places else -1
        assert found[n, c, i, j] == wanted


def test_global_pooling_of_open_size() -> None:
    x = data(2, 3, 4, 5)
    window = Window((symbol("H"), symbol("W")), (1, 1), (0, 0), (1, 1))
    mean = run(lambda g, v: g.average_pool(v, window, "CEIL"), ("N,3,H,W",), "N,3,1,1", x)
    most = run(lambda g, v: g.max_pool(v, window, "CEIL"), ("N,3,H,W",), "N,3,1,1", x)
    np.testing.assert_allclose(mean, x.mean((2, 3), keepdims=True), rtol=1e-5)
    np.testing.assert_array_equal(most, x.max((2, 3), keepdims=True))


@pytest.mark.parametrize("shape", [(2, 7), (2, 7, 5), (2, 7, 3, 4), (2, 7, 2, 3, 2)])
def test_lrn_of_any_rank(shape: tuple[int, ...]) -> None:
    x = data(*shape)
    square = np.stack([(x[:, max(c - 2, 0) : c + 3] ** 2).sum(1) for c in range(7)], 1)
    text = ",".join(["N", "7", *("H", "W", "T")[: len(shape) - 2]])
    found = run(lambda g, v: g.lrn(v, 5, 0.5, 0.75, 2.0), (text,), text, x)
    np.testing.assert_allclose(found, x / (2 + 0.1 * square) ** 0.75, rtol=1e-5)
