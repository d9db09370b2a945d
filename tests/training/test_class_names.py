"""A list under `output:` against the names of the data: another order is refused wherever both are known, other names stand beside."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netspec.training.class_names import names_of, other_names
from tests.training.specs import Line, program, write

pytestmark = pytest.mark.torch
NAMES = ("1", "10", "2")


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Line:
    monkeypatch.chdir(tmp_path)
    draw = np.random.RandomState(0)
    for number, name in enumerate(NAMES):
        Path("parts", name).mkdir(parents=True)
        for i in range(4):
            pixels = draw.randint(0, 40, (8, 8)) + 80 * number
            Image.fromarray(pixels.astype(np.uint8)).save(f"parts/{name}/{i}.png")
    return Line(monkeypatch, capsys)


def spec(labels: object) -> Path:
    train = {"data": {"source": "images", "path": "parts", "batch_size": 4}, "test_data": None}
    layers = [
        {"name": "ip", "type": "InnerProduct", "num_output": 3, "weight_filler": "xavier"},
        {"name": "prob", "type": "Softmax"},
    ]
    words = {"max_iter": 2, "test_interval": 0, "snapshot": 0}
    return write(
        Path("net.yaml"), train=train, layers=layers, solver=words, output={"prob": {"labels": labels}}
    )


def test_another_order_is_refused_in_train_export_and_predict(line: Line) -> None:
    Path("names.txt").write_text("1\n2\n10\n")
    assert line("train", spec("names.txt"), "--run", "run") == 1
    assert "NS667" in line.err and "class 1 of prob is 2 in the list, and 10 in the data" in line.err
    assert "1, 10, 2" in line.err and not Path("run/weights.safetensors").exists()
    Path("names.txt").write_text("1\n10\n2\n")
    assert line("train", "net.yaml", "--run", "run") == 0
    assert line("predict", "run", "parts/2/0.png", "--top", "1") == 0 and "(" not in line.out
    Path("names.txt").write_text("1\n2\n10\n")
    for words in (("export", "run", "-o", "m.onnx"), ("predict", "run", "parts/2/0.png")):
        assert line(*words) == 1 and "NS667" in line.err
    assert not Path("m.onnx").exists()


def test_other_names_stand_beside_those_of_the_data(line: Line) -> None:
    assert line("train", spec(["one", "ten", "2"]), "--run", "run") == 0
    assert "prob has other names than the data: 1 is one, 10 is ten" in line.err
    assert line("predict", "run", "parts/2/0.png", "--top", "3") == 0
    assert "one (1)" in line.out and "ten (10)" in line.out and "2 (" not in line.out
    assert line("predict", "run", "parts/2/0.png", "--top", "3", "--json") == 0
    found = {
        each["class"]: each.get("data_class") for each in json.loads(line.out)[0]["outputs"]["prob"]["top"]
    }
    assert found == {"one": "1", "ten": "10", "2": None}


@pytest.mark.parametrize(
    ("listed", "learned", "fine"),
    [
        ("zero one two three four five six seven eight nine", "0123456789", True),
        ("Golden_Retriever b c d e f g h i j", ["golden retriever", *"bcdefghij"], True),
        ("b Golden_Retriever c d e f g h i j", ["golden retriever", *"bcdefghij"], False),
        ("x c b d e f g h i j", "abcdefghij", False),
        ("a b c d e f g h i j", "aAbcdefghi", True),
    ],
)
def test_which_names_are_the_same(listed: str, learned: list[str], fine: bool) -> None:
    made = program(output={"prob": {"labels": listed.split()}})
    if fine:
        assert names_of(made, made.graph("deploy"), learned)["prob"] == listed.split()
    else:
        with pytest.raises(Exception, match="NS667"):
            names_of(made, made.graph("deploy"), learned)


def test_a_name_that_is_only_written_otherwise_is_no_other() -> None:
    assert other_names({"p": ["Golden Retriever", "b"]}, ["golden_retriever", "b"]) == {}
    assert other_names({"p": ["Hund", "b"]}, ["dog", "b"]) == {"p": ["dog", ""]}
