"""Every example row of every type: read as a spec writes it, run, held to what all owe."""

import numpy as np
import pytest
import torch

from netspec import augmentation
from netspec.augmentation.audio import SpecAugment
from netspec.augmentation.definition import Augmentation
from netspec.augmentation.frame import Crop
from netspec.augmentation.kernels.batch import Batch
from netspec.augmentation.kernels.draw import Draw
from netspec.augmentation.mixing import Mix
from netspec.diagnostics.model import Diagnostics
from netspec.ir.layer import Example
from netspec.ir.manual import manual
from netspec.resolve.read_record import read_record
from netspec.source import Source
from netspec.syntax.reader import read

pytestmark = pytest.mark.torch
ROWS = [(cls, row) for cls in augmentation.every() for row in cls.examples()]
ACCEPTED = [(cls, row) for cls, row in ROWS if row.code is None]
COUNT = 6


def name(value: object) -> str:
    return value.parameters if isinstance(value, Example) else getattr(value, "type", "")


def made(cls: type[Augmentation], row: Example, diagnostics: Diagnostics | None = None) -> Augmentation:
    found = diagnostics if diagnostics is not None else Diagnostics()
    body = read(Source("spec.yaml", row.parameters), found)
    assert body is not None
    record = read_record(cls, body, found, what=cls.type)
    assert (record is None) == (row.code is not None), [d.fact for d in found]
    return record  # type: ignore[return-value]


def sizes(text: str) -> list[int]:
    return [int(n) for n in text.split(",")[1:]]


def samples(cls: type[Augmentation], shape: list[int], count: int = COUNT) -> Batch:
    state = np.random.RandomState(3)
    if "tokens" in cls.takes:
        return Batch(sequence=torch.from_numpy(state.randint(0, 50, (count, *shape))))
    if "signal" in cls.takes and not ("image" in cls.takes and len(shape) == 3):
        return Batch(sequence=torch.from_numpy(state.randn(count, *shape)).float())
    image = torch.from_numpy(state.randint(0, 256, (count, *shape)).astype(np.uint8))
    return Batch(image, torch.arange(count) % 3, classes=3, order="rgb")


def value(batch: Batch) -> torch.Tensor:
    settled = batch.settle()
    return settled.pixels if settled.sequence is None else settled.sequence


def run(change: Augmentation, batch: Batch, draw: Draw) -> Batch:
    if isinstance(change, Mix):
        others = [batch.replace(image=batch.pixels.roll(k + 1, 0)) for k in range(change.partners)]
        return change.mix(batch, torch.arange(len(draw)), others, draw)
    return change.apply(batch, draw)


def draws(count: int = COUNT, seed: int = 1) -> Draw:
    return Draw.of(seed, 0, np.arange(count))


@pytest.mark.parametrize(("cls", "row"), ROWS, ids=name)
def test_a_row_is_accepted_or_refused_at_its_place(cls: type[Augmentation], row: Example) -> None:
    found = Diagnostics()
    made(cls, row, found)
    assert [d.code for d in found] == ([] if row.code is None else [row.code])
    if row.at and row.code != "NS103":
        (finding,) = found
        assert row.at in finding.fact


@pytest.mark.parametrize(("cls", "row"), ACCEPTED, ids=name)
def test_a_row_gives_the_shape_that_it_says(cls: type[Augmentation], row: Example) -> None:
    change, (before,), (after,) = made(cls, row), row.bottoms, row.tops
    batch = samples(cls, sizes(before))
    got = value(run(change, batch, draws()))
    assert list(got.shape[1:]) == sizes(after)
    if batch.image is not None:
        assert [*change.frame_size(*sizes(before)[1:])] == sizes(after)[1:]
        assert got.min() >= 0 and got.max() <= 255
    assert bool(torch.isfinite(got.double()).all())


@pytest.mark.parametrize(("cls", "row"), ACCEPTED, ids=name)
def test_a_sample_does_not_depend_on_its_batch(cls: type[Augmentation], row: Example) -> None:
    change, batch, draw = made(cls, row), samples(cls, sizes(row.bottoms[0])), draws()
    whole = value(run(change, batch, draw))
    if isinstance(change, Mix):
        return  # partners come from the data: test_draws.py
    for begin, end in ((0, 1), (1, 4), (4, COUNT)):
        part = value(run(change, batch.rows(begin, end), draw.rows(slice(begin, end))))
        assert torch.equal(part.to(whole.dtype), whole[begin:end]), (begin, end)


@pytest.mark.parametrize(("cls", "row"), ACCEPTED, ids=name)
def test_another_seed_gives_others_and_the_input_stays(cls: type[Augmentation], row: Example) -> None:
    change, batch = made(cls, row), samples(cls, sizes(row.bottoms[0]))
    before = value(batch).clone()
    first, again, other = (value(run(change, batch, draws(seed=s))) for s in (1, 1, 2))
    assert torch.equal(first, again) and torch.equal(value(batch), before)
    still = cls.type in ("Pad", "CLAHE") or (cls.colors and row.bottoms[0].startswith("N,1,"))
    if not still and "vertical" not in row.parameters:
        assert not torch.equal(first, other)


@pytest.mark.parametrize("cls", [c for c in augmentation.every() if not c.partners], ids=name)
def test_probability_zero_changes_nothing(cls: type[Augmentation]) -> None:
    row = next(row for row in cls.examples() if row.code is None)
    change = made(cls, row).replace(probability=0.0)
    if change.frames or cls.type == "Pad":
        return
    batch = samples(cls, sizes(row.bottoms[0]))
    torch.testing.assert_close(value(run(change, batch, draws())).double(), value(batch).double())


@pytest.mark.parametrize(("cls", "row"), ACCEPTED, ids=name)
def test_what_is_said_to_change_nothing_changes_nothing(cls: type[Augmentation], row: Example) -> None:
    batch = samples(cls, sizes(row.bottoms[0]))
    before = value(batch).double()
    change = made(cls, row)
    assert not change.judge_still()
    for other in (change.replace(**cls.neutral), change.replace(probability=0.0)):
        if not isinstance(other, Mix) and (other.judge_still() or (cls.neutral and other.probability)):
            assert other.judge_still()
            torch.testing.assert_close(value(run(other, batch, draws())).double(), before, atol=2e-3, rtol=0)


def test_bands_without_width_or_number_hide_nothing() -> None:
    batch = samples(SpecAugment, [20, 30])
    for words in ({"frequency": 0, "time": 0}, {"bands": 0, "stretches": 0}, {"bands": 0, "time": 0}):
        change = SpecAugment(**words)
        assert "every draw is the identity" in change.judge_still()
        assert torch.equal(value(run(change, batch, draws())), value(batch))
    assert not SpecAugment(bands=0).judge_still()
    assert not Crop(size=64, probability=0.0).judge_still()  # it fits any picture into its frame


@pytest.mark.parametrize("cls", augmentation.every(), ids=name)
def test_a_definition_says_what_it_is(cls: type[Augmentation]) -> None:
    said = manual(cls)
    assert said.sentence.endswith(".") and all(p.doc for p in cls.params.values())
    assert sum(row.code is None for row in cls.examples()) >= 1
    assert sum(row.code is not None for row in cls.examples()) >= 1


def test_old_words_stand_for_types() -> None:
    from netspec.resolve.augmentations import in_types
    from netspec.resolve.sections.train import Affine, AugmentWords, ColorJitter

    words = AugmentWords(
        crop_size=20, pad=2, mirror=True, rotate=10.0, affine=Affine(degrees=5.0), perspective=0.2, elastic=1.0,
        color_jitter=ColorJitter(hue=0.1), blur=1.0, noise=5.0, erase=0.2, probability=0.5,
    )  # fmt: skip
    found = list(in_types(words))
    assert [each.type for each in found] == [
        *(
            "Crop",
            "Flip",
            "Rotate",
            "Affine",
            "Perspective",
            "Elastic",
            "ColorJitter",
            "Blur",
            "Noise",
            "Erase",
        )
    ]
    assert [each.probability for each in found] == [1.0, *[0.5] * 9]
    every = set(AugmentWords.params) - {"pad", "probability"}
    assert len(found) == len(every), "a word without a type"
