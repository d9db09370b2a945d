"""Data are looked through before the first step: all that cannot be read is said at once, or left out, counted and named; and a snapshot goes on with no other data."""

import json
from collections import Counter
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from PIL import Image

import netspec
from netspec.cli.output.drawn import draw_confusion
from netspec.data.inventory.cache import NAME, read_cache
from netspec.data.sources.image_folder import ImageFile
from netspec.diagnostics import Diagnostic, SpecError
from netspec.exporters.certification.samples import FIRST, open_part
from netspec.file_reading import HeldFolders
from netspec.read_options import PLAIN
from netspec.seeing.samples import own_samples
from netspec.seeing.subject import NetSubject, open_subject
from netspec.training.job import TrainingResult
from netspec.training.progress import Silent
from netspec.training.session import train_program

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
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


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
    monkeypatch.setattr("netspec.data.sources.image_folder.MEMORY", memory)
    bad = [photos / "train/cat/6.png", photos / "train/dog/0.png", photos / "test/cat/1.png"]
    for path in bad:
        damage(path)
    found = refused()
    assert (found.code, found.fact) == ("NS647", "3 of 18 pictures")
    assert [note.partition(": ")[0] for note in found.notes] == list(map(str, bad))
    assert ["on_error: skip" in fix.text for fix in found.fixes] == [True]
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


def test_all_that_read_the_data_again_skip_alike(photos: Path) -> None:
    """The drawn confusion, samples that are looked at, and those that a certificate takes."""
    damage(photos / "test/dog/0.png")
    train(("", SKIP))
    assert not draw_confusion(Path("run"), "cpu", PLAIN) and Path("run/confusion.png").exists()
    subject = open_subject("run", device="cpu")
    assert isinstance(subject, NetSubject)
    shown = [sample.name for sample in own_samples(subject, range(9))]
    assert len(shown) == 3 and not any("dog/0.png" in name for name in shown)
    taken = open_part(subject.program, Path("run"), FIRST)
    assert not isinstance(taken, str) and len(taken.batch(np.arange(4))["label"]) == 4


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


def spoil(path: Path) -> None:
    """Damage that neither the header nor the end tells."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize("room", [0, 3 * 64 * 5])
def test_damage_found_when_it_is_read_is_stepped_over_and_named_once(
    photos: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """Whether a part of the pictures fits into memory or none; a run that stopped goes on to the same weights."""
    monkeypatch.setattr("netspec.data.sources.image_folder.MEMORY", room)
    bad = photos / "train/dog/5.png"
    spoil(bad)
    spoil(photos / "test/dog/1.png")
    monkeypatch.setattr("netspec.training.data_findings.LOOKED", 1)
    train((SKIP, SKIP), "a/whole")
    train((SKIP, SKIP), "b/part", settings=["train.solver.max_iter=3"])
    train((SKIP, SKIP), "b/part", resume=True, settings=["train.solver.max_iter=6"])
    assert weights("b/part") == weights("a/whole")
    lines = [json.loads(line) for line in Path("a/whole/log.jsonl").read_text().splitlines()]
    named = [name for line in lines if line["phase"] == "data" for name in line["files"]]
    assert [str(bad) in name for name in named].count(True) == 1 and len(named) == 2
    (Path("net.yaml")).write_text(SPEC % (SKIP, ""))
    with pytest.raises(SpecError) as caught:
        netspec.train("net.yaml", "tested")
    said = caught.value.diagnostics[0]
    assert any(str(photos / "test/dog/1.png") in (line or "") for line in (said.path, *said.notes))


def test_damage_found_when_it_is_read_ends_a_training_that_loses_nothing(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The finding names file and iteration; with the file left out the run goes on to what it would have been."""
    monkeypatch.setattr("netspec.data.sources.image_folder.MEMORY", 0)
    monkeypatch.setattr("netspec.training.data_findings.LOOKED", 1)
    bad = photos / "train/dog/5.png"
    spoil(bad)
    found = refused(run="stopped")
    assert (found.code, found.path) == ("NS647", str(bad)) and "for iteration" in found.notes[-2]
    settings = ["train.data.on_error=skip"]
    assert train(run="stopped", resume=True, settings=settings).iteration == 6
    train((SKIP, ""), "whole")
    assert weights("stopped") == weights("whole")


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


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file is opened below the folders of the data."""
    count: Counter[str] = Counter()
    before = HeldFolders.open

    def counting(self: HeldFolders, path: Path, *words: object) -> BinaryIO:
        count[str(path)] += 1
        return before(self, path, *words)

    monkeypatch.setattr(HeldFolders, "open", counting)
    return count


def test_the_look_is_the_only_reading_of_what_fits_into_memory(photos: Path, opened: Counter[str]) -> None:
    train()
    assert len(opened) == 18 and set(opened.values()) == {1}


def test_of_what_does_not_fit_headers_are_read_and_nothing_decoded(
    photos: Path, monkeypatch: pytest.MonkeyPatch, opened: Counter[str]
) -> None:
    monkeypatch.setattr("netspec.data.sources.image_folder.MEMORY", 0)
    monkeypatch.setattr(ImageFile, "read", lambda file: pytest.fail("it was decoded"))
    with pytest.raises(pytest.fail.Exception):
        train()
    assert len(opened) == 18 and set(opened.values()) == {1}


class Heard(Silent):
    """What is said before the first iteration."""

    def __init__(self) -> None:
        self.before: list[str] = []

    def say(self, text: str) -> None:
        self.before.append(text)


def test_pictures_of_one_value_are_told_once(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of all parts, before the first step, and by a run that knows them from an earlier one."""
    monkeypatch.setattr("netspec.training.data_findings.LOOKED", 1)
    Path("net.yaml").write_text(SPEC % ("", ""))
    for part in ("train/cat", "test/dog"):
        Image.new("RGB", (9, 9), (1, 2, 3)).save(photos / part / "flat.png")
    for run in ("runs/a", "runs/b"):
        heard = Heard()
        result = train_program(netspec.load("net.yaml"), Path(run), progress=heard)
        said = "".join(heard.before)
        assert [said.count(f"one value in {name}/flat.png") for name in ("cat", "dog")] == [1, 1]
        assert not [found for found in result.findings if found.code == "NS668"]


MASKED = SPEC.replace("InnerProduct, num_output: 2", "Convolution, num_output: 3, kernel_size: 1").replace(
    "path: photos", "path: photos, masks: masks"
)


def draw_masks(folder: Path) -> Path:
    """A mask for each picture."""
    for picture in (folder / "photos").rglob("*.png"):
        place = folder / "masks" / picture.relative_to(folder / "photos")
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.RandomState(0).randint(0, 3, (20, 20)).astype(np.uint8)).save(place)
    return folder / "masks"


@pytest.mark.parametrize("memory", [1 << 30, 0])
def test_masks_are_looked_at_too(photos: Path, monkeypatch: pytest.MonkeyPatch, memory: int) -> None:
    """Wherever they lie: what cannot be read, what has another size, what has a colour that is no class."""
    monkeypatch.setattr("netspec.data.sources.image_folder.MEMORY", memory)
    monkeypatch.setattr("test_look_through.SPEC", MASKED)
    masks = draw_masks(photos.parent)
    damage(masks / "train/cat/6.png")
    Image.new("L", (17, 20)).save(masks / "train/dog/1.png")
    Image.new("RGB", (20, 20), (9, 9, 9)).save(masks / "test/cat/1.png")
    with pytest.raises(SpecError) as caught:
        train()
    said = {note.partition(": ")[0]: each.code for each in caught.value.diagnostics for note in each.notes}
    assert said == {
        str(masks / "train/cat/6.png"): "NS647",
        str(masks / "train/dog/1.png"): "NS697",
        str(masks / "test/cat/1.png"): "NS697",
    }
    assert not Path("run").exists()


def test_masks_are_read_once_and_their_damage_is_skipped(
    photos: Path, monkeypatch: pytest.MonkeyPatch, opened: Counter[str]
) -> None:
    monkeypatch.setattr("test_look_through.SPEC", MASKED)
    masks = draw_masks(photos.parent)
    damage(masks / "train/cat/6.png")
    train((SKIP, SKIP))
    line = json.loads(Path("run/log.jsonl").read_text().splitlines()[0])
    assert line["files"] == [str(masks / "train/cat/6.png")]
    assert len(opened) == 36 and set(opened.values()) == {1}


def test_masks_are_looked_at_anew_where_their_colours_mean_something_else(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_masks(photos.parent)
    words = ", colors: {a: 0, b: 1, c: 2}"
    monkeypatch.setattr("test_look_through.SPEC", MASKED)
    train((words, words), run="runs/a")
    found = refused((words.replace(", c: 2", ""), words), run="runs/b")
    assert (found.code, found.fact) == ("NS697", "14 of 36 files")


@pytest.mark.parametrize("memory", [1 << 30, 0])
def test_masks_with_what_is_no_class_are_all_told_with_row_and_column(
    photos: Path, monkeypatch: pytest.MonkeyPatch, memory: int
) -> None:
    """Before anything is written, wherever the pixels lie, in the size of the file; what the loss leaves out is none."""
    monkeypatch.setattr("netspec.data.sources.image_folder.MEMORY", memory)
    monkeypatch.setattr("test_look_through.SPEC", MASKED)
    masks = draw_masks(photos.parent)
    for name, value, row, column in (("cat/2", 7, 12, 4), ("dog/1", 255, 0, 12), ("dog/3", 200, 12, 0)):
        pixels = np.zeros((20, 20), np.uint8)
        pixels[row:, column:] = value
        pixels = pixels.repeat(3, 0).repeat(3, 1)  # the net takes 8 x 8: the place is that of the file
        Image.fromarray(pixels).save(masks / f"train/{name}.png")
        Image.fromarray(pixels).save(photos / f"train/{name}.png")
    found = refused()
    assert found.code == "NS651" and "3 of 14 masks" in found.fact and "tells 3 classes" in found.fact
    assert [note.partition(": ")[2].partition(", as")[0] for note in found.notes[:3]] == [
        "7 at row 36, column 12",
        "255 at row 0, column 36",
        "200 at row 36, column 0",
    ]
    assert "ignore_label: 255" in found.notes[3] and not Path("run").exists()
    loss = "}, {name: loss, type: SoftmaxWithLoss, bottom: [ip, label], loss_param: {ignore_label: 255}}]"
    ignoring = MASKED.replace("scale: 0.01}}}", "scale: 0.01}}, label: [N, 8, 8]}").replace(
        "}]\n", f"{loss}\n", 1
    )
    monkeypatch.setattr("test_look_through.SPEC", ignoring.replace("{name: ip,", "{name: ip, bottom: data,"))
    assert "2 of 14 masks" in refused().fact
