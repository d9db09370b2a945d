"""Markdown pages of specs, each with the exact text that checking it prints."""

import re
from pathlib import Path

import pytest

from netspec.diagnostics.render import render
from netspec.repair.check import check_source
from netspec.source import Source

_CASE = re.compile(r"^```yaml\n(?P<spec>.*?)^```\n\s*^```text\n(?P<shown>.*?)^```$", re.DOTALL | re.MULTILINE)
_PAGES = sorted(Path(__file__).parent.glob("*.md"))


def _shown(spec: str) -> str:
    return (render(check_source(Source("spec.yaml", spec)), color=False) or "no findings") + "\n"


def _cases() -> list[object]:
    found = []
    for page in _PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _CASE.finditer(text):
            heading = re.findall(r"^#+ (.*)$", text[: match.start()], re.MULTILINE)[-1]
            line = text.count("\n", 0, match.start()) + 1
            found.append(pytest.param(match["spec"], match["shown"], id=f"{page.name}:{line} {heading}"))
    return found


@pytest.mark.parametrize(("spec", "shown"), _cases())
def test_page_shows_what_check_prints(spec: str, shown: str, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("update", default=False):
        pytest.skip("being rewritten")
    assert _shown(spec) == shown


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_every_spec_of_a_page_has_its_output(page: Path, request: pytest.FixtureRequest) -> None:
    text = page.read_text(encoding="utf-8")
    if request.config.getoption("update", default=False):
        bare = re.compile(r"^```yaml\n(?:(?!```).*\n)*```$(?!\n\s*^```text)", re.MULTILINE)
        text = bare.sub(lambda m: m[0] + "\n\n```text\n```", text)
        text = _CASE.sub(lambda m: f"```yaml\n{m['spec']}```\n\n```text\n{_shown(m['spec'])}```", text)
        page.write_text(text, encoding="utf-8")
    assert len(_CASE.findall(text)) == len(re.findall(r"^```yaml$", text, re.MULTILINE)) > 0
