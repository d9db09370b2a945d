"""docs/architecture.md: its walks are run, its drawing names what is there, and every package says
what it is for in one form.
"""

import doctest
import re
from pathlib import Path

import pytest

from netspec.reference.rooms import read_room, rooms_table

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
(DRAWING,) = re.findall(r"^```mermaid\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_the_walks_go_where_they_say() -> None:
    blocks = re.findall(r"^```pycon\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    walk = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "docs/architecture.md", None, 0)
    assert len(walk.examples) > 20
    said: list[str] = []
    runner = doctest.DocTestRunner()
    runner.run(walk, out=said.append)
    assert runner.failures == 0, "".join(said)


def test_the_drawing_names_what_is_there() -> None:
    for file, function in re.findall(r'"([\w/]+\.py): (\w+)"', DRAWING):
        assert f"\ndef {function}(" in (ROOT / "netspec" / file).read_text(encoding="utf-8"), (
            f"{file}: {function}"
        )
    for name in re.findall(r'"([\w/]+(?:\.py|/))', DRAWING):
        assert (ROOT / "netspec" / name).exists(), name
    nodes = set(re.findall(r"\b(\w+)[\[(]", DRAWING))
    arrows = re.findall(
        r"^  (\w+)\b.*?--?>.*?(\w+)(?:[\[(].*)?$|^  (\w+) -\. .* \.-> (\w+)$", DRAWING, re.MULTILINE
    )
    assert len(arrows) > 10 and {end for arrow in arrows for end in arrow if end} <= nodes | {"text", "typed"}


def test_the_table_has_every_package() -> None:
    packages = {
        path.parent.relative_to(ROOT / "netspec").as_posix()
        for path in (ROOT / "netspec").rglob("__init__.py")
    } - {"."}
    assert set(re.findall(r"^\| `([\w/]+)/`", PAGE, re.MULTILINE)) == packages


@pytest.mark.parametrize("text", ["", '"""What it is."""', '"""What it is.\n\nIn: a. Out: b.\n"""'])
def test_a_package_that_does_not_say_what_it_is_for_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netspec.reference.rooms.PACKAGE", tmp_path)
    (tmp_path / "room").mkdir()
    (tmp_path / "room/__init__.py").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"netspec/room/__init__\.py must begin"):
        rooms_table(["room"])
    (tmp_path / "room/__init__.py").write_text(
        '"""What it\nis.\n\nIn: a. Out: b, c. Must\nnot know: d.\n"""', encoding="utf-8"
    )
    assert read_room(tmp_path / "room")[1:] == ("What it is.", "a", "b, c", "d")
