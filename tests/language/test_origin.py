"""`netspec explain SPEC VALUE`: every place that had a say in a value."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from netspec import driver
from netspec.analysis.provenance import origin
from netspec.cli import group
from netspec.diagnostics.model import SpecError
from netspec.read_options import Reading

BASE = """netspec: 1
vars: {wide: 8}
input: {data: [N, 3, 16, 16]}
defaults: {Convolution: {weight_filler: msra, pad: 1}}
blocks:
  unit:
    vars: {width: required, step: 1}
    defaults: {Convolution: {bias_term: false}}
    layers:
      - {name: a, type: Convolution, num_output: "${2 * width}", kernel_size: 3, stride: $step}
layers:
  - {name: conv1, type: Convolution, num_output: 4, convolution_param: {}}
  - {name: res, block: unit, repeat: 2, vars: {width: $wide, step: "${1 + i}"}}
  - {name: p, type: Pooling, kernel_h: 2, kernel_w: 1}
  - {name: ip, type: InnerProduct, num_output: 10}
train: {data: digits, solver: {base_lr: 0.1, max_iter: 3}}
""".replace("num_output: 4, convolution_param: {}", "num_output: 4, kernel_size: 3")
CHILD = """netspec: 1
base: base.yaml
override:
  conv1: {num_output: 6}
  res.1.a: {pad: 2}
"""


@pytest.fixture
def explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    Path("base.yaml").write_text(BASE, encoding="utf-8")
    Path("child.yaml").write_text(CHILD, encoding="utf-8")
    return lambda path, spec="child.yaml", *settings: origin(
        driver.load(spec, Reading(settings=settings)).resolved, path
    ).split("\n  ")


ROWS = [
    ("res.1.a.stride", ["res.1.a.stride = 2", "base.yaml:10: stride: $step", "used at base.yaml:13",
                        '$step = 2 <- base.yaml:13: vars of res.1: "${1 + i}"', "$i = 1 <- number of the copy"]),
    ("res.0.a.num_output", ["res.0.a.num_output = 16", 'base.yaml:10: num_output: "${2 * width}"', "used at base.yaml:13",
                            "$width = 8 <- base.yaml:13: vars of res.0: $wide", "$wide <- base.yaml:2: vars: 8"]),
    ("res.0.a.convolution_param.bias_term", ["res.0.a.convolution_param.bias_term = false",
                                             "base.yaml:8: bias_term: false   (defaults of the block for Convolution)",
                                             "used at base.yaml:13"]),
    ("conv1.weight_filler", ["conv1.weight_filler = {type: msra}", "base.yaml:4: weight_filler: msra   (defaults for Convolution)"]),
    ("conv1.weight_filler.variance_norm", ["conv1.weight_filler.variance_norm = FAN_IN",
                                           "base.yaml:4: weight_filler: msra   (defaults for Convolution)"]),
    ("conv1.num_output", ["conv1.num_output = 6", "child.yaml:4: num_output: 6   (override)",
                          "base.yaml:12: num_output: 4   (in the base)"]),
    ("res.1.a.pad", ["res.1.a.pad = 2", "child.yaml:5: pad: 2   (override)"]),
    ("p.kernel_size", ["p.kernel_size = [2, 1]", "base.yaml:14: kernel_h: 2", "base.yaml:14: kernel_w: 1"]),
    ("p.round_mode", ["p.round_mode = CEIL", "default of Pooling in dialect caffe (caffe CEIL, torch FLOOR, tf FLOOR)"]),
    ("p.bottom", ["p.bottom = []", "left out: the top of the layer before it, or the only input"]),
    ("res.0.step", ["res.0.step = 1", '$step = 1 <- base.yaml:13: vars of res.0: "${1 + i}"', "$i = 0 <- number of the copy"]),
    ("train.solver.base_lr", ["train.solver.base_lr = 0.1", "base.yaml:16: base_lr: 0.1"]),
    ("train.solver.momentum2", ["train.solver.momentum2 = 0.999", "default of train.solver"]),
    ("dialect", ["dialect = caffe", "default of a spec"]),
    ("input.data.2", ["input.data.2 = 16", "base.yaml:3: 2: 16"]),
    ("res.repeat", ["res.repeat = 2", "base.yaml:13: repeat: 2"]),
    ("res.vars.width", ["res.vars.width = $wide", "base.yaml:13: width: $wide", "$wide <- base.yaml:2: vars: 8"]),
]  # fmt: skip


@pytest.mark.parametrize(("path", "lines"), ROWS, ids=[row[0] for row in ROWS])
def test_rows(explained, path: str, lines: list[str]) -> None:  # type: ignore[no-untyped-def]
    assert explained(path) == lines


def test_a_setting(explained) -> None:  # type: ignore[no-untyped-def]
    assert explained("res.0.a.num_output", "base.yaml", "vars.wide=3")[-2:] == [
        "$width = 3 <- base.yaml:13: vars of res.0: $wide",
        "$wide <- --set vars.wide: vars: 3",
    ]


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("conv1.strid", "conv1.stride"),
        ("cnv1.stride", "conv1"),
        ("train.solver.momento", "neither"),
        ("", "neither"),
    ],
)
def test_paths_that_lead_nowhere(explained, path: str, hint: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SpecError) as found:
        explained(path)
    assert found.value.diagnostics[0].code == "NS212"
    assert hint in found.value.diagnostics[0].fact


def test_the_command_tells_layers_from_values(explained) -> None:  # type: ignore[no-untyped-def]
    runs = {
        path: CliRunner().invoke(group, ["explain", "base.yaml", path], standalone_mode=False).output
        for path in ("p", "p.stride")
    }
    assert runs["p"].startswith("p: Pooling")
    assert runs["p.stride"].startswith("p.stride = 1\n  default of Pooling")


SETTINGS = [
    ("res.1.a.stride=3", "res.1.a.stride", ["res.1.a.stride = 3", "--set res.1.a.stride: stride: 3"]),
    ("res.1.a.stride=3", "res.0.a.stride", ["res.0.a.stride = 1", "base.yaml:10: stride: $step", "used at base.yaml:13",
                                            '$step = 1 <- base.yaml:13: vars of res.0: "${1 + i}"', "$i = 0 <- number of the copy"]),
    ("res.1.a.weight_filler.type=xavier", "res.1.a.weight_filler", ["res.1.a.weight_filler = {type: xavier}",
                                                                  "--set res.1.a.weight_filler.type: weight_filler: xavier"]),
    (" vars.wide = 3 ", "vars.wide", ["vars.wide = 3", "--set vars.wide: wide: 3"]),
    ("input.data.2=20", "input.data.2", ["input.data.2 = 20", "--set input.data.2: 2: 20"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "path", "lines"), SETTINGS, ids=[f"{row[0]} {row[1]}" for row in SETTINGS]
)
def test_a_setting_inside_a_block_and_in_a_list(explained, setting: str, path: str, lines: list[str]) -> None:  # type: ignore[no-untyped-def]
    assert explained(path, "base.yaml", setting) == lines


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("res.0.b.stride=3", "NS119"),
        ("res.0.step=3", "NS119"),
        ("res.0.a.strid=3", "NS102"),
        ("vars..w=3", "NS119"),
        ("conv9.num_output=3", "NS119"),
        ("vars.w=[1", "NS016"),
    ],
)
def test_a_setting_that_cannot_be_made_is_said_once(explained, setting: str, code: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SpecError) as found:
        explained("conv1.stride", "base.yaml", setting)
    assert [d.code for d in found.value.diagnostics] == [code]
