"""The forms for tools: keys and numbers of json, escapes of github, the shape of sarif."""

import io
import json
import re
from pathlib import Path

import pytest

from netspec.cli import wants_colour
from netspec.diagnostics import Diagnostic, Edit, Fix, Label
from netspec.diagnostics.formats import FORMATS, format_findings
from netspec.repair.check import check_source
from netspec.source import Source, Span

_SOURCE = Source("dir a/é.yaml", "x: 日本\ny: {a:3}\n")
_KEY = Span(_SOURCE, 10, 13)
_FOUND = Diagnostic(
    "NS011",
    "100 % one: word, here",
    _KEY,
    label="one word",
    others=(Label(Span(_SOURCE, 3, 5), "beside"),),
    rule=("a = b", "= c"),
    notes=("a note",),
    fixes=(Fix("write `a: 3`", (Edit(Span(_SOURCE, 12, 12), " "),), safe=True), Fix("drop it")),
)
_NOWHERE = Diagnostic("NS021", "nowhere")
_FILE = Diagnostic("NS001", "no file", path="p.yaml")


def test_concise() -> None:
    assert format_findings([_FOUND, _FILE, _NOWHERE], "concise").splitlines() == [
        "dir a/é.yaml:2:5: error[NS011]: missing space after the colon: 100 % one: word, here",
        "p.yaml: error[NS001]: cannot read the file: no file",
        "-: warning[NS021]: unknown field: nowhere",
    ]


def test_json_has_the_promised_keys() -> None:
    first, second, third = json.loads(format_findings([_FOUND, _FILE, _NOWHERE], "json"))["diagnostics"]
    promised = {
        "code": "NS011",
        "severity": "error",
        "message": "missing space after the colon: 100 % one: word, here",
        "path": "dir a/é.yaml",
        "line": 2,
        "column": 5,
        "end_line": 2,
        "end_column": 8,
        "rule": ["a = b", "= c"],
        "help": "write `a: 3`; drop it",
    }
    assert promised.items() <= first.items()
    assert first["fixes"][0]["edits"] == [
        {"path": "dir a/é.yaml", "line": 2, "column": 7, "end_line": 2, "end_column": 7, "text": " "}
    ]
    assert second["path"] == "p.yaml"
    assert {second[key] for key in ("line", "column", "end_line", "end_column")} == {None}
    assert (third["path"], third["help"], third["rule"]) == (None, None, [])


def test_the_documented_keys_are_those_that_are_written() -> None:
    table = (
        (Path(__file__).parents[2] / "docs/formats.md")
        .read_text(encoding="utf-8")
        .partition("## json")[2]
        .partition("## github")[0]
    )
    (found,) = json.loads(format_findings([_FOUND], "json"))["diagnostics"]
    assert re.findall(r"^\| (\w+) \|", table, re.MULTILINE)[1:] == list(found)
    for key in ("labels", "fixes"):
        said = re.search(rf"^\| {key} \| [^:]*: (.*) \|$", table, re.MULTILINE)
        assert said is not None
        assert [word.split()[0] for word in re.sub(r" \(.*?\)", "", said[1]).split(", ")] == list(
            found[key][0]
        )


def test_github_gives_columns_within_one_line_only() -> None:
    source = Source("s.yaml", "layers:\n  - a\n  - b\n")
    assert format_findings([Diagnostic("NS209", "none", Span(source, 10, 19))], "github") == (
        "::error file=s.yaml,line=2,endLine=3,title=NS209%3A network without layers::none"
    )


@pytest.mark.parametrize(("set_to", "terminal", "wanted"), [
    ({}, True, True), ({}, False, False), ({"NO_COLOR": "1"}, True, False), ({"NO_COLOR": ""}, True, True),
    ({"FORCE_COLOR": "1"}, False, True),
    ({"FORCE_COLOR": "0"}, True, False), ({"TERM": "dumb"}, True, False), ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
])  # fmt: skip
def test_colours_by_environment(
    monkeypatch: pytest.MonkeyPatch, set_to: dict[str, str], terminal: bool, wanted: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in set_to.items():
        monkeypatch.setenv(name, value)
    stream = io.StringIO()
    stream.isatty = lambda: terminal  # type: ignore[method-assign]
    assert wants_colour(stream) is wanted


CRLF = '# 日本\r\ninput: {data: [N, 3, 8, 8]}\r\nlayers:\r\n  - {name: "é😀", type: Convolution, num_output: 4, kernal_size: 3}\r\n'


def test_places_count_code_points_whatever_ends_the_lines() -> None:
    (found,) = json.loads(format_findings(check_source(Source("s.yaml", CRLF)), "json"))["diagnostics"]
    line = CRLF.split("\r\n")[3]
    assert (found["line"], found["column"], found["end_column"]) == (
        4,
        line.index("kernal") + 1,
        line.index("kernal") + 12,
    )
    (edit,) = found["fixes"][0]["edits"]
    assert line[: edit["column"] - 1] + edit["text"] + line[edit["end_column"] - 1 :] == line.replace(
        "kernal", "kernel"
    )


def test_findings_in_a_base_stand_in_the_base(tmp_path: Path) -> None:
    base = "input: {data: [N, 3, 8, 8]}\nlayers:\n  - {name: p, type: Pooling, kernel_size: 40}\n"
    (tmp_path / "base.yaml").write_text(base, encoding="utf-8")
    (found,) = json.loads(
        format_findings(check_source(Source(str(tmp_path / "s.yaml"), "base: base.yaml\n")), "json")
    )["diagnostics"]
    assert (Path(found["path"]).name, found["line"], found["column"]) == ("base.yaml", 3, 43)


def test_json_without_findings() -> None:
    assert json.loads(format_findings([], "json")) == {"diagnostics": []}


def test_github_escapes() -> None:
    first, second = format_findings([_FOUND, _NOWHERE], "github").splitlines()
    assert first == (
        "::error file=dir a/é.yaml,line=2,col=5,endLine=2,endColumn=8,title=NS011%3A missing space after the colon::"
        "100 %25 one: word, here%0Aa = b%0A= c%0Aa note%0Ahelp: write `a: 3`%0Ahelp: drop it"
    )
    assert second == "::warning title=NS021%3A unknown field::nowhere"
    tricky = Diagnostic("NS001", "a\r\nb%", path="a:b,c%.yaml")
    assert (
        format_findings([tricky], "github")
        == "::error file=a%3Ab%2Cc%25.yaml,title=NS001%3A cannot read the file::a%0D%0Ab%25"
    )


def test_sarif() -> None:
    log = json.loads(format_findings([_FOUND, _FILE, _NOWHERE, _FOUND], "sarif"))
    run = log["runs"][0]
    assert log["version"] == "2.1.0"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["NS001", "NS011", "NS021"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    first, second, third, _ = run["results"]
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "dir%20a/%C3%A9.yaml"},
        "region": {"startLine": 2, "startColumn": 5, "endLine": 2, "endColumn": 8},
    }
    replacement = first["fixes"][0]["artifactChanges"][0]["replacements"][0]
    assert replacement["deletedRegion"] == {"startLine": 2, "startColumn": 7, "endLine": 2, "endColumn": 7}
    assert replacement["insertedContent"] == {"text": " "}
    assert "region" not in second["locations"][0]["physicalLocation"]
    assert "locations" not in third and third["level"] == "warning"


@pytest.mark.parametrize("how", FORMATS)
def test_hostile_text_in_every_form(how: str) -> None:
    source = Source("\ud800\x1b.yaml", "\ud800\x1b[31m\n")
    found = Diagnostic(
        "NS004", "\ud800\x1b", Span(source, 0, 2), label="\ud800", notes=("\ud800",), fixes=(Fix("\ud800"),)
    )
    assert "NS004" in format_findings([found], how, color=True)
