"""Pictures with masks: pairs by name, classes by number, palette or colour, one geometry for both, and what does not fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netspec import driver
from netspec.data.binding import LabelRule
from netspec.data.inventory.classes import judge_masks
from netspec.data.inventory.take import take_inventory
from netspec.data.registry import Place, open_source
from netspec.data.source import Source
from netspec.diagnostics import SpecError
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection
from netspec.source import Source as Text

CLASSES = np.array([[0, 1, 2, 2], [0, 1, 1, 2], [0, 0, 1, 2]], np.uint8)
TABLE = {"ground": (0, 0, 0), "road": (128, 64, 128), "sky": (70, 130, 180)}
PALETTE = [part for color in TABLE.values() for part in color]


def in_mode(kind: str) -> Image.Image:
    """The same classes, as masks are saved."""
    if kind == "palette":
        image = Image.fromarray(CLASSES, "P")
        image.putpalette(PALETTE)
        return image
    if kind == "colors":
        return Image.fromarray(np.array([*TABLE.values()], np.uint8)[CLASSES])
    if kind == "gray levels":
        return Image.fromarray(CLASSES * 100)
    if kind == "16 bit":
        return Image.fromarray(CLASSES.astype(np.uint16))
    return Image.fromarray(CLASSES)


WORDS: dict[str, dict[str, Any]] = {
    "palette": {},
    "gray": {},
    "16 bit": {},
    "colors": {"colors": TABLE},
    "gray levels": {"colors": {"ground": 0, "road": 100, "sky": 200}},
}


def write(folder: Path, name: str = "a", kind: str = "gray", ending: str = ".png") -> None:
    for part in ("photos", "masks"):
        (folder / part).mkdir(exist_ok=True)
    Image.fromarray(np.full((3, 4, 3), 90, np.uint8)).save(folder / "photos" / f"{name}.jpg")
    in_mode(kind).save(folder / "masks" / f"{name}{ending}")


def opened(
    folder: Path, contract: ImageContract | None = None, split: str | None = None, **words: Any
) -> Source:
    section = DataSection(source="images", path="photos", masks="masks", **words)
    return open_source(section, split, Place(folder, (3, None, None), contract))


def labels(source: Source) -> Any:
    return source.batch(np.arange(len(source)))["label"]


def failure(folder: Path, **words: Any) -> Any:
    with pytest.raises(SpecError) as caught:
        labels(opened(folder, **words))
    return caught.value.diagnostics[0]


@pytest.mark.parametrize("kind", WORDS)
def test_every_form_of_mask_gives_the_same_classes(tmp_path: Path, kind: str) -> None:
    write(tmp_path, kind=kind)
    source = opened(tmp_path, **WORDS[kind])
    np.testing.assert_array_equal(labels(source)[0], CLASSES)
    assert source.classes == (tuple(WORDS[kind]["colors"]) if WORDS[kind] else None)


def test_a_mask_of_bits_has_two_classes(tmp_path: Path) -> None:
    write(tmp_path)
    Image.fromarray(CLASSES > 0).save(tmp_path / "masks" / "a.png")
    np.testing.assert_array_equal(labels(opened(tmp_path))[0], CLASSES > 0)


def test_what_is_to_be_ignored_is_255(tmp_path: Path) -> None:
    write(tmp_path, kind="colors")
    source = opened(tmp_path, colors=dict([*TABLE.items()][:2]), ignore_color=TABLE["sky"])
    np.testing.assert_array_equal(labels(source)[0], np.where(CLASSES == 2, 255, CLASSES))


@pytest.mark.parametrize("ending", [".png", "_mask.png", "_gt.tif", "_labelIds.png"])
def test_a_mask_is_found_by_its_picture_s_name(tmp_path: Path, ending: str) -> None:
    write(tmp_path, ending=ending)
    assert len(opened(tmp_path)) == 1


def test_masks_are_resized_by_the_nearest_pixel_and_cut_with_their_picture(tmp_path: Path) -> None:
    """No class comes between two others: 0 and 2 side by side never give 1."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "masks").mkdir()
    halves = np.repeat([[0, 2]], 8, 0).repeat(8, 1).astype(np.uint8)
    Image.fromarray(halves * 100).convert("RGB").save(tmp_path / "photos" / "a.png")
    Image.fromarray(halves).save(tmp_path / "masks" / "a.png")
    found = labels(opened(tmp_path, ImageContract(resize=(5, 11))))[0]
    assert found.shape == (5, 11) and set(np.unique(found)) == {0, 2}


def test_parts_and_folders_are_paired(tmp_path: Path) -> None:
    for part, names in (("train", "abc"), ("val", "d")):
        for name in names:
            for kind in ("photos", "masks"):
                (tmp_path / kind / part).mkdir(parents=True, exist_ok=True)
                Image.fromarray(CLASSES).save(tmp_path / kind / part / f"{name}.png")
    assert [len(opened(tmp_path, split=split)) for split in ("train", "val", "test", "all")] == [3, 1, 1, 4]


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    write(tmp_path, "a", "colors")
    assert "[0, 0, 0]" in failure(tmp_path).fact
    found = failure(tmp_path, colors=dict([*TABLE.items()][:2]))
    assert found.code == "NS697" and "[70, 130, 180]" in found.fact and "row 0, column 2" in found.fact
    Image.fromarray(CLASSES[:2]).save(tmp_path / "masks" / "a.png")
    assert "4 x 2" in failure(tmp_path).fact and "4 x 3" in failure(tmp_path).fact
    (tmp_path / "masks" / "a.png").rename(tmp_path / "masks" / "b.png")
    assert "a.jpg" in failure(tmp_path).fact
    assert failure(tmp_path, ignore_color=3).code == "NS641"
    assert failure(tmp_path, colors={"x": [1, 2]}).code == "NS641"
    assert failure(tmp_path, colors={"x": 1, "y": 1}).code == "NS641"


@pytest.mark.torch
def test_a_net_learns_from_masks_with_a_crop_and_changes(tmp_path: Path) -> None:
    """In training the mask goes where its picture goes; in the test both are cut alike."""
    from netspec.training.session import session, train_program

    (tmp_path / "photos").mkdir()
    (tmp_path / "masks").mkdir()
    for i in range(10):
        mask = (np.random.RandomState(i).rand(12, 12) > 0.5).astype(np.uint8)
        Image.fromarray(mask * 200).convert("RGB").save(tmp_path / "photos" / f"{i}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{i}.png")
    spec = """
input: {data: {shape: [N, 3, 8, 8], image: {crop_size: 8, scale: 0.01}}}
layers: [{name: score, type: Convolution, num_output: 2, kernel_size: 1, weight_filler: xavier}]
train:
  data: {source: images, path: photos, masks: masks, split: train, batch_size: 4}
  test_data: {source: images, path: photos, masks: masks, split: test, batch_size: 4}
  augment: [{type: Flip}, {type: Crop, size: 8}]
  solver: {base_lr: 0.01, max_iter: 3, random_seed: 1}
"""
    program = driver.load_source(Text(str(tmp_path / "net.yaml"), spec))
    import torch

    job = session(program, torch.device("cpu")).job
    for batches in (job.train_batches, job.test_batches):
        assert batches is not None
        batch = next(iter(batches))  # type: ignore[call-overload]
        batches.close()
        np.testing.assert_array_equal(batch["data"][:, 0].numpy() > 1, batch["label"].numpy() == 1)
    assert np.isfinite(train_program(program, tmp_path / "run", device="cpu").loss)


def test_other_masks_are_other_data(tmp_path: Path) -> None:
    """The hash that a snapshot keeps sees them, not the pictures alone."""
    from netspec.data.identity import identify

    write(tmp_path)
    before = identify(opened(tmp_path))
    Image.fromarray(np.random.RandomState(0).randint(0, 3, (3, 4)).astype(np.uint8)).save(
        tmp_path / "masks" / "a.png", compress_level=0
    )
    assert identify(opened(tmp_path)) != before


@pytest.mark.parametrize(
    ("values", "ignored", "said"),
    [
        ((0, 255), (), "{a: 0, b: 255}"),
        ((0, 100, 200), (), "{a: 0, b: 100, c: 200}"),
        ((0, 1, 2, 255), (), "ignore_label: 255"),
        ((1, 2, 3), (), "count from 0"),
        ((0, 1, 2, 255), (255,), ""),
    ],
)
def test_what_values_of_masks_may_be_meant_as(
    tmp_path: Path, values: tuple[int, ...], ignored: tuple[int, ...], said: str
) -> None:
    write(tmp_path)
    Image.fromarray(np.resize(np.array(values, np.uint8), (3, 4))).save(tmp_path / "masks" / "a.png")
    source = opened(tmp_path)
    part = take_inventory({"train": source}).parts[0]
    found = judge_masks(
        source, part, {"label": LabelRule(max(2, len(values) - (255 in values) * (len(values) > 2)), ignored)}
    )
    assert bool(found) == bool(said) and all(said in " ".join(each.notes) for each in found)


def test_classes_of_which_no_pixel_is_are_told(tmp_path: Path) -> None:
    """Four classes are told apart, masks hold three of them; what the loss ignores is none."""
    write(tmp_path)
    for name in ("a", "b", "c"):
        file = next((tmp_path / "masks").glob(f"{name}*.png"), None)
        if file is not None:
            with Image.open(file) as mask:
                size = mask.size[::-1]
            Image.fromarray(np.resize(np.array((0, 1, 3, 255), np.uint8), size)).save(file)
    source = opened(tmp_path)
    part = take_inventory({"train": source}).parts[0]
    count = len(source)
    assert part.counts == {"0": count, "1": count, "3": count, "255": count}
    source.classes = ("sky", "tree", "road", "car")
    named = take_inventory({"train": source}).parts[0].counts
    assert named == {"sky": count, "tree": count, "road": 0, "car": count, "255": count}
    source.classes = None
    (found,) = judge_masks(source, part, {"label": LabelRule(4, (255,))})
    assert (found.code, found.fact) == ("NS668", "the training data have no pixel of 2")


@pytest.mark.parametrize(
    ("pictures", "masks", "mode", "end", "said"),
    [
        ("images", "masks", "L", ".png", True),
        ("JPEGImages", "SegmentationClass", "P", ".png", True),
        ("train/x", "train/x_gt", "RGB", "_mask.png", True),
        ("no_mask", "mask", "photo", ".png", False),
        ("without_masks", "with_masks", "L", ".png", False),
        ("images", "masks", "L", "_other.png", False),
        ("images", "pictures", "L", ".png", False),
    ],
)
def test_pictures_and_their_masks_are_no_two_classes(
    tmp_path: Path, pictures: str, masks: str, mode: str, end: str, said: bool
) -> None:
    """Called as masks are, a file for each picture, few colours: all three."""
    for number in range(3):
        for folder, name in ((pictures, f"{number}.png"), (masks, f"{number}{end}")):
            path = tmp_path / "d" / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            values = np.arange(300, dtype=np.int64).reshape(10, 30) * 7919 % 65536
            drawn = np.stack([values % 256, values // 256, values % 251], -1).astype(np.uint8)
            few = Image.fromarray(np.resize(np.arange(3, dtype=np.uint8), (10, 30)))
            (few.convert(mode) if folder == masks and mode != "photo" else Image.fromarray(drawn)).save(path)
    section = DataSection(source="images", path="d")
    if not said:
        assert len(open_source(section, "all", Place(tmp_path)).classes or ()) == 2
        return
    with pytest.raises(SpecError) as error:
        open_source(section, "all", Place(tmp_path))
    (found,) = error.value.diagnostics
    assert found.code == "NS664" and f"masks: {tmp_path / 'd' / masks}" in found.notes[0]
