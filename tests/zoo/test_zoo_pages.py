"""The zoo's pages: one for each spec, with its facts as they are written, and pictures whose arrows lead somewhere."""

import re
from pathlib import Path

import pytest

from netspec import driver
from netspec.reference.zoo_parts import draw_chart, inside, parts_of, templates
from netspec.syntax.paths import zoo_specs

PATHS = dict(zoo_specs())
DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """As they lie in docs/, which is what `zoo_pages` makes: tests/architecture/test_generated.py."""
    files = {path.stem: path.read_text(encoding="utf-8") for path in (DOCS / "zoo").glob("*.md")}
    return {"": (DOCS / "zoo.md").read_text(encoding="utf-8"), **files}


def test_every_spec_has_a_page_and_a_line(pages: dict[str, str]) -> None:
    assert pages.keys() == {"", *PATHS}
    assert all(f"[{name}](zoo/{name}.md)" in pages[""] for name in PATHS)
    assert sum(map(len, pages.values())) < 1_500_000


def test_pages_show_the_facts_as_they_are_written(pages: dict[str, str]) -> None:
    assert "  connections: 98442\n" in pages["lenet-1"] and "equivariant: f4" in pages["lenet-1"]
    for name, path in PATHS.items():
        (shown,) = re.findall(r"```yaml\n(.*?)\n```", pages[name], re.DOTALL)
        assert shown.startswith("expect:") and shown in path.read_text(encoding="utf-8")


def test_arrows_join_what_is_drawn(pages: dict[str, str]) -> None:
    for name in PATHS:
        for chart in re.findall(r"```mermaid\n(.*?)\n```", pages[name], re.DOTALL):
            made = re.findall(r"^  (\w+)[\[(]", chart, re.MULTILINE)
            arrows = re.findall(r"^  (\w+) --> (\w+)$", chart, re.MULTILINE)
            assert len(set(made)) == len(made)
            assert {end for arrow in arrows for end in arrow} <= set(made), name


def test_copies_of_a_block_are_one_part_and_its_inside_another_picture() -> None:
    typed = driver.load(str(PATHS["resnet-152"])).graph()
    parts = parts_of(typed)
    assert [part.kind for part in parts[2:6]] == [
        "3 x bottleneck",
        "8 x bottleneck",
        "36 x bottleneck",
        "3 x bottleneck",
    ]
    assert sum(part.weights for part in parts) == 60192808
    block, nodes = templates(typed)[1]
    assert (block.template, inside(nodes)) == (
        "bottleneck",
        {"conv-bn": "Convolution, BatchNorm, Scale, ReLU"},
    )
    picture = draw_chart(typed, parts_of(typed, nodes, depth=1))
    assert picture.count("-->") == 6 and "shortcut<br/>conv-bn" in picture
