"""Damaged and hostile prototxt: every text gives a spec or diagnostics, whatever was cut, flipped, grown or nested."""

import random
from pathlib import Path

import pytest

from netspec.diagnostics import SpecError
from netspec.importers.caffe import convert

CASES = sorted((Path(__file__).parents[1] / "conformance" / "caffe" / "cases").glob("*.prototxt"))
MUTANTS = 6


def mutant(text: bytes, chance: random.Random) -> bytes:
    """One damage of a kind that a seed picks."""
    data, at = bytearray(text), chance.randrange(len(text))
    kind = chance.randrange(6)
    if kind == 0:
        return text[:at]
    if kind == 1:
        for _ in range(chance.randrange(1, 9)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif kind == 2:
        data[at : at + chance.randrange(1, 10)] = b"9" * chance.choice((10, 400, 5000))
    elif kind == 3:
        data[at:at] = b"layer {" * chance.choice((1, 50, 5000))
    elif kind == 4:
        data[at : at + chance.randrange(200)] = b""
    else:
        end = chance.randrange(at, len(text))
        data[at:at] = data[at:end]
    return bytes(data)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_damage_gives_a_spec_or_diagnostics(path: Path, tmp_path: Path) -> None:
    chance = random.Random(path.stem)
    for _ in range(MUTANTS):
        (tmp_path / "net.prototxt").write_bytes(mutant(path.read_bytes(), chance))
        try:
            assert convert(tmp_path / "net.prototxt").layers >= 0
        except SpecError as error:
            assert error.diagnostics


@pytest.mark.parametrize(
    "layer",
    [
        "top: { a: 1 } type: 'ReLU' bottom: 'x'",
        "bottom: { a: 1 } top: 'y' type: 'ReLU'",
        "name: 'i' type: 'Input' top: 'y' input_param: 'text'",
        "name: 'd' type: 'Data' top: 'y' data_param { source: '" + "x" * 5000 + "' }",
        "name: 'd' type: 'Data' top: 'y' data_param { source: 'a\\000b' }",
    ],
)
def test_values_of_another_kind(layer: str, tmp_path: Path) -> None:
    text = f'input: "x" input_shape {{ dim: 1 dim: 3 }}\nlayer {{ {layer} }}\nlayer {{ name: "r" type: "ReLU" bottom: "x" top: "r" }}\n'
    (tmp_path / "net.prototxt").write_text(text)
    try:
        codes = [d.code for d in convert(tmp_path / "net.prototxt").findings]
    except SpecError as error:
        codes = [d.code for d in error.diagnostics]
    assert codes
