"""A detector learns from boxes: the loss falls, mean average precision rises, and `test` tells it class by class."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from netspec.cli import group
from netspec.cli.output.predicted_boxes import box_lines, box_rows, describe_boxes, find_window
from netspec.data.samples import Sample, Taken
from netspec.resolve.sections.image import ImageContract
from netspec.training.measures.boxes import Boxes, average_precision
from tests.data.boxed_files import DETECTOR, LOSS, Boxed, coco_of

pytestmark = pytest.mark.torch
SIDE = 16
SPEC = (
    DETECTOR.replace("num_output: 4, stride: 4", "num_output: 16, kernel_size: 7, pad: 3, stride: 4")
    .replace(
        "bottom: [loc, prob, priors]",
        "code_type: CENTER_SIZE, confidence_threshold: 0.2, bottom: [loc, prob, priors]",
    )
    .replace("min_size: 6", "min_size: 6, variance: [0.1, 0.1, 0.2, 0.2]")
    .replace("resize: [16, 16]", 'scale: "${1 / 64}"')
    + f"""train:
  data: {{source: coco, path: ., batch_size: 10}}
  val_data: {{source: coco, path: ., split: val, batch_size: 10}}
  loss:
    - {LOSS[:-1]}, code_type: CENTER_SIZE}}
    - {{name: mAP, type: DetectionEvaluate, bottom: [found, label], num_classes: $classes, include: {{phase: TEST}}}}
  solver: {{type: Adam, base_lr: 0.02, lr_policy: cosine, max_iter: 60, test_interval: 30, random_seed: 3}}
"""
)


def write(folder: Path, part: str, count: int, seed: int) -> None:
    """A square on a dark picture, its class by its light: at 120 a cat, at 250 a bird, no dog."""
    draw, pictures, boxes = np.random.RandomState(seed), {}, []
    for i in range(count):
        (x, y), side, light = draw.randint(0, SIDE - 7, 2), draw.randint(5, 8), draw.randint(2)
        pixels = draw.randint(0, 20, (SIDE, SIDE)).astype(np.uint8)
        pixels[y : y + side, x : x + side] = (120, 250)[light]
        name = f"{part}{i}"
        pictures[name] = (SIDE, SIDE)
        boxes.append(Boxed(name, ("cat", "bird")[light], (x, y, x + side, y + side)))
        (folder / part).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / part / f"{name}.png")
    corners = [each._replace(corners=tuple(map(int, each.corners))) for each in boxes]  # type: ignore[arg-type]
    (folder / "annotations").mkdir(exist_ok=True)
    document = json.dumps(coco_of(pictures, corners))
    (folder / f"annotations/instances_{part}.json").write_text(document, encoding="utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("detector")
    write(folder, "train", 100, 1)
    write(folder, "val", 30, 2)
    (folder / "spec.yaml").write_text(SPEC, encoding="utf-8")
    words = ["train", str(folder / "spec.yaml"), "--run", str(folder / "run"), "--quiet"]
    result = CliRunner().invoke(group, words, standalone_mode=False)
    assert result.exception is None, result.exception
    return folder / "run"


def test_mean_average_precision_rises_and_chooses_the_best(run: Path) -> None:
    records = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    tests = [each for each in records if each["phase"] == "val"]
    assert [each["iteration"] for each in tests] == [0, 30, 60]
    first, last = tests[0], tests[-1]
    assert first["mAP"] < 0.2 and last["mAP"] > 0.5 and last["loss"] < first["loss"] / 2
    assert [each["best"] for each in tests][-1] is True


def test_each_class_is_measured(run: Path) -> None:
    result = CliRunner().invoke(group, ["test", str(run), "--part", "val"], standalone_mode=False)
    assert result.exception is None, result.exception
    found = json.loads((run / "val.json").read_text(encoding="utf-8"))
    judged = found["judged"]["mAP"]
    assert judged["classes"] == ["cat", "dog", "bird"] and sum(judged["support"]) == 30
    assert judged["support"][1] == 0 and judged["ap"][1] == 0
    mean = (judged["ap"][0] + judged["ap"][2]) / 2  # dogs do not occur: they count for nothing
    assert judged["mean"]["ap"] == pytest.approx(mean) == pytest.approx(found["metrics"]["mAP"])
    assert "mAP: 3 classes, by boxes" in result.output and "support" in result.output


def invoke(*words: str) -> str:
    result = CliRunner().invoke(group, [*words], standalone_mode=False)
    assert result.exception is None, result.exception
    return str(result.output)


def test_predict_tells_boxes_in_pixels_of_the_picture_given(run: Path, tmp_path: Path) -> None:
    """A picture three times as large: the net sees it small, the box is one of the large picture."""
    draw = np.random.RandomState(5).randint(0, 20, (SIDE, SIDE)).astype(np.uint8)
    draw[4:10, 7:13] = 250
    Image.fromarray(draw).resize((3 * SIDE, 3 * SIDE), Image.Resampling.NEAREST).save(tmp_path / "a.png")
    picture = str(tmp_path / "a.png")
    (found,) = json.loads(invoke("predict", str(run), picture, "--json", "--top", "1"))
    (best,) = found["outputs"]["found"]["boxes"]
    assert best["class"] == "bird" and best["index"] == 3 and best["score"] > 0.3
    assert np.abs(np.array(best["box"]) - 3 * np.array([7, 4, 13, 10])).max() < 9
    assert "  found  bird  " in invoke("predict", str(run), picture) and " to " in invoke(
        "predict", str(run), picture
    )
    head, first, *_ = invoke("predict", str(run), picture, "--csv", "-").splitlines()
    assert head == "sample,label,error,found,found_score,found_xmin,found_ymin,found_xmax,found_ymax"
    assert first.split(",")[3] == "bird"


def test_a_picture_of_which_a_part_is_seen() -> None:
    """640 x 480 brought to a shorter side of 120, of which 100 x 120 in the middle are seen: 4 pixels to one."""
    sample = Sample("a.png", {"data": np.zeros((1, 3, 100, 120))}, frame=(640, 480))
    taken = Taken((3, 100, 120), ImageContract(resize=120, crop_size=(100, 120)))
    window = find_window(sample, "data", taken, None)
    assert window == (80, 40, 480, 400)
    rows = np.array([[0, 2, 0.5, 0.25, 0.5, 0.5, 1.2], [0, 1, 0.75, -0.1, 0, 1, 1], [-1] * 7])
    made = describe_boxes(rows[None, None], window, ("background", "cat"), None)["boxes"]
    assert [each["class"] for each in made] == ["cat", "2"]
    assert [each["box"] for each in made] == [[80, 40, 560, 440], [200, 240, 320, 440]]
    assert [*box_lines("found", {"boxes": []})] == ["  found  nothing found"]
    (empty,) = box_rows({"sample": "a"}, "found", {"boxes": []})
    assert empty["sample"] == "a" and set(empty.values()) == {"a", ""}


CURVES = {
    "Integral": (0.5 / 3 + 2 / 9, 0.5 + 1 / 3),
    "MaxIntegral": (4 / 9, 0.5 + 1 / 3),
    "11point": (7 * 2 / 3 / 11, (6 + 5 * 2 / 3) / 11),
}


@pytest.mark.parametrize("version", CURVES)
def test_average_precision_is_that_of_its_version(version: str) -> None:
    first, second = CURVES[version]
    found = average_precision(np.array([0.7, 0.9, 0.8]), np.array([1.0, 0, 1]), 3, version)  # type: ignore[arg-type]
    assert found == pytest.approx(first)
    assert average_precision(
        np.array([0.9, 0.8, 0.7, 0.6]), np.array([1.0, 0, 1, 0]), 2, version
    ) == pytest.approx(second)  # type: ignore[arg-type]


def test_rows_of_several_batches_are_one_measure() -> None:
    import torch

    measure = Boxes()
    measure.add(torch.tensor([[-1, 1, 2, -1, -1], [-1, 2, 0, -1, -1], [0, 1, 0.5, 1, 0]]))
    measure.add(torch.tensor([[-1, 1, 1, -1, -1], [-1, 2, 0, -1, -1], [0, 1, 0.9, 0, 1], [1, 1, 0.8, 0, 0]]))
    found = measure.result(("background", "cat"))
    assert found["classes"] == ["cat", "2"] and found["support"] == [3, 0] and found["found"] == [2, 0]
    assert found["ap"] == pytest.approx([0.5 / 3, 0]) and measure.mean == pytest.approx(0.5 / 3)
