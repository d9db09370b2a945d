"""The full form: layout of places, gutters, carets, rules; what a terminal cannot show as it is."""

import re

from netspec.diagnostics import Diagnostic, Fix, Label
from netspec.diagnostics.render import render
from netspec.source import Source, Span

_DEMO = """netspec: 1
layers:


  - {name: body, type: Convolution, convolution_param: {num_output: 32, kernel_size: 3}}
  - name: top
    type: Convolution
    num_output: 4
    kernel_size: 5
"""


def _at(source: Source, text: str, width: int | None = None) -> Span:
    start = source.text.index(text)
    return Span(source, start, start + (len(text) if width is None else width))


def _shown(diagnostic: Diagnostic) -> list[str]:
    return render([diagnostic], color=False).split("\n\n")[0].splitlines()


def test_layout_of_the_architecture() -> None:
    source = Source("specs/demo.yaml", _DEMO)
    place = Span(source, source.text.index("5\n"), source.text.index("5\n") + 1)
    found = Diagnostic(
        "NS004",
        "5 is larger than the padded height 2",
        place,
        others=(Label(_at(source, "body"), "gives [N, 32, 2, 2]"),),
        rule=(
            "H_out = (H + 2*pad - dilation*(kernel_size - 1) - 1) // stride + 1",
            "= (2 + 2*0 - 1*(5 - 1) - 1) // 1 + 1 = -2",
        ),
        fixes=(Fix("use kernel_size <= 2, or pad >= 2"),),
    )
    assert (
        render([found], color=False)
        == """\
error[NS004]: not valid YAML
  --> specs/demo.yaml:9:18
   |
 5 |   - {name: body, type: Convolution, convolution_param: {num_output: 32, kernel_size: 3}}
   |            ---- gives [N, 32, 2, 2]
 ...
 9 |     kernel_size: 5
   |                  ^ 5 is larger than the padded height 2
   = rule: H_out = (H + 2*pad - dilation*(kernel_size - 1) - 1) // stride + 1
                 = (2 + 2*0 - 1*(5 - 1) - 1) // 1 + 1 = -2
   = help: use kernel_size <= 2, or pad >= 2
   = more: netspec explain NS004

1 error"""
    )


def test_label_and_fact_are_both_kept_and_lines_next_to_each_other_join() -> None:
    source = Source("a.yaml", "x: 1\nx: 2\n")
    found = Diagnostic(
        "NS006",
        "`x` stands twice",
        Span(source, 5, 6),
        label="again",
        others=(Label(Span(source, 0, 1), "first"),),
    )
    assert _shown(found)[2:] == [
        "   |",
        " 1 | x: 1",
        "   | - first",
        " 2 | x: 2",
        "   | ^ again",
        "   = note: `x` stands twice",
        "   = more: netspec explain NS006",
    ]


def test_gutter_is_as_wide_as_the_largest_number() -> None:
    source = Source("a.yaml", "x: 1\n" + "\n" * 1200 + "y: 2\n")
    found = Diagnostic("NS006", "f", _at(source, "y"), others=(Label(Span(source, 0, 1), "first"),))
    assert _shown(found)[1:6] == [
        "     --> a.yaml:1202:1",
        "      |",
        "    1 | x: 1",
        "      | - first",
        " ...",
    ]


def test_other_file_has_its_own_block() -> None:
    here, there = Source("a.yaml", "x: 1\n"), Source("lib.yaml", "\nname: b\n")
    shown = _shown(Diagnostic("NS006", "f", Span(here, 0, 1), others=(Label(_at(there, "b"), "from here"),)))
    assert shown[5:9] == ["  ::: lib.yaml:2:7", "   |", " 2 | name: b", "   |       - from here"]


def test_without_place_the_fact_is_in_the_headline() -> None:
    assert _shown(Diagnostic("NS001", "there is no file x", path="x")) == [
        "error[NS001]: cannot read the file: there is no file x",
        "  --> x",
        "   = more: netspec explain NS001",
    ]


def test_tabs_and_wide_characters_keep_the_caret_under_its_character() -> None:
    source = Source("a.yaml", "\tb\tc: 日本 é e\u0301 x\n")
    for word, column in (("c", 8), ("日", 11), ("é", 16), ("x", 20)):
        line, marks = _shown(Diagnostic("NS004", "f", _at(source, word)))[3:5]
        assert line == " 1 |     b   c: 日本 é e\u0301 x"
        assert marks.index("^") - len(" 1 | ") == column
    assert "^^^^ f" in _shown(Diagnostic("NS004", "f", _at(source, "日本")))[4]


def test_long_line_is_clipped_around_the_caret() -> None:
    source = Source("a.yaml", "a" * 5000 + "!" + "b" * 5000 + "\n")
    line, marks = _shown(Diagnostic("NS004", "f", _at(source, "!")))[3:5]
    assert line[marks.index("^")] == "!"
    assert line.startswith(" 1 | …a") and line.endswith("b…") and len(line) < 130
    for start, end in ((0, 1), (0, 10_001), (10_000, 10_001), (10_001, 10_001)):
        line, marks = _shown(Diagnostic("NS004", "f", Span(source, start, end)))[3:5]
        assert max(len(line), len(marks)) < 140
        assert "^" in marks


def test_a_long_line_is_shown_from_its_beginning_while_its_place_fits() -> None:
    """It is clipped around the place only where that ends beyond the columns shown."""
    source = Source("a.yaml", "a" * 300 + "\n" + "b: 1\n")
    for start, end, head in ((40, 50, "a"), (40, 119, "a"), (40, 120, "…"), (118, 119, "a"), (40, 303, "…")):
        line, marks = _shown(Diagnostic("NS004", "f", Span(source, start, end)))[3:5]
        assert line.startswith(f" 1 | {head}a") and line.endswith("a…")
        assert marks.index("^") == len(" 1 | ") + (start if head == "a" else 31)
        assert marks.count("^") == min(end - start, 120 - (30 if head == "…" else 0))


def test_multi_line_span_marks_its_first_line() -> None:
    source = Source("a.yaml", "a: {b: 1,\n  c: 2}\nd: 3\n")
    assert _shown(Diagnostic("NS004", "f", Span(source, 3, 19)))[3:5] == [
        " 1 | a: {b: 1,",
        "   |    ^^^^^^ f",
    ]


def test_place_at_the_end_of_the_file() -> None:
    source = Source("a.yaml", "a: 1\n")
    assert _shown(Diagnostic("NS004", "f", Span(source, 5, 5)))[1:5] == [
        "  --> a.yaml:2:1",
        "   |",
        " 2 |",
        "   | ^ f",
    ]


def test_a_spec_cannot_steer_the_terminal() -> None:
    source = Source("\x1b[2J.yaml", "a: \x1b[31m\u202e\ud800\n")
    shown = render(
        [
            Diagnostic(
                "NS004", "\x1b[0m", Span(source, 3, 4), label="\x07", notes=("\x1b",), fixes=(Fix("\x1b"),)
            )
        ],
        color=False,
    )
    assert not re.search(r"[^\n -~\ufffd]", shown)
    shown.encode()


def test_color_adds_escapes_and_nothing_else() -> None:
    source = Source("a.yaml", "x: 1\nx: 2\n")
    found = Diagnostic(
        "NS006",
        "fact",
        Span(source, 5, 6),
        label="again",
        others=(Label(Span(source, 0, 1), "first"),),
        rule=("a = b",),
    )
    colored = render([found], color=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == render([found], color=False)
    assert colored.startswith("\x1b[1;31merror[NS006]\x1b[0m")


def test_summary_counts() -> None:
    error, warning = Diagnostic("NS001", "e"), Diagnostic("NS021", "w")
    assert warning.severity == "warning"
    assert render([error, warning, error], color=False).endswith("\n\n2 errors, 1 warning")
    assert render([warning], color=False).endswith("\n\n1 warning")
    assert render([], color=False) == ""


def test_a_fact_stands_at_the_caret_as_far_as_column_140() -> None:
    source = Source("s.yaml", "a: wrong\n")
    place = _at(source, "wrong")
    begin = place.begin[1]
    for width in (20, 140 - begin, 141 - begin):
        shown = _shown(Diagnostic("NS004", "x" * width, place))
        beside = [line for line in shown if "^^^^^ x" in line]
        assert bool(beside) == (begin + width <= 140)
        assert beside or f"   = note: {'x' * 20}" in "\n".join(shown)
