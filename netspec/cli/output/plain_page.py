"""A page of Markdown as a terminal shows it. In: its text; out: text without pictures, marks and
addresses.

Must not know what the page is about.
"""

import re
from collections.abc import Iterator
from textwrap import fill

from netspec.cli.output.table import table

__all__ = ["plain_page"]

WIDTH = 100
"""Columns of running text: longer lines are hard to follow."""
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
ONLY_A_LINK = re.compile(r"(?<=\.) \[[^\]]*\]\([^)]*\)\.?$", re.MULTILINE)
COUNT = re.compile(r"[\d,]*")


def plain_page(text: str) -> str:
    """Sections with a picture are left out, tables get columns, code is indented, links are their
    words.
    """
    sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    shown = [section for section in sections if "```mermaid" not in section]
    return "\n\n".join(part for section in shown for part in plain_parts(section))


def plain_parts(section: str) -> Iterator[str]:
    """The paragraphs, tables and pieces of code of a section."""
    last = 0
    for fence in FENCE.finditer(section):
        yield from plain_paragraphs(section[last : fence.start()])
        yield "\n".join(f"  {line}" for line in fence[2].splitlines())
        last = fence.end()
    yield from plain_paragraphs(section[last:])


def plain_paragraphs(text: str) -> Iterator[str]:
    for paragraph in filter(None, (part.strip() for part in text.split("\n\n"))):
        if paragraph.startswith("|"):
            yield plain_table(paragraph)
        elif paragraph.startswith("#"):
            title = LINK.sub(r"\1", paragraph.lstrip("# "))
            yield f"{title}\n{('=' if paragraph.startswith('# ') else '-') * len(title)}"
        else:
            yield fill(
                LINK.sub(r"\1", ONLY_A_LINK.sub("", paragraph)),
                WIDTH,
                break_long_words=False,
                break_on_hyphens=False,
            )


def plain_table(text: str) -> str:
    """Columns of numbers flush right."""
    heads, _, *rows = [
        # a bar behind a backslash belongs to its cell
        [plain_cell(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
    ]
    right = [
        i
        for i in range(len(heads))
        if any(row[i] for row in rows) and all(COUNT.fullmatch(row[i]) for row in rows)
    ]
    return table(heads, rows, right)


def plain_cell(cell: str) -> str:
    return LINK.sub(r"\1", cell.strip().replace("\\|", "|").replace("`", ""))
