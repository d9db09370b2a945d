"""What the changes compute, against other people's arithmetic: Pillow, colorsys, numpy, and closed forms."""

import colorsys

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from netspec.augmentation.color import CLAHE, Brightness, Contrast, Gamma, Hue, Saturation
from netspec.augmentation.definition import Augmentation
from netspec.augmentation.erasing import Erase, HideAndSeek
from netspec.augmentation.geometry import Elastic, Rotate, Scale, Translate
from netspec.augmentation.kernels.batch import Batch
from netspec.augmentation.kernels.color import contrast, saturate, turn_hue
from netspec.augmentation.kernels.draw import Draw
from netspec.augmentation.kernels.fields import smooth
from netspec.augmentation.kernels.histograms import equalize, equalize_tiles, stretch
from netspec.augmentation.kernels.maps import affine, mirror
from netspec.augmentation.kernels.sequences import change_speed, shift_time, shuffle
from netspec.augmentation.kernels.texture import soften
from netspec.augmentation.policies import AutoAugment, RandAugment

pytestmark = pytest.mark.torch


def picture(seed: int = 0, size: tuple[int, int] = (20, 26)) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, (*size, 3)).astype(np.uint8)


def tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).movedim(-1, 0)[None].float()


def array(x: torch.Tensor) -> np.ndarray:
    return x[0].movedim(0, -1).numpy()


def one(value: float) -> torch.Tensor:
    return torch.full((1, 1, 1, 1), value)


@pytest.mark.parametrize("by", [0.0, 0.4, 1.0, 1.7])
def test_colours_agree_with_pillow(by: float) -> None:
    image = picture()
    known = Image.fromarray(image)
    pairs = (
        (contrast(tensor(image), one(by), "rgb"), ImageEnhance.Contrast(known).enhance(by)),
        (saturate(tensor(image), one(by), "rgb"), ImageEnhance.Color(known).enhance(by)),
    )
    for got, want in pairs:
        np.testing.assert_allclose(array(got.clamp(0, 255)), np.asarray(want), atol=1.5)
    bgr = saturate(tensor(image).flip(1), one(by), "bgr").flip(1)
    torch.testing.assert_close(bgr, pairs[1][0])


@pytest.mark.parametrize("turn", [-0.5, -0.1, 0.0, 0.27, 0.5])
def test_hue_agrees_with_colorsys(turn: float) -> None:
    image = picture()
    image[0, :4] = [[0, 0, 0], [255, 255, 255], [7, 7, 7], [255, 0, 255]]
    got = array(turn_hue(tensor(image), torch.tensor([turn]), "rgb"))
    for pixel, found in zip(image.reshape(-1, 3), got.reshape(-1, 3), strict=True):
        h, s, v = colorsys.rgb_to_hsv(*(pixel / 255.0))
        np.testing.assert_allclose(found / 255, colorsys.hsv_to_rgb((h + turn) % 1, s, v), atol=1e-5)
    bgr = turn_hue(tensor(image).flip(1), torch.tensor([turn]), "bgr").flip(1)
    torch.testing.assert_close(array(bgr), got)


def test_histograms_agree_with_pillow() -> None:
    image = (picture(1) // 2 + 30).astype(np.uint8)
    known = Image.fromarray(image)
    np.testing.assert_array_equal(array(equalize(tensor(image))), np.asarray(ImageOps.equalize(known)))
    np.testing.assert_allclose(
        array(stretch(tensor(image))), np.asarray(ImageOps.autocontrast(known)), atol=1.01
    )
    flat = torch.full((1, 3, 8, 8), 9.0)
    assert torch.equal(equalize(flat), flat) and torch.equal(stretch(flat), flat)


def test_one_tile_without_a_bound_is_plain_equalisation() -> None:
    x = tensor(picture(2, (64, 64)))
    made = equalize_tiles(x, 256.0, 1)
    ranks = torch.stack(
        [(x[0, c][:, :, None] >= x[0, c].reshape(1, 1, -1)).float().mean(-1) for c in range(3)]
    )
    torch.testing.assert_close(made[0], 255 * ranks, atol=1e-3, rtol=0)


def test_tiles_lift_contrast_where_it_is_low_and_the_bound_limits_it() -> None:
    x = torch.zeros(1, 1, 64, 64)
    x[..., :32] = torch.linspace(100, 110, 32)
    x[..., 32:] = torch.linspace(0, 255, 32)
    low, high = (equalize_tiles(x, limit, 2)[..., :16] for limit in (1.0, 40.0))
    assert float(high.std()) > 3 * float(low.std()) > 0
    # a bound of 1 leaves the histogram even: the table is the identity
    assert float((equalize_tiles(x, 1.0, 2) - x).abs().mean()) < 6


def test_filters_agree_with_pillow() -> None:
    image = picture(3)
    want = np.asarray(Image.fromarray(image).filter(ImageFilter.SMOOTH), float)
    np.testing.assert_allclose(array(soften(tensor(image))), want, atol=1)
    impulse = torch.zeros(1, 1, 31, 31)
    impulse[..., 15, 15] = 1
    got = smooth(impulse, torch.tensor([2.0]), 2.0)[0, 0]
    at = np.arange(-15, 16)
    want = np.exp(-(at[:, None] ** 2 + at**2) / 8)
    np.testing.assert_allclose(got.numpy(), np.where(np.abs(want) > 1e-5, want / want.sum(), 0), atol=2e-4)


def test_a_quarter_turn_is_exact_and_counterclockwise() -> None:
    x = torch.arange(25.0).reshape(1, 1, 5, 5)
    turned = Batch(x).map(affine(1, torch.tensor([90.0]))).settle().pixels
    torch.testing.assert_close(turned[0, 0], torch.rot90(x[0, 0]), atol=1e-3, rtol=0)
    shifted = Batch(x).map(affine(1, shift=(torch.tensor([2.0]), torch.tensor([-1.0])))).settle().pixels
    torch.testing.assert_close(shifted[0, 0, :4, 2:], x[0, 0, 1:, :3], atol=1e-3, rtol=0)
    grown = Batch(x).map(affine(1, scale=torch.tensor([2.0]))).settle().pixels
    torch.testing.assert_close(grown[0, 0, ::2, ::2], x[0, 0, 1:4, 1:4], atol=1e-3, rtol=0)


def spread(change: Augmentation, batch: Batch, count: int = 400) -> torch.Tensor:
    return change.apply(batch, Draw.of(1, 0, np.arange(count))).settle().pixels


def test_draws_reach_what_the_parameters_say() -> None:
    flat = Batch(torch.full((400, 3, 6, 6), 100.0))
    bright = spread(Brightness(amount=0.3), flat).amax((1, 2, 3)) / 100
    assert 0.7 <= float(bright.min()) < 0.72 and 1.28 < float(bright.max()) <= 1.3
    gamma = spread(Gamma(range=(0.5, 2.0)), flat).amax((1, 2, 3))
    assert float(gamma.min()) == pytest.approx(255 * (100 / 255) ** 2, abs=1)
    assert float(gamma.max()) == pytest.approx(255 * (100 / 255) ** 0.5, abs=1)
    hidden = (spread(Erase(scale=(0.1, 0.3)), Batch(torch.ones(400, 1, 60, 60))) == 0).float().mean((1, 2, 3))
    assert float(hidden.min()) > 0.06 and float(hidden.max()) < 0.34 and 0.15 < float(hidden.mean()) < 0.25
    noise = spread(Erase(scale=(0.5, 0.9), value="random"), Batch(torch.full((50, 1, 60, 60), 7.0)), 50)
    assert 0 <= float(noise.min()) < 0.1 and 254.9 < float(noise.max()) <= 255
    assert float((noise % 255 == 0).float().mean()) < 1e-3, "black and white are as rare as any other value"
    squares = (spread(HideAndSeek(hidden=0.3), Batch(torch.rand(400, 1, 16, 16))) * 1).flatten(1)
    assert 0.27 < float((squares == squares.mode(1, keepdim=True).values).float().mean()) < 0.36


@pytest.mark.parametrize(
    "change", [Rotate(degrees=30.0), Translate(share=0.2), Scale()], ids=lambda c: c.type
)
def test_about_the_share_that_is_asked_for_changes(change: Augmentation) -> None:
    x = torch.rand(400, 1, 12, 12) * 255
    moved = (spread(change.replace(probability=0.3), Batch(x)) != x).flatten(1).any(1)
    assert 90 < int(moved.sum()) < 150


def test_policies_use_every_change_and_a_strength_of_zero_is_weak() -> None:
    x = torch.from_numpy(picture(4, (16, 16))).movedim(-1, 0)[None].repeat(300, 1, 1, 1)
    for change in (RandAugment(), AutoAugment(), AutoAugment(policy="cifar10")):
        made = spread(change, Batch(x, order="rgb"), 300)
        assert len({tuple(each.flatten().tolist()) for each in made}) > 40
    weak = spread(RandAugment(magnitude=0.0, count=1), Batch(x, order="rgb"), 300).float() - x.float()
    assert float((weak.abs().flatten(1).max(1).values < 0.5).float().mean()) > 0.6


def test_clahe_takes_pictures_that_tiles_do_not_divide() -> None:
    made = spread(CLAHE(tiles=5), Batch(torch.from_numpy(picture(5, (17, 23))).movedim(-1, 0)[None]), 1)
    assert made.shape == (1, 3, 17, 23) and float(made.std()) > 40


def test_lines() -> None:
    tokens = torch.arange(200).reshape(2, 100)
    moved = shuffle(tokens, Draw.of(1, 0, np.arange(2)), 3.0)
    places = (moved - torch.arange(100) - torch.tensor([[0], [100]])).abs()
    assert int(places.max()) <= 3 and int((places > 0).sum()) > 50
    assert torch.equal(moved.sort(1).values, tokens)
    wave = torch.arange(10.0)[None]
    rolled = [shift_time(wave, Draw.of(s, 0, np.arange(1)), 1.0, True)[0] for s in range(9)]
    assert all(torch.equal(each.sort().values, wave[0]) for each in rolled)


def test_a_wave_is_read_up_to_its_last_sample() -> None:
    for length in (1, 2, 10, 11):
        wave = torch.arange(float(length)).expand(2, 3, length)
        at = torch.arange(length)
        for factor in (0.5, 1.0, 2.0, 4.0):
            wanted = torch.where(factor * at <= length - 1, factor * at, 0.0)
            assert torch.equal(change_speed(wave, torch.full((2,), factor)), wanted.expand_as(wave))


def test_hue_and_saturation_leave_gray_alone() -> None:
    gray = torch.rand(3, 1, 4, 4) * 255
    for change in (Hue(turn=0.5), Saturation(amount=0.9)):
        assert torch.equal(change.apply(Batch(gray), Draw.of(1, 0, np.arange(3))).pixels, gray)
    assert not torch.equal(Contrast(amount=0.9).apply(Batch(gray), Draw.of(1, 0, np.arange(3))).pixels, gray)


def test_the_least_rectangle_is_a_pixel_and_the_largest_the_picture() -> None:
    from netspec.augmentation.kernels.hiding import draw_rectangles

    draw = Draw.of(1, 0, np.arange(40))
    least = draw_rectangles(draw, (7, 9), (1e-6, 1e-6), (1, 1))
    assert least.sum((1, 2, 3)).tolist() == [1] * 40 and least.any(0).sum() > 20
    assert draw_rectangles(draw, (7, 9), (1, 1), (0.1, 10)).flatten(1).any(1).all()
    assert draw_rectangles(draw, (9, 9), (1, 1), (1, 1)).all()
    halves = draw_rectangles(draw, (8, 8), (0.5, 0.5), (2, 2))  # twice as high as wide
    assert halves.any(3).sum((1, 2)).tolist() == [8] * 40 and halves.any(2).sum((1, 2)).tolist() == [4] * 40


def test_perspective_leads_each_drawn_corner_to_its_own() -> None:
    from types import SimpleNamespace

    from netspec.augmentation.geometry import Perspective

    shares = torch.tensor([[[0.1, 0.2], [0.3, 0.05], [0.25, 0.15], [0.0, 0.3]]])

    class Drawn(SimpleNamespace):
        def __len__(self) -> int:
            return 1

    made = Perspective(distortion=1).map(
        Drawn(uniform=lambda low, high, *_: low + (high - low) * shares), (6, 10)
    )  # type: ignore[arg-type]
    corners = torch.tensor([[-5.0, -3], [5, -3], [5, 3], [-5, 3]]).double()
    moved = corners * (1 - 0.98 * shares[0].double())
    led = torch.cat((moved, torch.ones(4, 1)), 1) @ made.matrix[0].T
    torch.testing.assert_close(led[:, :2] / led[:, 2:], corners, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("chosen", [[True, True], [False, True], [False, False]])
@pytest.mark.parametrize("sizes", [(3, 3), (3, 4)])
def test_values_are_held_to_those_of_pixels(chosen: list[bool], sizes: tuple[int, int]) -> None:
    """Black and white are among them, whichever samples are changed and whether or not they are of one size."""
    images = [torch.linspace(0, 255, 2 * n).reshape(1, 2, n) for n in sizes]
    batch = Batch(torch.stack(images) if sizes[0] == sizes[1] else images)
    for by in (-100.0, 0.0, 100.0):
        made = batch.change_image(
            lambda image, draw, order, by=by: image + by, Draw.of(1, 0, np.arange(2)), torch.tensor(chosen)
        )
        for got, image, change in zip(made.image, images, chosen, strict=True):  # type: ignore[arg-type]
            assert torch.allclose(got.float(), (image + by).clamp(0, 255) if change else image)


def test_elastic_strength_counts_pixels_or_halves_of_each_side() -> None:
    assert Elastic(alpha=3.0).unit((10, 24)) == (3.0, 3.0)
    assert Elastic(alpha=0.5, relative=True).unit((10, 24)) == (6.0, 2.5)


def test_a_mirror_reverses_one_axis_of_those_chosen() -> None:
    place = torch.tensor([3.0, 5.0, 1.0], dtype=torch.float64)
    chosen = torch.tensor([True, False])
    assert (mirror(2, -1).choose(chosen).matrix @ place).tolist() == [[-3, 5, 1], [3, 5, 1]]
    assert (mirror(2, -2).choose(chosen).matrix @ place).tolist() == [[3, -5, 1], [3, 5, 1]]
