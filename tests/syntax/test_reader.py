"""From bytes to a tree with places: scalars of YAML 1.2, spans, limits, and the findings on what YAML would take in silence."""

import gc
import io
import math
import os
import sys
from pathlib import Path

import pytest
import yaml

from netspec.diagnostics import Diagnostic, Diagnostics
from netspec.source import Source
from netspec.syntax.limits import ALIAS_NODES, DEPTH, DIGITS
from netspec.syntax.located import Located, plain
from netspec.syntax.reader import read, read_file
from netspec.syntax.scalars import look_alike


def _read(text: str) -> tuple[Located | None, list[Diagnostic]]:
    diagnostics = Diagnostics()
    return read(Source("spec.yaml", text), diagnostics), diagnostics.sorted()


def _tree(text: str) -> Located:
    tree, found = _read(text)
    assert tree is not None and not found, found
    return tree


def _finding(text: str) -> Diagnostic:
    (found,) = _read(text)[1]
    return found


def _repaired(text: str, fix_number: int = 0) -> str:
    """The text with the edits of a finding's fix."""
    fix = _finding(text).fixes[fix_number]
    assert fix.edits
    for edit in sorted(fix.edits, key=lambda e: e.span.start, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-3", 0.001), ("1E3", 1000.0), ("-1.5", -1.5), (".5", 0.5), ("5.", 5.0), ("+3", 3), ("010", 10), ("0o17", 15), ("0x1F", 31),
        ("-0", 0), (".inf", math.inf), ("-.Inf", -math.inf), ("null", None), ("~", None), ("", None), ("Null", None), ("true", True),
        ("FALSE", False), ("no", "no"), ("on", "on"), ("Yes", "Yes"), ("y", "y"), ("12:30", "12:30"), ("431_080", "431_080"),
        ("2001-01-01", "2001-01-01"), ("1.2.3", "1.2.3"), ("0b1", "0b1"), ("0o8", "0o8"), ("-0x1", "-0x1"), ("nan", "nan"),
        ("tRue", "tRue"), ("=", "="), ("5M", "5M"), ("$width", "$width"), ("${4 * width}", "${4 * width}"), ("１２", "１２"), ("'1'", "1"),
        ('"no"', "no"),
    ],
)  # fmt: skip
def test_scalar_of_the_core_schema(written: str, value: object) -> None:
    node = _tree(f"a: {written}\n").value["a"]
    assert node.value == value and type(node.value) is type(value)
    assert node.plain_style == (written[:1] not in ("'", '"'))
    assert node.text == (written if node.plain_style else value)


LOADERS = [loader for loader in (getattr(yaml, "CSafeLoader", None), yaml.SafeLoader) if loader is not None]


class Shallow:
    """A parser that gives up over a depth of its own before it has told of anything, as libyaml does from PyYAML 6.0.4 on."""

    def __init__(self, text: str) -> None:
        self.text = text

    def get_event(self) -> None:
        mark = yaml.Mark("", 1000, 0, 1000, None, 0)
        raise yaml.scanner.ScannerError(
            "while increasing flow level", mark, "exceeded maximum nesting depth", mark
        )


@pytest.mark.parametrize("loader", [*LOADERS, Shallow], ids=lambda loader: loader.__name__)
@pytest.mark.parametrize(
    ("before", "opening"),
    [("", "["), ("a: ", "["), ("a: [']]]', \"}\"] # ]]]\nb: ", "{c: "), ("a: ", "[{b: ")],
)
def test_depth_is_told_by_us_whatever_the_parser(
    loader: type, before: str, opening: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netspec.syntax.tree._Loader", loader)
    (found,) = _read(before + opening * 2000)[1]
    depth = DEPTH + 1 - (1 if before else 0)  # the mapping around it counts
    brackets = [len(before) + i for i, c in enumerate(opening * 100) if c in "[{"]
    assert (found.code, found.span and found.span.start) == ("NS007", brackets[depth - 1])


@pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader.__name__)
@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("a: - b\n   - c\n", "NS017", "-"),
        ('a: "\\d"\n', "NS018", "\\d"),
        ("a: %b\n", "NS018", "%"),
        ("a: [1 2: 3, 4\nb: 2\n", "NS016", "["),
    ],
)
def test_damage_is_explained_alike(
    loader: type, text: str, code: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netspec.syntax.tree._Loader", loader)
    found = _finding(text)
    assert found.code == code and found.span is not None and found.span.text == place


def test_nan() -> None:
    assert math.isnan(_tree("a: .nan").value["a"].value)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "false"),
        ("On", "true"),
        ("431_080", "431080"),
        ("1,000", "1000"),
        ("12:30", None),
        ("a1", None),
        ("1e3", None),
    ],
)
def test_look_alike(written: str, meant: str | None) -> None:
    assert look_alike(written) == meant


def test_keys_count_as_written() -> None:
    tree = _tree("1: a\nno: b\n010: c\n1e3: d\n'': e\n'<<': f\n~: g\n")
    assert list(tree.value) == ["1", "no", "010", "1e3", "", "<<", "~"]


def test_spans_of_keys_and_values() -> None:
    text = "é: ü  # comment\r\nlist:\r\n  - a b\r\n  - 'q''s'\r\nmap: {k: [1, 2], l: }\r\ntext: |\r\n  one\r\n  two\r\n\r\nlast: x\r\n"
    tree = _tree(text)
    assert plain(tree) == {
        "é": "ü",
        "list": ["a b", "q's"],
        "map": {"k": [1, 2], "l": None},
        "text": "one\ntwo\n",
        "last": "x",
    }
    assert [tree.keys[key].text for key in tree.value] == list(tree.value)
    values = {key: node.span.text for key, node in tree.value.items()}
    assert values == {
        "é": "ü",
        "list": "- a b\r\n  - 'q''s'",
        "map": "{k: [1, 2], l: }",
        "text": "|\r\n  one\r\n  two",
        "last": "x",
    }
    assert [item.span.text for item in tree.value["list"].value] == ["a b", "'q''s'"]
    assert tree.value["map"].value["k"].span.text == "[1, 2]"
    assert tree.keys["last"].begin == (10, 1)


def test_spans_count_code_points_beyond_the_basic_plane() -> None:
    tree = _tree("# 😀😀\nname: 😀a\nb: c\n")
    assert tree.value["name"].span.text == "😀a"
    assert tree.value["b"].span.begin == (3, 4)


def test_span_leaves_out_the_anchor() -> None:
    tree = _tree("a: &x 5\nb: &y [1, *x]\nc: *y\n")
    assert tree.value["a"].span.text == "5"
    assert tree.value["b"].span.text == "[1, *x]"
    assert plain(tree) == {"a": 5, "b": [1, 5], "c": [1, 5]}


def test_aliased_value_knows_who_brought_it() -> None:
    tree = _tree("a: &x {k: 5}\nb: &y [*x]\nc: *y\n")
    inner = tree.value["c"].value[0].value["k"]
    assert inner.span.text == "5"
    assert [span.begin for span in inner.used] == [(2, 8), (3, 4)]
    assert tree.value["a"].used == ()
    assert inner is not tree.value["a"].value["k"]


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("# nothing\n", "NS003", ""),
        ("---\n", "NS003", ""),
        ("%YAML 3.0\n---\na: 1\n", "NS004", "%"),
        ("a: \x07\n", "NS004", "\x07"),
        ("a: \ud800\n", "NS004", "\ud800"),
        ("a:\n\tb: 3\n", "NS005", "\t"),
        ("a:\n  b: 3\n\tc: 4\n", "NS005", "\t"),
        ("- a: 3\n \t b: 4\n", "NS005", "\t"),
        ("a: 1\nb: 2\na: 3\n", "NS006", "a"),
        ("[" * 100_000, "NS007", "["),
        ("x: [1, 2]\ny: " + "[" * 70 + "]" * 70, "NS007", "["),
        ("a: &x [1, *x]\n", "NS010", "*x"),
        ("{kernel_size:3}", "NS011", "kernel_size:3"),
        ("- name: a\n  kernel_size:3\n  stride: 2\n", "NS011", ":"),
        ("a:\n  b:3\n  c:4\n", "NS011", "b:3"),
        ("netspec:1\nname: x\n", "NS011", ":"),
        ("a: 1\n---\nb: 2\n", "NS012", "---"),
        ("a: 1\n...\nb: 2\n", "NS012", "b"),
        ("a: !!python/object/apply:os.system ['true']\n", "NS013", "!!python/object/apply:os.system"),
        ("a: !!str 3\n", "NS013", "!!str"),
        ("a: &x {b: 1}\nc: {<<: *x}\n", "NS013", "<<"),
        (": 3\n", "NS014", ":"),
        ("? [a, b]\n: 3\n", "NS014", "["),
        ("a: {{ width }}\n", "NS014", "{{ width }}"),
        ("a: &x b\n*x : 3\n", "NS014", "*x"),
        ("a: {b: ${4 * w}}\n", "NS015", "${4 * w}"),
        ("a: [N, x${i}y, 3]\n", "NS015", "x${i}y"),
        ("l:\n  - {name: a, type: B\n  - {name: b}\no: 3\n", "NS016", "{"),
        ("l:\n  - {name: a, type: B", "NS016", "{"),
        ("a: {b: [1, 2}, c: 3}\n", "NS016", "}"),
        ("- {a: 1}}\n- {b: 1}\n", "NS016", "}"),
        ("l:\n  - name: a, type: B}\n", "NS016", "}"),
        ("a: 'abc\nb: 3\n", "NS016", "'"),
        ("l:\n  - {name: \"a, type: B}\n  - {name: \"b\"}\n", "NS016", '"'),
        ("a:\n  b: 1\n    c: 2\n", "NS017", "c"),
        ("l:\n  - n: 1\n   t: 2\n", "NS017", "t"),
        ("l:\n  - n: 1\n  t: 2\n", "NS017", "t"),
        ("s:\n    t: S\n  b: 2\n  c: 3\n", "NS017", "t"),
        ("a: 1\n- b\n", "NS017", "b"),
        ("a: - b\n   - c\n", "NS017", "-"),
        ("description: LeNet: a net\n", "NS018", ":"),
        ("a: : b\n", "NS018", ":"),
        ("a:  b : c\n", "NS018", ":"),
        ("a: @b\n", "NS018", "@"),
        ("a: *b\n", "NS018", "*b"),
        ('a: "\\d"\n', "NS018", "\\d"),
        ("a: 'x' y\n", "NS018", "y"),
        ("l:\n  -{name: a}\n  - {name: b}\n", "NS019", "-"),
        ("l:\n  -name: a\n", "NS019", "-"),
        ("a: {b: 1 c: 2}\n", "NS030", "c"),
        ("a: {b: [1] c: 2}\n", "NS030", "c"),
        ("a: {b 1}\n", "NS030", "b 1"),
        ("- name: a\n  num_output 20\n  k: 3\n", "NS030", "num_output"),
    ],
)  # fmt: skip
def test_finding_and_its_place(text: str, code: str, place: str) -> None:
    found = _finding(text)
    assert (found.code, found.span.text if found.span else "") == (code, place)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("{kernel_size:3, b: 1}", {"kernel_size": 3, "b": 1}),
        ("- name: a\n  kernel_size:3\n  stride: 2\n", [{"name": "a", "kernel_size": 3, "stride": 2}]),
        ("l:\n  -{name: a}\n  - {name: b}\n", {"l": [{"name": "a"}, {"name": "b"}]}),
        ("a:\n\tb: 3\n\tc: 4\n", {"a": {"b": 3, "c": 4}}),
        ("a: {b: ${4 * w}, c: 1}\n", {"a": {"b": "${4 * w}", "c": 1}}),
        ("a: {b: ${'s' if x else \"t\"}}\n", {"a": {"b": "${'s' if x else \"t\"}"}}),
        ("a: [conv${i}_x, 3]\n", {"a": ["conv${i}_x", 3]}),
        ("a: {{ width }}\n", {"a": "${width}"}),
        ("l:\n  - {name: a, type: B # why\n  - {name: b}\n", {"l": [{"name": "a", "type": "B"}, {"name": "b"}]}),
        ("l:\n  - {name: a, p: [1, 2\n  - {name: b}\n", {"l": [{"name": "a", "p": [1, 2]}, {"name": "b"}]}),
        ("s: {a: 1,\n  b: 2\nd: 3\n", {"s": {"a": 1, "b": 2}, "d": 3}),
        ("- {a: 1}}\n", [{"a": 1}]),
        ("- a: 1, b: 2\n", [{"a": 1, "b": 2}]),
        ("l:\n  - name: a, type: B}\n", {"l": [{"name": "a", "type": "B"}]}),
        ("l:\n  - {name: \"a, type: B}\n  - {name: \"b\"}\n", {"l": [{"name": "a", "type": "B"}, {"name": "b"}]}),
        ("a:\n  b: 1\n    c: 2\n", {"a": {"b": 1, "c": 2}}),
        ("l:\n  - n: 1\n   t: 2\n", {"l": [{"n": 1, "t": 2}]}),
        ("l:\n    - {a: 1}\n  - {b: 1}\n  - {c: 1}\n", {"l": [{"a": 1}, {"b": 1}, {"c": 1}]}),
        ("a: - b\n   - c\n", {"a": ["b", "c"]}),
        ("description: LeNet: a net\n", {"description": "LeNet: a net"}),
        ("a: @b\n", {"a": "@b"}),
        ('a: "\\d"\n', {"a": "\\d"}),
        ("a: &width 1\nb: *widht\n", {"a": 1, "b": 1}),
        ("a: {b: 1 c: 2}\n", {"a": {"b": 1, "c": 2}}),
        ("a: {b 1}\n", {"a": {"b": 1}}),
        ("- name: a\n  num_output 20\n", [{"name": "a", "num_output": 20}]),
        ("a: !!str 3\n", {"a": 3}),
    ],
)  # fmt: skip
def test_the_offered_edit_gives_what_was_meant(text: str, meant: object) -> None:
    assert plain(_tree(_repaired(text))) == meant


def test_every_unquoted_expression_is_found_and_quoted() -> None:
    text = "a: {b: ${w}, c: ${v}}\nd: ${block is fine}\ne: [${x}]\n"
    found = _read(text)[1]
    assert [d.span.text for d in found] == ["${w}", "${v}", "${x}"]
    for diagnostic in reversed(found):
        (edit,) = diagnostic.fixes[0].edits
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    assert plain(_tree(text)) == {"a": {"b": "${w}", "c": "${v}"}, "d": "${block is fine}", "e": ["${x}"]}


def test_repeated_keys_show_both_places_and_reading_goes_on() -> None:
    tree, found = _read("a: 1\nb: {c: 1, c: 2}\na: 3\n")
    assert plain(tree) == {"a": 1, "b": {"c": 1}}
    assert [(d.span.begin, d.others[0].span.begin) for d in found] == [((2, 11), (2, 5)), ((3, 1), (1, 1))]


@pytest.mark.parametrize(
    "text",
    [
        "source: python:module:Class\nfile: zoo:blocks/a.yaml\n",
        "l:\n  - zoo:a.yaml\n  - -1\n",
        "a: |\n  -x\n  b:3\n",
        "{'a:3': , -1: 2, b: -x}",
    ],
)
def test_what_only_looks_like_an_accident_is_left_alone(text: str) -> None:
    _tree(text)


def test_depth_at_the_limit() -> None:
    assert _read("[" * DEPTH + "]" * DEPTH)[1] == []
    assert _finding("[" * (DEPTH + 1) + "]" * (DEPTH + 1)).code == "NS007"
    assert (
        _finding("a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 30 + "*a" + "]" * 30 + "\n").code == "NS007"
    )


def test_aliases_at_the_limit() -> None:
    block = ", ".join(["0"] * 999)
    uses = ALIAS_NODES // 1000
    assert _read(f"a: &a [{block}]\nb: [{', '.join(['*a'] * uses)}]\n")[1] == []
    assert _finding(f"a: &a [{block}]\nb: [{', '.join(['*a'] * (uses + 1))}]\n").code == "NS009"


def test_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]"] + [
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)
    ]
    assert _finding("\n".join(lines)).code == "NS009"


def test_digits_at_the_limit() -> None:
    assert _tree("a: " + "9" * DIGITS).value["a"].value == int("9" * DIGITS)
    assert _finding("a: " + "9" * (DIGITS + 1)).code == "NS008"
    assert _finding("a: 0x" + "f" * 5000).code == "NS008"


@pytest.mark.parametrize("text", ["a: 1\n", "a: {b: 1 c: 2}\n", "a: @\n"])
def test_garbage_collection_is_as_before(text: str) -> None:
    assert gc.isenabled()
    _read(text)
    assert gc.isenabled()
    gc.disable()
    try:
        _read(text)
        assert not gc.isenabled()
    finally:
        gc.enable()


def _file(path: str) -> tuple[Source | None, list[Diagnostic]]:
    diagnostics = Diagnostics()
    return read_file(path, diagnostics), diagnostics.sorted()


def test_file_without_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: \xc3\xa9\r\n")
    source, found = _file(str(path))
    assert not found and source is not None
    assert (source.name, source.text) == (str(path), "name: é\r\n")


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "NS003", "no content"),
        (b" \n\t\n", "NS003", "no content"),
        (b"\xef\xbb\xbf", "NS003", "no content"),
        (b"a: 1\nb: \xe9\n", "NS002", "byte 0xE9 at offset 8 (line 2)"),
        (b"a\0b", "NS002", "zero byte at offset 1"),
        ("a: 1\n".encode("utf-16"), "NS002", "UTF-16"),
        (b"\x89PNG\r\n\x1a\n\0\0", "NS002", "zero byte"),
    ],
)  # fmt: skip
def test_file_that_is_no_spec(tmp_path: Path, data: bytes, code: str, words: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(data)
    source, (found,) = _file(str(path))
    assert source is None
    assert (found.code, found.path) == (code, str(path))
    assert words in found.fact


def test_file_that_cannot_be_had(tmp_path: Path) -> None:
    for path, words in (
        (tmp_path / "x.yaml", "no file"),
        (tmp_path / "no" / "x.yaml", "no folder"),
        (tmp_path, "is a folder"),
    ):
        source, (found,) = _file(str(path))
        assert source is None and found.code == "NS001" and words in found.fact
    assert _file("a\0b")[1][0].code == "NS001"
    assert _file("x" * 5000)[1][0].code == "NS001"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read anything")
def test_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1")
    path.chmod(0)
    assert "not permitted" in _file(str(path))[1][0].fact


@pytest.mark.parametrize("way", ["stdin", "given", "inside"])
@pytest.mark.parametrize("size", [20, 21, 40])
def test_a_text_may_be_as_long_as_the_limit_by_every_way(
    way: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netspec.syntax.reader.BYTES", 20)
    data = b"netspec: 1 #".ljust(size, b".")
    (tmp_path / "a.yaml").write_bytes(data)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    path = "-" if way == "stdin" else str(tmp_path / "a.yaml")
    diagnostics = Diagnostics()
    source = read_file(path, diagnostics, [str(tmp_path)] if way == "inside" else None)
    assert [d.code for d in diagnostics] == ([] if size == 20 else ["NS008"])
    assert (source is not None) == (size == 20)


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("a: é\n".encode())))
    source, found = _file("-")
    assert not found and source is not None
    assert (source.name, source.text) == ("<stdin>", "a: é\n")


def test_file_larger_than_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    with path.open("wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    assert _file(str(path))[1][0].code == "NS008"
