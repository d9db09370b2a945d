"""Files in onnxruntime's own format: the same answers and certificate, and no byte that may change."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from click.testing import CliRunner

from netspec.cli import group
from netspec.diagnostics import SpecError
from netspec.exporters.ort_file import convert_to_ort
from netspec.ort_format import seal_bytes
from netspec.seal import certificate_of
from netspec.serving.engine import open_model
from netspec.serving.limits import Limits
from netspec.serving.predict import run_model
from netspec.serving.repository import Repository, find_files
from netspec.serving.server import make_batching
from netspec.serving.trial import is_foreign
from netspec.serving.verify import verify

pytestmark = [pytest.mark.torch, pytest.mark.onnx]

SPEC = """netspec: 1
name: tiny
input: {data: [N, 3, 8, 8]}
layers:
  - {name: conv1, type: Convolution, num_output: 4, kernel_size: 3, pad: 1, weight_filler: msra}
  - {name: relu1, type: ReLU}
  - {name: fc, type: InnerProduct, num_output: 5, weight_filler: xavier}
  - {name: prob, type: Softmax}
"""


def run(*words: object) -> Any:
    return CliRunner().invoke(group, list(map(str, words)), standalone_mode=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same net as ONNX and in onnxruntime's own format."""
    folder = tmp_path_factory.mktemp("ort")
    (folder / "tiny.yaml").write_text(SPEC, encoding="utf-8")
    done = run("export", folder / "tiny.yaml", "-o", folder / "tiny.onnx")
    assert done.exception is None, done.output
    convert_to_ort(folder / "tiny.onnx", folder / "tiny.ort")
    return folder / "tiny.onnx", folder / "tiny.ort"


def test_answers_and_words_are_those_of_the_onnx_file(files: tuple[Path, Path], tmp_path: Path) -> None:
    data = np.random.default_rng(3).standard_normal((3, 3, 8, 8), dtype=np.float32)
    plain, own = (open_model(file, "cpu") for file in files)
    expected, found = (run_model(model, {"data": data})["prob"] for model in (plain, own))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert own.metadata == plain.metadata
    assert (own.inputs, own.outputs, own.joins()) == (plain.inputs, plain.outputs, True)
    assert verify(files[1]).seal[:2] == verify(files[0]).seal[:2]
    other = tmp_path / "model.onnx"  # what it is stands in it, not in its name
    other.write_bytes(files[1].read_bytes())
    assert run_model(open_model(other, "cpu"), {"data": data})["prob"].tobytes() == found.tobytes()


def test_the_command(files: tuple[Path, Path], tmp_path: Path) -> None:
    done = run("export", files[0].with_name("tiny.yaml"), "--format", "ort", "-o", tmp_path / "made.ort")
    assert done.exception is None, done.output
    assert "certified on cpu: " in done.output and "probes are answered as certified" in done.output
    assert run("verify", tmp_path / "made.ort").exception is None


def test_no_byte_may_change(files: tuple[Path, Path], tmp_path: Path) -> None:
    """One flipped anywhere, also in the digest, the certificate or the weights; or the end cut off."""
    whole, other = files[1].read_bytes(), tmp_path / "other.ort"
    weight = whole.index(b"conv1")
    places = [8, weight, whole.index(b'"sha256"') + 15, whole.index(b"netspec.certified"), len(whole) - 1]
    places += np.random.default_rng(5).integers(8, len(whole), 40).tolist()
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 4
        other.write_bytes(changed)
        with pytest.raises(SpecError, match=r"NS71[235]"):
            certificate_of(other)
    for changed in (whole[:-4], whole + b"\0", whole[: len(whole) // 2], whole + whole, whole[:8]):
        other.write_bytes(changed)
        with pytest.raises(SpecError, match=r"NS71[35]"):
            open_model(other, "cpu")


def test_who_boxes_something_else_is_told(files: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "other.ort"
    begin = b'{"sha256": "' + b"0" * 64 + b'", "netspec.properties": '
    for rest in (b"[" * 100_000, b"1}", b'{"netspec.certified": 1}}', b'{"a"'):
        box = begin + rest
        other.write_bytes(b"\0\0\0\0ORTM" + len(box).to_bytes(4, "little") + box)
        with pytest.raises(SpecError, match="NS715"):
            certificate_of(other)
        with pytest.raises(SpecError, match="NS721"):
            open_model(other, "cpu", allow_uncertified=True)

    with pytest.raises(ValueError, match="it holds 2"):  # which of them onnxruntime reads, nobody knows
        seal_bytes(bytearray(files[1].read_bytes() + begin + b"{}}"))


def test_an_uncertified_one_says_so(files: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "plain.ort"
    done = run("export", files[0].with_name("tiny.yaml"), "--no-certify", "-o", path)
    assert done.exception is None and "not certified" in done.output
    with pytest.raises(SpecError, match="NS712"):
        open_model(path, "cpu")
    assert open_model(path, "cpu", allow_uncertified=True).metadata["netspec.certified"] == "false"


def test_nothing_is_written_where_onnxruntime_writes_nothing_or_answers_otherwise(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, path = files[0].with_name("tiny.yaml"), tmp_path / "none.ort"

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("[ONNXRuntimeError] : 1 : FAIL : flatbuffer size limit")

    with monkeypatch.context() as planted:
        planted.setattr("onnxruntime.InferenceSession", fail)
        done = run("export", spec, "--no-certify", "-o", path)
    assert "NS760" in str(done.exception) and "flatbuffer size limit" in str(done.exception)
    with monkeypatch.context() as planted:
        planted.setattr("netspec.serving.verify.choose_probed", lambda size: [size - 1] * min(size, 64))
        done = run("export", spec, "-o", path)
    assert "NS714" in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_endings(files: tuple[Path, Path], tmp_path: Path) -> None:
    spec = files[0].with_name("tiny.yaml")
    assert "NS709" in str(run("export", spec, "--to", "ort", "-o", tmp_path / "a.onnx").exception)
    assert "a folder of ONNX files" in str(run("export", spec, "--to", "ort", "--layout", "triton").exception)
    other = tmp_path / "own.onnx"  # for what reads a graph, whatever it is called
    other.write_bytes(files[1].read_bytes())
    for words in (
        ("export", other, "--to", "web", tmp_path / "page", "--runtime", tmp_path),
        ("see", "net", other),
    ):
        assert "onnxruntime's own format" in str(run(*words).exception), words
    assert json.loads(certificate_of(files[1])[1].properties["netspec.seal"])
    session = onnxruntime.InferenceSession(files[1], providers=["CPUExecutionProvider"])
    assert list(session.get_modelmeta().custom_metadata_map) == ["netspec.ort"]


def test_it_is_served_from_a_folder_where_it_is_certified(files: tuple[Path, Path], tmp_path: Path) -> None:
    """And is not tried apart then, as a file without its certificate is."""
    version = tmp_path / "tiny" / "1"
    version.mkdir(parents=True)
    at = version / "model.ort"
    at.write_bytes(files[1].read_bytes())
    assert find_files(tmp_path) == {"tiny": {"1": at}}
    assert not is_foreign(at)
    repository = Repository(lambda: find_files(tmp_path), open_model, make_batching(Limits(), False))
    repository.load_all()
    assert repository.find("tiny").model.joins()
    changed = bytearray(at.read_bytes())
    changed[-9] ^= 1
    at.write_bytes(changed)
    assert is_foreign(at)
    with pytest.raises(SpecError, match="NS713"):
        repository.load_all()
    beside = version / "model.onnx"
    beside.write_bytes(files[0].read_bytes())
    assert find_files(tmp_path) == {"tiny": {"1": beside}}
