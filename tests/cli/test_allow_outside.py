"""`--allow-outside`: what a spec may reach besides its folder is said by the command line, for every command and every kind of path."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from netspec.allowed_paths import VARIABLE
from netspec.cli import COMMANDS, group
from netspec.diagnostics.model import SpecError

TINY = """netspec: 1
input: {data: [N, 4]}
layers:
  - {name: ip, type: InnerProduct, num_output: 2, weight_filler: xavier}
  - {name: prob, type: Softmax}
"""
READERS = (
    "check",
    "show",
    "sizes",
    "explain",
    "diff",
    "hash",
    "transplant",
    "compile",
    "train",
    "test",
    "export",
)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """other/ beside spec/, with a base, blocks, labels and data; the specs in spec/ name them."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("NETSPEC_DATA", raising=False)
    other, spec = tmp_path / "other", tmp_path / "spec"
    other.mkdir()
    spec.mkdir()
    (other / "base.yaml").write_text(TINY, encoding="utf-8")
    (other / "blocks.yaml").write_text("vars: {width: 2}\n", encoding="utf-8")
    (other / "labels.txt").write_text("no\nyes\n", encoding="utf-8")
    np.savez(other / "d.npz", x=np.eye(8, 4, dtype=np.float32), y=np.arange(8) % 2)
    (spec / "base.yaml").write_text("netspec: 1\nbase: ../other/base.yaml\n", encoding="utf-8")
    (spec / "import.yaml").write_text(TINY + "import: [../other/blocks.yaml]\n", encoding="utf-8")
    (spec / "labels.yaml").write_text(
        TINY + "output: {prob: {labels: ../other/labels.txt}}\n", encoding="utf-8"
    )
    data = "train: {data: {source: npz, path: ../other/d.npz, fields: {data: x, label: y}, batch_size: 4},"
    data += " solver: {base_lr: 0.1, max_iter: 2}}\n"
    (spec / "data.yaml").write_text(TINY + data, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def codes(*words: str) -> set[str]:
    """The codes that a command ends with; none where it succeeds."""
    result = CliRunner().invoke(group, list(words), standalone_mode=False)
    if result.exception is not None:
        assert isinstance(result.exception, SpecError), result.exception
        return {d.code for d in result.exception.diagnostics}
    return {"NS114"} if "NS114" in result.output else set()


ROWS = [
    ("NS114", ("check", "spec/base.yaml")),
    ("NS114", ("check", "spec/import.yaml")),
    ("NS114", ("show", "spec/base.yaml")),
    ("NS114", ("hash", "spec/base.yaml")),
    ("NS114", ("explain", "spec/base.yaml", "ip")),
    ("NS114", ("diff", "spec/base.yaml", "spec/import.yaml")),
    ("NS114", ("export", "spec/labels.yaml", "-o", "m.onnx", "--no-certify")),
    ("NS642", ("train", "spec/data.yaml", "--run", "run", "--device", "cpu")),
]


@pytest.mark.torch
@pytest.mark.onnx
@pytest.mark.parametrize(("code", "words"), ROWS, ids=[" ".join(words[:2]) for _, words in ROWS])
def test_refused_without_and_read_with(places: Path, code: str, words: tuple[str, ...]) -> None:
    assert codes(*words) == {code}
    assert codes(*words, "--allow-outside", "other") == set()
    assert VARIABLE not in os.environ, "the permission ends with the command"
    assert codes(*words) == {code} or words[0] == "train"


def test_only_what_is_named(places: Path) -> None:
    (places / "third").mkdir()
    assert codes("check", "spec/base.yaml", "--allow-outside", "third") == {"NS114"}
    assert (
        codes("check", "spec/base.yaml", "--allow-outside", "third", "--allow-outside", "other/base.yaml")
        == set()
    )
    (places / "third" / "link").symlink_to(places / "other")
    (places / "spec" / "base.yaml").write_text(
        "netspec: 1\nbase: ../third/link/base.yaml\n", encoding="utf-8"
    )
    assert codes("check", "spec/base.yaml", "--allow-outside", "third") == {"NS114"}


def test_every_command_that_reads_a_spec_has_it() -> None:
    for name in READERS:
        assert name in COMMANDS
        assert "--allow-outside PATH" in CliRunner().invoke(group, [name, "--help"]).output, name


def test_the_finding_names_the_option(places: Path) -> None:
    result: Any = CliRunner().invoke(group, ["check", "spec/base.yaml"], standalone_mode=False)
    assert "--allow-outside FOLDER" in result.output


@pytest.mark.parametrize(
    "line", ['import: ["a\\0b"]', 'base: "a\\0b"', 'output: {prob: {labels: "a\\0.txt"}}']
)
def test_a_null_character_leads_nowhere(places: Path, line: str) -> None:
    (places / "spec" / "null.yaml").write_text(
        ("netspec: 1\n" if "base" in line else TINY) + line + "\n", encoding="utf-8"
    )
    assert codes("check", "spec/null.yaml") <= {"NS114"}
    assert codes("export", "spec/null.yaml", "-o", "m.onnx", "--no-certify") == {"NS114"}


def test_a_place_that_is_not_there_is_a_usage_error(places: Path) -> None:
    assert CliRunner().invoke(group, ["check", "spec/base.yaml", "--allow-outside", "nowhere"]).exit_code == 2
