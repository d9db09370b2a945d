"""What a file is called, and what is written into it."""

from pathlib import Path

import onnx
import pytest
from click.testing import CliRunner

from netspec.cli import group
from netspec.diagnostics import SpecError
from netspec.driver import load
from netspec.exporters.export import export
from netspec.exporters.prototxt import export_prototxt

pytestmark = [pytest.mark.torch, pytest.mark.onnx]
SPEC = """netspec: 1
name: tiny
input: {data: [N, 4]}
layers: [{name: ip, type: InnerProduct, num_output: 2, weight_filler: xavier}]
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(SPEC)
    return Path("tiny.yaml")


def said(*words: str) -> str:
    """The code of the finding; empty where the file was written."""
    done = CliRunner().invoke(group, ["export", "tiny.yaml", *words], standalone_mode=False)
    if done.exception is None:
        return ""
    assert isinstance(done.exception, SpecError), done.exception
    return done.exception.diagnostics[0].code


def kind(path: str) -> str:
    try:
        return "onnx" if onnx.load(path, format="protobuf").graph.node else "empty"
    except Exception:
        return "prototxt" if "layer {" in Path(path).read_text() else "neither"


@pytest.mark.parametrize(
    ("words", "file", "wanted"),
    [
        ("-o a.onnx", "a.onnx", "onnx"),
        ("-o a.prototxt", "a.prototxt", "prototxt"),
        ("-o A.PROTOTXT", "A.PROTOTXT", "prototxt"),
        ("--to prototxt -o a.txt", "a.txt", "prototxt"),
        ("-o model", "model", "onnx"),
        ("-o a.textproto", "a.textproto", "onnx"),
        ("--to prototxt", "tiny.prototxt", "prototxt"),
    ],
)
def test_the_ending_says_what_is_written(spec: Path, words: str, file: str, wanted: str) -> None:
    assert said(*words.split(), "--certify", "quick") == ""
    assert kind(file) == wanted


@pytest.mark.parametrize(
    "words",
    [
        "--to prototxt -o a.onnx",
        "--to onnx -o a.prototxt",
        "-o a.py",
        "-o a.json",
        "-o a.yaml",
        "-o a.safetensors",
    ],
)
def test_an_ending_of_another_format(spec: Path, words: str) -> None:
    assert said(*words.split()) == "NS709"
    assert not Path(words.rsplit(maxsplit=1)[-1]).exists()


def test_from_python(spec: Path) -> None:
    with pytest.raises(SpecError, match="NS709"):
        export("tiny.yaml", "a.prototxt")
    with pytest.raises(SpecError, match="NS709"):
        export_prototxt(load("tiny.yaml"), "a.onnx")
