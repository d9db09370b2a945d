"""Seeded faults: what an independent rule proves illegal is reported, where it stands (benchmarks/faults.py has the whole measurement)."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from netspec.repair.check import check_source
from netspec.source import Source
from netspec.syntax.paths import zoo_specs

SPECS = dict(zoo_specs())
SAMPLE = ("lenet", "resnet-20", "u-net", "sobel", "dcgan-digits")


@pytest.fixture(scope="module")
def faults() -> ModuleType:
    folder = str(Path(__file__).resolve().parents[2] / "benchmarks")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("faults")
    finally:
        sys.path.remove(folder)


def held(faults: ModuleType, names: tuple[str, ...], each: int, spare: int = 0) -> None:
    """The shares that the issue asks for, over some specs; `spare` faults of a kind more may fall short in a sample."""
    total: dict[str, list[object]] = {kind: [] for kind in faults.KINDS}
    for name in names:
        for row, verdicts in faults.measured(SPECS[name], each).rows.items():
            total[row.split(",")[0]] += verdicts
    every = [v for verdicts in total.values() for v in verdicts]
    assert len(every) > each * len(names) // 2
    assert not any(v.crashed for v in every)
    assert sum(v.reported for v in every) >= 0.99 * len(every)
    assert sum(v.clean for v in every) == sum(v.fixes for v in every)
    for kind, (primary, secondary) in faults.TARGETS.items():
        assert sum(v.primary for v in total[kind]) >= primary * len(total[kind]) - spare, kind
        assert sum(v.secondary for v in total[kind]) >= secondary * len(total[kind]) - spare, kind


@pytest.mark.torch
def test_a_sample(faults: ModuleType) -> None:
    held(faults, SAMPLE, 11, spare=2)


@pytest.mark.slow
@pytest.mark.torch
def test_a_larger_sample(faults: ModuleType) -> None:
    held(faults, SAMPLE, 20, spare=2)


@pytest.mark.slow
@pytest.mark.torch
def test_every_spec(faults: ModuleType) -> None:
    held(faults, tuple(SPECS), 200)


HEAD = "netspec: 1\ninput: {data: [N, 3, 8, 8]}\nblocks: {b: {layers: [{name: r, type: ReLU}]}}\nlayers:\n"


@pytest.mark.parametrize(
    "layers",
    [
        "  - {name: x, block: b}\n  - {name: x, block: b}\n",
        "  - {name: x, type: ReLU}\n  - {name: x, block: b, repeat: 2}\n",
        "  - {name: x, block: b, repeat: 2}\n  - {name: x, type: ReLU}\n",
    ],
)
def test_a_use_of_a_block_has_a_name_of_its_own(layers: str) -> None:
    found = check_source(Source("spec.yaml", HEAD + layers))
    assert [(d.code, d.span.begin[0] if d.span else 0) for d in found] == [("NS203", 6)]


def test_a_default_that_no_layer_needs_is_checked() -> None:
    head = "netspec: 1\ninput: {data: [N, 3, 8, 8]}\ndefaults: {Pooling: {stride: many}}\n"
    text = head + "layers: [{name: p, type: Pooling, stride: 2, kernel_size: 2}]"
    assert [d.code for d in check_source(Source("spec.yaml", text))] == ["NS104"]
