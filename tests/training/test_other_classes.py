"""Fine-tuning to another number of classes: what NS676 says to do is done, word by word, and the training starts."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file, save_file

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


def test_the_layer_starts_anew(helps: list[str]) -> None:
    option = helps[0].partition(":")[0]
    assert option == "--new score"
    still = ("--set", "train.solver.base_lr=1e-9")
    done = run("train", "twelve.yaml", "--run", "second", "--weights", "first", *option.split(), *still)
    assert done.exception is None, done.output
    assert "first: 2 of 4 tensors are taken over\n  score.weight, score.bias start anew" in done.output
    before, after = load_file("first/weights.safetensors"), load_file("second/weights.safetensors")
    assert (before["hidden.weight"] - after["hidden.weight"]).abs().max() < 1e-6
    assert after["score.weight"].shape == (12, 6)
    assert json.loads(Path("second/start.json").read_text()) == {
        "path": "first",
        "matched": {"hidden.weight": "hidden.weight", "hidden.bias": "hidden.bias"},
        "missing": [],
        "anew": ["score.weight", "score.bias"],
        "unexpected": [],
        "notes": [],
    }


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state_dict of PyTorch's, with names of its own."""
    monkeypatch.chdir(tmp_path)
    Path("ten.yaml").write_text(SPEC, encoding="utf-8")
    tensors = {
        "features.0.weight": torch.ones(6, 64),
        "features.0.bias": torch.ones(6),
        "fc.weight": torch.ones(10, 6),
    }
    save_file(tensors | {"aux.weight": torch.ones(3)}, "w.safetensors")


def started(*words: str) -> dict[str, Any]:
    done = run("train", "ten.yaml", "--run", "r", "--weights", "w.safetensors", "--quiet", *words)
    if done.exception is not None:
        raise done.exception
    return dict(json.loads(Path("r/start.json").read_text()))


def test_names_of_others_are_mapped(foreign: None) -> None:
    found = started("--rename", "features.0.*=hidden.*", "--rename", "fc.weight=score.weight")
    assert found["matched"] == {
        "features.0.weight": "hidden.weight", "features.0.bias": "hidden.bias", "fc.weight": "score.weight",
    }  # fmt: skip
    assert found["missing"] == ["score.bias"] and found["unexpected"] == ["aux.weight"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), "NS676", "--rename OLD=NEW"),
        (("--rename", "feature.0.*=hidden.*"), "NS601", "--rename feature.0.* stands for nothing"),
        (
            ("--rename", "features.0.*=hidden.*", "--new", "scores"),
            "NS601",
            "--new scores stands for nothing",
        ),
        (("--rename", "features.0.weight=fc.weight"), "NS676", "would both be fc.weight"),
    ],
)
def test_what_cannot_be_mapped_is_a_finding(
    foreign: None, words: tuple[str, ...], code: str, said: str
) -> None:
    with pytest.raises(SpecError) as error:
        started(*words)
    (found,) = error.value.diagnostics
    assert found.code == code and said in found.fact
    assert not Path("r").exists()


def test_the_weights_are_carried_over(helps: list[str]) -> None:
    command, _, option = helps[1].partition(", and start from ")
    done = run(*shlex.split(command)[1:])
    assert done.exception is None, done.output
    assert run("train", "twelve.yaml", "--run", "second", "--quiet", *shlex.split(option)).exception is None
    assert load_file("second/weights.safetensors")["score.weight"].shape == (12, 6)
