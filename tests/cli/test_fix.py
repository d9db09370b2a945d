"""`netspec check --fix`: what has one clear meaning is mended, the rest is left alone."""

import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from netspec.cli import group
from netspec.repair.check import check_source
from netspec.source import Source

SOUND = """# a comment
netspec: 1
input: {data: [N, 1, 28, 28]}
layers:
  - name: conv1          # the first
    type: Convolution
    num_output: 20
    kernel_size: 5
    bias_term: false
    weight_filler: {type: xavier}
  - {name: pool1, type: Pooling, pool: MAX, kernel_size: 2, stride: 2}
"""
SAFE = [
    ("kernel_size: 5", "kernal_size: 5"),
    ("num_output", "numOutput"),
    ("type: Convolution", "type: Convolutoin"),
    ("pool: MAX", "pool: MXA"),
    ("bias_term: false", "bias_term: no"),
    ("num_output: 20", 'num_output: "20"'),
    ("num_output: 20", "num_output:20"),
    ("kernel_size: 2, stride", "kernel_size:2, stride"),
    ("layers:", "layrs:"),
    ("    num_output: 20\n", "\tnum_output: 20\n"),
]
UNSAFE = [
    ("num_output: 20", "num_output: many"),
    ("kernel_size: 5", "kernel_size: 50"),
    ("type: Convolution", "type: Frobnicate"),
    ("type: Convolution\n", "type: Convolutoin\n    sigma: 3\n"),
]


def check(path: Path, *words: str) -> Any:
    return CliRunner().invoke(group, ["check", str(path), *words], standalone_mode=False)


@pytest.mark.parametrize(("right", "wrong"), SAFE, ids=[wrong for _, wrong in SAFE])
def test_one_clear_meaning_is_written(tmp_path: Path, right: str, wrong: str) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(SOUND.replace(right, wrong), encoding="utf-8")
    assert check_source(Source("s", SOUND.replace(right, wrong)))
    result = check(spec, "--fix")
    assert result.exception is None, result.output
    assert result.return_value == 0, result.output
    assert "fixed NS" in result.output
    assert spec.read_text(encoding="utf-8").split() == SOUND.split()


@pytest.mark.parametrize(("right", "wrong"), UNSAFE, ids=[wrong for _, wrong in UNSAFE])
def test_what_is_not_clear_is_left_alone(tmp_path: Path, right: str, wrong: str) -> None:
    spec = tmp_path / "spec.yaml"
    text = SOUND.replace(right, wrong, 1)
    spec.write_text(text, encoding="utf-8")
    assert check(spec, "--fix").return_value == 1
    assert spec.read_text(encoding="utf-8") == text


def test_many_at_once_and_in_turn(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    text = SOUND
    for right, wrong in [SAFE[0], SAFE[3], SAFE[4], SAFE[5]]:
        text = text.replace(right, wrong, 1)
    spec.write_text(text.replace("layers:", "layers: "), encoding="utf-8")
    assert check(spec, "--fix").return_value == 0
    assert spec.read_text(encoding="utf-8").replace("layers: ", "layers:") == SOUND


def test_a_dry_run_shows_a_diff_and_writes_nothing(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    text = SOUND.replace("kernel_size: 5", "kernal_size: 5")
    spec.write_text(text, encoding="utf-8")
    result = check(spec, "--fix", "--dry-run")
    assert result.return_value == 1
    assert "-    kernal_size: 5\n+    kernel_size: 5\n" in result.output
    assert spec.read_text(encoding="utf-8") == text


def test_line_ends_byte_order_mark_and_mode_stay(tmp_path: Path) -> None:
    spec, link = tmp_path / "real.yaml", tmp_path / "link.yaml"
    spec.write_bytes(
        b"\xef\xbb\xbf" + SOUND.replace("bias_term: false", "bias_term: off").replace("\n", "\r\n").encode()
    )
    spec.chmod(0o640)
    link.symlink_to(spec)
    assert check(link, "--fix").return_value == 0
    assert spec.read_bytes() == b"\xef\xbb\xbf" + SOUND.replace("\n", "\r\n").encode()
    assert os.stat(spec).st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["link.yaml", "real.yaml"]


@pytest.mark.parametrize("words", [("--dry-run",), ("--fix", "--watch")])
def test_options_that_do_not_go_together(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "spec.yaml").write_text(SOUND, encoding="utf-8")
    assert check(tmp_path / "spec.yaml", *words).exception is not None


RAGGED = """input: {data: [N, 1, 8, 8]}
layers:
  - name: conv1
    type: Convolution
    num_output: 1
    kernel_size: 2
    weight_filler:
      type: given
      values:
        - - - [1, 2]
            - [3, 4]
    bias_term: false
"""


def test_a_tab_that_may_stand_for_several_columns_is_not_a_safe_fix(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    text = RAGGED.replace("            - [3, 4]", "\t- [3, 4]")
    spec.write_text(text, encoding="utf-8")
    assert check(spec, "--fix").return_value == 1
    assert spec.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    "wrong",
    ["kernel_size: 1_000", 'kernel_size: "50"', "kernel_size:50", "kernal_size: 50"],
    ids=["grouped", "quoted", "glued", "misspelt"],
)
def test_a_fix_that_leads_to_another_error_in_its_line_is_not_made(tmp_path: Path, wrong: str) -> None:
    spec = tmp_path / "spec.yaml"
    text = SOUND.replace("kernel_size: 5", wrong)
    spec.write_text(text, encoding="utf-8")
    result = check(spec, "--fix")
    assert result.return_value == 1
    assert "fixed" not in result.output
    assert spec.read_text(encoding="utf-8") == text


def test_errors_that_come_to_light_elsewhere_keep_no_fix_back(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        SOUND.replace("kernel_size: 5", "kernal_size: 5").replace("kernel_size: 2", "kernel_size: 40"),
        encoding="utf-8",
    )
    result = check(spec, "--fix")
    assert result.return_value == 1
    assert spec.read_text(encoding="utf-8") == SOUND.replace("kernel_size: 2", "kernel_size: 40")


IP = "layers:\n  - {name: ip, type: InnerProduct, num_output: 10, weight_filler: xavier}\n"
DATA = "input: {data: [N, 1, 8, 8]}\n"
TABBED = {
    "a key that one of two sections has": (
        DATA + "train:\n  data:\n    source: digits\n\tbatch_size: 32\n  solver: {base_lr: 0.1, max_iter: 3}\n" + IP, "    batch_size"),
    "a key deeper than the tab usually is": (
        DATA + "layers:\n  - name: c\n    type: Convolution\n    convolution_param:\n      num_output: 4\n      kernel_size: 3\n"
        "      weight_filler:\n        type: xavier\n\tvariance_norm: AVERAGE\n", "        variance_norm"),
    "an expectation that holds in one place": (DATA + "expect:\n  shapes:\n    ip: [N, 10]\n\tparameters: 650\n" + IP, "  parameters"),
    "a layer's own keys": (DATA + "layers:\n  - name: p\n\ttype: Pooling\n\tkernel_size: 2\n\tstride: 2\n", "    type"),
    "a whole list": (DATA + IP.replace("  -", "\t-"), "  - {name"),
}  # fmt: skip


@pytest.mark.parametrize("kind", TABBED)
def test_a_tab_stands_for_the_width_that_alone_is_sound(tmp_path: Path, kind: str) -> None:
    text, mended = TABBED[kind]
    spec = tmp_path / "spec.yaml"
    spec.write_text(text, encoding="utf-8")
    assert check(spec, "--fix").return_value == 0
    assert f"\n{mended}" in spec.read_text(encoding="utf-8")


def test_a_tab_of_two_sound_meanings_is_left_and_both_are_offered(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    text = (
        DATA
        + "blocks:\n  u:\n    vars:\n      k: 3\n\tbottom: x\n    layers: [{name: a, type: ReLU}]\nlayers: [{name: p, block: u}]\n"
    )
    spec.write_text(text, encoding="utf-8")
    result = check(spec, "--fix")
    assert result.return_value == 1
    assert spec.read_text(encoding="utf-8") == text
    assert {"write 4 spaces for each tab", "write 6 spaces for each tab"} <= {
        line.rpartition("help: ")[2] for line in result.output.splitlines()
    }
