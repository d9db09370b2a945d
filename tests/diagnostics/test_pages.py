"""Every code has a page: its title, a cause, an example that fires it, a fix."""

import re
from functools import cache
from importlib.resources import files

from netspec.diagnostics.codes import CODES, Phase, phase_of
from netspec.repair.check import check_source
from netspec.source import Source
from tests.each import each

_FOLDER = files("netspec.diagnostics") / "pages"
_EXAMPLE = re.compile(r"^## Example\n+```yaml\n(.*?)^```$(.*?)^## Fix\n(.*)", re.DOTALL | re.MULTILINE)
_DIFF = re.compile(r"^```diff\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_BY_HAND = {"NS121": "the mend is a word on the command line"}


def _page(code: str) -> str:
    return (_FOLDER / f"{code}.md").read_text(encoding="utf-8")


@cache
def checked(code: str) -> bool:
    """Whether a page's example is a whole spec in which `check` finds the code; the others are run by test_page_commands.py."""
    found = _EXAMPLE.search(_page(code))
    return found is not None and "```" not in found[2] and code in _codes(found[1])


def _codes(text: str) -> set[str]:
    return {found.code for found in check_source(Source("spec.yaml", text))}


def _mended(text: str, diff: str) -> str:
    """A text with the lines of a diff changed: each block of lines without and with stands once."""
    lines = diff.splitlines()
    before, after = ("".join(f"{line[1:]}\n" for line in lines if line[0] in signs) for signs in ("- ", "+ "))
    assert text.count(before) == 1
    return text.replace(before, after)


@each("code", [*CODES])
def test_page_has_title_example_and_fix(code: str) -> None:
    text = _page(code)
    assert text.splitlines()[0] == f"# {code}: {CODES[code].title}"
    assert re.findall(r"^## (.*)$", text, re.MULTILINE)[:2] == ["Example", "Fix"]


@each("code", lambda: [code for code in CODES if checked(code)], parts=3)
def test_the_mended_example_is_sound(code: str) -> None:
    found = _EXAMPLE.search(_page(code))
    assert found is not None
    text = found[1]
    for diff in _DIFF.findall(found[3]):
        text = _mended(text, diff)
    if code in _BY_HAND:
        assert text == found[1]
        return
    left = check_source(Source("spec.yaml", text))
    assert code not in {d.code for d in left}
    assert [d for d in left if d.severity == "error"] == []


def test_every_code_that_check_finds_by_itself_has_such_an_example() -> None:
    by_command = {
        code for code in CODES if Phase.READING <= phase_of(code) <= Phase.LINTS and not checked(code)
    }
    prototxt = {f"NS{n:03}" for n in range(20, 34)} - {"NS030"} | {"NS040", "NS041", "NS042"}
    files_and_words = {
        "NS001",
        "NS002",
        "NS116",
        "NS119",
        "NS122",
        "NS212",
        "NS329",
        "NS331",
        "NS332",
        "NS413",
        "NS418",
        "NS430",
    }
    assert by_command == prototxt | files_and_words


def test_every_other_example_is_run() -> None:
    from test_page_commands import NOT_RUN, pages

    assert {code for code in CODES if not checked(code)} <= {*pages(), *NOT_RUN}


def test_no_page_without_code() -> None:
    assert {page.name.removesuffix(".md") for page in _FOLDER.iterdir()} == set(CODES)
