"""Labels stay true: masks and boxes go where the image goes, shares of classes sum to 1."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from netspec.augmentation.definition import Augmentation
from netspec.augmentation.frame import Crop, Flip, Pad, RandomResizedCrop
from netspec.augmentation.geometry import Affine, Elastic, Perspective, Rotate, Scale, Shear, Translate
from netspec.augmentation.kernels.batch import Batch
from netspec.augmentation.kernels.boxes import Boxes
from netspec.augmentation.kernels.draw import Draw
from netspec.augmentation.kernels.plan import augment, plan_rows
from netspec.augmentation.kernels.windows import resize_windows
from netspec.augmentation.mixing import CutMix, MixUp, Mosaic
from netspec.augmentation.policies import RandAugment, TrivialAugment

pytestmark = pytest.mark.torch
H, W = 24, 30
MOVES: dict[str, tuple[Augmentation, ...]] = {
    "crop": (Crop(size=(20, 22), pad=3),),
    "pad": (Pad(width=3),),
    "resized": (RandomResizedCrop(size=(18, 25), scale=(0.2, 1.0)),),
    "flips": (Flip(), Flip(direction="vertical")),
    "turn": (Rotate(degrees=40.0),),
    "shift": (Translate(share=0.3),),
    "grow": (Scale(factor=(0.6, 1.6)),),
    "slant": (Shear(degrees=20.0),),
    "affine": (Affine(degrees=20.0, translate=0.2, scale=(0.8, 1.2), shear=10.0),),
    "perspective": (Perspective(),),
    "elastic": (Elastic(alpha=20.0),),
    "unet": (Elastic(alpha=4.0, grid=3),),
    "chain": (Flip(), Rotate(degrees=20.0), Elastic(alpha=8.0), Scale(), Crop(size=20), Shear(degrees=8.0)),
}
Q = 8.0
"""Counts of a pixel value to a place: a float keeps them all."""


def places(count: int) -> Batch:
    """Images whose pixels say where they are (row, column, 1: inside), and masks that say the same."""
    rows = torch.arange(float(H))[:, None].expand(H, W)
    columns = torch.arange(float(W)).expand(H, W)
    image = torch.stack((rows, columns, torch.full((H, W), 30.0))) * Q
    mask = (rows * W + columns).long() + 1
    return Batch(image.expand(count, 3, H, W).clone(), mask=mask.expand(count, H, W).clone())


def agreement(changes: tuple[Augmentation, ...], count: int, seed: int) -> tuple[int, int]:
    """How many pixels were compared, and how many of them had another class than their image says."""
    made = augment(changes, places(count), Draw.of(seed, 0, np.arange(count)))
    image, mask = made.pixels.double() / Q, made.mask
    assert isinstance(mask, torch.Tensor)
    row, column, inside = image.unbind(1)
    # bilinear reading of a ramp gives the place itself; a tie of two pixels may go either way
    whole = (inside - 30).abs() < 1e-3
    apart = ((row - row.floor() - 0.5).abs() > 0.02) & ((column - column.floor() - 0.5).abs() > 0.02)
    # smoothing before shrinking bends the ramp at its ends
    inner = (row > 1.6) & (row < H - 2.6) & (column > 1.6) & (column < W - 2.6)
    sure = whole & apart & inner
    want = (row.round() * W + column.round()).long() + 1
    return int(sure.sum()), int((want != mask)[sure].sum())


@pytest.mark.parametrize("name", MOVES)
def test_the_mask_of_the_change_is_the_change_of_the_mask(name: str) -> None:
    compared, wrong = agreement(MOVES[name], 150, 1)
    assert compared > 150 * 80 and wrong == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", MOVES)
def test_the_same_in_a_hundred_thousand_draws(name: str) -> None:
    found = [agreement(MOVES[name], 1000, seed) for seed in range(100 // len(MOVES) + 1)]
    assert sum(wrong for _, wrong in found) == 0


def test_policies_move_the_mask_too() -> None:
    """Their changes of place alone: values say nothing of the place once colours change."""
    for change in (RandAugment(), TrivialAugment()):
        batch = places(300)
        made = augment((change,), batch, Draw.of(1, 0, np.arange(300)))
        assert isinstance(made.mask, torch.Tensor) and isinstance(batch.mask, torch.Tensor)
        moved = (made.mask != batch.mask).flatten(1).any(1)
        assert 60 < int(moved.sum()) < 290
        assert set(made.mask.unique().tolist()) <= {0, *batch.mask.unique().tolist()}


def test_outside_the_image_is_the_ignored_class() -> None:
    mask = torch.ones(4, H, W, dtype=torch.long)
    batch = Batch(torch.zeros(4, 1, H, W), mask=mask, outside=255)
    for changes in ((Translate(share=0.5),), (Pad(width=2),)):
        made = augment(changes, batch, Draw.of(1, 0, np.arange(4))).mask
        assert isinstance(made, torch.Tensor) and set(made.unique().tolist()) == {1, 255}


def box_image(corners: list[float]) -> torch.Tensor:
    x0, y0, x1, y1 = corners
    image = torch.zeros(1, 48, 60)
    image[:, round(y0 * 48) : round(y1 * 48), round(x0 * 60) : round(x1 * 60)] = 255
    return image


EXACT = ("crop", "pad", "flips", "shift", "grow", "resized")
CORNERS = [[0.2, 0.25, 0.5, 0.75], [0.4, 0.5, 0.6, 0.625], [0.6, 0.25, 0.8, 0.5]]


@pytest.mark.parametrize("name", [n for n in MOVES if n != "chain"])
def test_boxes_go_where_the_image_goes(name: str) -> None:
    count = 120
    changes = tuple(
        change.replace(size=(40, 44)) if isinstance(change, Crop) else change for change in MOVES[name]
    )
    corners = torch.tensor([CORNERS[i % 3] for i in range(count)])
    rows = torch.cat((torch.zeros(count, 1), corners), 1)[:, None]
    image = torch.stack([box_image(CORNERS[i % 3]) for i in range(count)])
    made = augment(changes, Batch(image, boxes=Boxes(rows)), Draw.of(2, 0, np.arange(count)))
    assert made.boxes is not None
    h, w = made.size
    checked = 0
    for x, row in zip(made.pixels[:, 0], made.boxes.rows[:, 0], strict=True):
        lit = (x > 127).nonzero()
        if row[0] < 0 or not len(lit):
            continue
        (top, left), (bottom, right) = lit.min(0).values.tolist(), (lit.max(0).values + 1).tolist()
        seen = torch.tensor([left / w, top / h, right / w, bottom / h])
        slack = torch.tensor([1.2 / w, 1.2 / h]).repeat(2)
        assert bool((row[1:3] <= seen[:2] + slack[:2]).all()), (row, seen)
        assert bool((row[3:5] >= seen[2:] - slack[2:]).all()), (row, seen)
        if name in EXACT:
            assert bool(((row[1:] - seen).abs() <= slack).all()), (row, seen)
        checked += 1
    assert checked > 60


def test_a_box_is_dropped_where_too_little_is_left() -> None:
    rows = torch.tensor([[[3.0, 0.0, 0.0, 0.2, 0.2], [4.0, 0.4, 0.4, 0.6, 0.6], [-1.0, 0, 0, 0, 0]]])
    made = Boxes(rows).crop(torch.tensor([[17, 17]]), torch.zeros(1, 1, 100, 100), (60, 60)).rows[0]
    assert made[:, 0].tolist() == [-1, 4, -1]
    torch.testing.assert_close(made[1, 1:], torch.tensor([0.23, 0.23, 0.43, 0.43]) / 0.6)
    kept = Boxes(rows).crop(torch.tensor([[5, 5]]), torch.zeros(1, 1, 100, 100), (60, 60)).rows[0]
    assert kept[:, 0].tolist() == [3, 4, -1] and kept[0, 1:3].tolist() == [0, 0]


def solid(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images of one value, by class: what is seen of a class can be counted."""
    label = torch.arange(count) % 4
    return (40.0 + 50 * label)[:, None, None, None].expand(count, 1, H, W).clone(), label


def mixed(change: Augmentation, count: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    image, label = solid(count)
    plan = plan_rows([change], 5, np.zeros(count, np.int64), np.arange(count), count)
    at = torch.from_numpy(plan.indices)
    batch = Batch(image[at], label[at], classes=4)
    made = augment([change], batch, Draw.of(5, plan.epochs, plan.indices), plan.stages)
    assert made.label is not None and len(made) == count == len(made.label)
    return made.pixels, made.label


@pytest.mark.parametrize("change", [CutMix(), Mosaic(), CutMix(probability=0.4)], ids=repr)
def test_shares_are_those_of_the_areas(change: Augmentation) -> None:
    image, share = mixed(change)
    for k in range(4):
        seen = (image == 40 + 50 * k).double().mean((1, 2, 3))
        torch.testing.assert_close(share[:, k].double(), seen, atol=1e-6, rtol=0)
    whole = float((share.max(1).values == 1).float().mean())
    assert whole < 0.5 if change.probability == 1 else whole > 0.55


def test_shares_are_those_of_the_blend() -> None:
    image, share = mixed(MixUp(alpha=1.0))
    want = share.double() @ (40 + 50 * torch.arange(4.0)).double()
    torch.testing.assert_close(image.double().mean((1, 2, 3)), want, atol=1e-3, rtol=0)
    torch.testing.assert_close(share.sum(1), torch.ones(len(share)))
    assert float(share.max(1).values.lt(0.9).float().mean()) > 0.2


@pytest.mark.parametrize("make", [CutMix, Mosaic])
def test_masks_of_mixtures_show_what_the_image_shows(make: Callable[[], Augmentation]) -> None:
    count, change = 60, make()
    image, label = solid(count)
    mask = label[:, None, None].expand(count, H, W).clone()
    plan = plan_rows([change], 5, np.zeros(count, np.int64), np.arange(count), count)
    at = torch.from_numpy(plan.indices)
    batch = Batch(image[at], mask=mask[at])
    made = augment([change], batch, Draw.of(5, plan.epochs, plan.indices), plan.stages)
    assert isinstance(made.mask, torch.Tensor)
    assert torch.equal(made.pixels[:, 0], 40.0 + 50 * made.mask)


def test_boxes_of_a_mosaic_lie_in_their_quarters() -> None:
    count = 80
    corners = torch.tensor([CORNERS[i % 3] for i in range(count)])
    rows = torch.cat((torch.arange(count)[:, None] % 3, corners), 1)[:, None].float()
    image = torch.stack([box_image(CORNERS[i % 3]) for i in range(count)])
    change = Mosaic()
    plan = plan_rows([change], 5, np.zeros(count, np.int64), np.arange(count), count)
    at = torch.from_numpy(plan.indices)
    batch = Batch(image[at], boxes=Boxes(rows[at]))
    made = augment([change], batch, Draw.of(5, plan.epochs, plan.indices), plan.stages)
    assert made.boxes is not None and made.boxes.rows.shape == (count, 4, 5)
    inside = 0.0
    for x, boxes in zip(made.pixels[:, 0], made.boxes.rows, strict=True):
        for row in boxes[boxes[:, 0] >= 0]:
            x0, y0, x1, y1 = (row[1:] * torch.tensor([60, 48, 60, 48])).round().int().tolist()
            part = x[y0:y1, x0:x1]
            assert float((part > 127).float().mean()) > 0.8
            inside += 1
    assert inside > count


@pytest.mark.parametrize("planes", [(), (1,), (3,), (2, 2)])
def test_masks_of_several_planes_are_cut_out_plane_by_plane(planes: tuple[int, ...]) -> None:
    batch = places(2)
    assert isinstance(batch.mask, torch.Tensor)
    count = math.prod(planes)
    shifted = [(batch.mask + 1000 * i) for i in range(count)]
    several = torch.stack(shifted, 1).reshape(2, *planes, H, W)
    at, size = torch.tensor([[1, 2, 6, 8], [0, 0, 5, 5]]), (4, 7)
    made = resize_windows(batch.replace(mask=several), at, size).mask
    one = resize_windows(batch, at, size).mask
    assert isinstance(made, torch.Tensor) and isinstance(one, torch.Tensor)
    assert made.shape == (2, *planes, *size)
    for i, plane in enumerate(made.reshape(2, count, *size).unbind(1)):
        assert torch.equal(plane, one + 1000 * i)
