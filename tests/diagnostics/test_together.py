"""All independent errors in one run: faults of several kinds, each in a branch of its own, told once; nothing that follows from them."""

import random

import pytest

from netspec.repair.check import check_source
from netspec.source import Source

BRANCH = (
    "  - {{name: b{i}_conv, type: Convolution, bottom: data, num_output: 8, kernel_size: 3, pad: 1, weight_filler: msra}}\n"
    "  - {{name: b{i}_relu, type: ReLU}}\n"
    "  - {{name: b{i}_pool, type: Pooling, pool: MAX, kernel_size: 2, stride: 2}}\n"
    "  - {{name: b{i}_ip, type: InnerProduct, num_output: 10, weight_filler: xavier}}\n"
)
FAULTS = {
    "NS102": ("num_output: 8", "numm_outputs: 8, num_output: 8"),
    "NS101": ("type: Pooling", "type: Frobnicate"),
    "NS201": ("bottom: data", "bottom: picture"),
    "NS301": ("kernel_size: 2", "kernel_size: 70"),
    "NS302": ("pad: 1", "pad: 1, group: 7"),
    "NS106": ("kernel_size: 3", "kernel_size: 0"),
    "NS104": ("num_output: 10", "num_output: many"),
    "NS105": ("pool: MAX", "pool: MAXIMUM"),
    "NS103": ("num_output: 10, ", ""),
    "NS107": ("kernel_size: 3", "kernel_size: [3, 3, 3]"),
    "NS303": ("num_output: 10", "num_output: 10, axis: 7"),
}
BESIDE = (
    ("NS102", "expect: {parametres: 5}"),
    ("NS104", "expect: {parameters: lots}"),
    ("NS330", "expect: {shapes: {nothing: [N]}}"),
    ("NS330", "expect: {train: {causal: nothing}}"),
    ("NS208", "output: nothing"),
    ("NS102", "train: {data: digits, solver: {base_lr: 0.1, max_iter: 10, momentm: 0.9}}"),
)


@pytest.mark.parametrize("seed", range(40))
def test_each_of_several_faults_is_told_once(seed: int) -> None:
    rng = random.Random(seed)
    kinds = rng.sample(sorted(FAULTS), rng.randint(2, 5))
    branches = [BRANCH.format(i=i) for i in range(6)]
    for i, kind in enumerate(kinds):
        assert FAULTS[kind][0] in branches[i]
        branches[i] = branches[i].replace(*FAULTS[kind], 1)
    code, line = rng.choice(BESIDE)
    joined = "  - {name: all, type: Concat, bottom: [" + ", ".join(f"b{i}_ip" for i in range(6)) + "]}\n"
    text = "netspec: 1\ninput: {data: [N, 3, 32, 32]}\nlayers:\n" + "".join(branches) + joined + line + "\n"
    found = check_source(Source("spec.yaml", text))
    assert sorted(d.code for d in found) == sorted([*kinds, code])
    for i, kind in enumerate(kinds):
        lines = range(4 + 4 * i, 8 + 4 * i)
        assert [d.code for d in found if d.span is not None and d.span.begin[0] in lines] == [kind]


def test_what_a_faulty_layer_may_make_is_no_stranger() -> None:
    text = """netspec: 1
input: {data: [N, 3, 8, 8]}
layers:
  - {name: c, type: Convolutoin, num_output: 4, kernel_size: 3, top: [features]}
  - {nmae: d, type: Convolution, num_output: many, kernel_size: 3}
output: [d, features]
expect: {shapes: {d: [N, 4, 4, 4], features: [N, 4, 6, 6]}, units: {hidden: 4}}
"""
    assert sorted({d.code for d in check_source(Source("spec.yaml", text))} & {"NS208", "NS330"}) == []


def test_of_two_layers_of_one_name_each_feeds_its_own_reader() -> None:
    text = "netspec: 1\ninput: {data: [N, 3, 32, 32]}\nlayers:\n" + "".join(
        BRANCH.format(i=i) for i in range(2)
    )
    text = text.replace("name: b0_relu", "name: b1_relu").replace("num_output: 10", "num_output: 10, axis: 7")
    found = check_source(Source("spec.yaml", text))
    assert [(d.code, d.span.begin[0]) for d in found if d.span is not None] == [
        ("NS203", 5),
        ("NS303", 7),
        ("NS303", 11),
    ]


@pytest.mark.parametrize(
    "text", ["vars: {width: 8}\n", "vars: {n: 1}\nblocks: {u: {layers: [{name: r, type: ReLU}]}}\n"]
)
def test_a_file_of_variables_and_blocks_is_for_others_to_import(text: str) -> None:
    assert check_source(Source("spec.yaml", text)) == []
    assert [d.code for d in check_source(Source("spec.yaml", text + "input: {data: [N, 3]}\n"))] == ["NS209"]
