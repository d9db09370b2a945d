"""The zoo against other people's implementations, as record_independent.py found them: weights, products, and what comes out."""

import json
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from alike import Product, bare, counted, image, numbers
from zoo_nets import PATHS, SMALL, role, scored, typed

from netspec import driver
from netspec.analysis.cost import cost
from netspec.compiled import compile as compiled
from netspec.ir.graph import TypedGraph
from netspec.source import Source
from tests.zoo.kinds import SAMPLE

RECORD = json.loads((Path(__file__).parent / "independent.json").read_text(encoding="utf-8"))
PYTORCH_POOL = "override: {pool1: {pad: 1, round_mode: FLOOR}}"
OPTION_B = """
remove: [res3, res4]
insert:
  - after: res2
    layers:
      - {name: res3, block: basic, repeat: $n, vars: {width: 32, project: "${i == 0}", stride: "${2 if i == 0 else 1}"}}
      - {name: res4, block: basic, repeat: $n, vars: {width: 64, project: "${i == 0}", stride: "${2 if i == 0 else 1}"}}
"""
CHANGES = {
    "alexnet": "override: {norm1: {k: 2}, norm2: {k: 2}}",  # the paper's k; BVLC's is 1
    "zfnet": "remove: [norm1, norm2]\ninsert:\n"  # theirs normalises before it pools, as AlexNet does; the paper's figure 3 after
    "  - {after: relu1, layers: [{name: norm1, type: LRN, local_size: 5, alpha: 0.0001, beta: 0.75, k: 2}]}\n"
    "  - {after: relu2, layers: [{name: norm2, type: LRN, local_size: 5, alpha: 0.0001, beta: 0.75, k: 2}]}",
    "nin-cifar": "override: {pool1: {pad: 1, round_mode: FLOOR}, pool2: {pad: 1, round_mode: FLOOR}}",  # Caffe's pooling rounds up
    "inception-v2": "override: {4c: {vars: {wp: 128}}, 4d: {vars: {wp: 128}}}",  # the paper's widths, which its 576 contradict
    **dict.fromkeys(["resnet-18", "resnet-34", "resnet-50", "resnet-101", "resnet-152"], PYTORCH_POOL),
    **dict.fromkeys(
        ["resnet-20", "resnet-56", "resnet-110"], OPTION_B
    ),  # shortcuts by 1x1 convolutions: 2,752 parameters more
}
"""What of a spec has to be changed to be their net; where nothing stands, it is theirs as it is."""
EDITS = {
    "inception-v3": [  # torchvision's averages count the border in, TensorFlow's, where the net comes from, do not
        ("block: averaged", "block: averaged-with-border"),
        (
            "blocks:\n",
            "blocks:\n"
            "  averaged-with-border:\n"
            "    vars: {width: required}\n"
            "    layers:\n"
            "      - {name: pool, type: Pooling, pool: AVE, kernel_size: 3, stride: 1, pad: 1, count_include_pad: true}\n"
            "      - {name: out, block: conv-bn, vars: {width: $width}}\n",
        ),
    ],
    "shufflenet-v1-g3": [  # theirs joins in the other order, and its averages count the border in
        ("bottom: [pool, wide]", "bottom: [wide, pool]"),
        (", count_include_pad: false", ""),
    ],
}
"""The same where a block has to be changed."""


@cache
def theirs(name: str) -> TypedGraph:
    """The spec, changed to what the recorded net is."""
    text = f"netspec: 1\nname: changed\nbase: zoo:{name}\n{CHANGES.get(name, '')}\n"
    if name in EDITS:
        text = Path(PATHS[name]).read_text(encoding="utf-8")
        for old, new in EDITS[name]:
            assert old in text
            text = text.replace(old, new)
        text = text[: text.index("\nexpect:") + 1]
    return scored(driver.load_source(Source(str(Path(PATHS[name]).with_name("changed.yaml")), text)).graph())


def tensors(graph: TypedGraph) -> Iterator[Product]:
    return (
        (bare(ref.weight.shape), 1)
        for ref in graph.weight_refs()
        if ref.kind == "parameter" and not ref.shared
    )  # type: ignore[arg-type]


def products(graph: TypedGraph) -> Iterator[Product]:
    """Convolutions and dense layers, as a hook on their modules sees them."""
    for node in graph.graph.nodes:
        if graph.macs(node) != 0 and node.layer.type != "MultiHeadAttention":
            weight, (top,) = graph.weights[node][0], graph.tops(node)
            yield bare(weight.shape), math.prod(top.shape[1:]) // weight.shape[0]  # type: ignore[arg-type, operator]


@pytest.mark.parametrize("name", RECORD)
def test_weights_and_products_are_those_of_another_implementation(name: str) -> None:
    graph, record = theirs(name), RECORD[name]
    idle = name == "inception-v2"  # theirs has biases before batch norm, where they do nothing
    if not idle:
        assert counted(tensors(graph)) == record["tensors"]
    assert counted(products(graph)) == record["products"]
    if name not in CHANGES or "pool1" in CHANGES[name] or "norm1" in CHANGES[name]:
        found = cost(typed(name))
        assert found.parameters == record["parameters"]
        assert found.macs == record["macs"] + (ATTENTION if name == "vit-b-16" else 0)


ATTENTION = 12 * (4 * 197 * 768 * 768 + 2 * 197 * 197 * 768)
"""What runs inside torch's attention, unseen by hooks: four dense layers, queries times keys, and these times the values."""


def test_what_differs_in_the_others_is_what_is_said_to_differ() -> None:
    option_b = (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)
    for name in ("resnet-20", "resnet-56", "resnet-110"):
        assert RECORD[name]["parameters"] - cost(typed(name)).parameters == option_b
    wider, biases = (
        theirs("inception-v2"),
        sum(w[0] * n for w, _, n in RECORD["inception-v2"]["products"] if w != [1000, 1024]),
    )
    assert RECORD["inception-v2"]["parameters"] == cost(wider).parameters + biases
    assert RECORD["inception-v2"]["macs"] == cost(wider).macs


@pytest.mark.parametrize(
    "name",
    [
        name
        if name in (*SAMPLE, *EDITS) and found["parameters"] <= SMALL
        else pytest.param(name, marks=pytest.mark.slow)
        for name, found in RECORD.items()
    ],
)
@torch.no_grad()
def test_outputs_are_those_of_another_implementation(name: str) -> None:
    """Weights follow from their shapes on both sides, so the nets compute the same or are not the same."""
    graph, record = theirs(name), RECORD[name]
    net: Any = compiled(graph).eval()
    for ref in graph.weight_refs():
        if not ref.shared:
            tensor = net.layer_parameters(ref.node.name)[ref.index]
            tensor.copy_(torch.from_numpy(numbers(tensor.shape, role(ref))))
    (data,) = (i.value for i in graph.graph.inputs)
    made = net(torch.from_numpy(image((2, *graph.types[data].shape[1:]))))  # type: ignore[arg-type]
    found = made[graph.graph.outputs[0].name].numpy().reshape(2, -1)
    assert found.shape[1] == record["outputs"]
    # what one image changes against the other is the measure: a bias that both share would hide a difference
    np.testing.assert_allclose(found[:, :10], record["values"], rtol=0, atol=0.02 * record["apart"])
