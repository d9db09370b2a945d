"""`netspec init FOLDER` with boxes: the detector that is written checks, trains and tells boxes; other folders are read as before."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from netspec import driver
from netspec.cli import group
from netspec.data.boxes.survey import BoxSurvey
from netspec.data.inventory.kinds import recognise_boxes
from netspec.training.first.boxes import detector_text
from tests.data.boxed_files import Boxed, write_coco, write_voc

pytestmark = pytest.mark.torch
SIZE = (70, 64)
PICTURES = dict.fromkeys([f"p{i}" for i in range(12)], SIZE)
BOXES = [
    Boxed(name, ("cat", "dog", "bird")[i % 3], (4 + i, 8, 4 + i + (16, 30)[i % 2], 24 + i))
    for i, name in enumerate(PICTURES)
]


def run(*words: str) -> str:
    result: Any = CliRunner().invoke(group, list(words), standalone_mode=False)
    assert result.exception is None, (result.exception, result.output)
    return str(result.output)


def write(folder: Path, form: str) -> None:
    if form == "coco without parts":
        write_coco(folder, PICTURES, BOXES, "images")
    elif form == "coco":
        write_coco(folder, PICTURES, BOXES)
        write_coco(folder, PICTURES, BOXES, "val2017")
    else:
        names = [*PICTURES]
        write_voc(folder, PICTURES, BOXES, {"train": names[:6], "val": names[6:9], "test": names[9:]})


@pytest.mark.parametrize("form", ["coco", "coco without parts", "voc"])
def test_init_writes_a_detector_that_trains(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "pets", form)
    said = run("init", "pets")
    assert said.startswith("wrote pets.yaml: 3 classes, ") and "next: netspec train pets.yaml" in said
    assert run("check", "pets.yaml") == "pets.yaml: no findings\n"
    words = ("--set", "train.solver.epochs=0", "--set", "train.solver.max_iter=2", "--quiet")
    run("train", "pets.yaml", "--run", "run", *words)
    text = Path("pets.yaml").read_text(encoding="utf-8")
    assert ("test_data" in text) == (form != "coco") and ("split: {" in text) == (
        form == "coco without parts"
    )
    assert "3 classes, by boxes" in run("test", "run", "--part", "val")
    picture = next(Path("pets").rglob("*.png"))
    assert "found" in run("predict", "run", str(picture))


def test_data_of_a_folder_counts_boxes(tmp_path: Path) -> None:
    write(tmp_path, "voc")
    said = run("data", str(tmp_path))
    assert "boxes" in said and "train" in said and "val" in said and "test" in said


def test_other_folders_are_no_boxes(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("L", (9, 9)).save(tmp_path / name / "a.png")
    assert recognise_boxes(tmp_path) is None
    (tmp_path / "notes.json").write_text(
        '{"images": [], "annotations": [], "categories": []}', encoding="utf-8"
    )
    (tmp_path / "labels").mkdir()
    assert recognise_boxes(tmp_path) is None


SURVEY = BoxSurvey(
    "coco", ("cat", "dog"), (50, 60), 1000, 110, ((480, 640),), (0.02, 0.1, 0.3, 0.8), 3.0, False,
    (120.0, 110, 100), (60.0, 61, 62), ("train",),
)  # fmt: skip


@pytest.mark.parametrize("side", [40, 64, 100, 150, 224, 480])
@pytest.mark.parametrize("small", [0.01, 0.4])
def test_a_spec_for_any_size_checks(side: int, small: float) -> None:
    from netspec.source import Source

    survey = SURVEY._replace(sizes=((side, 2 * side),), sides=(small, 0.5, 0.6, 0.9))
    program = driver.load_source(Source("d.yaml", detector_text(survey, "d", "source: coco, path: data")))
    (found,) = program.graph("deploy").graph.outputs
    assert found.node is not None and found.node.layer.lists == 3


@pytest.mark.parametrize(
    ("small", "widths"), [(0.01, [16, 32, 64, 96]), (0.4, [16, 32, 64, 96, 128])], ids=["small", "large"]
)
def test_each_stage_is_wider_and_the_last_two_are_the_maps(small: float, widths: list[int]) -> None:
    """Boxes that are small need finer maps: one stage less."""
    text = detector_text(
        SURVEY._replace(sizes=((480, 480),), sides=(small, 0.5, 0.6, 0.9)), "d", "source: coco, path: data"
    )
    layers = yaml.safe_load(text.replace("$", ""))["layers"]
    body = [each for each in layers if str(each.get("name")).startswith("conv")][: len(widths)]
    assert [each["num_output"] for each in body] == widths
    assert [each["name"] for each in layers if each["name"] in ("fine", "coarse")] == ["fine", "coarse"]
