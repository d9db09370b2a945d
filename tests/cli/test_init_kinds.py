"""`netspec init` of data other than folders of classes: the spec checks, trains, and its run predicts another file."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from netspec.cli import group
from netspec.diagnostics import SpecError

pytestmark = pytest.mark.torch
RECORDED = Path(__file__).with_name("recorded_init")
CHANCE = np.random.RandomState(0)
CLASS = CHANCE.randint(0, 2, 60)
NUMBERS = CHANCE.randn(60, 3) + CLASS[:, None]
LETTERS = ["".join("ACGT"[i] for i in CHANCE.randint(0, 4, 20)) for _ in CLASS]


def run(*words: str) -> tuple[list[str], str]:
    result: Any = CliRunner().invoke(group, list(words), standalone_mode=False)
    if isinstance(result.exception, SpecError):
        return [each.code for each in result.exception.diagnostics], str(result.output)
    assert result.exception is None, (result.exception, result.output)
    return [], str(result.output)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NETSPEC_DATA", raising=False)
    return tmp_path


def table(label: Callable[[int], object], name: str = "kind") -> None:
    """A table with a number of the row, a column of names, one of one value, and an empty cell."""
    with Path("d.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "width", "height", "color", "place", "who", name])
        for i, (width, height, _) in enumerate(NUMBERS):
            tall = "" if i == 7 else f"{height:.2f}"
            rows.writerow([i + 1, f"{width:.2f}", tall, ["red", "blue"][i % 2], "here", f"n{i}", label(i)])


def arrays(**more: Any) -> None:
    np.savez("d.npz", **more)


def fasta(name: str, marks: Sequence[str]) -> None:
    lines = [f">s{i}{marks[i]}\n{letters}" for i, letters in enumerate(LETTERS[: len(marks)])]
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def masked(pictures: str, masks: str, colored: bool = False) -> None:
    Path(pictures).mkdir(parents=True)
    Path(masks).mkdir(parents=True)
    for i in range(10):
        classes = np.zeros((17, 24), np.uint8)
        classes[3 : 8 + i % 3, i : i + 6] = 1
        noise = CHANCE.randint(0, 90, (17, 24, 3)).astype(np.uint8)
        Image.fromarray(noise + 150 * classes[..., None]).save(Path(pictures, f"{i}.png"))
        drawn = np.array([[0, 0, 0], [128, 64, 0]], np.uint8)[classes] if colored else classes
        Image.fromarray(drawn).save(Path(masks, f"{i}_mask.png"))


def pictures_listed() -> None:
    Path("pics").mkdir()
    with Path("d.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "kind", "size"])
        for i, kind in enumerate(CLASS[:40]):
            Image.fromarray(np.full((12, 12, 3), 40 + 100 * kind + i, np.uint8)).save(f"pics/{i}.png")
            rows.writerow([f"pics/{i}.png", "xy"[kind], i % 5])


def parted() -> None:
    for part in ("train", "val"):
        masked(f"d/{part}/images", f"d/{part}/masks")


KINDS: dict[str, tuple[Callable[[], object], str, str, str]] = {
    "words": (lambda: table(lambda i: "ab"[CLASS[i]]), "d.csv", "2 classes, 42 rows", "prob"),
    "prices": (lambda: table(lambda i: 1000 * i + 37, "price"), "d.csv", "price, 42 rows", "value"),
    "signs": (lambda: table(lambda i: 2 * CLASS[i] - 1), "d.csv", "2 classes, 42 rows", "prob"),
    "listed": (pictures_listed, "d.csv", "2 classes, 28 images", "prob"),
    "header": (
        lambda: fasta("d.fa", [f" label={'bf'[k]}" for k in CLASS]),
        "d.fa",
        "2 classes, 42 sequences",
        "prob",
    ),
    "files": (
        lambda: [fasta(f"d/{n}.fa", [""] * 20) for n in "ab"],
        "d",
        "2 classes, 28 sequences",
        "prob",
    ),
    "rows": (
        lambda: arrays(x=NUMBERS.astype(np.float32), y=CLASS),
        "d.npz",
        "2 classes, 42 samples",
        "prob",
    ),
    "several": (
        lambda: arrays(x=NUMBERS, y=(NUMBERS > 0).astype(np.float32)),
        "d.npz",
        "3 classes, any of them at once",
        "prob",
    ),
    "targets": (lambda: arrays(x=NUMBERS, y=NUMBERS[:, :2] * 70), "d.npz", "2 numbers", "value"),
    "pictures": (
        lambda: arrays(x=CHANCE.randint(0, 255, (60, 3, 16, 16)).astype(np.uint8), y=CLASS),
        "d.npz",
        "2 classes",
        "prob",
    ),
    "planes": (
        lambda: arrays(x=CHANCE.randint(0, 255, (60, 16, 16)).astype(np.uint8), y=CLASS),
        "d.npz",
        "2 classes",
        "prob",
    ),
    "signals": (
        lambda: arrays(x=CHANCE.randn(60, 3, 40).astype(np.float32), y=CLASS),
        "d.npz",
        "2 classes",
        "prob",
    ),
    "maps": (
        lambda: arrays(
            image=CHANCE.rand(20, 1, 8, 8).astype(np.float32), label=CHANCE.randint(0, 2, (20, 8, 8))
        ),
        "d.npz",
        "2 classes of pixels",
        "prob",
    ),
    "masks": (lambda: masked("d/images", "d/masks"), "d", "2 classes of pixels, 7 pictures", "prob"),
    "colors": (lambda: masked("d/x", "d/x_gt", True), "d", "2 classes of pixels", "prob"),
    "parts": (parted, "d", "2 classes of pixels, 8 pictures", "prob"),
    "text": (
        lambda: Path("d.txt").write_text("to be or not to be " * 200),
        "d.txt",
        "7 different letters",
        "",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_spec_checks_trains_and_predicts(kind: str, home: Path, request: pytest.FixtureRequest) -> None:
    """It is the recorded one: `pytest tests/cli/test_init_kinds.py --update` rewrites recorded_init/; read the diff."""
    make, name, said, output = KINDS[kind]
    CHANCE.seed(0)
    make()
    assert said in run("init", name)[1]
    recorded, written = RECORDED / f"{kind}.yaml", Path("d.yaml").read_text(encoding="utf-8")
    if request.config.getoption("update", default=False):
        recorded.write_text(written, encoding="utf-8")
    assert written == recorded.read_text(encoding="utf-8")
    assert run("check", "--strict", "d.yaml")[1] == "d.yaml: no findings\n"
    short = ("--set", "train.solver.epochs=0", "--set", "train.solver.max_iter=2")
    assert run("train", "d.yaml", "--run", "run", "--quiet", *short)[0] == []
    if output:
        place = {"masks": "d/images", "colors": "d/x", "parts": "d/val/images", "files": "d/a.fa"}
        assert output in run("predict", "run", place.get(kind, name))[1]


def test_a_table_is_read_as_it_is_meant(home: Path) -> None:
    """Numbers of rows, names and columns of one value are left out, and no fault in other tables."""
    table(lambda i: 2 * CLASS[i] - 1)
    run("init", "d.csv")
    train = yaml.safe_load(Path("d.yaml").read_text(encoding="utf-8"))["train"]
    assert train["data"]["columns"] == ["width", "height", "color"] and train["data"]["empty"] == "mean"
    assert train["data"]["categories"] == {"kind": "index"} and train["data"]["standardise"]
    assert Path("d.labels.txt").read_text(encoding="utf-8") == "-1\n1\n"
    assert train["split"] == {"val": 0.1, "test": 0.2, "seed": 0}


def test_numbers_are_learned_in_their_own_units(home: Path) -> None:
    """A price in thousands: the net's value is one, the loss counts squares of its deviation."""
    table(lambda i: round(50_000 + 10_000 * NUMBERS[i, 0]), "price")
    run("init", "d.csv")
    short = ("--set", "train.solver.epochs=40", "--set", "train.solver.test_interval=99")
    said = run("train", "d.yaml", "--run", "run", "--quiet", *short)[1]
    assert float(said.split("loss ")[1].split()[0]) < 0.5, said
    made = run("predict", "run", "d.csv", "--csv", "-")[1].splitlines()[1:]
    answers = np.array([float(line.split(",")[-1]) for line in made])
    truth = np.round(50_000 + 10_000 * NUMBERS[:, 0])
    assert np.abs(answers - truth).mean() < 0.3 * np.abs(truth - truth.mean()).mean()


def test_proteins_have_twenty_letters_and_rna_one_strand(home: Path) -> None:
    for name, letters in (("p", "MKVLHW"), ("r", "ACGU"), ("d", "ACGT")):
        for kind in ("a", "b"):
            fasta(f"{name}/{kind}.fa", [])
            entries = (f">{i}\n" + "".join(CHANCE.choice(list(letters), 30)) for i in range(9))
            Path(f"{name}/{kind}.fa").write_text("\n".join(entries), encoding="utf-8")
        assert run("init", name)[0] == []
    texts = {name: Path(f"{name}.yaml").read_text(encoding="utf-8") for name in "prd"}
    assert "data: [N, 20, L]" in texts["p"] and "alphabet: ACDEFGHIKLMNPQRSTVWY" in texts["p"]
    assert [name for name in "prd" if "[{type: ReverseComplement}]" in texts[name]] == ["d"]


REFUSED: dict[str, tuple[Callable[[], object], str, str]] = {
    "no kind": (lambda: Path("d.html").write_text("<p>"), "d.html", "NS735"),
    "shards": (lambda: Path("d.tar").write_bytes(b""), "d.tar", "NS735"),
    "nothing there": (lambda: None, "d.csv", "NS643"),
    "no labels": (lambda: fasta("d.fa", [" of the mouse"] * 9), "d.fa", "NS736"),
    "names": (lambda: table(lambda i: f"name {i}"), "d.csv", "NS736"),
    "below 0": (lambda: arrays(x=NUMBERS, y=2 * CLASS - 1), "d.npz", "NS736"),
    "one-hot": (lambda: arrays(x=NUMBERS, y=np.eye(2)[CLASS]), "d.npz", "NS736"),
    "channels last": (lambda: arrays(x=np.zeros((9, 16, 16, 3)), y=CLASS[:9]), "d.npz", "NS736"),
    "one class": (lambda: table(lambda i: "a"), "d.csv", "NS664"),
    "masks alone": (lambda: masked("e/images", "d"), "d", "NS664"),
    "masks in a folder": (lambda: masked("e/images", "d/masks"), "d", "NS664"),
    "a sample of each": (
        lambda: Path("d.csv").write_text("a,b,kind\n1,2,x\n3,4,y\n"),
        "d.csv",
        "NS736",
    ),
    "a mask is lost": (lambda: [masked("d/x", "d/masks"), Path("d/masks/3_mask.png").unlink()], "d", "NS697"),
    "a short text": (lambda: Path("d.txt").write_text("to be"), "d.txt", "NS650"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_data_that_nothing_can_be_learned_of(case: str, home: Path) -> None:
    make, name, code = REFUSED[case]
    make()
    assert run("init", name)[0] == [code]
    assert not list(home.glob("*.yaml")) and not list(home.glob("*.labels.txt"))


def test_data_counts_files_as_folders(home: Path) -> None:
    table(lambda i: "ab"[CLASS[i]])
    codes, said = run("data", "d.csv")
    assert codes == [] and "NS654" in said and "line 9: height is empty" in said
    fasta("d.fa", [f" label={'bf'[k]}" for k in CLASS])
    codes, said = run("data", "d.fa")
    assert codes == [] and f"b       {60 - CLASS.sum()}" in said
