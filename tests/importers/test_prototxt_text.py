"""The reader of protobuf text: what it takes, what it says about what it does not take, and that no bytes make it fail."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.caffe.text import UnwritableError, text_of
from netspec.diagnostics import Diagnostics
from netspec.importers.prototxt_text import MAX_DEPTH, MAX_FIELDS, read_prototxt
from netspec.importers.prototxt_tree import Message, Word
from netspec.source import Source

CASES = Path(__file__).parents[1] / "conformance" / "caffe" / "cases"


def read(text: str) -> tuple[Message, Diagnostics]:
    diagnostics = Diagnostics()
    return read_prototxt(Source("net.prototxt", text), diagnostics), diagnostics


def plain(message: Message) -> list[tuple[str, Any]]:
    return [
        (field.name, plain(field.value) if isinstance(field.value, Message) else field.value)
        for field in message.fields
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1", [("a", 1)]),
        ("a:1 b : 2\tc\n:\n3", [("a", 1), ("b", 2), ("c", 3)]),
        ("a: 1; b: 2, c: 3;", [("a", 1), ("b", 2), ("c", 3)]),
        ("a: 0x1F b: -0x10 c: 017 d: 0 e: -07", [("a", 31), ("b", -16), ("c", 15), ("d", 0), ("e", -7)]),
        ("a: 1.5 b: .5 c: 1. d: 1e-3", [("a", 1.5), ("b", 0.5), ("c", 1.0), ("d", 1e-3)]),
        ("e: 2f f: 1.5F g: -3E+2", [("e", 2.0), ("f", 1.5), ("g", -300.0)]),
        (
            "a: inf b: -inf c: nan d: - 5 e: -infinity",
            [("a", "inf"), ("b", float("-inf")), ("c", "nan"), ("d", -5), ("e", float("-inf"))],
        ),
        ("a: MAX b: true", [("a", "MAX"), ("b", "true")]),
        ("a {b: 1} c: {d: 2} i {}", [("a", [("b", 1)]), ("c", [("d", 2)]), ("i", [])]),
        ("e <f: 3> g: < h: 4 >", [("e", [("f", 3)]), ("g", [("h", 4)])]),
        ("a: [1, 2,3] b: [] c: [X]", [("a", 1), ("a", 2), ("a", 3), ("c", "X")]),
        ("a: [{b: 1}, <b: 2>] c [{}]", [("a", [("b", 1)]), ("a", [("b", 2)]), ("c", [])]),
        ("""a: "x" b: 'y"' c: "p" 'q' # r\n "s" """, [("a", "x"), ("b", 'y"'), ("c", "pqs")]),
        (r'''a: "\n\t\"\\\'\x41\101\303\251\u00e9\q"''', [("a", "\n\t\"\\'AAééq")]),
        (r'a: "\377"', [("a", "ÿ")]),
        ("# one\na: 1 # two\n#three", [("a", 1)]),
        ("a # one\n: # two\n 1\nb # three\n {}", [("a", 1), ("b", [])]),
        ("[fork.extension]: 3", [("[fork.extension]", 3)]),
        ("a: 99999999999999999999999999", [("a", 1e26)]),
        ("", []),
    ],
)
def test_takes(text: str, expected: list[Any]) -> None:
    message, diagnostics = read(text)
    assert [d.message for d in diagnostics] == []
    assert plain(message) == expected


def test_words_are_told_from_strings() -> None:
    message, _ = read('a: MAX b: "MAX"')
    assert [isinstance(field.value, Word) for field in message.fields] == [True, False]


def test_places() -> None:
    message, _ = read('layer {\n  name: "conv1"\n  pool: MAX }')
    (layer,) = message.fields
    assert isinstance(layer.value, Message)
    name, pool = layer.value.fields
    assert message.name_span(layer).text == "layer"
    assert (layer.value.name_span(name).begin, layer.value.value_span(name).begin) == ((2, 3), (2, 9))
    assert layer.value.value_span(name).text == '"conv1"'
    assert layer.value.value_span(pool).text == "MAX"


@pytest.mark.parametrize(
    ("text", "places", "kept"),
    [
        ("a: 1\nb 5\nc: 2", [(2, 1)], ["a", "c"]),
        ("a:\nb: 2", [(1, 1)], ["b"]),
        ('a: "open\nb: 2', [(1, 1)], ["b"]),
        ("a: 1 }\nb: 2", [(1, 6)], ["a", "b"]),
        ("a { b: 1 >\nc: 2", [(1, 10)], ["a", "c"]),
        ("a { b: 1", [(1, 3)], ["a"]),
        ("a: [1 2]\nb: 3", [(1, 6)], ["a", "b"]),
        ("a: [1, 2", [(1, 9)], ["a", "a"]),
        ("a: [1,\nb: 3", [(2, 1)], ["a"]),
        ("x { a: [1, }\nb: 3", [(1, 12)], ["x", "b"]),
        ("a: [1 2\n3]\nb: 3", [(1, 6), (2, 1)], ["a", "b"]),
        ("a: @\nb: $\nc: 1", [(1, 1), (2, 1)], ["c"]),
        ("\0\1\2", [(1, 1)], []),
        ("-", [(1, 1)], []),
    ],
)
def test_syntax_errors_have_a_place_and_reading_goes_on(
    text: str, places: list[tuple[int, int]], kept: list[str]
) -> None:
    message, diagnostics = read(text)
    assert [(d.code, d.span.begin if d.span else None) for d in diagnostics] == [
        ("NS020", place) for place in places
    ]
    assert [field.name for field in message.fields] == kept


def test_bounds() -> None:
    assert [d.code for d in read("a{" * (MAX_DEPTH + 1))[1]] == ["NS007"]
    assert [d.code for d in read("a{" * MAX_DEPTH + "}" * MAX_DEPTH)[1]] == []
    assert [d.code for d in read("a:1 " * (MAX_FIELDS + 1))[1]] == ["NS008"]
    assert len(read("a b\n" * 100_000)[1]) == 100


@given(st.text(alphabet="ab:{}<>[]\"'\\#\n ,;-0x1.e_", max_size=60))
def test_any_text_ends(text: str) -> None:
    message, diagnostics = read(text)
    assert message is not None
    assert all(d.code in ("NS020", "NS007") and d.span is not None for d in diagnostics)


@given(st.data())
def test_damaged_nets_end(data: st.DataObject) -> None:
    text = (CASES / "net_inception.prototxt").read_text()
    at = data.draw(st.integers(0, len(text)))
    damage = data.draw(st.sampled_from(["", "{", "}", '"', "[", ":", "#", "\n", "<", "\0"]))
    cut = data.draw(st.integers(0, 40))
    message, _ = read(text[:at] + damage + text[at + cut :])
    assert message.fields or at < 10


def test_recorded_nets_read_without_findings() -> None:
    paths = sorted(CASES.glob("*.prototxt"))
    assert len(paths) == 219
    assert {
        path.name: [d.message for d in read(path.read_text())[1]]
        for path in paths
        if len(read(path.read_text())[1])
    } == {}


@pytest.mark.parametrize("count", [1000, 1001, 1500])
@pytest.mark.parametrize("beside", ["", "name: 'n' ", "inner { dim: 7 } "])
def test_a_field_may_stand_a_thousand_times_in_a_message(count: int, beside: str) -> None:
    """At any depth, whatever stands beside it; layers, and the numbers of a blob, more often."""
    for text, in_all in (
        (f"{beside}{'dim: 1 ' * count}", count),
        (f"{beside}shape {{ {'dim: 1 ' * count} }}", count),
    ):
        in_all += beside.count("dim")
        found = read(text)[1]
        said = [f"{d.code} {d.fact}" for d in found]
        words = f"dim stands more than 1,000 times in one message, {in_all:,} times in the file; at most 1,000 are read"
        assert said == ([] if count == 1000 else [f"NS008 {words}"])
    for many in ("layer { } ", "layers { } "):
        assert not read(f"{beside}{many * count}")[1].found


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ({"base_lr": 0.5, "max_iter": 3.0}, "base_lr: 0.5\nmax_iter: 3\n"),
        ({"base_lr": float("inf"), "gamma": -float("inf"), "power": float("nan")}, "base_lr: inf\ngamma: -inf\npower: nan\n"),
        ({"debug_info": True, "test_initialization": False, "type": 'a"\n'}, 'debug_info: true\ntest_initialization: false\ntype: "a\\"\\n"\n'),
        ({"stepvalue": [1, 2], "solver_mode": "GPU"}, "stepvalue: 1\nstepvalue: 2\nsolver_mode: GPU\n"),
    ],
)  # fmt: skip
def test_values_are_written_as_their_fields_are(words: dict[str, Any], text: str) -> None:
    assert text_of("SolverParameter", words) == text


@pytest.mark.parametrize(
    "words",
    [{"max_iter": 3.5}, {"base_lr": "fast"}, {"solver_mode": "TPU"}, {"type": None}, {"base_lr": {"a": 1}}],
)
def test_values_that_a_field_cannot_hold_are_refused(words: dict[str, Any]) -> None:
    with pytest.raises(UnwritableError) as raised:
        text_of("SolverParameter", words)
    assert raised.value.path == (*words,)
