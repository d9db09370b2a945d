"""Blocks that no layer comes from: what is wrong in them whatever their variables hold is found, and nothing else is.

The blocks are those of the zoo and of the tests' Markdown; a library is a spec with its net taken away.
"""

import copy
import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from netspec.driver import findings
from netspec.read_options import PLAIN
from netspec.source import Source

ROOT = Path(__file__).parents[2]
KEPT = ("netspec", "description", "import", "vars", "blocks")
LATER = ("NS112", "NS113", "NS205", "NS207", "NS208", "NS301", "NS302", "NS303", "NS401", "NS403", "NS413")
"""Faults of a net that its blocks need not have."""
LAYER = "blocks: {unit: {vars: {n: required}, layers: [%s]}}"
NET = "input: {data: [N, 1, 8, 8]}\nlayers: [{name: ip, type: InnerProduct, num_output: 10, weight_filler: xavier}]\n"


@cache
def libraries() -> dict[str, dict[str, Any]]:
    """Every spec of the zoo that has blocks, without its net."""
    found = {}
    for path in sorted((ROOT / "specs").rglob("*.yaml")):
        spec = parsed(path.read_text(encoding="utf-8"))
        if "blocks" in spec:
            found[str(path)] = {key: value for key, value in spec.items() if key in KEPT}
    return found


def parsed(text: str) -> Any:
    """By PyYAML's C part: the zoo takes its pure one two seconds."""
    return yaml.load(text, yaml.CSafeLoader)


def written(library: dict[str, Any]) -> str:
    return str(yaml.dump(library, Dumper=yaml.CSafeDumper, sort_keys=False))


def codes(text: str, name: str = "spec.yaml") -> list[str]:
    return [d.code for d in findings(Source(name, text), PLAIN)]


def layers_of(library: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for block in library["blocks"].values():
        yield from block["layers"]


def test_no_block_of_the_zoo_is_told_anything() -> None:
    assert {path: codes(written(each), path) for path, each in libraries().items()} == {
        path: [] for path in libraries()
    }
    assert len(libraries()) >= 25
    assert sum(1 for each in libraries().values() for _ in layers_of(each)) >= 150


def test_no_sound_block_of_a_page_is_told_anything() -> None:
    """Specs in Markdown and in tests whose faults are in no block, or that have none, are clean as libraries."""
    looked_at = 0
    for path in sorted(each for part in ("docs", "netspec", "tests") for each in (ROOT / part).rglob("*.md")):
        for text in re.findall(r"```yaml\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
            if "\nblocks:" not in f"\n{text}" or any(code not in LATER for code in codes(text)):
                continue
            library = {key: value for key, value in parsed(text).items() if key in KEPT}
            assert codes(written(library)) == [], path
            looked_at += 1
    assert looked_at >= 5


USES = "blocks: {inner: {vars: {n: required, m: 2}, layers: [{name: a, type: TanH}]}, outer: {layers: [{name: u, block: inner%s}]}}"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("", ["NS113"]),
        (", vars: {n: 1}", []),
        (", vars: {n: $n, m: 3}", []),
        (", vars: {n: 1, k: 2}", ["NS112"]),
        (", vars: {k: 2}", ["NS112", "NS113"]),
        (", vars: 3", ["NS104", "NS113"]),
    ],
)
def test_a_use_gives_what_the_block_declares(given: str, found: list[str]) -> None:
    assert sorted(codes(USES % given)) == found


def misspelt(word: str, draw: random.Random) -> str:
    at = draw.randrange(len(word))
    return word[:at] + "qz" + word[at + 1 :]


def damaged(library: dict[str, Any], draw: random.Random) -> tuple[str, str]:
    """The library with one word of one layer misspelt, and the code that says so."""
    copied = copy.deepcopy(library)
    layer = draw.choice(
        [each for each in layers_of(copied) if len(each) > 2 and "$" not in str(each.get("type"))]
    )
    key = draw.choice([key for key in layer if key not in ("name", "type", "block")])
    kind = "block" if "block" in layer else "type"
    if draw.random() < 0.5:
        layer[kind] = misspelt(layer[kind], draw)
        return written(copied), "NS118" if kind == "block" else "NS101"
    value = layer.pop(key)
    layer[misspelt(key, draw)] = value
    return written(copied), "NS102"


@pytest.mark.parametrize("seed", range(2))
def test_a_misspelt_word_in_an_unused_block_is_found(seed: int) -> None:
    """In a library alone, and imported into a net that uses none of it."""
    draw = random.Random(seed)
    for path, library in libraries().items():
        text, code = damaged(library, draw)
        assert code in codes(text, path), (path, text)
        assert code in codes(NET + text, path)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ("{name: a, type: Powerx}", ["NS101"]),
        ("{name: a, num_output: 3}", ["NS103"]),
        ("{type: ReLU}", ["NS103"]),
        ("ReLU", ["NS104"]),
        ("{name: a, type: Convolution, num_ouput: $n}", ["NS102"]),
        ("{name: a, type: Convolution, convolution_param: {num_output: $n, kernel_sze: 3}}", ["NS102"]),
        ("{name: a, type: Convolution, num_output: $n, kernel_size: -3}", ["NS106"]),
        ("{name: a, type: Convolution, num_output: $n, kernel_size: three}", ["NS104"]),
        ("{name: a, type: Pooling, pool: MAXI, kernel_size: $n}", ["NS105"]),
        ("{name: a, type: ReLU, include: [{phase: TRIAN}]}", ["NS105"]),
        ("{name: a, type: ReLU, bottom: y}", ["NS201"]),
        ("{name: a, type: ReLU, bottom: b}, {name: b, type: ReLU, bottom: x}", ["NS202"]),
        ("{name: a, block: unti}", ["NS118"]),
        ("{name: a, block: unit, repat: 3, vars: {n: 1}}", ["NS102"]),
    ],
)
def test_each_fault(layer: str, expected: list[str]) -> None:
    text = LAYER % layer
    assert codes(text) == expected
    assert codes(NET + text) == expected


@pytest.mark.parametrize(
    "layer",
    [
        "{name: a, type: $n}",
        "{name: a, type: Convolution}",
        "{name: a, type: Convolution, num_output: $n, kernel_size: [1, $n], weight_filler: {type: $n, value: -1}}",
        "{name: a, type: Convolution, convolution_param: {num_output: $n, kernel_size: 3}}",
        '{name: "a$n", type: ReLU}, {name: b, type: ReLU, bottom: c}',
        "{name: a, block: other, repeat: 2}, {name: b, type: ReLU, bottom: a.0.y}, {name: c, type: ReLU, bottom: a}",
        "{name: a, when: $n, type: ReLU}",
    ],
)
def test_what_variables_decide_is_left_alone(layer: str) -> None:
    text = LAYER.replace("unit", "other: {layers: [{name: y, type: ReLU}]}, unit") % layer
    assert codes(text) == []
    assert codes(NET + text) == []
