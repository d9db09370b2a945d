"""The tolerance rule, by itself."""

from math import inf, nan, sqrt

import numpy as np
import pytest

from netspec.exporters.certification.compare import EPS, FACTOR, difference


def f32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def f64(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def test_tolerance_is_eight_times_the_larger_of_torch_s_error_and_rounding() -> None:
    truth = f64(1, -4)
    assert difference(f32(1, -4), truth, f32(1, -4), 9.0).tolerance == FACTOR * EPS * 3 * 4
    assert difference(f32(1, -4), truth, f32(1, -4.5), 9.0).tolerance == FACTOR * 0.5


@pytest.mark.parametrize(("factor", "agrees"), [(0.9, True), (1.1, False)])
def test_the_bound_is_sharp(factor: float, agrees: bool) -> None:
    allowed = FACTOR * EPS * sqrt(100)
    found = difference(f32(1 + factor * allowed), f64(1), f32(1), 100.0)
    assert found.agrees == agrees
    assert found.ratio == pytest.approx(factor, rel=0.02)


def test_where_it_is() -> None:
    found = difference(f32(1, 2, 3.5), f64(1, 2, 3), f32(1, 2, 3), 1.0)
    assert found.text == "onnxruntime has 3.5 at [2], torch 3"
    assert found.distance == 0.5


def test_shapes_must_be_the_same() -> None:
    found = difference(np.zeros((2, 3), np.float32), np.zeros((3, 2)), np.zeros((3, 2), np.float32), 1.0)
    assert not found.agrees
    assert found.text == "onnxruntime makes [2, 3], torch [3, 2]"


@pytest.mark.parametrize(("got", "truth", "single", "agrees"), [
    (nan, nan, nan, True), (inf, inf, inf, True), (-inf, inf, inf, False), (0.0, nan, nan, False), (nan, 1.0, 1.0, False),
    (-3.4028235e38, -3.4028235e38, -3.4028235e38, True), (0.0, -3.4028235e38, -3.4028235e38, False),
    (inf, 1e60, inf, True), (nan, 1.0, nan, True), (nan, inf, inf, True), (1.0, inf, inf, False),
])  # fmt: skip
def test_what_is_not_finite(got: float, truth: float, single: float, agrees: bool) -> None:
    """Beside a finite element, whose own tolerance a huge one does not widen."""
    assert difference(f32(got, 1), f64(truth, 1), f32(single, 1), 1.0).agrees == agrees
    assert not difference(f32(got, 1.1), f64(truth, 1), f32(single, 1), 1.0).agrees


def test_nothing_is_learnt_where_float32_overflows_everywhere() -> None:
    assert difference(f32(inf, nan), f64(1e60, 1), f32(inf, nan), 1.0).void
    assert not difference(f32(inf, 1), f64(1e60, 1), f32(inf, 1), 1.0).void


def test_no_elements() -> None:
    assert difference(
        np.zeros((0, 3), np.float32), np.zeros((0, 3)), np.zeros((0, 3), np.float32), 1.0
    ).agrees


def test_a_large_channel_hides_no_other() -> None:
    """A million times larger; the fault is of the size of the small one."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((1, 2, 5, 5)) * np.array([1e6, 1.0]).reshape(1, 2, 1, 1)
    near = truth.astype(np.float32)
    assert difference(near, truth, near, 9.0).agrees
    wrong = near.copy()
    wrong[0, 1] += 0.01
    found = difference(wrong, truth, near, 9.0)
    assert not found.agrees
    assert ", 1, " in found.text
    assert difference(wrong, truth, near, 9.0, axis=None).agrees


def test_channels_of_one_element_are_judged_by_those_like_them() -> None:
    """A sum that happens to come out near zero is not to be exact."""
    truth = np.array([[3.0, -2.0, 1e-3, 2.5]])
    single = (truth + np.array([[4e-7, 0.0, 0.0, 0.0]])).astype(np.float32)
    got = (truth + np.array([[0.0, 0.0, 1e-6, 0.0]])).astype(np.float32)
    assert difference(got, truth, single, 100.0).agrees
    assert not difference(
        (truth + np.array([[0.0, 0.0, 1e-4, 0.0]])).astype(np.float32), truth, single, 100.0
    ).agrees


def test_a_tolerance_above_a_hundredth_of_the_values_proves_nothing() -> None:
    truth = f64(1, 2, 3)
    assert difference(f32(1, 2, 3), truth, f32(1, 2, 3.01), 1.0).void
    assert not difference(f32(1, 2, 3), truth, f32(1, 2, 3.001), 1.0).void


def test_what_a_processor_takes_for_zero() -> None:
    assert difference(f32(0, 1), f64(4e-41, 1), f32(4e-41, 1), 1.0).agrees


def test_one_rounding_is_float32_s() -> None:
    assert np.finfo(np.float32).eps == EPS


def by_hand(
    truth: np.ndarray, got: np.ndarray, single: np.ndarray, fan: float, noise: np.ndarray
) -> list[tuple[float, float, float]]:
    """Distance, tolerance and size of each channel (axis 1), element by element."""
    channels = range(truth.shape[1])
    own = [float(max(np.abs(single - truth)[:, c].max(), noise[:, c].max())) for c in channels]
    size = [float(np.abs(truth)[:, c].max()) for c in channels]
    few = truth[:, 0].size < 16 and len(channels) > 1
    found = []
    for c in channels:
        like = [k for k in channels if size[k] <= 1e4 * size[c]] if few else [c]
        error, spoken = max(own[k] for k in like), max(size[k] for k in like)
        least = 2.0**-126 if spoken > 0 else 0.0
        off = float(np.abs(got - truth)[:, c].max())
        found.append((off, 8 * max(error, 2.0**-23 * sqrt(fan) * spoken, least), size[c]))
    return found


def worst_of(rows: list[tuple[float, float, float]]) -> tuple[int, bool, float]:
    """The channel that is told of, whether nothing is learnt in any, and the distance in units of what is allowed."""
    void = [tolerance > 0.01 * size and size > 0 for _, tolerance, size in rows]
    ratios = [(off / tolerance if tolerance else inf) if off else 0.0 for off, tolerance, _ in rows]
    judged = [c for c in range(len(rows)) if all(void) or not void[c] or ratios[c] > 1]
    worst = max(judged, key=lambda c: ratios[c])
    return worst, all(void), ratios[worst]


@pytest.mark.parametrize("seed", range(60))
def test_the_channel_that_is_told_is_the_one_found_by_hand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 4)), int(rng.integers(1, 6)), *map(int, rng.integers(1, 5, seed % 3)))
    scale = 10.0 ** rng.integers(-6, 7, shape[1]).reshape(1, -1, *[1] * (len(shape) - 2))
    truth = rng.standard_normal(shape) * scale * (rng.random(shape) < 0.8)
    rough = 10.0 ** rng.integers(-9, -2)
    single = truth + rough * scale * rng.standard_normal(shape) * (rng.random(shape) < 0.5)
    got = truth + 10 * rough * scale * rng.standard_normal(shape) * (rng.random(shape) < 0.5)
    noise = np.abs(rough * scale * rng.standard_normal(shape)) if seed % 2 else np.zeros(shape)
    given = noise if seed % 2 else None
    rows = by_hand(truth, got, single, 50.0, noise)
    worst, void, _ = worst_of(rows)
    found = difference(got, truth, single, 50.0, given)
    assert (found.distance, found.tolerance, found.size) == pytest.approx(rows[worst], rel=1e-12)
    assert found.void == void
    # an infinity in its first element: the rest is judged alike
    first = np.arange(truth.size).reshape(shape) == 0
    odd = [np.where(first, inf, each) for each in (got, truth, single)]
    rest = by_hand(
        *(np.where(first, 0.0, each) for each in (truth, got, single)), 50.0, np.where(first, 0.0, noise)
    )
    assert difference(*odd, 50.0, given).ratio == pytest.approx(worst_of(rest)[2], rel=1e-12)
