"""Data are looked through before the first step: all that cannot be read is said at once, or left out, counted and named; and a snapshot goes on with no other data."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import netspec
from netspec.data.inventory.cache import NAME, read_cache
from netspec.diagnostics import Diagnostic, SpecError
from netspec.training.job import TrainingResult

pytestmark = pytest.mark.torch
SPEC = """
input: {data: {shape: [N, 3, 8, 8], image: {resize: [8, 8], scale: 0.01}}}
layers: [{name: ip, type: InnerProduct, num_output: 2, weight_filler: xavier}]
train:
  data: {source: images, path: photos, split: train, batch_size: 3%s}
  test_data: {source: images, path: photos, split: test%s}
  solver: {base_lr: 0.01, max_iter: 6, snapshot: 3, random_seed: 1}
"""
SKIP = ", on_error: skip"


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Seven pictures for the training and two for the test, of each of two classes."""
    monkeypatch.chdir(tmp_path)
    for number, (part, name, count) in enumerate(
        [("train", "cat", 7), ("train", "dog", 7), ("test", "cat", 2), ("test", "dog", 2)]
    ):
        for i in range(count):
            place = tmp_path / "photos" / part / name / f"{i}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.RandomState(100 * number + i).randint(0, 256, (20, 20, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(place)
    return tmp_path / "photos"


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def train(words: tuple[str, str] = ("", ""), run: str = "run", **more: object) -> TrainingResult:
    Path("net.yaml").write_text(SPEC % words)
    return netspec.train("net.yaml", run, **more)  # type: ignore[arg-type]


def refused(words: tuple[str, str] = ("", ""), **more: object) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        train(words, **more)
    return caught.value.diagnostics[0]


@pytest.mark.parametrize("memory", [1 << 30, 0])
def test_all_damaged_files_of_all_parts_are_named_before_anything_is_written(
    photos: Path, monkeypatch: pytest.MonkeyPatch, memory: int
) -> None:
    """Also where pictures are too many to decode beforehand: a file cut short does not end as it should."""
    monkeypatch.setattr("netspec.training.look_through.MEMORY", memory)
    bad = [photos / "train/cat/6.png", photos / "train/dog/0.png", photos / "test/cat/1.png"]
    for path in bad:
        damage(path)
    found = refused()
    assert (found.code, found.fact) == ("NS647", "3 of 18 pictures")
    assert [note.partition(": ")[0] for note in found.notes] == list(map(str, bad))
    assert not Path("run").exists()


def test_damage_inside_a_file_is_found_where_all_fit_into_memory(photos: Path) -> None:
    path = photos / "train/cat/6.png"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    assert refused().code == "NS647"


def test_skipped_files_are_left_out_and_named_in_the_log(photos: Path) -> None:
    damage(photos / "train/cat/6.png")
    damage(photos / "test/dog/0.png")
    assert train((SKIP, SKIP)).iteration == 6
    lines = [json.loads(line) for line in Path("run/log.jsonl").read_text().splitlines()]
    assert lines[0]["phase"] == "data" and lines[0]["skipped"] == 2
    assert lines[0]["files"] == [str(photos / "train/cat/6.png"), str(photos / "test/dog/0.png")]


def test_only_the_part_that_says_so_skips(photos: Path) -> None:
    damage(photos / "test/dog/0.png")
    assert refused((SKIP, "")).code == "NS647"
    assert train(("", SKIP)).iteration == 6


def test_nothing_left_is_no_data(photos: Path) -> None:
    for path in (photos / "test").rglob("*.png"):
        damage(path)
    assert refused(("", SKIP)).code == "NS650"


def weights(run: str) -> bytes:
    return Path(run, "weights.safetensors").read_bytes()


@pytest.mark.parametrize("removing", [True, False])
def test_a_run_that_lost_its_damaged_files_goes_on_as_if_it_had_not_stopped(
    photos: Path, removing: bool
) -> None:
    path = photos / "train/cat/6.png"
    damage(path)
    train((SKIP, ""), "whole")
    train((SKIP, ""), "part", settings=["train.solver.max_iter=3"])
    if removing:
        path.unlink()
    train((SKIP, ""), "part", resume=True, settings=["train.solver.max_iter=6"])
    assert weights("part") == weights("whole")


def test_changed_data_are_no_data_to_go_on_with(photos: Path) -> None:
    train(settings=["train.solver.max_iter=3"])
    path = photos / "train/dog/2.png"
    whole = path.read_bytes()
    Image.new("RGB", (9, 9), (1, 2, 3)).save(path)
    assert refused(resume=True, settings=["train.solver.max_iter=6"]).code == "NS659"
    path.write_bytes(whole)
    assert train(resume=True, settings=["train.solver.max_iter=6"]).iteration == 6


def test_what_was_found_is_kept_beside_the_run_and_used_by_the_next(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(run="runs/a")
    found = read_cache(Path("runs/a") / NAME)
    assert len(found) == 18 and all(picture.decoded for picture in found.values())
    monkeypatch.setattr(
        "netspec.data.inventory.pictures.look_into", lambda *words: pytest.fail("it was looked at again")
    )
    assert train(run="runs/b").iteration == 6
