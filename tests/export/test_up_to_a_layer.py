"""A layer that ONNX cannot hold: the finding says which outputs to take in its place, and the net is exported and certified up to there."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from netspec.cli import group
from netspec.diagnostics import SpecError

pytestmark = [pytest.mark.torch, pytest.mark.onnx]

SSD = """netspec: 1
name: ssd
input: {data: [N, 3, 16, 24]}
defaults: {Convolution: {weight_filler: xavier}}
layers:
  - {name: c, type: Convolution, num_output: 4, kernel_size: 3, pad: 1, stride: 4}
  - {name: l, type: Convolution, bottom: c, num_output: 8, kernel_size: 1}
  - {name: lp, type: Permute, order: [0, 2, 3, 1]}
  - {name: loc, type: Flatten}
  - {name: s, type: Convolution, bottom: c, num_output: 6, kernel_size: 1}
  - {name: sp, type: Permute, order: [0, 2, 3, 1]}
  - {name: sr, type: Reshape, shape: {dim: [0, -1, 3]}}
  - {name: sm, type: Softmax, axis: 2}
  - {name: conf, type: Flatten}
  - {name: priors, type: PriorBox, bottom: [c, data], min_size: 4, max_size: 9, variance: [0.1, 0.1, 0.2, 0.2], clip: true}
  - {name: found, type: DetectionOutput, bottom: [loc, conf, priors], num_classes: 3, code_type: CENTER_SIZE, nms_param: {eta: 0.9}}
"""


def export(*words: str) -> object:
    return CliRunner().invoke(group, ["export", "ssd.yaml", "-o", "ssd.onnx", *words], standalone_mode=False)


def test_what_the_finding_says_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    monkeypatch.chdir(tmp_path)
    Path("ssd.yaml").write_text(SSD, encoding="utf-8")
    error = export().exception  # type: ignore[attr-defined]
    assert isinstance(error, SpecError)
    (finding,) = error.diagnostics
    assert finding.code == "NS701"
    said = re.search(r"--set '(output=.*)'", finding.notes[0])
    assert said is not None
    done = export("--set", said[1])
    assert done.exception is None, done.output  # type: ignore[attr-defined]
    assert "certified" in done.output  # type: ignore[attr-defined]
    session = onnxruntime.InferenceSession("ssd.onnx", providers=["CPUExecutionProvider"])
    shapes = {item.name: item.shape for item in session.get_outputs()}
    assert shapes == {"loc": ["N", 192], "conf": ["N", 144], "priors": [1, 2, 192]}
