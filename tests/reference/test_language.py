"""The pages on the language: every example is checked, every output beside one is what is printed, every key has its place.

In a page's source "```yaml" is a whole spec, "```yaml change" some sections of the page's first spec put otherwise, "```yaml NAME.yaml"
a file that later examples use. A "```text" behind one is what `check` prints, nothing where there is none; "```console" holds commands
and what they print. `--update` rewrites both.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from netspec.cli import group
from netspec.diagnostics.model import Diagnostics, SpecError
from netspec.diagnostics.render import render
from netspec.reference.keys import Key, Records, every_key, keys_of
from netspec.reference.language import (
    DIRECTIVE,
    PAGES,
    markdown_page,
    page_of,
    section_on,
    source_of,
    summary,
    used_in,
)
from netspec.reference.topics import explain_topic
from netspec.repair.check import check_source
from netspec.resolve.sections.spec_file import SpecFile
from netspec.source import Source
from netspec.syntax.located import Located
from netspec.syntax.reader import read
from tests.each import each

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "netspec/reference/pages"
FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
NO_EXAMPLE = {
    "mean_file": "needs a file of Caffe's",
    "plugins": "runs code; docs/plugins.md has examples that are run",
}
"""Keys that no example uses, and why."""


class Example(NamedTuple):
    """A spec of a page, as a whole, the files beside it, and the fences of output that follow it."""

    page: str
    line: int
    text: str
    files: dict[str, str]
    outputs: tuple[re.Match[str], ...]

    @property
    def shown(self) -> re.Match[str] | None:
        return next((fence for fence in self.outputs if fence["info"] == "text"), None)


def chunks(text: str, indent: str = "") -> dict[str, str]:
    """The sections of a spec by key, each with all its lines."""
    parts = re.split(rf"^(?={indent}[a-z])", text, flags=re.MULTILINE)
    return {part.strip().partition(":")[0]: part for part in parts if part.strip()}


def changed(text: str, change: str) -> str:
    """A spec with some sections put otherwise; of `train:`, written over several lines, the parts."""
    sections, new = chunks(text), chunks(change)
    if new.get("train", "").startswith("train:\n"):
        parts = {
            **chunks(sections["train"].partition("\n")[2], "  "),
            **chunks(new["train"].partition("\n")[2], "  "),
        }
        new["train"] = "train:\n" + "".join(parts.values())
    return "".join({**sections, **new}.values())


def examples_of(page: str) -> Iterator[Example]:
    text = source_of(page)
    fences = list(FENCE.finditer(text))
    first, files = "", {}
    for at, fence in enumerate(fences):
        kind, _, word = fence["info"].partition(" ")
        assert kind in ("yaml", "text", "console"), f"{page}: {fence['info']}"
        if kind != "yaml":
            continue
        whole = changed(first, fence["body"]) if word == "change" else fence["body"]
        first = first or (whole if not word else "")
        after = []
        for follower in fences[at + 1 :]:
            if follower["info"] not in ("text", "console"):
                break
            after.append(follower)
        if word.endswith(".yaml"):
            files = {**files, word: whole}
        yield Example(page, text.count("\n", 0, fence.start()) + 1, whole, files, tuple(after))


EXAMPLES = [example for page in PAGES for example in examples_of(page)]
EACH = pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e.page}:{e.line}")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_files(example: Example, folder: Path) -> None:
    for name, text in {**example.files, "spec.yaml": example.text}.items():
        (folder / name).write_text(text, encoding="utf-8")


def check(example: Example) -> str:
    shown = render(check_source(Source("spec.yaml", example.text)), color=False)
    return f"{shown}\n" if shown else ""


def run(commands: str) -> str:
    """The commands of a console, each with what it prints."""
    parts = []
    for line in re.findall(r"^\$ netspec .*$", commands, re.MULTILINE):
        result = CliRunner().invoke(group, line.split()[2:], standalone_mode=False)
        raised = result.exception
        assert raised is None or isinstance(raised, SpecError), f"{line}: {raised!r}"
        parts.append(f"{line}\n{result.output.rstrip()}\n")
    return "".join(parts)


@EACH
def test_check_prints_what_stands_below_an_example(
    example: Example, folder: Path, request: pytest.FixtureRequest
) -> None:
    write_files(example, folder)
    expected = example.shown["body"] if example.shown is not None else ""
    if request.config.getoption("update") and expected:
        pytest.skip("being rewritten")
    assert check(example) == expected


@pytest.mark.parametrize(
    "example",
    [e for e in EXAMPLES if any(f["info"] == "console" for f in e.outputs)],
    ids=lambda e: f"{e.page}:{e.line}",
)
def test_commands_print_what_stands_below_them(
    example: Example, folder: Path, request: pytest.FixtureRequest
) -> None:
    if request.config.getoption("update"):
        pytest.skip("being rewritten")
    write_files(example, folder)
    for fence in example.outputs:
        if fence["info"] == "console":
            assert run(fence["body"]) == fence["body"]


@pytest.mark.parametrize("page", PAGES)
def test_outputs_are_rewritten_on_demand(page: str, folder: Path, request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("update"):
        assert (FOLDER / f"{page}.md").is_file()
        return
    text, made = source_of(page), []
    for example in examples_of(page):
        write_files(example, folder)
        for fence in example.outputs:
            made.append((fence, check(example) if fence["info"] == "text" else run(fence["body"])))
    for fence, body in reversed(made):
        text = text[: fence.start("body")] + body + text[fence.end("body") :]
    (FOLDER / f"{page}.md").write_text(text, encoding="utf-8")


# --- every key has its place -----------------------------------------------------------------------------------------

KEYS = every_key()


def test_every_page_is_in_the_order_and_every_table_is_of_a_record() -> None:
    assert sorted(PAGES) == sorted(path.stem for path in FOLDER.glob("*.md"))
    tables = [name for page in PAGES for name in DIRECTIVE.findall(source_of(page))]
    assert sorted(tables) == sorted({key.owner.__name__ for key in KEYS}), "each record has one table"
    assert all(summary(page) and not summary(page).startswith(("<", "#")) for page in PAGES)


@each("key", KEYS, lambda key: key.path)
def test_every_key_has_a_meaning_and_a_place_and_explain_finds_it(key: Key) -> None:
    assert key.declared.doc.strip()
    page = page_of(key.owner)
    assert page is not None
    assert f"| `{key.declared.name}` |" in markdown_page(page)
    text = explain_topic(key.path)
    assert text is not None
    assert text.startswith(f"{key.path}: ")
    assert " ".join(key.declared.doc.split()) in " ".join(text.split())


def used_keys(node: Located, records: Records, path: str, many: bool = False) -> Iterator[tuple[str, str]]:
    """The keys that a tree uses, as (record, key)."""
    if isinstance(node.value, list):
        for item in node.value:
            yield from used_keys(item, records, path)
    if not isinstance(node.value, dict):
        return
    known = {key.declared.name: key for key in keys_of(records, path)}
    for name, value in node.value.items():
        if name in known:
            yield known[name].owner.__name__, name
            yield from used_keys(value, known[name].inner, known[name].path, known[name].held.many)
        elif many:
            yield from used_keys(value, records, path)


def test_every_key_is_used_by_an_example() -> None:
    used: set[tuple[Any, Any]] = set()
    for example in EXAMPLES:
        tree = read(Source("spec.yaml", example.text), Diagnostics())
        if tree is not None:
            used |= set(used_keys(tree, (SpecFile,), ""))
    same = {
        "PlayerSolver": "SolverParameter",
        "Expectations": "ExpectSection",
    }  # the words of another record again
    unused = {
        key.path
        for key in KEYS
        if not {(owner, key.declared.name) for owner in (key.owner.__name__, same.get(key.owner.__name__))}
        & used
    }
    assert {path for path in unused if path.rpartition(".")[2] not in NO_EXAMPLE} == set()
    assert NO_EXAMPLE.keys() == {path.rpartition(".")[2] for path in unused}


@each("key", [key for key in KEYS if not key.inner], lambda key: key.path)
def test_some_part_of_a_page_is_about_each_key_and_explain_shows_an_example(key: Key) -> None:
    assert section_on(key) is not None
    assert key.declared.name in NO_EXAMPLE or used_in(key, (explain_topic(key.path) or "").partition("\n")[2])


def test_no_line_is_wider_than_a_terminal() -> None:
    wide = [
        f"{page}: {line}"
        for page in PAGES
        for line in FENCE.sub("", source_of(page)).splitlines()
        if len(line) > 100
    ]
    assert wide == []


def test_links_lead_somewhere() -> None:
    folder = ROOT / "docs/language"
    links = [
        (page, link)
        for page in PAGES
        for link in re.findall(r"\]\(([^)#\s]+)", source_of(page))
        if "://" not in link
    ]
    assert [(page, link) for page, link in links if not (folder / link).resolve().exists()] == []


# --- what is trained -------------------------------------------------------------------------------------------------

TRAINED = [
    e for e in EXAMPLES if "source: digits" in e.text and (e.shown is None or "error[" not in e.shown["body"])
]


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.parametrize("example", TRAINED, ids=lambda e: f"{e.page}:{e.line}")
def test_what_an_example_says_of_training_can_be_trained(example: Example, folder: Path) -> None:
    write_files(example, folder)
    short = ("--set", "train.solver.max_iter=2", "--set", "train.solver.epochs=0")[
        : 4 if "epochs:" in example.text else 2
    ]
    result = CliRunner().invoke(
        group, ["train", "spec.yaml", "--run", "run", "--quiet", *short], standalone_mode=False
    )
    if "start at 0" in (example.shown["body"] if example.shown else ""):
        assert isinstance(result.exception, SpecError), "weights that all start at 0 are refused"
        return
    if isinstance(result.exception, SpecError):
        (refused,) = result.exception.diagnostics
        name = refused.path.rpartition("/")[2] if refused.path else ""
        if refused.code in ("NS643", "NS683") and f"{name}\n" in example.text.replace("}", "\n").replace(
            ",", "\n"
        ):
            return  # a file or a run of the reader's own
    assert result.exception is None, (
        result.exception.diagnostics if isinstance(result.exception, SpecError) else result.exception
    )
