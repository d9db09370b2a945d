"""The commands that show what analysis finds: sizes, show, hash, check --as and --watch."""

import json
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest
from analysis_specs import net
from click.testing import CliRunner

from netspec.cli import group
from netspec.cli.output.table import field_cells

LENET = """netspec: 1
name: LeNet
input: {data: [N, 1, 28, 28]}
layers:
  - {name: conv1, type: Convolution, num_output: 20, kernel_size: 5}
  - {name: pool1, type: Pooling, kernel_size: 2, stride: 2}
  - {name: ip, type: InnerProduct, num_output: 10, weight_filler: xavier}
train: {data: {source: digits, batch_size: 10}, solver: {base_lr: 0.1, max_iter: 7}}
"""
OPEN = net("[N, 1, H, W]", "name: p, type: Pooling, kernel_size: 2, stride: 2, round_mode: EXACT")


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def invoke(text: str, *words: str) -> tuple[int, str]:
        (tmp_path / "spec.yaml").write_text(text, encoding="utf-8")
        result = CliRunner().invoke(
            group, [words[0], str(tmp_path / "spec.yaml"), *words[1:]], standalone_mode=False
        )
        assert result.exception is None, result.output
        return result.return_value or 0, result.output

    return invoke


def test_sizes_in_words_and_as_json(run: Any) -> None:
    code, text = run(OPEN, "sizes")
    assert code == 0
    assert text.splitlines()[0] == "H = 2 + 2n   (axis 2 of data)"
    assert "not H = 3: Pooling p, round_mode EXACT" in text
    found = json.loads(run(OPEN, "sizes", "--json")[1])
    assert found["axes"]["W"]["progressions"] == [{"start": 2, "step": 2, "last": None}]
    assert found["axes"]["W"]["illegal"][-1] == {
        "size": 3,
        "layer": "p",
        "why": "round_mode EXACT: windows must end at the border: 2 divides W - 2 = 1 does not hold",
    }


@pytest.mark.parametrize("length", [4096, 4097, 16_000, 480_000])
def test_a_present_size_beyond_those_tried_is_answered(run: Any, length: int) -> None:
    code, text = run(
        net(f"[N, 1, {length}]", "name: c, type: Convolution, num_output: 2, kernel_size: 9, stride: 4"),
        "sizes",
    )
    assert code == 0
    assert text.splitlines()[0] == f"L >= 9   (axis 2 of data, now {length})"


def test_coupled_axes_and_nets_without_sizes(run: Any) -> None:
    said = run(LENET, "sizes")[1]
    assert said.splitlines()[0] == "H and W are coupled by ip: 20*((H + 1)//2 - 2)*((W + 1)//2 - 2) = 2880"
    assert "coupled with W: solved for W = 28" in said
    assert run(net("[N, 4]", "name: ip, type: InnerProduct, num_output: 3"), "sizes") == (
        0,
        "no spatial or open sizes\n",
    )


def test_show_adds_what_is_asked_for(run: Any) -> None:
    plain = run(LENET, "show")[1]
    assert plain.splitlines()[0].split() == ["layer", "type", "output", "parameters", "MACs"]
    head, _, _, conv1, *_ = run(LENET, "show", "--counts", "--field")[1].splitlines()
    assert head.split() == [
        "layer",
        "type",
        "output",
        "parameters",
        "MACs",
        "units",
        "connections",
        "intensity",
        "field",
        "stride",
        "begin",
    ]
    assert conv1.split()[-8:] == ["520", "288,000", "11,520", "299,520", "11.23", "5", "1", "0"]
    assert (
        "units: 11,520 hidden, 784 input, 10 output; connections: 328,330"
        in run(LENET, "show", "--counts")[1]
    )
    assert (
        run(LENET, "show", "--training")[1].splitlines()[-1]
        == "training: 22,983,100 operations: 328,330 connections x 70 examples seen"
    )


def test_show_as_json_has_every_number(run: Any) -> None:
    found = json.loads(run(LENET, "show", "--json", "--field", "--training")[1])
    assert found["totals"]["units"] == {"hidden": 11520, "input": 784, "output": 10}
    assert found["totals"]["activation_memory"]["inference"] == 57600
    assert found["layers"][1]["field"]["pool1"]["data"]["2"] == {
        "size": 6,
        "narrowest": 6,
        "stride": 2,
        "begin": 0,
    }
    assert found["training"] == {"examples_seen": 70, "operations": 22983100}


def test_help_defines_each_number() -> None:
    text = CliRunner().invoke(group, ["show", "--help"]).output
    for word in ("parameters", "MACs", "units", "connections", "memory", "intensity", "field"):
        assert f"\n  {word} " in text


def test_hash_of_two_spellings(run: Any) -> None:
    first = run(OPEN, "hash")[1].split()[0]
    assert len(first) == 64
    assert run(OPEN.replace("kernel_size: 2", "kernel_h: 2, kernel_w: 2"), "hash")[1].split()[0] == first


def test_check_as_another_dialect(run: Any) -> None:
    text = net("[N, 1, 7, 7]", "name: p, type: Pooling, kernel_size: 2, stride: 2")
    code, shown = run(text, "check", "--as", "torch", "--format", "concise")
    assert (code, "NS413" in shown) == (0, True)
    assert run(text, "check", "--as", "torch", "--strict")[0] == 1
    assert "NS413" not in run(text, "check")[1]


def verdict(lines: IO[str]) -> str:
    """The line that ends a look; on a slow machine findings are told before it, ahead of their fixes."""
    return next((line for line in lines if "exit code now" in line), "the process ended")


def test_watch_checks_again_when_the_file_changes(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(OPEN, encoding="utf-8")
    process = subprocess.Popen([sys.executable, "-m", "netspec", "check", "--watch", "--format", "concise", str(spec)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
    try:
        assert process.stderr is not None
        assert "exit code now 0" in verdict(process.stderr)
        (tmp_path / "written").write_text(OPEN.replace("Pooling", "Poolin"), encoding="utf-8")
        (tmp_path / "written").replace(spec)
        assert "exit code now 1" in verdict(process.stderr)
    finally:
        process.terminate()
        out, _ = process.communicate(timeout=30)
    assert "NS101" in out


def test_training_of_a_net_that_makes_its_own_batches(run: Any) -> None:
    text = (
        "layers:\n"
        "  - {name: d, type: DummyData, top: [data, label], dummy_data_param: {shape: [{dim: [16, 3, 8, 8]}, {dim: [16]}]}}\n"
        "  - {name: ip, type: InnerProduct, bottom: data, num_output: 4, weight_filler: xavier}\n"
        "  - {name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}\n"
        "train:\n  solver: {type: SGD, base_lr: 0.1, max_iter: 10, iter_size: 3}\n"
    )
    last = run(text, "show", "--training")[1].splitlines()[-1]
    assert last == "training: 370,560 operations: 772 connections x 480 examples seen"


def test_training_of_a_spec_that_does_not_say_how_long(run: Any) -> None:
    text = net("[N, 4]", "name: ip, type: InnerProduct, num_output: 3")
    assert run(text, "show", "--training", "--epochs", "20", "--examples", "1000")[1].splitlines()[-1] == (
        "training: 300,000 operations: 15 connections x 20,000 examples seen"
    )
    found = json.loads(run(text, "show", "--json", "--training", "--epochs", "0.5", "--examples", "1000")[1])
    assert found["training"] == {"examples_seen": 500, "operations": 7500}
    assert run(LENET, "show", "--training", "--epochs", "2", "--examples", "5")[1].endswith(
        " x 10 examples seen\n"
    )  # the command line wins


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--training",), "the spec has no section train: say with --epochs and --examples"),
        (("--training", "--epochs", "3"), "say with --examples how many examples"),
        (("--epochs", "3", "--examples", "5"), "--epochs and --examples go with --training"),
        (("--training", "--epochs", "0", "--examples", "5"), "0.0 is not in the range x>0"),
        (("--training", "--epochs", "nan", "--examples", "5"), "nan is not a finite number"),
    ],
)
def test_training_of_unknown_length_is_a_usage_error(words: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(group, ["show", "zoo:lenet-5", *words])
    assert result.exit_code == 2 and said in " ".join(result.output.split())


def test_cells_of_a_field() -> None:
    """Axes and inputs that differ stand side by side, those alike once; nothing where a blob sees no input."""
    axis = {"size": 5, "narrowest": 5, "stride": 2, "begin": -1}
    branch = {"size": 1507, "narrowest": 11, "stride": 1, "begin": 0}
    assert field_cells({}) == ("", "", "")
    assert field_cells({"data": {"2": axis, "3": axis}}) == ("5", "2", "-1")
    assert field_cells({"data": {"2": axis, "3": branch}}) == ("5 x 11..1,507", "2 x 1", "-1 x 0")
    assert field_cells({"data": {"2": None}, "more": {"2": axis}}) == ("all x 5", " x 2", " x -1")
    assert field_cells({"data": {"2": {**axis, "size": None}}}) == ("5..all before", "2", "-1")
