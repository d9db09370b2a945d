"""A dollar that was forgotten: the finding says what to write; other texts are left alone."""

import pytest

from netspec.diagnostics.model import Diagnostic
from netspec.repair.check import check_source, fix_source
from netspec.source import Source
from netspec.syntax.missing_dollar import find_declared

NET = """vars: {width: 16, deep: true}
input: {data: [N, 3, 32, 32]}
blocks:
  res:
    vars: {c: required, stride: 1}
    bottom: x
    layers:
      - {name: conv, type: Convolution, num_output: $c, kernel_size: 3, stride: $stride}
layers:
  - {name: first, type: Convolution, num_output: 8, kernel_size: 3, bias_term: true}
  - {name: body, block: res, vars: {c: 4}}
"""


def first(text: str) -> Diagnostic:
    return next(d for d in check_source(Source("s.yaml", text)) if d.severity == "error")


@pytest.mark.parametrize(
    ("old", "new", "meant"),
    [
        ("num_output: 8", "num_output: width", "$width"),
        ("bias_term: true", "bias_term: deep", "$deep"),
        ("num_output: 8", "num_output: 2 * width", '"${2 * width}"'),
    ],
)
def test_the_fix_puts_it_in(old: str, new: str, meant: str) -> None:
    found = first(NET.replace(old, new))
    assert (found.code, [fix.text for fix in found.fixes]) == ("NS104", [f"write {meant}"])
    assert fix_source(Source("s.yaml", NET.replace(old, new))).source.text == NET.replace(
        old, f"{old.split(maxsplit=1)[0]} {meant}"
    )


@pytest.mark.parametrize(
    ("old", "new", "meant"),
    [
        ("num_output: 8", "num_output: 2*$width", '"${2*width}" for 2*$width'),
        ("c: 4", "c: 2*$width", '"${2*16}" for 2*16'),
        ("c: 4", 'c: 4, stride: "2 if i == 0 else 1"', '"${2 if i == 0 else 1}" for 2 if i == 0 else 1'),
        ("{name: conv, type", '{name: conv, when: "$stride > 1", type', '"${stride > 1}" for $stride > 1'),
    ],
)
def test_a_note_where_the_text_was_made_elsewhere(old: str, new: str, meant: str) -> None:
    assert f"only what stands in ${{...}} is computed: write {meant}" in first(NET.replace(old, new)).notes


@pytest.mark.parametrize("word", ["many", "widths", "same-pad", "3x3", "2 * depth", "[width", "N"])
def test_other_texts_are_left_alone(word: str) -> None:
    found = first(NET.replace("num_output: 8", f'num_output: "{word}"'))
    assert found.notes == () and not any("$" in fix.text for fix in found.fixes)


def test_what_stands_in_no_file_has_no_variables() -> None:
    assert find_declared(None) == frozenset()
    assert find_declared(Source("s.yaml", "layers: []\n")) == frozenset()
    assert find_declared(Source("s.yaml", NET)) == {"width", "deep", "c", "stride"}
