"""docs/api.md: every public name has a signature, words and an example, and the examples do what
they show.
"""

import doctest
import re
from pathlib import Path
from typing import Any

import pytest

import netspec
import netspec.plugin
from netspec.reference.api_page import FUNCTIONS, api_page, entries, public_names

PLUGINS = (Path(__file__).parents[2] / "docs/plugins.md").read_text(encoding="utf-8")
IN_A_PLUGIN = {"Layer", "OnnxBuilder", "OnnxValue", "Size"}
"""Words whose example is a whole plug-in, which is run: docs/plugins.md."""


def test_every_public_name_is_described() -> None:
    told = [entry.name for _, _, found in entries() for entry in found]
    assert set(netspec.__all__) - {"__version__"} <= set(told)
    assert set(FUNCTIONS) == set(netspec.__all__) - {"SpecError", "__version__"}
    assert public_names("netspec.plugin") == netspec.plugin.__all__
    assert told[-len(netspec.plugin.__all__) :] == netspec.plugin.__all__


def test_every_entry_has_words_and_an_example() -> None:
    sections = re.split(r"^### ", api_page(), flags=re.MULTILINE)[1:]
    for section in sections:
        name = section.partition("\n")[0]
        words = re.sub(
            r"```.*?```", "", section.partition("\n")[2].partition("\n## ")[0], flags=re.DOTALL
        ).strip()
        assert len(words) > 20, name
        assert ("```pycon" in section) != (name in IN_A_PLUGIN), name
    assert all(re.search(rf"\b{name}\b|\bg\.|\binfer\(self, x", PLUGINS) for name in IN_A_PLUGIN)


@pytest.mark.torch
@pytest.mark.onnx
def test_examples_do_what_they_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```pycon\n(.*?)^```", api_page(), re.DOTALL | re.MULTILINE)
    given: dict[str, Any] = {}
    exec("from pathlib import Path\nimport torch\nimport netspec\nfrom netspec.plugin import *", given)
    example = doctest.DocTestParser().get_doctest("\n".join(blocks), given, "docs/api.md", None, 0)
    assert len(example.examples) > 40
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(example, out=said.append)
    assert runner.failures == 0, "".join(said)
