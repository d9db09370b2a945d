"""Slips of the pen in a few specs that hold every section, and all that `check` says of each, as text.

`pytest tests/diagnostics/test_slips.py --update` rewrites slips-*.txt; read the diff. The slips are drawn evenly from all that there are:
a token left out, doubled or misspelt, another number, another bracket; a line left out, doubled, or indented otherwise.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from netspec.diagnostics.model import Diagnostic
from netspec.repair.check import check_source
from netspec.source import Source

HERE = Path(__file__).parent
FIRST = 3
"""Findings of a slip that are written out."""
COUNT = 36
"""Slips of each kind in each spec."""
OTHER = {"[": "{", "]": "}", "{": "[", "}": "]", ":": "=", ",": ";", "-": "- -", "$": "$$", '"': "'"}


class Slip(NamedTuple):
    """What stands at a place in place of what."""

    at: int
    old: str
    new: str


SPECS = {
    "pictures": """
netspec: 1
name: pictures
vars: {width: 6, classes: 10}
defaults:
  Convolution: {weight_filler: {type: msra}, bias_term: false}
blocks:
  unit:
    vars: {out: 4, stride: 1}
    bottom: x
    layers:
      - {name: conv, type: Convolution, num_output: $out, kernel_size: 3, pad: 1, stride: $stride}
      - {name: norm, type: BatchNorm}
      - {name: scale, type: Scale, bias_term: true}
      - {name: sum, type: Eltwise, bottom: [scale, x]}
  idle:
    vars: {n: 2}
    layers:
      - {name: act, type: ReLU, negative_slope: 0.1}
      - {name: half, type: Pooling, kernel_size: $n, stride: $n}
input:
  data: {shape: [N, 3, 32, 32], image: {color: rgb, scale: 0.0078125, mean_value: [104, 117, 123]}}
layers:
  - {name: stem, type: Convolution, num_output: $width, kernel_size: 5, pad: 2, stride: 2}
  - {name: u, block: unit, repeat: 2, when: true, vars: {out: "${width}"}}
  - name: pool
    type: Pooling
    pool: AVE
    global_pooling: true
  - {name: ip, type: InnerProduct, num_output: "${classes}", weight_filler: {type: gaussian, std: 0.01}}
  - {name: prob, type: Softmax, bottom: ip}
output: {prob: {labels: [a, b, c, d, e, f, g, h, i, j]}}
expect: {parameters: 1.192k, shapes: {pool: [N, 6, 1, 1]}}
""",
    "training": """
netspec: 1
dialect: torch
input:
  data: [N, 1, 29, 29]
layers:
  - {name: conv1, type: Convolution, num_output: 20, kernel_size: [5, 3], stride: 2, group: 1}
  - {name: cut, type: Slice, axis: 1, slice_point: [8], top: [left, right]}
  - {name: act, type: TanH, bottom: left}
  - {name: deep, type: Convolution, bottom: act, num_output: 12, kernel_size: 3, pad: 1, dilation: 2}
  - {name: more, type: Pooling, bottom: right, pool: MAX, kernel_size: 3, stride: 1, round_mode: FLOOR}
  - {name: flat, type: Flatten, bottom: more}
  - {name: drop, type: Dropout, dropout_ratio: 0.4}
  - name: ip
    type: InnerProduct
    inner_product_param:
      num_output: 10
      bias_filler: {type: constant, value: 0.1}
    param: [{lr_mult: 1}, {lr_mult: 2, decay_mult: 0}]
output: [ip, deep]
train:
  data: {source: digits, batch_size: 64}
  val_data: {source: digits, split: test, batch_size: 100}
  augment:
    - {type: Affine, degrees: 10, probability: 0.5}
  solver:
    type: SGD
    base_lr: 0.01
    momentum: 0.9
    lr_policy: multistep
    gamma: 0.1
    stepvalue: [500, 800]
    max_iter: 1000
    test_interval: 100
    snapshot: 500
  loss:
    - {name: main, type: SoftmaxWithLoss, bottom: [ip, label]}
    - {name: near, type: EuclideanLoss, bottom: [deep, deep]}
""",
    "caffe": """
netspec: 1
name: "caffe"
defaults:
  Embed: {weight_filler: xavier}
  LSTM: {weight_filler: {type: uniform, min: -0.08, max: 0.08}}
  InnerProduct: {weight_filler: xavier}
input:
  text: [T, N]
  cont: [T, N]
  image: [N, 8, 13, 9]
layers:
  - {name: embed, type: Embed, bottom: text, input_dim: 50, num_output: 24, bias_term: false}
  - {name: lstm, type: LSTM, bottom: [embed, cont], num_output: 24}
  - {name: last, type: Slice, axis: 0, slice_point: 1, top: [first, others]}
  - {name: up, type: Deconvolution, bottom: image, num_output: 4, kernel_size: 4, stride: 2, pad: 1}
  - {name: crop, type: Crop, bottom: [up, image], axis: 2, offset: [3, 2]}
  - {name: shape, type: Reshape, shape: {dim: [0, -1]}}
  - {name: code, type: InnerProduct, num_output: 24, param: [{name: w}, {name: b}]}
  - {name: twin, type: InnerProduct, bottom: shape, num_output: 24, param: [{name: w}, {name: b}]}
  - {name: sum, type: Eltwise, bottom: [code, twin], operation: SUM, coeff: [1, -0.5]}
  - {name: both, type: Concat, bottom: [code, sum], axis: 1}
  - {name: far, type: EuclideanLoss, bottom: [lstm, embed]}
  - {name: loss, type: EuclideanLoss, bottom: [code, sum], loss_weight: 0.5, include: {phase: TRAIN}}
""",
}

SIZES = """
netspec: 1
name: sizes
vars: {width: 16, classes: 12}
input: {data: [N, 3, 60, 44], mask: [N, 1, 15, 11]}
layers:
  - {name: conv1, type: Convolution, bottom: data, num_output: 16, kernel_size: 5, pad: 2, stride: 2}
  - {name: conv2, type: Convolution, num_output: 16, kernel_size: 3, pad: 1, group: 4}
  - {name: conv3, type: Convolution, bottom: conv1, num_output: $width, kernel_size: 3, dilation: 2, pad: 2}
  - {name: sum, type: Eltwise, bottom: [conv2, conv3]}
  - {name: pool, type: Pooling, kernel_size: 2, stride: 2}
  - {name: both, type: Concat, bottom: [pool, mask]}
  - {name: wide, type: Convolution, num_output: 18, kernel_size: [5, 3], pad: [2, 1]}
  - {name: cut, type: Slice, axis: 1, slice_point: [6, 12], top: [a, b, c]}
  - {name: ab, type: Eltwise, bottom: [a, b], coeff: [1, 2]}
  - {name: up, type: Deconvolution, bottom: ab, num_output: 6, kernel_size: 4, stride: 2, pad: 1}
  - {name: crop, type: Crop, bottom: [up, sum], axis: 2, offset: 0}
  - {name: flat, type: Reshape, bottom: c, shape: [0, 6, 165]}
  - {name: last, type: InnerProduct, num_output: $classes, axis: 2}
  - {name: wise, type: Reshape, shape: {dim: [0, 72]}}
  - {name: turned, type: Permute, bottom: crop, order: [0, 2, 3, 1]}
output: [wise, turned]
expect: {shapes: {wise: [N, 72], turned: [N, 30, 22, 6]}}
"""
LONE = {
    "Fixes of what is calculated, and of what variables give": """
vars: {n: 2, m: 2, g: 4}
input: {data: [N, 30, 9, 9]}
layers:
  - {name: a, type: Convolution, num_output: 30, kernel_size: 3, group: "${2 * n}", bottom: data}
  - {name: b, type: Convolution, num_output: 30, kernel_size: 3, group: "${n + m}", bottom: data}
  - {name: c, type: Convolution, num_output: 30, kernel_size: 3, group: $g, bottom: data}
  - {name: d, type: Convolution, num_output: 30, kernel_size: "${5 * n}", bottom: data}
""",
    "A base, and changes to layers that it has not": """
base: zoo:lenet
override:
  conv3: {num_output: 5}
remove: [relu1, relu7]
insert:
  - {after: relu1, layers: [{name: a, type: ReLU}]}
  - {after: pool9, layers: [{name: b, type: ReLU}]}
  - {before: ip1, layers: text}
  - {layers: []}
""",
    "A base without a name, and one that is not there": """
base: ""
import: [zoo:blocks/nothing.yaml, ../elsewhere.yaml, missing.yaml, ""]
layers:
  - {name: a, type: ReLU}
""",
    "Words glued together": """
input: {data:[N, 6]}
layers:
  -name: a
   type: ReLU
  - name:b
    type: ReLU
""",
    "A colon too many": """
input: {data: [N, 6]}
layers:
  - {name: a: b, type: ReLU}
  - name: c: d
    type: ReLU
""",
}
"""Specs whose faults stand beside the net, or whose fixes hang on where a value came from."""


def slips_of_signs(text: str) -> Iterator[Slip]:
    """Signs and lines left out, doubled, or written otherwise."""
    for found in re.finditer(r"[^\s\w]", text):
        sign, at = found[0], found.start()
        yield from (Slip(at, sign, new) for new in ("", sign * 2, OTHER.get(sign, "")))
    for found in re.finditer(r"(?m)^ *\S.*\n", text):
        line, at = found[0], found.start()
        yield from (Slip(at, line, new) for new in ("", line * 2, f" {line}", line.removeprefix("  ")))
        yield Slip(at, line, "\t" + line.lstrip(" "))


def slips_of_words(text: str) -> Iterator[Slip]:
    """Words left out, misspelt, put in brackets, or in another's place."""
    before = "net"
    for found in re.finditer(r"[A-Za-z_]\w*", text):
        word, at = found[0], found.start()
        yield from (Slip(at, word, new) for new in ("", word[1:2] + word[:1] + word[2:], f"[{word}]", before))
        before = word


def slips_of_numbers(text: str) -> Iterator[Slip]:
    """Other numbers, and what is none."""
    for found in re.finditer(r"\b\d+(?:\.\d+)?", text):
        number, at = found[0], found.start()
        more = str(int(number) + 1) if number.isdigit() else "2"
        yield from (
            Slip(at, number, new) for new in ("0", more, f"-{number}", f"{number}7", "x", "1.5", "3", "")
        )


def drawn(text: str) -> list[Slip]:
    """As many of each kind as are wanted, evenly."""
    if text is SIZES:
        return evenly((slip for slip in slips_of_numbers(text) if slip.new.isdigit()), COUNT)
    kinds = (slips_of_signs, slips_of_words, slips_of_numbers)
    return [slip for kind in kinds for slip in evenly(kind(text), COUNT)]


def evenly(slips: Iterable[Slip], count: int) -> list[Slip]:
    every = [slip for slip in slips if slip.old != slip.new]
    return [every[i * len(every) // count] for i in range(count)]


def told(finding: Diagnostic) -> Iterator[str]:
    span = finding.span
    place = f"{span.begin[0]}:{span.begin[1]} {span.text[:60]!r}" if span is not None else "nowhere"
    yield f"{finding.code} {place} {finding.fact} | {finding.label}"
    yield from (f"    {line}" for line in finding.rule)
    yield from (f"    also {each.span.begin[0]}:{each.span.begin[1]} {each.text}" for each in finding.others)
    yield from (f"    note {note}" for note in finding.notes)
    for fix in finding.fixes:
        edits = [(f"{e.span.begin[0]}:{e.span.begin[1]}", e.span.text, e.text) for e in fix.edits]
        yield f"    fix {fix.text} {edits} {'safe' if fix.safe else ''}".rstrip()


@pytest.mark.parametrize("name", [*SPECS, "sizes"])
def test_slips_are_told_as_recorded(name: str, request: pytest.FixtureRequest) -> None:
    text = SPECS.get(name, SIZES)
    lines: list[str] = []
    for at, old, new in drawn(text):
        found = check_source(Source("spec.yaml", text[:at] + new + text[at + len(old) :]))
        row = text.count("\n", 0, at) + 1
        lines.append(
            f"== {name}, line {row}: {old.rstrip()[:60]!r} -> {new.rstrip()[:60]!r}: {len(found)} found"
        )
        for finding in found[:FIRST]:
            lines += told(finding)
    shown = "\n".join(lines) + "\n"
    file = HERE / f"slips-{name}.txt"
    if request.config.getoption("update", default=False):
        file.write_text(shown, encoding="utf-8")
    recorded = file.read_text(encoding="utf-8").split("\n== ")
    assert [each for each in shown.split("\n== ") if each not in recorded] == []
    assert shown.count("\n== ") == len(recorded) - 1


def test_faults_beside_the_net_are_told_as_recorded(request: pytest.FixtureRequest) -> None:
    lines: list[str] = []
    for title, text in LONE.items():
        lines.append(f"== {title}")
        for finding in check_source(Source("spec.yaml", text)):
            lines += told(finding)
    file, shown = HERE / "lone.txt", "\n".join(lines) + "\n"
    if request.config.getoption("update", default=False):
        file.write_text(shown, encoding="utf-8")
    assert shown.split("\n") == file.read_text(encoding="utf-8").split("\n")
