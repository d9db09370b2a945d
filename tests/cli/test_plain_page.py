"""`netspec zoo NAME`: a page in a terminal, without what a terminal cannot show."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from netspec.cli import group
from netspec.cli.output.plain_page import plain_page
from netspec.diagnostics.model import SpecError


def zoo(*words: str) -> str:
    return CliRunner().invoke(group, ("zoo", *words), catch_exceptions=False).output


def test_the_page_of_a_net() -> None:
    shown = zoo("lenet-5")
    assert shown == zoo("zoo:lenet-5")
    assert shown.startswith("LeNet-5\n=======\n\nThe net that read checks:")
    assert "\nparameters         60,000\n" in shown and "\n    units: {hidden: 8084, output: 10}\n" in shown
    assert "\nc3        MappedConvolution, squash  [N, 16, 10, 10]    1,516  150,000\n" in shown
    assert "docs/zoo/lenet-5.md" in shown


def test_every_page_is_shown_whole_but_for_pictures() -> None:
    # the pages that `.ci/generate.py --check` holds to the zoo
    for path in sorted((Path(__file__).parents[2] / "docs" / "zoo").glob("*.md")):
        name, text = path.stem, path.read_text(encoding="utf-8").partition("-->\n\n")[2]
        if "```yaml\n" in text:
            shown = plain_page(text)
            assert not re.search(r"mermaid|-->|```|\]\(|\| ---", shown), name
            facts = text[text.index("```yaml\n") + 8 :].partition("\n```")[0].splitlines()
            assert all(f"  {line}" in shown for line in facts), name
            cells = re.findall(r"^\| `(.*?)` ", text, re.MULTILINE)
            assert cells and all(
                re.search(rf"^{re.escape(cell)}\b", shown, re.MULTILINE) for cell in cells
            ), name


@pytest.mark.parametrize("words", [("lenet-7",), ("lenet-7", "--json")])
def test_an_unknown_net_is_told_with_its_nearest(words: tuple[str, ...]) -> None:
    with pytest.raises(SpecError, match="the zoo has no lenet-7; did you mean lenet"):
        zoo(*words)
