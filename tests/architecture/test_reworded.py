"""Every message reworded at once: what is found, where, and which edits mend it stays as it is. Passes that read a sentence would go astray."""

import re
from pathlib import Path
from typing import Any

import pytest

from netspec.diagnostics.model import Diagnostic, Fix, Label
from netspec.repair.check import check_source
from netspec.source import Source, Span

PAGES = Path(__file__).parents[1] / "diagnostics"
SPEC = re.compile(r"^```yaml\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SPECS = [spec for page in sorted(PAGES.glob("*.md")) for spec in SPEC.findall(page.read_text("utf-8"))]


def reword(text: str) -> str:
    """The same letters backwards, once: facts that are equal stay so."""
    if not text or text.startswith("\0"):
        return text
    return "\0" + text[::-1]


def rewording(init: Any) -> Any:
    def reworded(self: Diagnostic, *given: Any, **named: Any) -> None:
        init(self, *given, **named)
        changed = {
            "fact": reword(self.fact),
            "label": reword(self.label),
            "rule": tuple(map(reword, self.rule)),
            "notes": tuple(map(reword, self.notes)),
            "others": tuple(Label(each.span, reword(each.text), each.kind) for each in self.others),
            "fixes": tuple(Fix(reword(each.text), each.edits, each.safe) for each in self.fixes),
        }
        for name, value in changed.items():
            object.__setattr__(self, name, value)

    return reworded


def stretch(span: Span | None) -> tuple[int, int] | None:
    return (span.start, span.end) if span is not None else None


def told(spec: str) -> list[object]:
    """Findings without their sentences."""
    return [
        (
            found.code,
            stretch(found.span),
            [(stretch(each.span), each.kind) for each in found.others],
            [[(stretch(edit.span), edit.text) for edit in fix.edits] for fix in found.fixes],
            [len(found.rule), len(found.notes), len(found.like)],
        )
        for found in check_source(Source("spec.yaml", spec))
    ]


def test_reworded_messages_change_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [told(spec) for spec in SPECS]
    assert len(SPECS) > 150 and sum(map(len, before)) > len(SPECS)
    monkeypatch.setattr(Diagnostic, "__init__", rewording(Diagnostic.__init__))
    for spec, findings in zip(SPECS, before, strict=True):
        assert told(spec) == findings, spec
