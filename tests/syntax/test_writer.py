"""What the YAML writer writes, the reader takes for the very same values; so does another reader of YAML."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from netspec.diagnostics import Diagnostics
from netspec.source import Source
from netspec.syntax.located import place, plain
from netspec.syntax.reader import read
from netspec.syntax.writer import WIDTH, dump

WORDS = [
    "",
    "no",
    "Yes",
    "on",
    "null",
    "~",
    "true",
    "1e-3",
    "12:30",
    "0x1F",
    "0o7",
    "431_080",
    "5M",
    ".inf",
    "-",
    "---",
    "a,b",
    "[a",
    "{a",
    "&a",
    "*a",
    "!a",
    "|",
    "%a",
    "@a",
    "`a",
    "'a'",
    "?",
    ":a",
    "a:",
    "#a",
    "$x",
    "${x}",
    "$$x",
    "=",
    "<<",
    "a\\b",
    "2020-01-01",
    "inception_3a/1x1",
    "conv1",
    "日本",
    "- a",
    "a: b",
    "a #b",
    "> a",
    "? a",
    " a",
    "a ",
    "a\nb",
    "\t",
    "a b",
    '"a"',
]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(WORDS)
SCALARS = TEXTS | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none()
KEYS = TEXTS.filter(bool)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=30,
)


def reread(text: str) -> Any:
    diagnostics = Diagnostics()
    tree = read(Source("out.yaml", text), diagnostics)
    assert [d.message for d in diagnostics] == []
    assert tree is not None
    return plain(tree)


@given(st.dictionaries(KEYS, TREES, min_size=1, max_size=5))
def test_reading_gives_back_what_was_written(tree: dict[str, Any]) -> None:
    assert reread(dump(tree)) == tree


@given(st.dictionaries(st.sampled_from("abc"), TEXTS, min_size=1))
def test_other_readers_take_text_for_text(tree: dict[str, str]) -> None:
    assert yaml.safe_load(dump({"top": {"under": tree}})) == {"top": {"under": tree}}


def test_a_located_tree_is_written_like_its_values() -> None:
    tree = {"a": [1, {"b": "no"}]}
    assert dump(place(tree)) == dump(tree)


def test_layers_stand_on_one_line_each_where_they_fit() -> None:
    filler = {"type": "xavier"}
    layer = {
        "name": "conv1",
        "type": "Convolution",
        "convolution_param": {"num_output": 20, "kernel_size": [3, 1], "weight_filler": filler},
    }
    long = {
        "name": "x",
        "type": "Convolution",
        "param": [{"lr_mult": 1, "decay_mult": 0.5}] * 6,
        "top": "y" * 40,
    }
    tree = {
        "netspec": 1,
        "input": {"data": ["N", 3, 8, 8]},
        "layers": [layer, long],
        "train": {"solver": {"type": "SGD"}},
    }
    assert dump(tree) == (
        "netspec: 1\n"
        "input:\n"
        "  data: [N, 3, 8, 8]\n"
        "layers:\n"
        "  - {name: conv1, type: Convolution, convolution_param: {num_output: 20, kernel_size: [3, 1], weight_filler: {type: xavier}}}\n"
        "  - name: x\n"
        "    type: Convolution\n"
        "    param:\n" + "      - {lr_mult: 1, decay_mult: 0.5}\n" * 6 + "    top: " + "y" * 40 + "\n"
        "train:\n"
        "  solver: {type: SGD}\n"
    )


@pytest.mark.parametrize("count", [1, 5, 30])
def test_lines_keep_the_width(count: int) -> None:
    tree = {"layers": [{"name": f"layer{i}", "bottom": [f"blob{j}" for j in range(count)]} for i in range(3)]}
    text = dump(tree)
    assert max(map(len, text.splitlines())) <= WIDTH or count == 30
    assert reread(text) == tree


@pytest.mark.parametrize("short", [0, 1])
def test_a_line_may_be_as_wide_as_the_width(short: int) -> None:
    """Of a layer in a list, and of a key with its value: exactly WIDTH stands on one line, one more does not."""
    layer = {"name": "x" * (WIDTH - len("  - {name: , type: A}") + 1 - short), "type": "A"}
    lines = dump({"layers": [layer]}).splitlines()
    assert [max(map(len, lines)), len(lines)] == ([WIDTH, 2] if short else [len(layer["name"]) + 10, 3])
    values = {"aa": "y" * (WIDTH - len("    k: {aa: , b: 1}") + 1 - short), "b": 1}
    lines = dump({"layers": {"one": {"k": values}}}).splitlines()
    assert [len(line) for line in lines[2:]] == ([WIDTH] if short else [len("    k:"), WIDTH])
