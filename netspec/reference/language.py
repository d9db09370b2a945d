"""The pages on the language: prose and examples stand in pages/*.md, the tables of keys are put in
from the records.

Comes in: the name of a page; goes out: Markdown for docs/language, or text for a terminal. Knows no
layer type.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from textwrap import fill
from typing import NamedTuple

from netspec.record import Record
from netspec.reference.keys import Key, every_key, keys_of
from netspec.reference.tables import default_of, limits_of, markdown_table

__all__ = [
    "PAGES", "Section", "as_list", "describe", "door", "headline", "indented", "markdown_page", "page_of", "section_on",
    "sections_of", "source_of", "summary", "terminal_page", "title", "used_in",
]  # fmt: skip

PAGES = (
    *(
        "spec",
        "values",
        "input",
        "image",
        "output",
        "layers",
        "sizes",
        "dialects",
        "variables",
        "blocks",
        "base-and-override",
    ),
    *("expect", "train", "data", "augment", "solver", "recipes", "laboratory", "players"),
)
"""In the order in which a newcomer meets them."""
DOOR = """# The language

A spec is a YAML file in Caffe's words. These pages explain it section by section, and every example on
them is checked. `netspec explain blocks` and `netspec explain train.solver.gamma` print the same in a
terminal. The parameters of each layer type are in [layers](../layers/README.md)."""
DIRECTIVE = re.compile(r"^<!-- keys: (\w+) -->$", re.MULTILINE)
FENCE = re.compile(r"^```yaml.*?^```$", re.DOTALL | re.MULTILINE)
ABOUT = re.compile(r"^<!-- about: (\S+) -->\n\n", re.MULTILINE)
"""The section that it stands in explains this key of another page's table."""
HEADS = ("key", "value", "default", "meaning")
WIDTH = 100
LINK = re.compile(r"\[([^\]]+)\]\([^)\s]+\)")


class Section(NamedTuple):
    """A part of a page, as it is written, from its heading on; the first one has the page's
    title.
    """

    page: str
    text: str


@cache
def source_of(name: str) -> str:
    """A page as it is written, without its tables."""
    return files("netspec.reference").joinpath("pages", f"{name}.md").read_text(encoding="utf-8")


def title(name: str) -> str:
    return source_of(name).partition("\n")[0].removeprefix("# ")


def summary(name: str) -> str:
    """The first paragraph of a page, on one line."""
    return " ".join(ABOUT.sub("", source_of(name)).split("\n\n")[1].split())


@cache
def places() -> dict[str, str]:
    """The page of each record's table, by the record's name."""
    return {name: page for page in PAGES for name in DIRECTIVE.findall(source_of(page))}


def page_of(owner: type[Record]) -> str | None:
    """The page that has the table of a record's keys."""
    return places().get(owner.__name__)


def expand(text: str, table: Callable[[list[Key]], str]) -> str:
    """A text with its tables of keys."""
    first = {key.owner.__name__: key for key in reversed(every_key())}
    return DIRECTIVE.sub(lambda found: table(beside(first[found[1]])), ABOUT.sub("", text))


def beside(key: Key) -> list[Key]:
    """All keys of the record that declares a key."""
    return list(keys_of((key.owner,), key.path.rpartition(".")[0]))


def markdown_page(name: str) -> str:
    """The page as it stands in docs/language."""
    return unmark(expand(source_of(name), as_table))


def door() -> str:
    """The list of the pages, and every key with the page that explains it."""
    pages = markdown_table(
        ("page", "what it says"), [(f"[{title(name)}]({name}.md)", summary(name)) for name in PAGES]
    )
    keys = [
        (f"`{key.path}`", key.declared.doc, f"[{page}]({page}.md)")
        for key in every_key()
        if (page := page_of(key.owner)) is not None
    ]
    return "\n\n".join([DOOR, pages, "## Every key", markdown_table(("key", "meaning", "page"), keys)]) + "\n"


def terminal_page(name: str) -> str:
    """The page for a terminal: tables as lists, links as their words, and at the end where these
    lead.
    """
    text = source_of(name)
    linked = [page for page in PAGES if f"]({page}.md)" in text]
    more = f"\n\nMore: netspec explain {', '.join(linked)}" if linked else ""
    return for_terminal(text) + more


def for_terminal(text: str) -> str:
    return LINK.sub(r"\1", unmark(expand(text, as_list))).rstrip()


def unmark(text: str) -> str:
    """A text whose fences say the language alone."""
    return re.sub(r"^```yaml .*$", "```yaml", text, flags=re.MULTILINE)


def as_table(keys: list[Key]) -> str:
    return markdown_table(
        HEADS,
        [
            (
                f"`{key.declared.name}`",
                value_of(key) + link_to(key),
                default_text(key),
                key.declared.doc,
            )
            for key in keys
        ],
    )


def link_to(key: Key) -> str:
    """To the page of the keys below it, where that is known."""
    page = page_of(key.inner[0]) if key.inner else None
    if page is not None:
        return f", [here]({page}.md)"
    return ""


def as_list(keys: list[Key]) -> str:
    """Two lines a key: its name and what it takes, then what it means."""
    return "\n".join(
        line
        for key in keys
        for line in (f"  {headline(key, key.declared.name)}", indented(key.declared.doc, 6))
    )


def indented(text: str, by: int = 4) -> str:
    return fill(text, WIDTH, initial_indent=" " * by, subsequent_indent=" " * by)


def headline(key: Key, name: str) -> str:
    """`gamma: a number >= 0; default 0.0`."""
    default = default_text(key)
    if default and default != "required":
        default = f"default {default.replace('`', '')}"
    return "; ".join(filter(None, (f"{name}: {value_of(key)}", default)))


def value_of(key: Key) -> str:
    limits = limits_of(key.declared)
    return key.held.words + (f" {limits}" if limits else "")


def default_text(key: Key) -> str:
    """`0`; nothing where a key left out is empty or means something of its own."""
    declared = key.declared
    if not declared.required and declared.default in (None, (), {}, ""):
        return ""
    return default_of(declared)


def sections_of(name: str) -> list[Section]:
    """The parts of a page."""
    return [Section(name, part) for part in re.split(r"^(?=## )", source_of(name), flags=re.MULTILINE)]


def pages_on(key: Key) -> list[str]:
    """The pages that may speak of a key: its own, then those of records that have the same key
    again, as a player's solver has.
    """
    same = [
        k.owner
        for k in every_key()
        if k.declared.name == key.declared.name and k.declared.doc == key.declared.doc
    ]
    return list(dict.fromkeys(page for owner in (key.owner, *same) if (page := page_of(owner)) is not None))


def used_in(key: Key, text: str) -> bool:
    """Whether a text has the key as a spec writes it."""
    return re.search(rf"(^|[\s{{,]){re.escape(key.declared.name)}:", text, re.MULTILINE) is not None


def section_on(key: Key) -> Section | None:
    """The part of the pages that says most of a key: one that is marked so, else the first that
    names or uses it on its own page.
    """
    marked = (part for page in PAGES for part in sections_of(page) if key.path in ABOUT.findall(part.text))
    if (part := next(marked, None)) is not None:
        return part
    prose = re.compile(rf"`{re.escape(key.declared.name)}[:`]")
    for page in pages_on(key):
        parts = sections_of(page)
        found = [part for part in parts if prose.search(part.text)] or [
            part for part in parts if used_in(key, part.text)
        ]
        if found:
            return found[0]
    return None


def example_of(key: Key) -> str | None:
    """The first example of the pages that uses a key, as a fence."""
    fences = (fence[0] for page in pages_on(key) for fence in FENCE.finditer(source_of(page)))
    return next((fence for fence in fences if used_in(key, fence)), None)


def describe(key: Key) -> str:
    """What there is to say of one key: its value, its meaning, the keys below it, and the part of a
    page that is about it.
    """
    return "\n\n".join([f"{headline(key, key.path)}\n{indented(key.declared.doc)}", *parts_on(key)])


def parts_on(key: Key) -> Iterator[str]:
    """The part of a page that is about a key, and where the whole is; of a section that has a page,
    that page.
    """
    below = page_of(key.inner[0]) if key.inner else None
    own = page_of(key.owner)
    if below is not None and below != own:
        yield terminal_page(below)
        return
    section, example = section_on(key), example_of(key)
    if section is None:
        return
    yield for_terminal(section.text)
    if example is not None and not any(used_in(key, fence[0]) for fence in FENCE.finditer(section.text)):
        yield f"An example:\n\n{unmark(example)}"
    yield f"The whole page: netspec explain {section.page}"
