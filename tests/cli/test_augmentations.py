"""`netspec augmentations` and `netspec data --augmented`: what is printed, and what is drawn."""

import json
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import netspec
from netspec import augmentation
from netspec.cli import group
from netspec.reference.augmentation_page import pictured

pytestmark = pytest.mark.torch
ROOT = Path(netspec.__file__).parents[1]
SPEC = """
netspec: 1
name: digits
input:
  data: {shape: [N, 1, 8, 8], image: {color: gray, mean_value: [3], scale: 0.0625}}
layers:
  - {name: ip, type: InnerProduct, num_output: 10, weight_filler: xavier}
train:
  data: {source: digits, batch_size: 64}
  augment: AUGMENT
  solver: {base_lr: 0.1, max_iter: 6, random_seed: 3}
"""


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(group, list(words))
    return result.exit_code, result.output


def test_the_list_has_every_type_and_a_page_its_parameters() -> None:
    code, text = run("augmentations")
    assert code == 0 and [line.split()[0] for line in text.splitlines()[2:]] == augmentation.types()
    code, page = run("augmentations", "randomresizedcrop")
    assert code == 0 and page.startswith("# RandomResizedCrop\n") and "Szegedy" in page
    assert all(f"`{name}`" in page for name in ("size", "scale", "ratio", "probability"))
    code, text = run("augmentations", "--json")
    found = {entry["type"]: entry for entry in json.loads(text)}
    assert [*found] == augmentation.types() and found["Mosaic"]["partners"] == 3
    assert found["Rotate"]["schema"]["required"] == ["degrees"]


def test_a_wrong_type_is_told_the_nearest() -> None:
    code, text = run("augmentations", "Elastik")
    assert code == 2 and "Did you mean Elastic?" in text


def test_a_plug_in_of_the_page_has_its_own_page(tmp_path: Path) -> None:
    page = (ROOT / "docs/plugins.md").read_text("utf-8").partition("## Augmentations")[2]
    found = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert found is not None
    (tmp_path / "solarize.py").write_text(found[1], encoding="utf-8")
    words = ("augmentations", "Solarize", "--plugin", str(tmp_path / "solarize.py"))
    code, text = run(*words)
    assert code == 0 and "least level" in text and "{type: Solarize, least: 100}" in text


def sheet(folder: Path, augment: str, *words: str) -> np.ndarray:
    (folder / "spec.yaml").write_text(SPEC.replace("AUGMENT", augment))
    path = folder / "sheet.png"
    code, text = run("data", str(folder / "spec.yaml"), "--augmented", "-o", str(path), *words)
    assert code == 0, text
    return np.asarray(Image.open(path))


def test_a_sheet_shows_what_the_net_sees(tmp_path: Path) -> None:
    """Tile by tile: the sample as it is, then flipped; enlarged 12 times, gaps white."""
    made = sheet(tmp_path, "[{type: Flip, probability: 1}]", "--samples", "3", "--passes", "2")
    assert made.shape == (3 * 98, 3 * 98, 3)
    source = np.asarray(netspec_digits())
    for i, index in enumerate((0, len(source) // 2, len(source) - 1)):
        tiles = [made[i * 98 : i * 98 + 96 : 12, j * 98 : j * 98 + 96 : 12, 0] for j in range(3)]
        np.testing.assert_array_equal(tiles[1], tiles[0][:, ::-1])
        np.testing.assert_array_equal(tiles[2], tiles[1])
        if i != 1:
            np.testing.assert_array_equal(tiles[0], source[index])


def netspec_digits() -> np.ndarray:
    from sklearn.datasets import load_digits

    images = load_digits().images
    return np.rint(images[np.arange(len(images)) % 5 != 0] * 255 / 16)


def test_a_sheet_follows_the_seed(tmp_path: Path) -> None:
    first, again = (sheet(tmp_path, "[{type: Rotate, degrees: 30}, MixUp]") for _ in range(2))
    other = sheet(tmp_path, "[{type: Rotate, degrees: 30}, MixUp]", "--seed", "9")
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_a_sheet_leaves_out_what_the_training_does(tmp_path: Path) -> None:
    """A damaged picture is no reason to show none, where `on_error: skip` says so."""
    for name in ("a", "b"):
        for i in range(3):
            (tmp_path / "p" / name).mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8), 40 * i).save(tmp_path / "p" / name / f"{i}.png")
    (tmp_path / "p/b/2.png").write_bytes(b"no picture")
    spec = tmp_path / "s.yaml"
    for more, code in (("", 1), (", on_error: skip", 0)):
        data = "{source: images, path: p, split: all" + more + "}"
        text = SPEC.replace("{source: digits, batch_size: 64}", data).replace("AUGMENT", "Flip")
        spec.write_text(text.replace("num_output: 10", "num_output: 2"), encoding="utf-8")
        assert run("data", str(spec), "--augmented", "-o", str(tmp_path / "s.png"))[0] == code
    assert (tmp_path / "s.png").exists()


def test_every_picture_of_the_pages_is_there_and_small() -> None:
    for cls in pictured():
        path = ROOT / f"docs/reference/pictures/{cls.type}.jpg"
        assert path.stat().st_size < 40_000
        pixels = np.asarray(Image.open(path).convert("RGB"), float)
        assert pixels.std() > 20, "nothing is seen"


@pytest.mark.slow
@pytest.mark.parametrize("cls", pictured(), ids=lambda cls: cls.type)
def test_pictures_show_what_the_code_does_today(cls: type[augmentation.Augmentation]) -> None:
    import importlib.util

    spec = importlib.util.spec_from_file_location("pictures", ROOT / ".ci/pictures.py")
    assert spec is not None and spec.loader is not None
    pictures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pictures)
    drawn = BytesIO(pictures.as_file(pictures.picture(pictures.made(cls))))
    kept = pictures.FOLDER / f"{cls.type}.jpg"
    now, then = (np.asarray(Image.open(file).convert("RGB"), float) for file in (drawn, kept))
    assert now.shape == then.shape and np.abs(now - then).mean() < 3


@pytest.mark.parametrize("shape", [(2, 2, 3), (2, 1, 2, 3)])
def test_the_classes_of_a_mask_lie_as_colours_over_the_picture(shape: tuple[int, ...]) -> None:
    import torch

    from netspec.training.batches.sheet import TINT, tiles

    mask = np.zeros(shape)
    mask[0, ..., 0, 0], mask[1, ..., 1, 2] = 1, 2
    given = {"x": torch.full((2, 3, 2, 3), 100.0), "m": torch.from_numpy(mask)}
    made = tiles(given, "x", "m", "")
    assert np.allclose(made[0, :, 0, 0], 100 * (1 - TINT) + TINT * np.array([67, 134, 201]))
    assert np.allclose(made[1, :, 1, 2], 100 * (1 - TINT) + TINT * np.array([134, 268 % 256, 402 % 256]))
    assert (made == 100).all(1).sum() == 10
    given["m"] = torch.ones(2, 5)  # labels of pictures are no mask
    assert (tiles(given, "x", "m", "") == 100).all()
