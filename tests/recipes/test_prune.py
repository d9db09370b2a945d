"""Pruning: the least weights at 0, where they stay, and channels taken out of a net and its spec."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor

from netspec import driver
from netspec.cli.prune import describe
from netspec.compiled import compile as compiled
from netspec.diagnostics import SpecError
from netspec.recipes.channels import answers, draw_inputs, take_channels
from netspec.recipes.prune import Counts, count, prune, zero_least
from netspec.source import Source
from netspec.training.nets import tensors_of
from netspec.training.session import train_program
from tests.training.specs import Line, program

pytestmark = pytest.mark.torch
CONVOLVED = """
netspec: 1
name: convolved
input: {data: [N, 2, 12, 12]}
defaults: {Convolution: {kernel_size: 3, weight_filler: msra, bias_filler: {type: uniform, min: -1, max: 1}}}
layers:
  - {name: c1, type: Convolution, num_output: 8}
  - {name: n1, type: BatchNorm}
  - {name: s1, type: Scale, bias_term: true}
  - {name: r1, type: ReLU}
  - {name: c2, type: Convolution, num_output: 6}
  - {name: p2, type: Pooling, kernel_size: 2, stride: 2}
  - {name: ip, type: InnerProduct, num_output: 7, weight_filler: xavier}
  - {name: r3, type: ReLU}
  - {name: out, type: InnerProduct, num_output: 3, weight_filler: xavier}
"""
TIED = """
netspec: 1
input: {data: [N, 2, 6, 6]}
defaults: {Convolution: {kernel_size: 1, weight_filler: msra}}
layers:
  - {name: a, type: Convolution, num_output: 4}
  - {name: b, type: Convolution, num_output: 4}
  - {name: sum, type: Eltwise, bottom: [a, b]}
  - {name: l, type: Convolution, num_output: 4, bottom: sum}
  - {name: r, type: Convolution, num_output: 6, bottom: sum}
  - {name: both, type: Concat, bottom: [l, r]}
  - {name: free, type: Convolution, num_output: 6, bottom: both}
  - {name: mixed, type: Convolution, num_output: 8}
  - {name: norm, type: LRN, local_size: 3, alpha: 1}
  - {name: last, type: Convolution, num_output: 5}
"""


def read(text: str) -> tuple[driver.Program, dict[str, Tensor]]:
    """A program, and drawn tensors of its net; statistics are such that no channel is like another."""
    made = driver.load_source(Source("spec.yaml", text))
    torch.manual_seed(1)
    net: Any = compiled(made.graph())
    tensors = {name: each.detach().clone() for name, each in tensors_of(net, made.graph()).items()}
    for name, each in tensors.items():
        if each.ndim == 1 and len(each) > 1:
            tensors[name] = torch.rand_like(each) + 0.5
    return made, tensors


def test_channels_leave_net_and_spec_and_nothing_else_changes() -> None:
    made, tensors = read(CONVOLVED)
    small = take_channels(made, tensors, 0.5)
    assert small.kept == {"c1": (4, 8), "c2": (3, 6), "ip": (4, 7)}
    layers = {
        each["name"]: each for each in yaml.safe_load(small.program.resolved.spec.source.text)["layers"]
    }
    assert layers["c1"]["convolution_param"]["num_output"] == 4
    shapes = {name: list(each.shape) for name, each in small.tensors.items()}
    assert shapes["c2.weight"] == [3, 4, 3, 3] and shapes["ip.weight"] == [4, 3 * 16]
    assert shapes["n1.mean"] == [4] and shapes["out.weight"] == [3, 4]
    least = tensors["c1.weight"].abs().sum((1, 2, 3)).argsort()[:4]
    assert (small.masked["c2.weight"][:, least] == 0).all() and not (tensors["c2.weight"] == 0).any()
    fed = draw_inputs(made.graph(), 12)
    (old,) = answers(made, small.masked, fed)
    (new,) = answers(small.program, small.tensors, fed)
    (whole,) = answers(made, tensors, fed)
    assert (old - new).abs().max() < 1e-12 * old.abs().max() < (old - whole).abs().max()
    before, after = count(made.graph(), tensors), count(small.program.graph(), small.tensors)
    assert after.macs == 10 * 10 * 4 * 18 + 8 * 8 * 3 * 36 + 48 * 4 + 12 < before.macs


def test_layers_whose_widths_are_tied_or_mixed_keep_them() -> None:
    made, tensors = read(TIED)
    assert take_channels(made, tensors, 0.5).kept == {"free": (3, 6)}
    for alone in ("{name: x, type: Convolution, num_output: 4, kernel_size: 1}", "{name: x, type: ReLU}"):
        made, tensors = read(f"netspec: 1\ninput: {{data: [N, 2, 6, 6]}}\nlayers:\n  - {alone}\n")
        with pytest.raises(SpecError, match="NS615"):
            take_channels(made, tensors, 0.5)


def test_the_least_weights_of_all_matrices_go() -> None:
    made, tensors = read(CONVOLVED)
    before = {name: each.clone() for name, each in tensors.items()}
    zero_least(made.graph(), tensors, 0.8)
    matrices = [name for name, each in tensors.items() if each.ndim > 1]
    total = sum(tensors[name].numel() for name in matrices)
    gone = torch.cat([before[name][tensors[name] == 0].abs().reshape(-1) for name in matrices])
    left = torch.cat([tensors[name][tensors[name] != 0].abs() for name in matrices])
    assert len(gone) == round(0.8 * total) and gone.max() <= left.min()
    assert all((tensors[name] == each).all() for name, each in before.items() if name not in matrices)
    found = count(made.graph(), tensors)
    assert found.nonzero == found.parameters - len(gone) and found.nonzero_macs < found.macs


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    solver = {"max_iter": 8, "type": "Adam", "base_lr": 0.01, "weight_decay": 0.01}
    train_program(program(solver=solver), folder, device="cpu")
    return folder


def test_weights_that_are_0_stay_0_in_all_training_after(trained: Path, tmp_path: Path) -> None:
    made = prune(trained, tmp_path / "sparse", sparsity=0.7, train=5, device="cpu")
    begun, ended = (load_file(tmp_path / "sparse" / f"{name}.safetensors") for name in ("pruned", "weights"))
    weight = begun["ip1.weight"]
    assert ((weight == 0) == (ended["ip1.weight"] == 0)).all() and 0.5 < (weight == 0).float().mean() < 0.9
    assert not torch.equal(weight, ended["ip1.weight"]) and (ended["ip1.bias"] != 0).all()
    assert made.result is not None and made.result.iteration == 5
    assert "train.keep_zeros=true" in json.loads((tmp_path / "sparse/run.json").read_text())["settings"]


def test_a_smaller_run_is_a_run(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    line = Line(monkeypatch, capsys)
    assert line("prune", trained, "--channels", "0.25", "--run", "small") == 0, line.err
    assert "ip1: 12 of 16 channels" in line.out and "1,210" in line.out and "910" in line.out
    assert line("test", "small", "--json") == 0 and json.loads(line.out)["metrics"]["accuracy"] >= 0
    words = ("--weights", "small", "--run", "on", "--quiet", "--set", "train.solver.max_iter=2")
    assert line("train", "small/spec.yaml", *words) == 0, line.err
    assert line("prune", trained, "--sparsity", "0.5", "--run", "small") == 1 and "NS677" in line.err
    assert line("prune", trained) == 2


def test_counts_are_told_side_by_side() -> None:
    before, after = Counts(1200, 1200, 56000, 56000), Counts(300, 75, 7000, 0)
    assert describe(before, after).splitlines() == [
        "              before  after",
        "----------------------------------",
        "parameters     1,200    300  25.0%",
        "nonzero        1,200     75   6.2%",
        "MACs          56,000  7,000  12.5%",
        "nonzero MACs  56,000      0   0.0%",
    ]
