"""The pictures of docs/seeing.md, made here (`--update` writes them) and compared with what is made today."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netspec.pictures.figure import Figure
from netspec.seeing.registry import find_view, view_names
from netspec.seeing.seen import SAMPLE, Asked
from netspec.seeing.subject import open_subject

pytestmark = pytest.mark.torch

DOCS = Path(__file__).parents[2] / "docs"
MOST = 40_000
STEADY = {
    "sobel": ("output", "zoo:sobel", {}, "magnitude"),
    "matrix": ("matrix", "zoo:sobel", {"layer": "gx"}, "C: y"),
    "net": ("net", "zoo:lenet", {}, "The net"),
}
"""Pictures that no training and no draw has a part in: view, net, what is asked, which figure."""
TRAINED = {
    "confusion": ("confusion", {}, "Confusion"),
    "mistakes": ("mistakes", {"count": 16}, "Mistakes"),
    "curves": ("curves", {}, "loss"),
    "embed": ("embed", {"method": "pca", "count": 150}, "Layout"),
    "cam": ("cam", {"index": 3}, "Class"),
}


WIDTH, SHEET, HEIGHT, GRAPH = 360, 800, 480, 860
"""Pixels across a picture of the page, and down; the words of a sheet of eight columns, and those in the
boxes of a graph, are read nearly at their own size.
"""


def made(view: str, net: str, asked: dict[str, Any], name: str) -> Any:
    module = find_view(view)
    figures: list[Figure] = list(module.draw(module.see(open_subject(net), Asked(**asked))))
    pixels = next(each for each in figures if each.name.startswith(name)).pixels()
    image = Image.fromarray(pixels)  # type: ignore[arg-type]
    image.thumbnail(({"mistakes": SHEET}.get(view, WIDTH), {"net": GRAPH}.get(view, HEIGHT)))
    return image.quantize(256)


def write(name: str, image: Any) -> None:
    (DOCS / "seeing").mkdir(exist_ok=True)
    image.save(DOCS / "seeing" / f"{name}.png", optimize=True)


@pytest.mark.parametrize("name", STEADY)
def test_pictures_are_fresh(name: str, request: pytest.FixtureRequest) -> None:
    image = made(*STEADY[name])
    if request.config.getoption("--update"):
        write(name, image)
    old = Image.open(DOCS / "seeing" / f"{name}.png").convert("L")
    assert old.size == image.size
    difference = np.asarray(old, float) - np.asarray(image.convert("L"), float)
    assert np.abs(difference).mean() < 6  # another Pillow sets letters a little otherwise


def test_pictures_of_a_run_can_be_made(run: Path, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update"):
        for name, (view, asked, figure) in TRAINED.items():
            write(name, made(view, str(run), asked, figure))
    for name in TRAINED:
        assert Image.open(DOCS / "seeing" / f"{name}.png").size > (60, 60)


def test_the_page_tells_every_view_and_shows_every_picture() -> None:
    text = (DOCS / "seeing.md").read_text("utf-8")
    assert [name for name in view_names() if f"`{name}`" not in text] == []
    for name in view_names():
        (row,) = re.findall(rf"^\| `{name}` \|.*\| (.*) \|$", text, re.M)
        words = {"INPUT": SAMPLE, "RUN": ("inputs",), "SPEC": ("inputs",), "--class": ("label",)}
        said = [taken for word in row.split() for taken in words.get(word, (word.strip("-"),))]
        assert {*said} == {*find_view(name).TAKES}, name
    files = {path.name for path in (DOCS / "seeing").iterdir()}
    assert files == {f"{name}.png" for name in (*STEADY, *TRAINED)}
    assert all(f"seeing/{name}" in text for name in files)
    assert all(path.stat().st_size < MOST for path in (DOCS / "seeing").iterdir())
    assert "docs/seeing/sobel.png" in (DOCS.parent / "README.md").read_text("utf-8")
