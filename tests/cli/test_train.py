"""`netspec train`, `test`, `predict` and `export` as a user meets them: the whole way, and everything that can go wrong on it."""

import gzip
import io
import json
import os
import signal
import struct
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

from netspec.cli.output.drawn import draw_confusion
from netspec.read_options import PLAIN
from netspec.training.run.folder import load_run
from tests.children import Child, netspec
from tests.training.specs import LAYERS, Line, document, write

pytestmark = pytest.mark.torch
ROOT = Path(__file__).parents[2]


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NETSPEC_DATA", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Line(monkeypatch, capsys)
    torch.set_num_threads(before)


@pytest.mark.onnx
def test_the_whole_way(line: Line, tmp_path: Path) -> None:
    """The shipped spec, shortened: train, test, export, predict a picture and a sample, with torch and with onnxruntime."""
    short = ("--set", "train.solver.max_iter=150", "--set", "train.solver.test_interval=75")
    assert line("train", ROOT / "specs/lenet-digits.yaml", *short, "--run", "run") == 0
    for name in ("weights.safetensors", "best.safetensors", "log.jsonl", "spec.yaml"):
        assert (tmp_path / "run" / name).is_file() and f"run/{name}" in line.out
    assert "test: loss" in line.out and "accuracy" in line.out and "train 150/150" in line.err

    assert line("test", "run", "--json") == 0
    tested = json.loads(line.out)
    assert tested["samples"] == 360 and tested["metrics"]["accuracy"] > 0.9

    assert line("export", "run") == 0 and "certified" in line.out
    assert line("predict", "run", ROOT / "docs/seven.png", "--json") == 0
    with_torch = json.loads(line.out)[0]["outputs"]["prob"]["top"]
    assert line("predict", "run/model.onnx", ROOT / "docs/seven.png", "--json", "--device", "cpu") == 0
    with_onnx = json.loads(line.out)[0]["outputs"]["prob"]["top"]
    assert with_torch[0]["class"] == "7" and [each["class"] for each in with_onnx] == [
        each["class"] for each in with_torch
    ]
    assert [each["score"] for each in with_onnx] == pytest.approx(
        [each["score"] for each in with_torch], abs=1e-5
    )

    for model in ("run", "run/model.onnx"):
        assert line("predict", model, "--data", "digits", "--index", "7", "--top", "1") == 0
        assert line.out.startswith("digits[7] (label 5)\n  prob  5  ") and len(line.out.splitlines()) == 2
        assert line("predict", model, "--data", "digits", "--index", "400") == 1
        assert codes(line) == ["NS685"] and "index 400 of 360" in line.err


def test_prediction_imports_no_torch(tmp_path: Path) -> None:
    child = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; import netspec.cli.predict, netspec.data.samples, netspec.serving.predict\nsys.exit('torch' in sys.modules)",
        ],
        check=False,
    )
    assert child.returncode == 0


def test_a_folder_of_images_with_class_names(line: Line, tmp_path: Path) -> None:
    for number, name in enumerate(("dark", "light")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(10):
            image = Image.new("RGB", (9 + i, 12), (20 + 180 * number + i,) * 3)
            image.putpixel((0, 0), (100, 100, 100))
            image.save(tmp_path / "photos" / name / f"{i}.png")
    photos = {"source": "images", "path": "photos", "batch_size": 5}
    fc = {"name": "fc", "type": "InnerProduct", "num_output": 2, "weight_filler": "xavier"}
    write(
        tmp_path / "s.yaml",
        input={"data": {"shape": ["N", 3, 8, 8], "image": {"mean_value": 128, "scale": 0.01}}},
        layers=[fc, {"name": "prob", "type": "Softmax"}],
        train={"data": photos, "test_data": photos},
        solver={"max_iter": 40},
    )
    assert (
        line("train", "s.yaml", "--run", "run", "--quiet") == 0
        and "accuracy 1" in line.out
        and line.err == ""
    )
    assert json.loads((tmp_path / "run/classes.json").read_text()) == {"dark": 0, "light": 1}
    assert line("predict", "run", "photos/light/3.png", "photos/dark/2.png", "--top", "1") == 0
    assert [row.split()[1] for row in line.out.splitlines() if "prob" in row] == ["light", "dark"]


def test_default_folders_and_the_latest_run(line: Line, tmp_path: Path) -> None:
    write(tmp_path / "s.yaml")
    assert line("train", "s.yaml", "--quiet", "--set", "train.solver.max_iter=3") == 0
    assert line("train", "s.yaml", "--quiet", "--set", "train.solver.max_iter=5") == 0
    runs = sorted((tmp_path / "runs/tiny").iterdir())
    assert len(runs) == 2
    assert line("train", "s.yaml", "--resume", "--quiet", "--set", "train.solver.max_iter=8") == 0
    assert "trained 8 iterations" in line.out and str(runs[1].relative_to(tmp_path)) in line.out
    assert (
        line("train", runs[0], "--resume", "--quiet", "--set", "train.solver.max_iter=4") == 0
        and "trained 4 iterations" in line.out
    )
    record = json.loads((runs[0] / "run.json").read_text())
    assert (
        record["settings"] == ["train.solver.max_iter=3", "train.solver.max_iter=4"] and record["seed"] == 3
    )


def codes(line: Line) -> list[str]:
    return [part.partition("]")[0] for part in line.err.split("error[")[1:]]


def idx(path: Path, count: int, bytes_each: int, kept: int | None = None) -> None:
    shape = struct.pack(">4I", 0x0803, count, 28, 28) if bytes_each > 1 else struct.pack(">2I", 0x0801, count)
    body = shape + bytes(count * bytes_each)
    path.write_bytes(gzip.compress(body[:kept]))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"train": {"data": {"source": "mnist"}}}, "NS643"),
        ({"train": {"data": {"source": "mnist", "path": "nowhere"}}}, "NS643"),
        ({"train": {"data": {"source": "mnist", "path": "/etc"}}}, "NS642"),
        (
            {"train": {"data": {"source": "mnist", "path": "cut"}}, "input": {"data": ["N", 1, 28, 28]}},
            "NS644",
        ),
        ({"train": {"data": {"source": "digit"}}}, "NS640"),
        ({"layers": [{k: v for k, v in layer.items() if k != "weight_filler"} for layer in LAYERS]}, "NS680"),
        ({"layers": [*LAYERS[:3], {**LAYERS[3], "num_output": 9}]}, "NS651"),
        ({"input": {"data": ["N", 64]}}, "NS652"),
        ({"solver": {"max_iter": 0}}, "NS670"),
    ],
)
def test_what_does_not_fit_is_said_before_a_folder_is_made(
    change: dict[str, Any], code: str, line: Line, tmp_path: Path
) -> None:
    (tmp_path / "cut").mkdir()
    for part, count in (("train", 30), ("t10k", 30)):
        idx(tmp_path / "cut" / f"{part}-images-idx3-ubyte.gz", count, 784, 5000)
        idx(tmp_path / "cut" / f"{part}-labels-idx1-ubyte.gz", count, 1)
    write(tmp_path / "s.yaml", **change)
    assert line("train", "s.yaml", "--run", "run") == 1
    assert codes(line) == [code] and "Traceback" not in line.err
    assert not (tmp_path / "run").exists()


def test_data_from_the_command_line_may_lie_anywhere(line: Line, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "photos/a").mkdir(parents=True)
    (tmp_path / "photos/b").mkdir()
    for name in "ab":
        Image.new("L", (8, 8), 9).save(tmp_path / "photos" / name / "1.png")
    train = {"data": {"source": "images", "path": "../photos"}, "test_data": None}
    write(tmp_path / "home/s.yaml", train=train, solver={"max_iter": 2})
    assert line("train", "home/s.yaml", "--run", "run") == 1 and codes(line) == ["NS642"]
    assert (
        line("train", "home/s.yaml", "--run", "run", "--set", f"train.data.path={tmp_path}/photos", "--quiet")
        == 0
    )
    assert line("test", "run") == 1 and codes(line) == ["NS642"], (
        "what a run remembers is no word of the command line"
    )
    assert line("test", "run", "--allow-outside", tmp_path / "photos") == 1 and codes(line) == ["NS684"]


def test_usage(line: Line, tmp_path: Path) -> None:
    write(tmp_path / "s.yaml")
    assert line("train") == 2
    assert line("train", "s.yaml", "--resume", "--weights", "w.safetensors") == 2
    for words, said in {
        "--find-lr --run r": "--find-lr takes no --run",
        "--fit 8GB --weights w": "--fit takes no --weights",
        "--fit 1e400GB": "write a number of bytes",
        "--folds 2 --find-lr": "--folds takes no --find-lr",
        "--sweep a=1,2 --processes 2": "--sweep takes no --processes",
        "--sweep a=1,2 --folds 2 --reproducible": "--sweep takes no --reproducible",
        "--reproduce --resume": "--reproduce takes no --resume",
        "--max-restarts 2": "--max-restarts goes with --processes",
        "--json": "--json goes with --sweep, --folds, --find-lr, --fit",
    }.items():
        assert line("train", "s.yaml", *words.split()) == 2 and said in line.err
    assert line("predict", "run") == 2
    assert line("train", "nowhere.yaml") == 1 and codes(line) == ["NS001"]
    assert line("train", "s.yaml", "--resume") == 1 and codes(line) == ["NS679"]
    assert line("train", "s.yaml", "--resume", "--run", "nowhere") == 1 and codes(line) == ["NS679"]
    assert line("train", "s.yaml", "--device", "cuda:99") == 1 and codes(line) == ["NS678"]
    assert line("test", tmp_path) == 1 and codes(line) == ["NS683"]
    assert line("predict", tmp_path, "--data", "digits") == 1 and codes(line) == ["NS683"]


def test_folders_that_cannot_hold_a_run(line: Line, tmp_path: Path) -> None:
    write(tmp_path / "s.yaml")
    (tmp_path / "file").write_text("x")
    assert (
        line("train", "s.yaml", "--run", "file/run") == 1
        and codes(line) == ["NS673"]
        and "Not a directory" in line.err
    )
    assert (tmp_path / "file").read_text() == "x"
    (tmp_path / "taken/run.json").mkdir(parents=True)
    assert line("train", "s.yaml", "--run", "taken") == 1 and codes(line) == ["NS673"]
    assert line("train", "s.yaml", "--run", "run", "--quiet") == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    assert line("train", "s.yaml", "--run", "run") == 1 and codes(line) == ["NS677"]
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


RESUME = ("train", "s.yaml", "--run", "run", "--resume", "--set", "train.solver.max_iter=20")


@pytest.mark.parametrize(
    ("name", "damage", "code"),
    [
        ("weights.safetensors", lambda whole: whole[:-3] + b"abc", "NS674"),
        ("run.json", lambda whole: whole[:40], "NS683"),
        ("run.json", lambda whole: b"[]", "NS683"),
    ],
)
def test_damaged_runs(name: str, damage: Any, code: str, line: Line, tmp_path: Path) -> None:
    write(tmp_path / "s.yaml")
    assert line("train", "s.yaml", "--run", "run", "--quiet") == 0
    run = tmp_path / "run"
    for before in run.glob("*.before.safetensors"):
        before.unlink()
    (run / name).write_bytes(damage((run / name).read_bytes()))
    assert line(*RESUME) == 1 and codes(line) == [code]
    assert line("test", "run") == 1 and codes(line) == [code]
    assert line("predict", "run", "--data", "digits") == 1 and codes(line) == [code]


@pytest.mark.parametrize("name", ["solver.safetensors", "weights.safetensors"])
def test_the_snapshot_before_takes_the_place_of_a_damaged_one(name: str, line: Line, tmp_path: Path) -> None:
    write(tmp_path / "s.yaml")
    assert line("train", "s.yaml", "--run", "run", "--quiet") == 0
    run = tmp_path / "run"
    assert (run / "weights.before.safetensors").exists()
    (run / name).write_bytes((run / name).read_bytes()[:100])
    assert line(*RESUME) == 0 and "warning[NS604]" in line.err
    for each in ("solver.safetensors", "solver.before.safetensors"):
        (run / each).write_bytes(b"")
    assert line(*RESUME) == 1 and codes(line) == ["NS674"]


def test_resume_with_another_net(line: Line, tmp_path: Path) -> None:
    write(tmp_path / "s.yaml")
    assert line("train", "s.yaml", "--run", "run", "--quiet") == 0
    write(tmp_path / "s.yaml", layers=[{**LAYERS[0], "num_output": 20}, *LAYERS[1:]])
    assert line("train", "s.yaml", "--run", "run", "--resume") == 1 and codes(line) == ["NS675"]
    assert load_run(tmp_path / "run").weights.name == "weights.safetensors"


def test_a_loss_that_is_not_finite(line: Line, tmp_path: Path) -> None:
    write(tmp_path / "s.yaml", solver={"base_lr": 1e38, "momentum": 0.0, "test_interval": 0})
    assert line("train", "s.yaml", "--run", "run", "--quiet") == 1 and codes(line) == ["NS672"]
    assert "at learning rate 1e+38" in line.err and "Traceback" not in line.err
    assert not list((tmp_path / "run").glob("*.part"))


def wait_for(run: Path, iteration: int, child: Child) -> None:
    while not (run / "log.jsonl").exists() or not any(
        json.loads(row)["iteration"] >= iteration
        for row in (run / "log.jsonl").read_text().splitlines()
        if row.endswith("}")
    ):
        assert child.process.is_alive(), "it ended early"
        time.sleep(0.01)


LONG = {"max_iter": 600, "snapshot": 40, "test_interval": 100, "display": 10}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A long run that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole")
    write(folder / "s.yaml", solver=LONG)
    assert Child(netspec, "train", "s.yaml", "--run", "whole", "--quiet", folder=folder).wait() == 0
    return folder / "whole"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_stopped_and_resumed(
    number: signal.Signals, code: int, line: Line, tmp_path: Path, whole: Path
) -> None:
    write(tmp_path / "s.yaml", solver=LONG)
    child = Child(netspec, "train", "s.yaml", "--run", "parts", folder=tmp_path)
    wait_for(tmp_path / "parts", 90, child)
    assert child.process.pid is not None
    os.kill(child.process.pid, number)
    ended, out, err = child
    assert ended == code, err
    assert number == signal.SIGKILL or "go on with: netspec train parts --resume" in out
    assert line("train", "s.yaml", "--run", "parts", "--resume", "--quiet") == 0
    for name in ("weights.safetensors", "best.safetensors"):
        assert (tmp_path / "parts" / name).read_bytes() == (whole / name).read_bytes()
    assert not list((tmp_path / "parts").glob("*.part"))


def test_disk_full(tmp_path: Path) -> None:
    write(tmp_path / "s.yaml", solver={"test_interval": 0})
    code, _, err = Child(
        netspec, "train", "s.yaml", "--run", "run", "--quiet", folder=tmp_path, limit=9 << 10
    )
    assert code == 1 and "NS673" in err and "File too large" in err and "Traceback" not in err
    assert not [
        path.name for path in (tmp_path / "run").iterdir() if "part" in path.name or "next" in path.name
    ]


def test_a_spec_from_standard_input_is_kept(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = yaml.safe_dump(document(solver={"max_iter": 2}), sort_keys=False)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert line("train", "-", "--run", "run", "--quiet") == 0, line.err
    assert (tmp_path / "run/spec.yaml").read_text() == text
    for name in ("curves.png", "confusion.png", "mistakes.png"):
        with Image.open(tmp_path / "run" / name) as drawn:
            assert drawn.format == "PNG" and drawn.height > drawn.width > 300
    for shown in (0, 100):  # a run that goes on, and errs no more, keeps no picture of before
        monkeypatch.setattr("netspec.seeing.views.mistakes.MOST", shown)
        assert not draw_confusion(tmp_path / "run", "cpu", PLAIN)
        assert (tmp_path / "run/mistakes.png").exists() == (shown > 0)
    assert load_run(tmp_path / "run").program.name == "tiny"


class Writer:
    """In place of TensorBoard's: what it is told."""

    made: list[tuple[str, int]] = []
    points: list[tuple[str, float, int]] = []

    def __init__(self, folder: str, purge_step: int) -> None:
        self.made.append((Path(folder).name, purge_step))

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.points.append((name, value, step))

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.made.append(("closed", len(self.points)))


def test_the_log_goes_to_tensorboard_and_on_in_the_same_folder(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package itself is an extra: without it nothing begins."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "s.yaml", solver={"max_iter": 4, "test_interval": 2, "display": 2, "snapshot": 2})
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    assert line("train", "s.yaml", "--run", "run", "--quiet", "--tensorboard") == 1
    assert "NS657" in line.err and "netspec[tensorboard]" in line.err and not (tmp_path / "run").exists()
    monkeypatch.setitem(sys.modules, "tensorboard", types.ModuleType("tensorboard"))
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=Writer))
    for words in (("s.yaml", "--run", "run"), ("run", "--resume", "--set", "train.solver.max_iter=6")):
        assert line("train", *words, "--quiet", "--tensorboard") == 0, line.err
    assert Writer.made == [("tensorboard", 1), ("closed", 12), ("tensorboard", 5), ("closed", 19)]
    losses = [(step, value) for name, value, step in Writer.points if name == "train/loss"]
    logged = [json.loads(text) for text in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert losses == [(each["iteration"], each["loss"]) for each in logged if each["phase"] == "train"]
    assert {name for name, _, _ in Writer.points} == {
        *(f"train/{name}" for name in ("loss", "learning_rate", "images_per_second")),
        *(f"test/{name}" for name in ("loss", "accuracy")),
    }


def test_a_picture_that_cannot_be_drawn_costs_a_line(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "s.yaml", solver={"max_iter": 1})

    def fail(*given: Any) -> None:
        raise RuntimeError("out of ink")

    with monkeypatch.context() as planted:
        planted.setattr("netspec.seeing.judged.measure", fail)
        assert line("train", "s.yaml", "--run", "run", "--quiet") == 0
    assert line.err == "no confusion.png: RuntimeError: out of ink\n"
    monkeypatch.setattr("netspec.cli.output.drawn.MOST", 300)
    assert "no confusion.png: 360 samples" in draw_confusion(tmp_path / "run", "cpu", PLAIN)
