"""What a page, a comment or a message refers to is there: every link, every file, and no document
that the repository does not hold.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "netspec/diagnostics/pages").glob("*.md")]
)
ELSEWHERE = re.compile(
    r"\b(?:LANGUAGE|REDESIGN|ARCHITECTURE|STYLE|ZOO|DEPENDENCIES)(?:\.md\b|, section)|\bshared/\w+\.md"
)
"""Plans and rules that were written down elsewhere: whoever reads this repository cannot look
there.
"""
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
FOLDERS = ("docs", "netspec", "tests", "specs", "benchmarks", "schemas", ".ci")
FOLDER = re.compile(rf"(?<![\w/.-])((?:{'|'.join(map(re.escape, FOLDERS))})/[\w./*<>-]*\w)")
MODULE = re.compile(r"(?<![\w/.-])([\w<>*-]+(?:/[\w<>*.-]+)+\.py)\b")
"""A file of netspec's, named from its package's folder."""
PAGE = re.compile(r"(?<![\w/.-])(docs/[\w/.-]+\.md)\b")
NOT_HERE = {
    "specs/demo.yaml": "an example",
    "specs/no-such-file.yaml": "an example",
    "layers/blocks_*.py": "told of as what was, in the record that moved them",
}
TOLD = {"CHANGELOG.md"}
"""Tells of files as they were."""


def texts() -> Iterator[tuple[Path, str]]:
    """Every file of text."""
    files = [*ROOT.glob("*.*"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    for path in sorted(files):
        if (
            path != Path(__file__)
            and path.suffix in {".py", ".md", ".yaml", ".toml", ".txt", ""}
            and path.is_file()
            and "__pycache__" not in path.parts
        ):
            yield path, path.read_text(encoding="utf-8", errors="replace")


def test_nothing_refers_to_a_document_that_is_not_here() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path, text in texts()
        for match in ELSEWHERE.finditer(text)
    ]
    assert not found


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("the deploy view (LANGUAGE, section 1)", True),
        ("see ARCHITECTURE.md", True),
        ("../shared/cases.md", True),
        ("an architecture of ours", False),
        ("docs/architecture.md", False),
        ("LANGUAGES = ()", False),
    ],
)
def test_what_counts_as_a_document_from_elsewhere(text: str, seen: bool) -> None:
    assert bool(ELSEWHERE.search(text)) == seen


def test_links_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in PAGES
        for link in LINK.findall(page.read_text(encoding="utf-8"))
        if not re.match(r"[a-z]+:", link) and not (page.parent / link).exists()
    ]
    assert not broken


def test_files_that_pages_name_are_there() -> None:
    pages = ((page, page.read_text(encoding="utf-8")) for page in PAGES if page.name not in TOLD)
    named = {(page, name) for page, text in pages for name in (*FOLDER.findall(text), *MODULE.findall(text))}
    assert not sorted(
        f"{page.relative_to(ROOT)}: {name}"
        for page, name in named
        if name not in NOT_HERE and not there(name)
    )


def test_pages_that_code_names_are_there() -> None:
    named = {(path, name) for path, text in texts() if path.suffix == ".py" for name in PAGE.findall(text)}
    assert named
    assert not sorted(f"{path.relative_to(ROOT)}: {name}" for path, name in named if not there(name))


def there(name: str) -> bool:
    """Whether a path, in which `<family>`, NAME, x and `*` stand for any word, is that of a file or
    folder here.
    """
    pattern = re.sub(r"<\w+>|xxx|NNNN|name|NAME|FAMILY", "*", name)
    return any(any((ROOT / top).glob(pattern)) for top in (".", "netspec"))
