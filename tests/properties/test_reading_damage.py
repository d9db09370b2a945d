"""Whatever the bytes, reading answers with a tree or with findings; every span says what stands there."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netspec.diagnostics import Diagnostic, Diagnostics
from netspec.diagnostics.formats import FORMATS, format_findings
from netspec.source import Source
from netspec.syntax.located import Located, plain
from netspec.syntax.reader import read, read_file

_SPEC = """# a net
netspec: 1
name: LeNet
description: "in quotes: fine"
vars: {width: 64, classes: 10}
input:
  data: [N, 1, 28, 28]
defaults: &d
  Convolution: {weight_filler: xavier}
layers:
  - {name: conv1, type: Convolution, num_output: 20, kernel_size: 5}
  - {name: pool1, type: Pooling, pool: MAX, kernel_size: 2, stride: 2}
  - name: ip1
    type: InnerProduct
    num_output: "${4 * width}"
    weight_filler:
      type: gaussian
      std: 1e-3
  - {name: relu1, type: ReLU, bottom: ip1, top: ip1}  # in place
  - {name: ip2, type: InnerProduct, num_output: $classes}
other: *d
output: ip2
text: |
  more
    and more
"""
_SCRAPS = [
    "{", "}", "[", "]", ":", ": ", "- ", "-", ",", "\t", "  ", "\n", '"', "'", "#", " #", "&a ", "*d", "!!x ", "|", ">", "?", "%", "@",
    "`", "${", "<<: ", "---\n", "...\n", "\r", "\x00", "\u2028", "\ufeff", "é", "日", "😀", "\\", "0x", "1e", "\ud800",
]  # fmt: skip


def _read(text: str) -> tuple[Located | None, list[Diagnostic]]:
    diagnostics = Diagnostics()
    return read(Source("spec.yaml", text), diagnostics), diagnostics.sorted()


def _check(text: str) -> None:
    tree, found = _read(text)
    assert tree is not None or found
    for diagnostic in found:
        _check_finding(diagnostic, text)
    for how in FORMATS:
        format_findings(found, how, color=False)
    if tree is not None:
        for node in tree.walk():
            _check_node(node)


def _check_finding(diagnostic: Diagnostic, text: str) -> None:
    assert diagnostic.code.startswith("NS0") and diagnostic.fact
    spans = [diagnostic.span] if diagnostic.span else []
    spans += [other.span for other in diagnostic.others] + [
        edit.span for fix in diagnostic.fixes for edit in fix.edits
    ]
    for span in spans:
        assert 0 <= span.start <= span.end <= len(text)


def _check_node(node: Located) -> None:
    assert node.span is not None
    shown = node.span.text
    assert shown == shown.strip(" \t\n")
    if node.plain_style and "\n" not in shown and "\r" not in shown and shown.isascii():
        assert shown == node.text
    elif shown.startswith(("{", "[")) and isinstance(node.value, (dict, list)):
        assert shown[-1] == {"{": "}", "[": "]"}[shown[0]]
    for key, span in node.keys.items():
        written = span.text
        if written.isascii() and "\n" not in written and written[:1] not in ("'", '"', "&", "|", ">"):
            assert written == key


def _damaged(rng: random.Random) -> str:
    text = _SPEC
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at = rng.randrange(len(text) + 1)
        kind = rng.randrange(5)
        if kind == 0:
            text = text[:at] + text[at + rng.randrange(1, 6) :]
        elif kind == 1:
            text = text[:at] + rng.choice(_SCRAPS) + text[at:]
        elif kind == 2:
            text = text[:at] + rng.choice(_SCRAPS) + text[at + 1 :]
        elif kind == 3:
            text = text[:at]
        else:
            lines = text.split("\n")
            n = rng.randrange(len(lines))
            lines[n] = " " * rng.randrange(7) + lines[n].lstrip()
            text = "\n".join(lines)
    return text


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_damaged_spec(seed: int) -> None:
    _check(_damaged(random.Random(seed)))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*_SCRAPS, "a", "b: ", "- c", "1", "~"]), max_size=40).map("".join))
def test_scraps_of_yaml(text: str) -> None:
    _check(text)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(data)
    diagnostics = Diagnostics()
    source = read_file(str(path), diagnostics)
    assert (source is None) == bool(diagnostics.found)
    if source is not None:
        _check(source.text)


_LETTER = st.characters(
    codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co"], exclude_characters="\u2028\u2029\ufeff"
)
_TEXT = st.text(_LETTER, max_size=8)
_DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=80, deadline=None)
@given(_DATA.filter(lambda data: data is not None), st.sampled_from([None, 2]))
def test_json_is_read_as_json_reads_it(data: Any, indent: int | None) -> None:
    tree, found = _read(json.dumps(data, ensure_ascii=False, indent=indent))
    assert not found and tree is not None
    assert plain(tree) == data


@pytest.mark.slow
def test_many_damaged_specs() -> None:
    rng = random.Random(1)
    for _ in range(30_000):
        _check(_damaged(rng))
