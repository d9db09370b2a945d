"""`see all` of every kind of run: what has a meaning is shown, the rest is told, and the page is sound."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from netspec.pictures.shapes import Image, Text
from netspec.pictures.shapes import Line as Stroke
from netspec.seeing.outputs import describe_boxes, draw_output
from netspec.seeing.registry import view_names
from tests.seeing.runs import KINDS, train_kind
from tests.seeing.test_browser import HERE, MODULES
from tests.seeing.test_seeing_pages import read
from tests.training.specs import Line as Command

pytestmark = pytest.mark.torch

ALWAYS = {"curves", "maps", "net", "output"}
SHOWN = {
    "regression": set(),
    "table": {"confusion", "mistakes"},
    "segmentation": {"batch", "confusion", "deconv", "embed", "field", "filters", "matrix", "shift"},
    "boxes": {"batch", "deconv", "field", "filters", "matrix", "shift"},
    "text": {"confusion", "sample"},
    "motifs": {"embed", "field", "filters", "matrix", "motifs", "mutations", "saliency", "shift"},
    "sounds": {"confusion", "embed", "field", "filters", "matrix", "mistakes", "saliency", "shift"},
    "gan": {"batch", "embed", "filters", "matrix", "sample"},
    "vae": {"batch", "embed", "occlusion", "saliency", "sample"},
    "autoencoder": {"batch", "embed", "occlusion", "saliency"},
}
"""Beside ALWAYS."""
QUICK = ("regression", "boxes")


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


def kinds() -> list[object]:
    return [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]


@pytest.mark.parametrize("kind", kinds())
def test_all_of_a_kind(kind: str, tmp_path: Path, line: Command) -> None:
    run = train_kind(kind, tmp_path)
    assert line("see", "all", run, "-o", tmp_path / "all.html", "--json") == 0
    seen = json.loads(line.out)
    left = seen.pop("left-out")
    assert {*seen} == SHOWN[kind] | ALWAYS and {*left} == {*view_names()} - {*seen}
    page = (tmp_path / "all.html").read_text()
    reader = read(page)
    assert reader.faults == []
    assert [each for each in reader.loaded if not each.startswith(("data:image/png;base64,", "#"))] == []
    assert all(f"{name}: " in page.partition("Left out")[2] for name in left)


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing_in_any_kind(kind: str, tmp_path: Path, line: Command) -> None:
    node, browser = shutil.which("node"), shutil.which("chromium") or shutil.which("google-chrome")
    if node is None or browser is None or not (MODULES / "axe-core").is_dir():
        pytest.skip("needs node, chromium, and: npm install --prefix .ci")
    assert line("see", "all", train_kind(kind, tmp_path), "-o", tmp_path / "all.html") == 0
    done = subprocess.run(
        [node, str(HERE / "axe.cjs"), str(tmp_path / "all.html"), "390 light,390 dark,1280 light,1280 dark"],
        env=os.environ | {"NODE_PATH": str(MODULES), "CHROMIUM": browser},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    found = json.loads(done.stdout)
    assert {*found} == {f"{width} {scheme}" for width in (390, 1280) for scheme in ("light", "dark")}
    for place, each in found.items():
        assert each["violations"] == [] and each["requests"] == 0, place
        assert each["width"] <= int(place.split()[0]), place


def test_a_detectors_answer_is_boxes_over_its_picture() -> None:
    """Best first; in shares of the picture, which is 384 along its longer side; -1 is none."""
    rows = np.array([[0, 1, 0.5, 0.25, 0.5, 0.75, 1.2], [0, 2, 0.9, 0, 0, 1, 1], [0, -1, 0, 0, 0, 0, 0]])
    said = describe_boxes(rows[None, None], ("background", "cat", "dog"))
    assert [(each["class"], each["score"]) for each in said["boxes"]] == [("dog", 0.9), ("cat", 0.5)]
    body = draw_output("found", rows, said, np.zeros((20, 40, 3), np.uint8)).body
    (picture,) = [shape for shape in body.shapes if isinstance(shape, Image)]  # type: ignore[union-attr]
    assert (picture.w, picture.h) == (384, 192)
    frames = [shape.points for shape in body.shapes if isinstance(shape, Stroke)]  # type: ignore[union-attr]
    assert frames[0][0] == (96, 96) and frames[0][2] == (288, 192) and frames[1][2] == (384, 192)
    assert [shape.text for shape in body.shapes if isinstance(shape, Text)] == ["cat 50%", "dog 90%"]  # type: ignore[union-attr]
