"""All that is told of a few nets as a whole: `pytest tests/language/test_whole_nets.py --update` rewrites whole_nets/; read the diff.

Wiring in each phase, the spec written out, classes of blocks, where values come from, and how nets differ from one another.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from netspec.analysis.cost import as_json, cost
from netspec.analysis.diff import changes, moves, totals
from netspec.analysis.explain import explanation
from netspec.analysis.provenance import origin
from netspec.analysis.sizes.coupling import joint
from netspec.analysis.sizes.legal import legal_sizes
from netspec.diagnostics import SpecError
from netspec.driver import Program, load_source
from netspec.emit.torch_source import torch_source
from netspec.exporters.prototxt import to_prototxt
from netspec.ir.graph import TypedGraph
from netspec.read_options import PLAIN, Reading
from netspec.source import Source
from netspec.syntax.located import Located
from tests.diagnostics.test_slips import SPECS as SLIPPED

RECORDS = Path(__file__).with_name("whole_nets")
ROOT = Path(__file__).parents[2]

SPECS = {
    **SLIPPED,
    "heir": """
netspec: 1
name: heir
base: zoo:lenet
vars: {classes: 7}
override:
  conv1: {num_output: 12, weight_filler: {type: gaussian, std: 0.02}}
  ip2: {num_output: $classes}
remove: [relu1]
insert:
  - {after: ip1, layers: [{name: mild, type: ReLU, negative_slope: 0.05}, {name: drop1, type: Dropout, dropout_ratio: 0.3}]}
  - {before: pool2, layers: [{name: norm2, type: LRN, local_size: 3}]}
""",
    "phases": """
netspec: 1
name: phases
defaults: {Dropout: {dropout_ratio: 0.35}}
input: {data: [N, 4, 12, 10], label: [N]}
layers:
  - {name: conv1, type: Convolution, bottom: data, num_output: 6, kernel_size: 3, weight_filler: xavier, param: [{lr_mult: 0}, {lr_mult: 0, decay_mult: 0}]}
  - {name: norm1, type: BatchNorm, bottom: conv1, top: conv1, moving_average_fraction: 0.95, eps: 0.001}
  - {name: relu1, type: ReLU, bottom: conv1, top: conv1}
  - {name: drop1, type: Dropout, bottom: conv1, dropout_ratio: 0.25, phase: TRAIN}
  - {name: aux, type: InnerProduct, bottom: conv1, num_output: 5, weight_filler: xavier, include: {phase: TRAIN}}
  - {name: aux_loss, type: SoftmaxWithLoss, bottom: [aux, label], loss_weight: 0.3, include: {phase: TRAIN}}
  - {name: pool1, type: Pooling, bottom: drop1, top: [pool1, mask1], kernel_size: 2, stride: 2, include: {stage: places}}
  - {name: pool2, type: Pooling, bottom: drop1, top: pool1, kernel_size: 2, stride: 2, exclude: {stage: places}}
  - {name: ip, type: InnerProduct, bottom: pool1, num_output: 5, weight_filler: xavier, propagate_down: false}
  - {name: loss, type: SoftmaxWithLoss, bottom: [ip, label], propagate_down: [true, false], loss_weight: 2}
  - {name: top1, type: Accuracy, bottom: [ip, label], include: {phase: TEST, not_stage: deploy}}
  - {name: top3, type: Accuracy, bottom: [ip, label], top_k: 3, include: {phase: TEST}}
  - {name: prob, type: Softmax, bottom: ip}
output: {prob: {labels: [one, two, three, four, five]}}
train:
  solver: {type: Nesterov, base_lr: 0.05, momentum: 0.9, lr_policy: poly, power: 0.5, max_iter: 300, weight_decay: 0.0005, regularization_type: L1}
  rates: {ip: {lr_mult: 0.5}, "*.bias": {lr_mult: 2, decay_mult: 0}}
""",
    "unrolled": """
netspec: 1
name: unrolled
vars: {wide: 8, steps: 3, first: true}
blocks:
  cell:
    vars: {width: required, act: ReLU, scale: 1.5}
    bottom: [x, h]
    layers:
      - {name: join, type: Concat, bottom: [x, h]}
      - {name: mix, type: InnerProduct, num_output: $width, weight_filler: xavier}
      - {name: act, type: $act}
      - {name: weigh, type: Power, scale: $scale, shift: "${scale * 0.25}", when: "${scale != 1}"}
  outer:
    vars: {width: 4, deep: 2}
    layers:
      - {name: a, type: InnerProduct, num_output: "${2 * width}", weight_filler: xavier}
      - {name: inner, block: deep, repeat: $deep, vars: {width: "${width + 1}"}}
      - {name: tail, type: "${'TanH' if width > 8 else 'Sigmoid'}"}
  deep:
    vars: {width: 3}
    layers:
      - {name: ip, type: InnerProduct, num_output: "${width - i}", weight_filler: {type: gaussian, std: "${0.1 / (i + 1)}"}}
  square:
    layers:
      - {name: ip, type: InnerProduct, num_output: 6, weight_filler: xavier, bias_filler: {type: constant, value: 0.5}}
      - {name: act, type: ELU, alpha: 0.5}
input: {x: [N, 6], h: [N, 8]}
layers:
  - {name: loop, block: cell, bottom: [x, h], vars: {width: 8}}
  - {name: again, block: cell, bottom: [x, loop], vars: {width: $wide, act: TanH, scale: 1}}
  - {name: tower, block: outer, repeat: $steps, vars: {width: "${wide // 2 + i}"}}
  - {name: once, block: square, share: true, repeat: 2, bottom: x, when: $first}
  - {name: last, type: Eltwise, bottom: [again, loop], coeff: [1, -2]}
output: [tower, once, last]
""",
}
READINGS = {
    "phases": (PLAIN, Reading(stages=frozenset(("places",)), level=1)),
    "heir": (PLAIN, Reading(settings=("conv2.kernel_size=3", "conv1.stride=2", "vars.classes=4"))),
}
SETTINGS = ("nothing", "a..b=1", "=3", "conv9.num_output=8", "conv1.stride.x=3", "conv1.stride=", "layers=3", "layers.conv1.stride=2",
            "trian.solver.base_lr=1", "train.solver.base_lr=[", "vars=", f"{'a.' * 70}b=1", "input.data.3=28", "ip2.bias_term=maybe")  # fmt: skip
"""Said on the command line, each by itself, of the net `heir`."""
VARIANTS = {
    "pictures": (("out: \"${width}\"", "out: 6"), ("global_pooling: true", "kernel_size: 4"), ("scale: 0.0078125", "scale: 1"),
                 ("{name: stem,", "{name: root,"), ("kernel_size: 5, pad: 2", "kernel_size: 3, pad: 1"), ("repeat: 2", "repeat: 3"),
                 ("std: 0.01", "std: 0.1"), ("bias_term: true", "bias_term: false"), ("[N, 3, 32, 32]", "[N, 3, 64, 64]")),
    "phases": (("lr_mult: 0}, {lr_mult: 0, decay_mult: 0}", "lr_mult: 1}, {lr_mult: 3, decay_mult: 1}"), ("loss_weight: 2", "loss_weight: 3"),
               ("propagate_down: false", "propagate_down: true"), ("phase: TRAIN}\n  - {name: aux,", "phase: TEST}\n  - {name: aux,"),
               ("type: Softmax,", "type: Sigmoid,"), ("eps: 0.001", "eps: 0.002"), ("label: [N]", "label: [N, 1]")),
    "unrolled": (("bottom: [again, loop]", "bottom: [loop, again]"), ("scale: 1}", "scale: 2}"), ("output: [tower, once, last]", "output: [last]"),
                 ("{x: [N, 6],", "{x: [N, 6], z: [N, 2],"), ("bias_filler: {type: constant, value: 0.5}", "bias_term: false"), ("steps: 3", "steps: 2")),
    "caffe": (("{name: twin, type: InnerProduct, bottom: shape, num_output: 24, param: [{name: w}, {name: b}]}",
               "{name: twin, type: InnerProduct, bottom: shape, num_output: 24}"), ("text: [T, N]", "text: [T, 3]"),
              ("type: LSTM,", "type: RNN,"), ("axis: 2, offset: [3, 2]", "axis: 2, offset: [2, 2]")),
}  # fmt: skip


@cache
def program(name: str, reading: Reading = PLAIN) -> Program:
    return load_source(Source(f"{name}.yaml", SPECS[name]), reading)


def wiring(typed: TypedGraph) -> Iterator[str]:
    graph = typed.graph
    for given in graph.inputs:
        contract = "" if given.contract is None else f" {given.contract}"
        yield f"input {given.value.name} {typed.types[given.value]}{contract}"
    for node in graph.nodes:
        more = {
            "loss_weights": node.loss_weights,
            "stopped": sorted(node.stopped),
            "mode": node.mode,
            "as": node.same_as and node.same_as.name,
            "blocks": [f"{b.name} of {b.template} {dict(b.variables)}" for b in node.blocks],
        }
        said = ", ".join(f"{key} {value}" for key, value in more.items() if value)
        tops = ", ".join(f"{v.name} {typed.types[v]}" for v in node.tops)
        yield f"{node.name} {node.layer.type}({', '.join(v.name for v in node.bottoms)}) {tops} {said}".rstrip()
    for ref in typed.weight_refs():
        settings = ref.settings
        yield (
            f"weight {ref.name} of {ref.node.name}: {ref.kind}, shared {ref.shared}, lr_mult {settings.lr_mult:g},"
            f" decay_mult {settings.decay_mult:g}"
        )
    yield f"phase {graph.phase}, outputs {[v.name for v in graph.outputs]}, held {sorted(n.name for n in typed.held)}"
    yield from dict.fromkeys(f"must hold: {fact} for {node.name}" for node, fact in typed.facts)


def arithmetic(read: Program) -> Iterator[str]:
    typed = read.graph("test")
    yield from (explanation(typed, node.name) for node in typed.graph.nodes)
    yield explanation(typed, f"{typed.graph.nodes[0].name}x")


def sizes(read: Program) -> Iterator[str]:
    found = legal_sizes(read.sized_graph())
    yield from (*joint(found), *(axis.text for axis in found.axes))


def counts(read: Program) -> Iterator[str]:
    yield from (f"{name} {number}" for name, number in as_json(cost(read.graph()))["totals"].items())


def caffe_files(read: Program) -> Iterator[str]:
    made = to_prototxt(read)
    yield from (made.net, made.solver or "", *(d.fact for d in made.findings))


def written_classes(typed: TypedGraph) -> Iterator[str]:
    """The classes of blocks and of the net, without those that torch lacks."""
    every = re.split(r"\n\n\n(?=class |def |@)", torch_source(typed))
    last = [each for each in every if "(Network)" in each]
    named = {name for each in every for name in re.findall(r"self\.\w+ = ([A-Z]\w*)\(", each)}
    for each in every:
        name = re.match(r"class (\w+)", each)
        if each in last or (name and name[1] in named and "from " not in each and '    """Block' in each):
            yield from each.splitlines()


def paths(node: Located, prefix: str) -> Iterator[str]:
    """Every path to a value of a mapping."""
    for key, value in node.mapping.items():
        if isinstance(value.value, dict):
            yield from paths(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"
            if isinstance(value.value, list):
                yield f"{prefix}{key}.0"


def origins(read: Program) -> Iterator[str]:
    spec = read.resolved.spec
    asked_for = [p for key, value in spec.root.mapping.items() if key not in ("layers", "blocks", "defaults")
                 for p in (paths(value, f"{key}.") if isinstance(value.value, dict) else [key])]  # fmt: skip
    for draft in read.resolved.drafts:
        asked_for += paths(
            Located({k: v for k, v in draft.body.mapping.items() if k != "name"}), f"{draft.name}."
        )
    words = ("stride", "bias_term", "bias_filler", "weight_filler.std", "lr_mult", "nothing")
    layers = [draft.name for draft in read.resolved.drafts][:3]
    uses = [item for item in spec.items if hasattr(item, "variables")]
    asked_for += [f"{layer}.{word}" for layer in layers for word in words]
    asked_for += [
        f"{use.name}.{word}" for use in uses for word in (*use.variables, "repeat", "bottom.0", "block")
    ]
    asked_for += [
        "train.solver.gamma",
        "train.solver.moment",
        "nowhere",
        "name",
        "dialect",
        "conv.stride",
        layers[0] + "x",
    ]
    for path in dict.fromkeys(asked_for):
        try:
            yield origin(read.resolved, path)
        except SpecError as error:
            yield f"{path}: {error.diagnostics[0].code} {error.diagnostics[0].fact}"


def compared(name: str) -> Iterator[str]:
    """What differs from each variant, both ways."""
    for old, new in VARIANTS.get(name, ()):
        assert old in SPECS[name], old
        variant = load_source(Source(f"{name}.yaml", SPECS[name].replace(old, new)))
        for way in (1, -1):
            pair = (program(name), variant)[::way]
            deployed, trained = (
                [*differing(*(each.graph(phase) for each in pair))] for phase in ("deploy", "train")
            )
            yield f"{old[:50]!r} -> {new[:50]!r}, {'there' if way > 0 else 'back'}: {len(deployed)}, {len(trained)}"
            yield from (f"  {line}" for line in deployed)
            yield from (f"  in training {line}" for line in trained if line not in deployed)


def differing(a: TypedGraph, b: TypedGraph) -> Iterator[str]:
    yield from (change.text for change in changes(a, b))
    yield from (move.text for move in moves(a, b) if move.status != "kept")
    yield from (f"{what} {x} -> {y}" for what, x, y in totals(a, b) if x != y)


QUESTIONS: dict[str, Callable[[Program], Iterator[str]]] = {
    **{phase: lambda read, phase=phase: wiring(read.graph(phase)) for phase in ("deploy", "train", "test")},  # type: ignore[misc]
    **{f"training, {phase}": lambda read, phase=phase: wiring(read.training_graph(phase)) for phase in ("train", "test")},  # type: ignore[misc]
    "written out": lambda read: iter([read.resolved_text()]),
    "counts": counts,
    "sizes": sizes,
    "arithmetic": arithmetic,
    "classes": lambda read: written_classes(read.graph("train")),
    "Caffe's files": caffe_files,
    "origins": origins,
}  # fmt: skip


def told(name: str) -> Iterator[str]:
    for reading in READINGS.get(name, (PLAIN,)):
        read = program(name, reading)
        yield f"== {name} {', '.join(sorted(reading.stages) or reading.settings)}".rstrip()
        for label, ask in QUESTIONS.items():
            yield f"-- {label}"
            try:
                yield from ask(read)
            except SpecError as error:
                yield from (f"{d.code} {d.fact}" for d in error.diagnostics)
    yield from compared(name)
    for setting in SETTINGS if name == "heir" else ():
        yield f"--set {setting}"
        try:
            read = program(name, Reading(settings=(setting,)))
            yield from wiring(read.graph())
        except SpecError as error:
            yield from (f"{d.code} {d.fact} {d.notes}" for d in error.diagnostics)


@pytest.mark.parametrize("name", SPECS)
def test_a_whole_net_is_as_recorded(name: str, request: pytest.FixtureRequest) -> None:
    file, text = RECORDS / f"{name}.txt", "\n".join(told(name)).replace(f"{ROOT}/", "") + "\n"
    if request.config.getoption("update", default=False):
        RECORDS.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text.split("\n") == file.read_text(encoding="utf-8").split("\n")
