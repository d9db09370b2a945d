"""A spec as prototxt and back: the same network, in every phase; what Caffe cannot say is refused by name."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from netspec import driver
from netspec.analysis.fingerprint import network_hash
from netspec.cli import group
from netspec.diagnostics import Diagnostics, SpecError
from netspec.exporters.prototxt import states_of, to_prototxt
from netspec.importers.caffe import convert
from netspec.importers.prototxt import import_prototxt
from netspec.ir.graph import Graph, ParamSpec
from netspec.resolve.resolve import wire
from netspec.source import Source

CASES = Path(__file__).parents[1] / "conformance" / "caffe" / "cases"


def program(text: str) -> driver.Program:
    return driver.load_source(Source("spec.yaml", text))


def canonical(made: driver.Program) -> list[Any]:
    """The net in each state: inputs, and every layer with its parameters, wiring and settings."""
    found: list[Any] = []
    for state in states_of(made):
        diagnostics = Diagnostics()
        graph = wire(made.resolved, state, diagnostics)
        found.append((state, None if diagnostics.failed else written(graph)))
    return found


def written(graph: Graph) -> Any:
    inputs = [(item.value.name, item.type) for item in graph.inputs if item.node is None]
    return inputs, [
        (
            node.name,
            node.layer,
            [v.name for v in node.bottoms],
            [v.name for v in node.tops],
            settings(node.params),
            node.loss_weights,
        )
        for node in (*graph.sources, *graph.nodes)
    ]


def settings(params: tuple[ParamSpec, ...]) -> list[ParamSpec]:
    found = list(params)
    while found and found[-1] == ParamSpec():
        found.pop()
    return found


def imported(text: str, folder: Path) -> driver.Program:
    (folder / "net.prototxt").write_text(text)
    result = import_prototxt(folder / "net.prototxt")
    assert result.findings == []
    return program(result.text)


@pytest.mark.parametrize("path", sorted(CASES.glob("*.prototxt")), ids=lambda path: path.stem)
def test_import_export_import(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES.parent)
    first = program(import_prototxt(path).text)
    text = to_prototxt(first).net
    second = imported(text, tmp_path)
    assert canonical(second) == canonical(first)
    assert network_hash(second.graphs()) == network_hash(first.graphs())
    assert to_prototxt(second).net == text


BLOCKS = """
name: chain
input: {data: [2, 8]}
blocks:
  unit:
    vars: {width: required}
    bottom: x
    layers:
      - {name: ip, type: InnerProduct, num_output: $width, weight_filler: {type: gaussian, std: 0.1}, param: [{lr_mult: 2}, {}]}
      - {name: act, type: ReLU, bottom: ip, top: ip}
      - {name: sum, type: Eltwise, bottom: [ip, x]}
layers:
  - {name: one, block: unit, bottom: data, repeat: 3, share: true, vars: {width: 8}}
  - {name: two, block: unit, vars: {width: 8}}
  - {name: prob, type: Softmax, include: {phase: TEST}}
  - {name: loss, type: SoftmaxWithLoss, bottom: [two, label], loss_weight: 0.5, include: {phase: TRAIN, not_stage: [a, b]}}
"""


def test_blocks_are_unrolled_and_shared_weights_get_a_name(tmp_path: Path) -> None:
    spec = BLOCKS.replace("input: {data: [2, 8]}", "input: {data: [2, 8], label: [2]}")
    text = to_prototxt(program(spec)).net
    assert text.count('name: "one.0.ip.weight"') == text.count('name: "one.0.ip.bias"') == 3
    back = imported(text, tmp_path)
    want, have = program(spec).graph("train"), back.graph("train")
    assert network_hash([have]) == network_hash([want])
    assert [n.name for n in have.graph.nodes] == [n.name for n in want.graph.nodes]
    weights = [
        [(ref.name, ref.shared, ref.settings.lr_mult) for ref in typed.weight_refs()]
        for typed in (have, want)
    ]
    assert weights[0] == weights[1]
    assert to_prototxt(back).net == text
    assert (
        'loss_weight: 0.5\n  include {\n    phase: TRAIN\n    not_stage: "a"\n    not_stage: "b"\n  }\n'
        in text
    )


def test_windows_per_axis() -> None:
    text = to_prototxt(
        program("""
input: {x: [1, 2, 9, 9]}
layers:
  - {name: c, type: Convolution, num_output: 2, kernel_size: [3, 1], pad: [[1, 1], [0, 0]], stride_h: 2}
  - {name: p, type: Pooling, pool: MAX, kernel_h: 2, kernel_w: 3, pad: valid}
""")
    ).net
    assert "kernel_size: 3\n    kernel_size: 1\n" in text
    assert "stride: 2\n    stride: 1\n" in text
    assert "pad: 1\n    pad: 0\n" in text
    assert "kernel_h: 2\n    kernel_w: 3\n" in text


@pytest.mark.parametrize(
    ("layer", "fact"),
    [
        (
            "{name: c, type: Convolution, num_output: 2, kernel_size: 2, pad: [[0, 1], [0, 1]]}",
            "pad of layer c",
        ),
        (
            "{name: c, type: Convolution, num_output: 2, kernel_size: 3, pad: same}",
            "pad of layer c: same has no form in convolution_param",
        ),
        ("{name: c, type: Pooling, pool: L2, kernel_size: 2}", "pool of layer c"),
        ("{name: r, type: Resize, size: [4, 4]}", "layer r: Caffe has no type Resize"),
    ],
)
def test_what_caffe_cannot_say(layer: str, fact: str) -> None:
    with pytest.raises(SpecError) as caught:
        to_prototxt(program(f"input: {{x: [1, 2, 9, 9]}}\nlayers:\n  - {layer}\n"))
    assert [d.code for d in caught.value.diagnostics] == ["NS710"]
    assert caught.value.diagnostics[0].fact.startswith(fact)


def test_open_sizes() -> None:
    made = to_prototxt(program("input: {x: [N, 2]}\nlayers:\n  - {name: r, type: ReLU}\n"))
    assert "dim: 1\n      dim: 2\n" in made.net
    assert [d.fact for d in made.findings] == ["N of input x: written as 1"]
    with pytest.raises(SpecError, match="NS710"):
        to_prototxt(program("input: {x: [N, 2, H]}\nlayers:\n  - {name: r, type: ReLU}\n"))


def test_command(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("""
input: {data: [2, 3]}
layers: [{name: ip, type: InnerProduct, num_output: 4}]
train: {data: {source: digits, batch_size: 2}, solver: {type: Adam, base_lr: 0.1, max_iter: 5, warmup_iter: 2}}
""")
    out = tmp_path / "net.prototxt"
    result = CliRunner().invoke(
        group,
        ["export", str(tmp_path / "net.yaml"), "--to", "prototxt", "-o", str(out)],
        standalone_mode=False,
    )
    assert result.exception is None, result.output
    solver = tmp_path / "net.solver.prototxt"
    assert solver.read_text() == 'net: "net.prototxt"\ntype: "Adam"\nbase_lr: 0.1\nmax_iter: 5\n'
    again = import_prototxt(out, solver=solver)
    assert again.tree["train"]["solver"] == {"type": "Adam", "base_lr": 0.1, "max_iter": 5}
    assert again.tree["input"] == {"data": [2, 3]}


CONTRACTS = {
    "scale": "{scale: 0.0125}",
    "scale and mean": "{scale: 0.02, mean_value: 100}",
    "one mean for all": "{mean_value: [90, 90, 90], color: rgb}",
    "one deviation": "{mean_value: 90, std_value: 64, scale: 2}",
    "deviations alike": "{std_value: [60, 60, 60]}",
}


@pytest.mark.torch
@pytest.mark.parametrize("words", CONTRACTS.values(), ids=CONTRACTS)
@pytest.mark.parametrize("inplace", [False, True])
def test_the_contracts_numbers_are_kept(words: str, inplace: bool, tmp_path: Path) -> None:
    import torch

    import netspec

    act = (
        "{name: r, type: ReLU, bottom: data, top: data}" if inplace else "{name: r, type: ReLU, bottom: data}"
    )
    text = f"input: {{data: {{shape: [N, 3, 4, 4], image: {words}}}}}\nlayers:\n  - {act}\n  - {{name: p, type: Power, shift: 1}}\n"
    program = driver.load_source(Source("net.yaml", text))
    contract = program.graph().graph.inputs[0].contract
    assert contract is not None
    (tmp_path / "net.prototxt").write_text(to_prototxt(program).net)
    back = netspec.compile(
        driver.load_source(Source("back.yaml", convert(tmp_path / "net.prototxt").text)).graph()
    )
    pixels = torch.randint(0, 256, (2, 3, 4, 4)).float()
    mean = contract.mean_value[0] if contract.mean_value else 0
    deviation = contract.std_value[0] if contract.std_value else 1
    torch.testing.assert_close(
        back(pixels), netspec.compile(program.graph())((pixels - mean) / deviation * contract.scale)
    )


def test_a_mean_of_each_channel_stays_outside() -> None:
    text = "input: {data: {shape: [N, 3, 4, 4], image: {scale: 0.5, mean_value: [1, 2, 3], color: bgr}}}\nlayers:\n  - {name: r, type: ReLU}\n"
    made = to_prototxt(driver.load_source(Source("net.yaml", text)))
    assert "power_param {\n    scale: 0.5\n  }" in made.net
    assert 'bottom: "data_prepared"' in made.net
    (finding,) = [d for d in made.findings if d.fact.startswith("image")]
    assert (
        "its scale is layer data_prepared; Caffe's data layers hold color, mean_value in transform_param"
        in finding.fact
    )


def test_a_deviation_of_each_channel_is_left_to_who_feeds_the_net() -> None:
    """With it the mean, which comes before it."""
    words = "{scale: 0.5, mean_value: 7, std_value: [1, 2, 3]}"
    text = f"input: {{data: {{shape: [N, 3, 4, 4], image: {words}}}}}\nlayers:\n  - {{name: r, type: ReLU}}\n"
    made = to_prototxt(driver.load_source(Source("net.yaml", text)))
    assert "power_param {\n    scale: 0.5\n  }" in made.net
    facts = [d.fact for d in made.findings if d.fact.startswith("image")]
    assert any("hold mean_value in transform_param" in fact for fact in facts)
    assert any("divides by std_value [1.0, 2.0, 3.0] after the mean" in fact for fact in facts)
