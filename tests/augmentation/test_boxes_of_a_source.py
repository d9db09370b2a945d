"""Boxes of a COCO or VOC source go where crops and random changes take their pictures: the rows of a batch frame what is light in it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from netspec import driver
from netspec.training.batches.feeding import order_of
from netspec.training.batches.loader import Batches, Reader
from netspec.training.batches.sheet import open_data
from tests.data.boxed_files import Boxed, detector, write_coco, write_voc

pytestmark = pytest.mark.torch
SIZE = (60, 48)
BOXES = [
    Boxed("a", "cat", (12, 12, 30, 36)),
    Boxed("b", "dog", (24, 24, 36, 30)),
    Boxed("c", "bird", (40, 4, 54, 30)),
]
CHANGES = {
    "none": "[]",
    "flip": "[{type: Flip}]",
    "upside down": "[{type: Flip, direction: vertical}]",
    "crop": "[{type: Crop, size: [40, 44], pad: 3}]",
    "resized": "[{type: RandomResizedCrop, size: [36, 50], scale: [0.3, 1]}]",
    "turn": "[{type: Rotate, degrees: 30}]",
    "affine": "[{type: Affine, degrees: 15, translate: 0.1, scale: [0.8, 1.2], shear: 8}]",
    "perspective": "[{type: Perspective}]",
    "several": "[{type: Flip}, {type: Affine, degrees: 10}, {type: Crop, size: [40, 44]}]",
    "light": "[{type: Brightness, amount: 0.2}, {type: Flip}]",
}
GIVES = {"crop": (40, 44), "resized": (36, 50), "several": (40, 44)}
DRAWS = 16


def framed(pixels: torch.Tensor, row: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
    """What is light in a picture as xmin, ymin, xmax, ymax in pixels, and what a row says; None where nothing is."""
    lit = (pixels > 125).nonzero()
    if not len(lit):
        return None
    h, w = pixels.shape
    (top, left), (bottom, right) = lit.min(0).values.tolist(), (lit.max(0).values + 1).tolist()
    return torch.tensor([left, top, right, bottom]).float(), row[3:7] * torch.tensor([w, h, w, h])


def check(pixels: torch.Tensor, rows: torch.Tensor, slack: float = 1.01) -> tuple[int, int]:
    """How many pictures had a row, and how many of these lay wholly inside, each held against what is seen."""
    rowed = inside = 0
    h, w = pixels.shape[-2:]
    for i, picture in enumerate(pixels[:, 0]):
        own = rows[rows[:, 0] == i]
        assert len(own) < 2
        found = framed(picture, own[0]) if len(own) else None
        if found is None:
            continue
        seen, said = found
        rowed += 1
        # a turned box that the border cuts may be seen smaller than its frame, never larger
        assert bool((said[:2] <= seen[:2] + slack).all() and (said[2:] >= seen[2:] - slack).all())
        if bool((said[:2] > 0).all()) and said[2] < w and said[3] < h:
            inside += 1
            assert bool(((said - seen).abs() <= slack).all()), (said, seen)
    return rowed, inside


def batches_of(
    folder: Path, changes: str, shape: tuple[int, int], contract: str = "", form: str = "coco"
) -> Reader:
    text = detector(f"source: {form}, path: .", f"  augment: {changes}\n")
    image = f"{{color: gray, resize: [48, 60]{contract}}}"
    text = text.replace(
        "{shape: [N, 1, 16, 16], image: {color: gray, resize: [16, 16]}}",
        f"{{shape: [N, 1, {shape[0]}, {shape[1]}], image: {image}}}",
    )
    (folder / "spec.yaml").write_text(text, encoding="utf-8")
    feeds, typed = open_data(driver.load(str(folder / "spec.yaml")))
    section = feeds.program.resolved.file.train
    assert feeds.train is not None and section is not None and section.data is not None
    feed = feeds.feed("train", typed, feeds.train, section.data)
    return Reader(Batches(feeds.train, 3, order_of(section.data, "train", 1), feed), 0)


@pytest.mark.parametrize("name", CHANGES)
def test_rows_frame_what_is_seen(tmp_path: Path, name: str) -> None:
    write_coco(tmp_path, dict.fromkeys("abc", SIZE), BOXES)
    reader = batches_of(tmp_path, CHANGES[name], GIVES.get(name, (48, 60)))
    rowed = inside = 0
    for draw in range(DRAWS):
        made = reader.of_rows(np.arange(3), np.full(3, draw))
        assert made["data"].shape[-2:] == GIVES.get(name, (48, 60))
        some = check(made["data"], made["label"][0, 0])
        rowed, inside = rowed + some[0], inside + some[1]
    assert rowed > 2 * DRAWS and inside > DRAWS


@pytest.mark.parametrize("form", ["coco", "voc"])
def test_a_contract_resizes_and_crops_boxes(tmp_path: Path, form: str) -> None:
    """Pictures of twice the size and more, cut in the middle by the contract, in training and in a test."""
    boxes = [each._replace(corners=tuple(2 * x for x in each.corners)) for each in BOXES]  # type: ignore[arg-type]
    write = {"coco": write_coco, "voc": write_voc}[form]
    write(tmp_path, dict.fromkeys("abc", (120, 96)), boxes)
    for changes in ("[]", "[{type: Flip}]"):
        reader = batches_of(tmp_path, changes, (40, 44), ", crop_size: [40, 44]", form)
        made = reader.of_rows(np.arange(3), np.zeros(3, np.int64))
        rows = made["label"][0, 0]
        assert check(made["data"], rows) == (3, 2) and rows[:, 0].tolist() == [0, 1, 2]


def test_a_mosaic_has_the_boxes_of_four(tmp_path: Path) -> None:
    write_coco(tmp_path, dict.fromkeys("abc", SIZE), BOXES)
    reader = batches_of(tmp_path, "[{type: Mosaic}]", (48, 60))
    counts = []
    for draw in range(DRAWS):
        made = reader.of_rows(np.arange(3), np.full(3, draw))
        for i, picture in enumerate(made["data"][:, 0]):
            own = made["label"][0, 0][made["label"][0, 0][:, 0] == i]
            counts.append(len(own))
            for row in own:
                x0, y0, x1, y1 = (row[3:7] * torch.tensor([60, 48, 60, 48])).round().int().tolist()
                assert float((picture[y0:y1, x0:x1] > 125).float().mean()) > 0.8
    assert max(counts) > 2 and min(counts) < max(counts)


def test_a_sheet_shows_the_boxes(tmp_path: Path) -> None:
    """As it is and changed; what the contract cuts is cut of both."""
    from netspec.data.boxes.drawing import color_of, draw_boxes
    from netspec.training.batches.sheet import Sheet, draw_sheet

    write_coco(tmp_path, dict.fromkeys("abc", SIZE), BOXES)
    batches_of(tmp_path, "[{type: Flip, probability: 1}]", (40, 44), ", crop_size: [40, 44]")
    made = draw_sheet(*open_data(driver.load(str(tmp_path / "spec.yaml"))), Sheet(3, 2))
    factor = made.shape[1] // 3 // 44
    first = made[: made.shape[0] // 3, : made.shape[1] // 3]
    cat = color_of(1)  # (12, 12, 30, 36) less 8 from the left and 4 from the top
    lit = np.argwhere((first == cat).all(-1))
    assert (lit.min(0) // factor).tolist() == [8, 4] and (lit.max(0) // factor).tolist() == [31, 21]
    second = made[: made.shape[0] // 3, made.shape[1] // 3 : 2 * made.shape[1] // 3]
    lit = np.argwhere((second == cat).all(-1))
    assert (lit[:, 1].min() // factor, lit[:, 1].max() // factor) == (44 - 22, 44 - 5)
    row = np.array([[0, 2, 0, 0.9, 0.9, 1.0, 1.0, 0]])
    assert (draw_boxes(np.zeros((3, 5, 5)), row)[:, 4, 4] == color_of(2)).all()
    assert len({color_of(k) for k in range(60)}) > 50


def test_the_page_of_a_survey_shows_boxes(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from netspec.cli import group

    write_coco(tmp_path, {**dict.fromkeys("abc", SIZE), "d": (9, 9)}, BOXES)
    batches_of(tmp_path, "[]", (48, 60))
    words = ["data", str(tmp_path / "spec.yaml"), "--html", str(tmp_path / "page.html")]
    result = CliRunner().invoke(group, words, standalone_mode=False)
    assert result.exception is None and "none in 1 picture" in result.output
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<figure>") == 4 and all(
        f"<h3>{name}" in page for name in ("cat", "dog", "bird", "no box")
    )


def test_the_colours_of_classes_are_bright_and_neighbours_are_far_apart() -> None:
    from netspec.data.boxes.drawing import color_of

    assert [color_of(label) for label in range(4)] == [
        (255, 38, 38),
        (38, 74, 255),
        (149, 255, 38),
        (255, 38, 223),
    ]
    colors = np.array([color_of(label) for label in range(200)])
    assert (colors.max(1) == 255).all() and (colors.min(1) == 38).all()
    assert (np.abs(np.diff(colors, axis=0)).max(1) > 100).all()
