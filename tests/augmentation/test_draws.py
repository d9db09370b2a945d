"""Draws are functions of (seed, epoch, index): the same samples for any size of batch, by thread or not,
after any kill; and they are as even as they should be.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from netspec.augmentation.color import ColorJitter
from netspec.augmentation.definition import Augmentation
from netspec.augmentation.erasing import Erase
from netspec.augmentation.frame import Crop, Flip, RandomResizedCrop
from netspec.augmentation.geometry import Elastic, Rotate
from netspec.augmentation.kernels.draw import Draw
from netspec.augmentation.mixing import CutMix, MixUp, Mosaic
from netspec.augmentation.policies import AutoAugment, RandAugment, TrivialAugment
from netspec.augmentation.texture import Blur, Noise
from netspec.data.binding import LabelRule
from netspec.data.source import ArraySource, Rows, Source
from netspec.resolve.sections.train import DataSection
from netspec.training.batches.feeding import Place, Port, batches_of, feed_of
from netspec.training.batches.loader import Batches

pytestmark = pytest.mark.torch
COUNT = 23
CHAINS: dict[str, tuple[Augmentation, ...]] = {
    "plain": (Crop(size=8, pad=2), Flip()),
    "places": (Rotate(degrees=20.0), Elastic(alpha=5.0), RandomResizedCrop(size=8)),
    "values": (ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1), Blur(), Noise(), Erase()),
    "policies": (RandAugment(), AutoAugment(), TrivialAugment()),
    "mixtures": (Flip(), MixUp(alpha=1.0, probability=0.6), Rotate(degrees=9.0), CutMix(probability=0.5)),
    "mosaic": (Mosaic(probability=0.5), Flip(), MixUp(probability=0.5)),
}


class Reading(Source):
    """A source that is read, row by row, not kept."""

    def __init__(self, source: ArraySource) -> None:
        self.source, self.name, self.fields, self.label = source, source.name, source.fields, source.label

    def __len__(self) -> int:
        return len(self.source)

    def batch(self, indices: np.ndarray) -> Rows:
        return self.source.batch(indices)


def pictures() -> ArraySource:
    state = np.random.RandomState(0)
    image = state.randint(0, 256, (COUNT, 3, 8, 8)).astype(np.uint8)
    return ArraySource("pictures", {"image": image, "label": np.arange(COUNT) % 5}, "label")


def batches(chain: str, size: int, reading: bool = False, seed: int = 4) -> Batches:
    source = Reading(pictures()) if reading else pictures()
    section = DataSection(source="npz", batch_size=size)
    ports, rules = {"data": Port((3, 8, 8)), "label": Port((), None, True)}, {"label": LabelRule(5)}
    feed = feed_of(source, section, ports, CHAINS[chain], "train", Place(Path()), rules)
    return batches_of(source, section, feed, "train", seed)


def stream(of: Batches, samples: int) -> dict[str, torch.Tensor]:
    found: list[dict[str, torch.Tensor]] = []
    with of:
        while sum(len(each["data"]) for each in found) < samples:
            found.append(next(of))
    return {name: torch.cat([each[name] for each in found])[:samples] for name in found[0]}


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize(("size", "reading"), [(1, False), (4, True), (64, False)])
def test_samples_are_the_same_for_any_batch(chain: str, size: int, reading: bool) -> None:
    """Over two passes and a bit, so that batches run over their ends."""
    want, got = stream(batches(chain, 10), 55), stream(batches(chain, size, reading), 55)
    assert all(torch.equal(want[name], got[name]) for name in want)


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("stop", [1, 3, 7])
def test_a_killed_run_goes_on_exactly(chain: str, stop: int) -> None:
    with batches(chain, 9) as whole, batches(chain, 9, reading=True) as killed:
        expected = [next(whole) for _ in range(8)]
        for _ in range(stop):
            next(killed)
        state = killed.state()
    with batches(chain, 9, reading=True) as resumed:
        resumed.load_state(state)
        for want in expected[stop:]:
            got = next(resumed)
            assert all(torch.equal(want[name], got[name]) for name in want)


def test_each_pass_and_each_seed_has_draws_of_its_own() -> None:
    first = stream(batches("plain", 23), 46)["data"]
    order = [stream(batches("plain", 23, seed=s), 23)["data"] for s in (4, 5)]
    assert not torch.equal(first[:23].sort(0).values, first[23:].sort(0).values)
    assert not torch.equal(*order)


def test_draws_are_even_and_apart() -> None:
    draw = Draw.of(1, 0, np.arange(20000))
    for unit in (draw.unit("a"), draw.entry(3).unit("a"), draw.unit("b", 4)[:, 2]):
        counts = np.histogram(unit, 20, (0, 1))[0]
        assert counts.min() > 850 and counts.max() < 1150
    pairs = (draw.unit("a"), draw.unit("b")), (draw.unit("a"), draw.entry(1).unit("a"))
    epochs = draw.unit("a"), Draw.of(1, 1, np.arange(20000)).unit("a")
    for a, b in (*pairs, epochs, (draw.unit("a")[1:], draw.unit("a")[:-1])):
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.03
    noise = draw.rows(slice(0, 50)).noise((40, 40), "n")
    assert abs(float(noise.mean())) < 0.02 and abs(float(noise.std()) - 1) < 0.02
    assert abs(float(draw.rows(slice(0, 2000)).beta(0.2, "l").mean()) - 0.5) < 0.04


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 25.0), (-0.1, 0.1), (2.0, 2.0), (-3.0, -1.0)])
def test_no_draw_is_the_upper_bound(low: float, high: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The greatest numbers below 1 are 1 in float32."""
    last = np.full((1, 4), 2**64 - 1, np.uint64)
    monkeypatch.setattr(Draw, "words", lambda *_: last)
    drawn = Draw.of(1, 0, [0]).uniform(low, high, "x", 4)
    assert (drawn < high).all() or low == high
    assert torch.allclose(drawn, torch.full((1, 4), high), atol=1e-5)


@pytest.mark.parametrize("alpha", [0.02, 0.2, 1.0, 5.0])
def test_shares_of_mixtures_are_those_of_a_beta(alpha: float) -> None:
    made = Draw.of(1, 0, np.arange(20000)).beta(alpha, "share").numpy().astype(float)
    assert np.isfinite(made).all() and made.min() >= 0 and made.max() <= 1
    assert made.mean() == pytest.approx(0.5, abs=0.012)
    assert made.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.03)
    known = np.random.RandomState(0).beta(alpha, alpha, 20000)
    for level in (0.05, 0.25, 0.4):
        assert (made < level).mean() == pytest.approx((known < level).mean(), abs=0.015)


def test_draws_stay_what_they_are() -> None:
    """Recorded: a run of today must go on tomorrow with the same samples."""
    draw = Draw.of(7, [0, 0, 3], [0, 1, 1])
    recorded = [
        [0.0032246647961683417, 0.019811655459996413],
        [0.9929531689894364, 0.0889669749331774],
        [0.622134999802239, 0.028934975732628043],
    ]
    np.testing.assert_allclose(draw.entry(2).unit("x", 2), recorded, rtol=0, atol=1e-15)
    others = {
        "uniform": (draw.uniform(-2, 3, "x"), [2.3052, 0.6518, -0.0868]),
        "integers": (draw.integers(100, "x"), [86, 53, 38]),
        "sign": (draw.sign("x"), [1, 1, -1]),
        "beta": (draw.beta(0.4, "x"), [0.8224, 0.9411, 0.0016]),
        "log_gamma": (draw.log_gamma(2.5, "x"), [1.6058, 1.1639, 0.6339]),
    }
    for name, (made, known) in others.items():
        np.testing.assert_allclose(made, known, atol=1e-4, err_msg=name)


def test_neither_torchs_state_nor_numpys_is_touched() -> None:
    torch.manual_seed(3)
    before, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()
    stream(batches("policies", 8), 16), stream(batches("mixtures", 8), 16)
    assert torch.equal(torch.get_rng_state(), before) and (np.random.get_state()[1] == numpys).all()
