"""Each layer page has a whole spec that can be pasted: `check` has nothing against it."""

import re
from pathlib import Path

import pytest

from netspec import layers
from netspec.reference.layer_page import reference
from netspec.reference.pasteable import paste_spec
from netspec.repair.check import check_source
from netspec.source import Source

PAGES = Path(__file__).parents[2] / "docs/layers"
WITHOUT = {"HDF5Data": "needs a file", "Python": "stands for a class that netspec knows by another name"}
"""Types without an accepted example row."""


@pytest.mark.parametrize("cls", layers.every(), ids=lambda cls: cls.type)
def test_the_spec_of_a_page_can_be_pasted(cls: type[layers.Layer]) -> None:
    found = re.search(
        r"^## In a spec$.*?^```yaml\n(.*?)^```$",
        (PAGES / f"{cls.type}.md").read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    assert (found is None) == (cls.type in WITHOUT)
    if found is not None:
        assert f"type: {cls.type}" in found[1]
        assert [f"{each.code} {each.fact}" for each in check_source(Source("spec.yaml", found[1]))] == []


def test_a_row_that_check_refuses_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A type whose rows are wrong has no such section, rather than a wrong one."""
    from netspec.reference import pasteable

    monkeypatch.setattr(
        pasteable, "write_spec", lambda cls, row, bottoms: "layers:\n  - {name: a, type: Nothing}\n"
    )
    cls = layers.every()[0]
    assert paste_spec(cls) is None
    assert "## In a spec" not in reference(cls)
