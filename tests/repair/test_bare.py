"""Trials compare findings that are made without what only people read: they are the same ones, in the same places."""

import re
from pathlib import Path

from netspec.diagnostics.model import Diagnostic
from netspec.driver import bare_findings, findings
from netspec.read_options import PLAIN
from netspec.source import Source

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        *(ROOT / "tests" / "diagnostics").glob("*.md"),
        *(ROOT / "netspec" / "diagnostics" / "pages").glob("*.md"),
    ]
)
SPEC = re.compile(r"^```yaml\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def compared(d: Diagnostic) -> object:
    """What a trial asks of a finding."""
    return d.identity, d.severity, d.span and (d.span.start, d.span.end), d.hides and d.hides.start


def test_bare_findings_are_the_findings() -> None:
    specs = [match[1] for page in PAGES for match in SPEC.finditer(page.read_text(encoding="utf-8"))]
    assert len(specs) > 250
    for spec in specs:
        source = Source("spec.yaml", spec)
        assert [*map(compared, bare_findings(source, PLAIN))] == [*map(compared, findings(source, PLAIN))]


def test_they_are_made_without_arithmetic_labels_and_names() -> None:
    text = "input: {data: [N, 3, 2, 2]}\nlayers:\n  - {name: a, type: Pooling, kernel_size: 5}\n  - {name: b, type: ReLU, bottom: dataa}\n"
    full, bare = (made(Source("spec.yaml", text), PLAIN) for made in (findings, bare_findings))
    assert len(full) == len(bare) == 2
    assert full[0].rule and full[0].fixes and full[1].others and full[1].fixes
    assert not any(d.rule or d.others or d.fixes for d in bare)
