"""Integers and numbers have the 32 bits of Caffe's messages; tensors as many values as can be counted."""

from pathlib import Path
from typing import Any

import pytest

from netspec import driver
from netspec.diagnostics import SpecError
from netspec.importers.caffe import convert
from netspec.ir.layer import REGISTRY, Filler
from netspec.kinds import FLOAT, INT
from netspec.layers import every
from netspec.record import Bounds, Param, Reject
from netspec.repair.check import check_source
from netspec.source import Source
from netspec.syntax.located import place

every()
PARAMETERS = [(f"{name}.{p.name}", p) for name, cls in sorted(REGISTRY.items()) for p in cls.params.values()]
PARAMETERS += [(f"Filler.{p.name}", p) for p in Filler.params.values()]


def takes(declared: Param, value: Any) -> bool:
    try:
        found = declared.kind.read(place(value), declared.bounds)
    except Reject:
        return False
    return isinstance(found, int) or (
        isinstance(found, tuple) and all(isinstance(item, int) for item in found)
    )


INTEGERS = [
    pytest.param(p, id=name)
    for name, p in PARAMETERS
    if any((takes(p, n) and takes(p, [n])) or takes(p, n) for n in (1, 2, 3))
]


def test_there_are_many() -> None:
    assert len(INTEGERS) > 100


@pytest.mark.parametrize("declared", INTEGERS)
def test_an_integer_has_32_bits(declared: Param) -> None:
    for value in ((1 << 31), -(1 << 31) - 1, 4294967297, 1e23, 1 << 63, 1 << 64):
        assert not takes(declared, value)
        assert not takes(declared, [value])


def test_the_limits_themselves_are_taken() -> None:
    for value in ((1 << 31) - 1, -(1 << 31)):
        assert INT.read(place(value), Bounds()) == value


@pytest.mark.parametrize("number", ["3.5e38", "-1e39", "1e300", f"1{'0' * 39}"])
def test_a_number_is_finite_in_32_bits(number: str) -> None:
    """What is more is infinite in the net: torch refuses it when the net is called."""
    for value in (3.4028234663852886e38, -3.4028234663852886e38, 1e-60, 1e38):
        assert FLOAT.read(place(value), Bounds()) == value
    text = f"input: {{data: [N, 4]}}\nlayers: [{{name: e, type: ELU, alpha: {number}}}]"
    (found,) = check_source(Source("net.yaml", text))
    assert found.code == "NS104" and "is more than the 32 bits of a number hold" in found.fact


@pytest.mark.parametrize("number", ["1e23", "2147483648", "4294967297", "9223372036854775808"])
def test_check_says_it(number: str) -> None:
    text = f"input: {{data: [N, 4]}}\nlayers: [{{name: ip, type: InnerProduct, num_output: {number}}}]"
    (found,) = check_source(Source("net.yaml", text))
    assert (found.code, found.label) == ("NS106", "must be <= 2147483647")
    inside = f"input: {{data: [N, {number}]}}\nlayers: [{{name: r, type: ReLU}}]"
    assert {d.code for d in check_source(Source("net.yaml", inside))} == {"NS109"}


def test_a_size_that_32_bits_take_for_infinite_is_no_letter() -> None:
    """JSON Schema sees such a number as text, as it sees infinity: the two checks disagreed, a bug in netspec (NS901)."""
    for size, said in ((10**39, "one of 40 digits is more than 2147483647"), (-(10**39), "is neither")):
        text = (
            f"layers:\n  - {{name: a, type: Input, shape: {{dim: [1, {size}]}}}}\n  - {{name: r, type: ReLU}}"
        )
        (found,) = check_source(Source("net.yaml", text))
        assert found.code == "NS109" and said in found.fact


@pytest.mark.parametrize("number", ["4294967297", "4294967296", "18446744073709551617", "-1"])
def test_import_says_it(number: str, tmp_path: Path) -> None:
    text = 'input: "data" input_shape { dim: 1 dim: 4 } layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" '
    (tmp_path / "net.prototxt").write_text(text + f"inner_product_param {{ num_output: {number} }} }}")
    with pytest.raises(SpecError, match="NS023"):
        convert(tmp_path / "net.prototxt")


@pytest.mark.parametrize(
    "layers",
    [
        "{name: up, type: Tile, axis: 1, tiles: 2000000000}",
        "{name: ip, type: InnerProduct, axis: 1, num_output: 2000000000}",
    ],
)
def test_a_tensor_can_be_counted(layers: str) -> None:
    text = f"input: {{data: [N, 100000, 100000, 3]}}\nlayers: [{layers}]"
    found = check_source(Source("net.yaml", text))
    assert [d.code for d in found if d.severity == "error"] == ["NS216"]
    assert "2000000000" in found[0].fact or "200000000000000" in found[0].fact


@pytest.mark.torch
def test_a_net_larger_than_the_machine_is_not_built() -> None:
    import netspec

    text = "input: {data: [N, 4096]}\nlayers: [{name: ip, type: InnerProduct, num_output: 2147483647}]"
    with pytest.raises(SpecError, match=r"NS505.*ip.weight has 2147483647 \* 4096"):
        netspec.compile(driver.load_source(Source("net.yaml", text)))
