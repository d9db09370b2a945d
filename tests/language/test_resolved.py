"""`show --resolved`: complete, canonical, a fixed point, and the same network."""

from typing import Any

import pytest

from netspec import driver
from netspec.analysis.fingerprint import network_hash
from netspec.diagnostics.model import Diagnostics
from netspec.read_options import Reading
from netspec.repair.check import check_source
from netspec.source import Source
from netspec.syntax.located import plain
from netspec.syntax.reader import read
from tests.zoo.kinds import SPECS, sampled
from tests.zoo.kinds import program as zoo_program

BLOCKS = """
netspec: 1
vars: {width: 4, dollar: a$$b}
input: {data: [N, 3, 8, 8]}
blocks:
  unit:
    vars: {width: required, project: false}
    defaults: {Convolution: {weight_filler: msra}}
    layers:
      - {name: a, type: Convolution, num_output: $width, kernel_size: 3, pad: same}
      - {name: relu, type: ReLU, bottom: a, top: a}
      - {name: s, when: $project, type: Convolution, bottom: x, num_output: $width, kernel_size: 1}
      - {name: out, type: Eltwise, bottom: [a, "${'s' if project else 'x'}"]}
  two: {bottom: [x, y], top: [p, q], layers: [{name: p, type: ReLU, bottom: x}, {name: q, type: Sigmoid, bottom: y}]}
layers:
  - {name: r, block: unit, repeat: 3, vars: {width: $width, project: "${i == 0}"}}
  - {name: again, type: ReLU, bottom: r, top: r}
  - {name: rec, block: unit, repeat: 2, share: true, vars: {width: 4}}
  - {name: t, block: two, bottom: [r, rec], repeat: 2}
  - {name: "$dollar", type: Concat, bottom: [t.p, t.q]}
  - {name: "1e3", type: Pooling, kernel_h: 2, kernel_w: 1, stride: 2}
  - {name: ip, type: InnerProduct, num_output: 5, param: [{lr_mult: 2}, {lr_mult: 0, name: b}], allow: [NS401]}
output: {ip: {labels: [a$$, b, c, d, e]}}
expect: {shapes: {rec: [N, 4, 8, 8]}, receptive_field: {t.p: {min: 1}}, causal: []}
"""
PHASES = """
netspec: 1
dialect: torch
input: {data: [N, 1, 8, 8], label: [N]}
layers:
  - {name: c, type: Convolution, bottom: data, num_output: 2, kernel_size: 3}
  - {name: drop, type: Dropout, include: {phase: TRAIN}}
  - {name: pool, type: Pooling, kernel_size: 3, stride: 2}
  - {name: aux, type: ReLU, include: {stage: extra}}
  - {name: ip, type: InnerProduct, bottom: pool, num_output: 3}
  - {name: loss, type: SoftmaxWithLoss, bottom: [ip, label], exclude: {phase: TEST}}
  - {name: acc, type: Accuracy, bottom: [ip, label], include: {phase: TEST}}
"""
HEADS = """
netspec: 1
input: {data: [N, 4]}
blocks: {b: {layers: [{name: ip, type: InnerProduct, num_output: 3, weight_filler: xavier}]}}
layers: [{name: top, block: b}, {name: prob, type: Softmax}]
output: prob
train:
  data: digits
  loss: [{type: SoftmaxWithLoss, bottom: [top, label]}]
  solver: {base_lr: 0.1, epochs: 2}
"""


def program(text: str, path: str = "spec.yaml", stages: tuple[str, ...] = ()) -> driver.Program:
    return driver.load_source(Source(path, text), Reading(frozenset(stages)))


def resolved_tree(of: driver.Program) -> Any:
    tree = read(Source("r.yaml", of.resolved_text()), Diagnostics())
    assert tree is not None
    return plain(tree)


def same_net_and_fixed(first: driver.Program, path: str) -> driver.Program:
    text = first.resolved_text()
    second = program(text, path)
    assert second.resolved_text() == text
    assert network_hash(second.graphs()) == network_hash(first.graphs())
    return second


@pytest.mark.parametrize("name", sampled())
def test_zoo(name: str) -> None:
    path = str(SPECS[name])
    first = zoo_program(name)
    same_net_and_fixed(first, path)
    assert check_source(Source(path, first.resolved_text())) == []  # as of the spec: tests/zoo/test_zoo.py


@pytest.mark.parametrize("stages", [(), ("extra",)])
@pytest.mark.parametrize("text", [BLOCKS, PHASES, HEADS])
def test_features(text: str, stages: tuple[str, ...]) -> None:
    same_net_and_fixed(program(text, stages=stages), "spec.yaml")


def test_layers_are_flat_and_complete() -> None:
    tree = resolved_tree(program(BLOCKS))
    layers = {one["name"]: one for one in tree["layers"]}
    assert not tree.keys() & {"vars", "blocks", "defaults", "import", "base"}
    assert list(layers)[:5] == ["r.0.a", "r.0.relu", "r.0.s", "r.0.out", "r.1.a"]
    assert layers["r.1.out"]["bottom"] == ["r.1.a", "r.0.out"]
    assert layers["r.0.a"]["convolution_param"]["weight_filler"] == {"type": "msra"}
    assert layers["rec.1.a"]["param"][0]["name"] == layers["rec.0.a"]["param"][0]["name"]
    assert layers["1e3"]["pooling_param"]["kernel_size"] == [2, 1]
    assert "a$$b" in layers
    assert tree["expect"]["shapes"] == {"rec.1.out": ["N", 4, 8, 8]}
    assert all("top" in one and ("bottom" in one) for one in tree["layers"])


def test_phases_that_wire_unlike_are_two_layers() -> None:
    layers = resolved_tree(program(PHASES))["layers"]
    pools = [(one["bottom"], one["include"]) for one in layers if one["name"] == "pool"]
    assert pools == [("c", {"phase": "TEST"}), ("drop", {"phase": "TRAIN"})]
    assert [one["include"] for one in layers if one["name"] == "acc"] == [{"phase": "TEST"}]
    assert "aux" not in {one["name"] for one in layers}
    assert {one["pooling_param"]["round_mode"] for one in layers if one["name"] == "pool"} == {"FLOOR"}


def test_defaults_follow_the_dialect() -> None:
    text = "netspec: 1\ndialect: %s\ninput: {data: [N, 1, 8, 8]}\nlayers: [{name: p, type: Pooling, kernel_size: 2, stride: 2}]\n"
    rounding = {
        d: resolved_tree(program(text % d))["layers"][0]["pooling_param"]["round_mode"]
        for d in ("caffe", "torch")
    }
    assert rounding == {"caffe": "CEIL", "torch": "FLOOR"}
