"""`netspec init FOLDER`: the spec that is written checks, trains, exports and predicts, whatever the images' sizes, colours and names."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from netspec import driver
from netspec.cli import group
from netspec.data.pictures.survey import Survey
from netspec.diagnostics.model import SpecError
from netspec.training.first.pictures import spec_text

pytestmark = [pytest.mark.torch, pytest.mark.onnx]


def draw(path: Path, size: tuple[int, int], shade: int, gray: bool, seed: int) -> None:
    """An image of (height, width): noise about a shade."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 60, (*size, 1 if gray else 3)) + shade
    Image.fromarray(pixels.astype(np.uint8).squeeze(-1) if gray else pixels.astype(np.uint8)).save(path)


def run(*words: str) -> tuple[list[str], str]:
    """The codes that a command ends with, and what it printed."""
    result: Any = CliRunner().invoke(group, list(words), standalone_mode=False)
    if isinstance(result.exception, SpecError):
        return [d.code for d in result.exception.diagnostics], result.output
    assert result.exception is None, (result.exception, result.output)
    return [], result.output


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NETSPEC_DATA", raising=False)
    return tmp_path


KINDS = {
    "small gray": (("0", "1", "no"), ((12, 8),), True, "[N, 1, 12, 8]"),
    "tiny": (("a", "b"), ((3, 3),), False, "[N, 3, 3, 3]"),
    "photos": (
        ("cat $5", 'say "x": {y}', "ünï#code"),
        ((70, 90), (100, 66), (68, 300)),
        False,
        "[N, 3, 64, 64]",
    ),
    "thumbnails of many sizes": (("x", "y"), ((20, 31), (25, 19)), False, "[N, 3, 32, 32]"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_checks_trains_exports_and_predicts(home: Path, kind: str) -> None:
    classes, sizes, gray, shape = KINDS[kind]
    for i, name in enumerate(classes):
        for j in range(10):
            draw(
                home / "pictures of" / name / f"{j}.png",
                sizes[j % len(sizes)],
                190 * i // len(classes),
                gray,
                10 * i + j,
            )
    assert "wrote" in run("init", "pictures of")[1]
    assert (home / "pictures of.labels.txt").read_text(encoding="utf-8").splitlines() == sorted(classes)
    assert run("check", "--strict", "pictures of.yaml")[1] == "pictures of.yaml: no findings\n"
    graph = driver.load("pictures of.yaml").graph()
    assert f"shape: {shape}" in (home / "pictures of.yaml").read_text(encoding="utf-8")
    assert graph.types[graph.graph.outputs[0]].shape[1] == len(classes)
    assert (
        run("train", "pictures of.yaml", "--run", "run", "--device", "cpu", "--set", "train.solver.epochs=1")[
            0
        ]
        == []
    )
    assert run("export", "run", "-o", "m.onnx", "--device", "cpu")[0] == []
    said = run(
        "predict",
        "m.onnx",
        str(home / "pictures of" / classes[-1] / "1.png"),
        "--top",
        "1",
        "--device",
        "cpu",
    )[1]
    assert any(name in said for name in classes)


def test_parts_for_training_and_test(home: Path) -> None:
    for part in ("train", "val"):
        for i, name in enumerate(("a", "b")):
            for j in range(4):
                draw(home / "d" / part / name / f"{j}.png", (16, 16), 90 * i, False, j)
    assert "2 classes, 6 images" in run("init", "d")[1]
    assert (
        run("train", "d.yaml", "--run", "run", "--device", "cpu", "--set", "train.solver.epochs=1")[0] == []
    )


def test_where_it_is_written(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    there = tmp_path_factory.mktemp("there")
    for i, name in enumerate(("a", "b")):
        for j in range(2):
            draw(there / "set" / name / f"{j}.png", (16, 16), 90 * i, False, j)
    assert run("init", str(there / "set"))[0] == []
    assert run("check", str(there / "set.yaml"))[0] == []
    assert run("init", str(there / "set"))[0] == ["NS501"]
    assert run("init", str(there / "set"), "--force")[0] == []
    assert run("init", str(there / "set"), "-o", "mine.yaml")[0] == ["NS642"]
    assert not (home / "mine.yaml").exists() and not (home / "mine.labels.txt").exists()


@pytest.mark.parametrize(
    ("made", "code"),
    [
        ((), "NS643"),
        (("d/x.txt",), "NS650"),
        (("d/a/1.png",), "NS664"),
        (("d/a/1.png", "d/b/x.txt"), "NS649"),
        (("d/a/1.png", "d/b/no.png"), "NS647"),
    ],
)
def test_folders_that_will_not_do(home: Path, made: tuple[str, ...], code: str) -> None:
    for path in made:
        if path.endswith("1.png"):
            draw(home / path, (9, 9), 10, False, 1)
        else:
            (home / path).parent.mkdir(parents=True, exist_ok=True)
            (home / path).write_text("no image", encoding="utf-8")
    assert run("init", "d")[0] == [code]
    assert not list(home.glob("*.yaml")) and not list(home.glob("*.txt"))


def test_one_start_or_the_other(home: Path) -> None:
    assert CliRunner().invoke(group, ["init"]).exit_code == 2
    assert CliRunner().invoke(group, ["init", "d", "--from", "zoo:lenet"]).exit_code == 2


def test_what_is_said_of_the_images_and_no_thread_outlives_the_training(home: Path) -> None:
    """A thread that still reads while Python shuts down can take the process down: exit code 134 behind a whole run."""
    for i in range(2):
        for j in range(40 - 30 * i):
            draw(home / "odd" / "ab"[i] / f"{j}.png", (9, 8), 100 * i, True, 50 * i + j)
    run("init", "odd")
    assert "# 50 images were looked at" in (home / "odd.yaml").read_text(encoding="utf-8")
    run("train", "odd.yaml", "--quiet", "--run", "run", "--set", "train.solver.epochs=1")
    run("test", "run")
    assert "netspec-prefetch" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize(("sizes", "side", "stages", "resized"), [
    ([(8, 9)], (8, 9), 1, False), ([(3, 3)], (3, 3), 1, False), ([(16, 16)], (16, 16), 3, False), ([(28, 28)] * 4, (28, 28), 3, False),
    ([(64, 64)], (64, 64), 5, False), ([(65, 65)], (64, 64), 5, True), ([(30, 90), (500, 33)], (32, 32), 4, True),
    ([(20, 30), (24, 24)], (32, 32), 4, True),
    ([(300, 400), (1000, 200)], (224, 224), 5, True), ([(150, 127)] * 3, (96, 96), 5, True),
])  # fmt: skip
def test_the_net_follows_the_sizes(
    sizes: list[tuple[int, int]], side: tuple[int, int], stages: int, resized: bool
) -> None:
    """Halved until about 4 pixels are left, a last stage on these, five at most; sizes that differ are cropped to one below their median."""
    found = yaml.safe_load(
        spec_text(
            Survey(("a", "b"), 40, 50, tuple(sizes), False, (1.0, 2.4, 250.6), (60.0,) * 3),
            "x",
            "pics",
            "labels.txt",
        )
    )
    given = found["input"]["data"]
    assert given["shape"] == ["N", 3, *side] and given["image"]["mean_value"] == [1, 2, 251]
    assert ("resize" in given["image"]) == ("crop_size" in given["image"]) == resized
    assert [layer["name"] for layer in found["layers"] if layer["name"].startswith("conv")] == [
        f"conv{i + 1}" for i in range(stages)
    ]
    assert any(layer["name"] == "pool1" for layer in found["layers"]) == (min(side) >= 4)


@pytest.mark.parametrize(
    ("total", "batch"), [(1, 1), (3, 1), (4, 1), (8, 2), (100, 25), (255, 63), (256, 64), (5000, 64)]
)
def test_four_batches_make_an_epoch(total: int, batch: int) -> None:
    text = spec_text(
        Survey(("a", "b"), total, total, ((8, 8),), True, (7.0,), (0.0,)), "x", "pics", "labels.txt"
    )
    train = yaml.safe_load(text)["train"]
    assert train["data"]["batch_size"] == train["test_data"]["batch_size"] == batch


def surveyed(classes: tuple[str, ...], counts: tuple[int, ...], **more: Any) -> dict[str, Any]:
    """The spec for a folder of 32 x 32 photographs."""
    found = Survey(classes, sum(counts), sum(counts), ((32, 32),), False, (120.0,) * 3, (60.0,) * 3, counts)
    made: dict[str, Any] = yaml.safe_load(spec_text(found._replace(**more), "x", "pics", "labels.txt"))
    return made


@pytest.mark.parametrize(
    ("classes", "gray", "flips"),
    [
        (("cat", "dog"), False, True),
        (("cat", "dog"), True, False),
        (("0", "1", "10"), False, False),
        (("a", "b", "other"), False, False),
        (("turn_left", "turn_right", "straight"), False, False),
        (("bright", "dark"), False, True),
    ],
)
def test_pictures_are_mirrored_where_that_leaves_their_class(
    classes: tuple[str, ...], gray: bool, flips: bool
) -> None:
    changes = surveyed(classes, (40,) * len(classes), gray=gray)["train"]["augment"]
    assert ({"type": "Flip"} in changes) == flips
    assert {"type": "Crop", "size": [32, 32], "pad": 4} in changes


@pytest.mark.parametrize(
    ("roles", "split"),
    [
        ((), {"val": 0.1, "test": 0.2, "seed": 0}),
        (("train",), {"val": 0.1, "test": 0.2, "seed": 0}),
        (("train", "test"), {"val": 0.1, "seed": 0}),
        (("train", "val"), {"test": 0.2, "seed": 0}),
        (("train", "val", "test"), None),
    ],
)
def test_parts_that_the_folder_lacks_are_drawn(roles: tuple[str, ...], split: Any) -> None:
    train = surveyed(("cat", "dog"), (40, 40), roles=roles)["train"]
    assert train.get("split") == split
    assert train["val_data"]["split"] == "val"


def test_too_few_images_choose_no_weights() -> None:
    train = surveyed(("cat", "dog"), (4, 3))["train"]
    assert "val_data" not in train
    assert train["split"] == {"test": 0.2, "seed": 0}


@pytest.mark.parametrize(("counts", "weighs"), [((100, 20), True), ((99, 20), False), ((20, 100, 100), True)])
def test_rare_classes_weigh(counts: tuple[int, ...], weighs: bool) -> None:
    loss = surveyed(("cat", "dog", "eel")[: len(counts)], counts)["train"].get("loss")
    assert (loss is not None and loss[0]["class_weight"] == "balanced") == weighs


@pytest.mark.parametrize(("total", "epochs"), [(45_000, 6), (1_000_000, 4), (100, 60)])
def test_a_training_sees_about_as_many_images(total: int, epochs: int) -> None:
    solver = surveyed(("cat", "dog"), (total // 2,) * 2)["train"]["solver"]
    assert solver["epochs"] == epochs
    assert solver["lr_policy"] == "cosine" and solver["weight_decay"] > 0 and solver["test_interval"] >= 1


def test_a_rare_class_trains_and_is_measured(home: Path) -> None:
    for i, count in enumerate((60, 8)):
        for j in range(count):
            draw(home / "few" / "ab"[i] / f"{j}.png", (16, 16), 100 * i, False, 100 * i + j)
    assert run("init", "few")[0] == []
    assert run("check", "--strict", "few.yaml")[1] == "few.yaml: no findings\n"
    assert (
        run("train", "few.yaml", "--run", "run", "--device", "cpu", "--set", "train.solver.epochs=2")[0] == []
    )
    assert "2 classes" in run("test", "run", "--device", "cpu")[1]


def test_all_damaged_pictures_are_named_at_once_and_nothing_is_written(home: Path) -> None:
    """Of every part, wherever they stand among the others."""
    for part, count in (("train", 130), ("test", 3)):
        for name in ("a", "b"):
            for i in range(count):
                draw(home / "pics" / part / name / f"{i:03}.png", (8, 8), 90, False, i)
    bad = [
        home / "pics" / "train/a/077.png",
        home / "pics" / "train/b/001.png",
        home / "pics" / "test/b/2.png",
    ]
    for path in bad:
        path.write_bytes(b"")
    (home / "pics" / "test/b/002.png").unlink()
    result: Any = CliRunner().invoke(group, ["init", "pics"], standalone_mode=False)
    (found,) = result.exception.diagnostics
    assert (found.code, found.fact) == ("NS647", "3 of 266 pictures")
    assert [note.partition(": ")[0] for note in found.notes] == list(map(str, bad))
    assert not list(home.glob("pics.*"))


def test_what_stands_there_twice_is_told(home: Path) -> None:
    for i in range(6):
        for name, seed in (("a", i), ("b", 100 + i)):
            draw(home / "pics" / name / f"{i}.png", (8, 8), 90, False, seed)
    whole = (home / "pics/a/0.png").read_bytes()
    (home / "pics/a/copy.png").write_bytes(whole)
    codes, said = run("init", "pics")
    assert codes == [] and "1 image is a copy of another" in said and "NS669" not in said
    (home / "pics/b/copy.png").write_bytes(whole)
    codes, said = run("init", "pics", "--force")
    assert "2 images are copies of another" in said and "NS669" in said


def test_sizes_are_those_of_all_images(home: Path) -> None:
    """Not only of the hundred that are decoded."""
    for i in range(150):
        for name in ("a", "b"):
            draw(
                home / "pics" / name / f"{i:03}.png",
                (70, 20) if (i, name) == (7, "a") else (8, 8),
                90,
                False,
                i,
            )
    run("init", "pics")
    assert "8 to 70 high and 8 to 20 wide" in (home / "pics.yaml").read_text(encoding="utf-8")
