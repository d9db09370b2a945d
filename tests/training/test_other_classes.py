"""Fine-tuning to another number of classes: what NS676 says to do is done, word by word, and the training starts."""

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from safetensors.torch import load_file

from netspec.cli import group
from netspec.diagnostics import SpecError

pytestmark = pytest.mark.torch

SPEC = """netspec: 1
name: small
input: {data: [N, 1, 8, 8]}
layers:
  - {name: hidden, type: InnerProduct, num_output: 6, weight_filler: xavier}
  - {name: relu, type: ReLU}
  - {name: score, type: InnerProduct, num_output: 10, weight_filler: xavier}
  - {name: prob, type: Softmax}
train:
  data: {source: digits, batch_size: 64}
  test_data: {source: digits, split: test, batch_size: 64}
  solver: {base_lr: 0.1, max_iter: 2, random_seed: 1}
"""


def run(*words: str) -> Result:
    return CliRunner().invoke(group, list(words), standalone_mode=False)


@pytest.fixture
def helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    Path("ten.yaml").write_text(SPEC, encoding="utf-8")
    Path("twelve.yaml").write_text(SPEC.replace("10", "12"), encoding="utf-8")
    assert run("train", "ten.yaml", "--run", "first", "--quiet").exception is None
    error = run(
        "train", "twelve.yaml", "--run", "second", "--weights", "first/weights.safetensors", "--quiet"
    ).exception
    assert isinstance(error, SpecError)
    assert [d.code for d in error.diagnostics] == ["NS676"] * 2
    assert [len(d.fixes) for d in error.diagnostics] == [2, 0]
    return [fix.text for fix in error.diagnostics[0].fixes]


def test_the_layer_renamed_starts_anew(helps: list[str]) -> None:
    assert helps[0].startswith("rename layer score in twelve.yaml")
    Path("renamed.yaml").write_text(
        SPEC.replace("10", "12").replace("name: score", "name: score12"), encoding="utf-8"
    )
    done = run(
        "train",
        "renamed.yaml",
        "--run",
        "second",
        "--weights",
        "first/weights.safetensors",
        "--set",
        "train.solver.base_lr=1e-9",
    )
    assert done.exception is None, done.output
    before, after = load_file("first/weights.safetensors"), load_file("second/weights.safetensors")
    assert (before["hidden.weight"] - after["hidden.weight"]).abs().max() < 1e-6


def test_the_weights_are_carried_over(helps: list[str]) -> None:
    command, _, option = helps[1].partition(", and start from ")
    done = run(*shlex.split(command)[1:])
    assert done.exception is None, done.output
    assert run("train", "twelve.yaml", "--run", "second", "--quiet", *shlex.split(option)).exception is None
    assert load_file("second/weights.safetensors")["score.weight"].shape == (12, 6)
