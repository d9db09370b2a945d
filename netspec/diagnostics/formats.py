"""Findings in, text for a reader or a tool out: full, concise, json, github, sarif. Knows no
wording.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

from netspec.diagnostics.codes import CODES
from netspec.diagnostics.model import Diagnostic, Fix, Label
from netspec.diagnostics.render import render
from netspec.diagnostics.snippet import clean
from netspec.diagnostics.words import remarks
from netspec.source import Span

__all__ = ["FORMATS", "Format", "as_json", "format_findings"]

Format = Literal["full", "concise", "json", "github", "sarif"]
FORMATS: tuple[str, ...] = get_args(Format)


def format_findings(diagnostics: Sequence[Diagnostic], how: Format, *, color: bool = False) -> str:
    """The findings in one of FORMATS, without a line break at the end; "" for none, but json and
    sarif are always whole documents.
    """
    if how == "full":
        return render(diagnostics, color=color)
    if how == "concise":
        return "\n".join(_concise(d) for d in diagnostics)
    if how == "github":
        return "\n".join(_github(d) for d in diagnostics)
    import json

    return json.dumps(
        {"diagnostics": [as_json(d) for d in diagnostics]} if how == "json" else _sarif(diagnostics),
        indent=2,
    )


def as_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """One finding as plain data. Lines and columns count code points from 1, ends are exclusive;
    null where there is no place.
    """
    d = diagnostic
    return {
        "code": d.code,
        "severity": d.severity,
        "message": d.message,
        "path": d.place,
        **_range(d.span),
        "rule": list(d.rule),
        "help": _help(d),
        "label": d.label or None,
        "notes": list(remarks(d)),
        "labels": [_label(other) for other in d.others],
        "fixes": [_fix(fix) for fix in d.fixes],
        "phase": d.phase.name.lower(),
        "about": {what: name or None for what, name in d.about._asdict().items()},
    }


def _label(other: Label) -> dict[str, Any]:
    return {
        "message": other.text,
        "path": other.span.source.name,
        **_range(other.span),
        "kind": other.kind,
    }


def _help(d: Diagnostic) -> str | None:
    return "; ".join(fix.text for fix in d.fixes) or None


def _range(span: Span | None) -> dict[str, int | None]:
    line, column = span.begin if span else (None, None)
    end_line, end_column = span.finish if span else (None, None)
    return {"line": line, "column": column, "end_line": end_line, "end_column": end_column}


def _fix(fix: Fix) -> dict[str, Any]:
    edits = [{"path": edit.span.source.name, **_range(edit.span), "text": edit.text} for edit in fix.edits]
    return {"message": fix.text, "safe": fix.safe, "edits": edits}


def _concise(d: Diagnostic) -> str:
    place = d.place or "-"
    if d.span:
        line, column = d.span.begin
        place = f"{place}:{line}:{column}"
    return f"{clean(place)}: {d.severity}[{d.code}]: {clean(d.message)}"


def _github(d: Diagnostic) -> str:
    """A workflow command:
    https://docs.github.com/actions/reference/workflow-commands-for-github-actions. Columns only
    within one line.
    """
    places = _range(d.span)
    if places["line"] != places["end_line"]:
        places |= {"column": None, "end_column": None}
    names = {"line": "line", "col": "column", "endLine": "end_line", "endColumn": "end_column"}
    found = {
        "file": d.place,
        **{name: places[key] for name, key in names.items()},
        "title": f"{d.code}: {d.title}",
    }
    properties = ",".join(
        f"{name}={_property(str(value))}" for name, value in found.items() if value is not None
    )
    text = [d.fact or d.title, *d.rule, *remarks(d), *(f"help: {fix.text}" for fix in d.fixes)]
    return f"::{d.severity} {properties}::{_escape(chr(10).join(text))}"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")


def _sarif(diagnostics: Sequence[Diagnostic]) -> dict[str, Any]:
    """SARIF 2.1.0 (OASIS), one run, with a rule for each code that occurs."""
    codes = sorted({d.code for d in diagnostics})
    rules = [
        {
            "id": code,
            "shortDescription": {"text": CODES[code].title},
            "defaultConfiguration": {"level": CODES[code].severity},
        }
        for code in codes
    ]
    run = {
        "tool": {"driver": {"name": "netspec", "rules": rules}},
        # as our spans count: SARIF also knows UTF-16 units
        "columnKind": "unicodeCodePoints",
        "results": [_result(d, codes.index(d.code)) for d in diagnostics],
    }
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }


def _result(d: Diagnostic, index: int) -> dict[str, Any]:
    text = "\n".join([d.message, *d.rule, *remarks(d), *(f"help: {fix.text}" for fix in d.fixes)])
    found: dict[str, Any] = {
        "ruleId": d.code,
        "ruleIndex": index,
        "level": d.severity,
        "message": {"text": text},
    }
    if d.place:
        found["locations"] = [_location(d.place, d.span)]
    if d.others:
        found["relatedLocations"] = [
            {**_location(o.span.source.name, o.span), "message": {"text": o.text}} for o in d.others
        ]
    if fixes := [_sarif_fix(fix) for fix in d.fixes if fix.edits]:
        found["fixes"] = fixes
    return found


def _location(path: str, span: Span | None) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(path)}}
    if span:
        physical["region"] = _region(span)
    return {"physicalLocation": physical}


def _region(span: Span) -> dict[str, int]:
    (line, column), (end_line, end_column) = span.begin, span.finish
    return {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}


def _sarif_fix(fix: Fix) -> dict[str, Any]:
    changes: dict[str, list[dict[str, Any]]] = {}
    for edit in fix.edits:
        replacement = {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.text}}
        changes.setdefault(edit.span.source.name, []).append(replacement)
    files = [
        {"artifactLocation": {"uri": _uri(path)}, "replacements": replacements}
        for path, replacements in changes.items()
    ]
    return {"description": {"text": fix.text}, "artifactChanges": files}


def _uri(path: str) -> str:
    from urllib.parse import quote

    # a path may hold half a surrogate pair, which has no UTF-8
    return quote(path.replace("\\", "/"), errors="replace")
