"""Every code has a page: its title, a cause, an example that fires it, a fix."""

import re
from importlib.resources import files

import pytest

from netspec.diagnostics.codes import CODES
from netspec.driver import check_source
from netspec.source import Source

_FOLDER = files("netspec.diagnostics") / "pages"
_FOUND_BY_CHECK = "01234"  # the phases whose findings need no more than the spec


def _page(code: str) -> str:
    return (_FOLDER / f"{code}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", CODES)
def test_page_has_title_example_and_fix(code: str) -> None:
    text = _page(code)
    assert text.splitlines()[0] == f"# {code}: {CODES[code].title}"
    assert re.findall(r"^## (.*)$", text, re.MULTILINE)[:2] == ["Example", "Fix"]


@pytest.mark.parametrize("code", [code for code in CODES if code[2] in _FOUND_BY_CHECK and (_FOLDER / f"{code}.md").is_file()])
def test_example_fires_its_code(code: str) -> None:
    example = re.search(r"^## Example\n+```yaml\n(.*?)^```$(.*?)^## ", _page(code), re.DOTALL | re.MULTILINE)
    if example is None or "```" in example[2]:
        pytest.skip("the example is a command")
    assert code in {found.code for found in check_source(Source("spec.yaml", example[1]))}


def test_no_page_without_code() -> None:
    assert {page.name.removesuffix(".md") for page in _FOLDER.iterdir()} == set(CODES)
