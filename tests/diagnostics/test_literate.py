"""Markdown pages of specs, each with the exact text that checking it prints."""

import re
from functools import cache
from pathlib import Path

import pytest

from netspec.diagnostics.codes import Phase
from netspec.diagnostics.evidence import NOTHING
from netspec.diagnostics.model import Diagnostic
from netspec.diagnostics.render import render
from netspec.repair.check import check_source
from netspec.source import Source

_CASE = re.compile(r"^```yaml\n(?P<spec>.*?)^```\n\s*^```text\n(?P<shown>.*?)^```$", re.DOTALL | re.MULTILINE)
_PAGES = sorted(Path(__file__).parent.glob("*.md"))


@cache
def _found(spec: str) -> list[Diagnostic]:
    return check_source(Source("spec.yaml", spec))


def _shown(spec: str) -> str:
    return (render(_found(spec), color=False) or "no findings") + "\n"


def _cases() -> list[object]:
    found = []
    for page in _PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _CASE.finditer(text):
            heading = re.findall(r"^#+ (.*)$", text[: match.start()], re.MULTILINE)[-1]
            line = text.count("\n", 0, match.start()) + 1
            found.append(pytest.param(match["spec"], match["shown"], id=f"{page.name}:{line} {heading}"))
    return found


@pytest.mark.parametrize(("spec", "shown"), _cases())
def test_page_shows_what_check_prints(spec: str, shown: str, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("update", default=False):
        pytest.skip("being rewritten")
    assert _shown(spec) == shown


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_every_spec_of_a_page_has_its_output(page: Path, request: pytest.FixtureRequest) -> None:
    text = page.read_text(encoding="utf-8")
    if request.config.getoption("update", default=False):
        bare = re.compile(r"^```yaml\n(?:(?!```).*\n)*```$(?!\n\s*^```text)", re.MULTILINE)
        text = bare.sub(lambda m: m[0] + "\n\n```text\n```", text)
        text = _CASE.sub(lambda m: f"```yaml\n{m['spec']}```\n\n```text\n{_shown(m['spec'])}```", text)
        page.write_text(text, encoding="utf-8")
    assert len(_CASE.findall(text)) == len(re.findall(r"^```yaml$", text, re.MULTILINE)) > 0


NO_SPEC = "the text is not read as YAML, or is no mapping: nothing in it has a name yet"
ABOUT_NOTHING = {
    **dict.fromkeys(("NS003", "NS005", "NS010", "NS011", "NS012", "NS013", "NS014", "NS015"), NO_SPEC),
    **dict.fromkeys(("NS016", "NS017", "NS018", "NS019", "NS030"), NO_SPEC),
}
NO_SIZES = {
    Phase.READING: "no net yet",
    Phase.SCHEMA: "the value and its place are all there is",
    Phase.NAMES: "the graph is not made yet; repair/names.py asks labels",
    Phase.LINTS: "a doubt, which nothing mends but the text of its own place",
    Phase.DATA: "words of the training: no pass asks further",
}
"""Findings that rest on nothing but what they are about; those on sizes have evidence that repair
asks.
"""


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_findings_say_what_they_are_about_and_rest_on(page: Path) -> None:
    found = [d for m in _CASE.finditer(page.read_text(encoding="utf-8")) for d in _found(m["spec"])]
    no_mapping = "a spec is a mapping with netspec, input and layers"
    mute = [d for d in found if d.about == NOTHING and d.code not in ABOUT_NOTHING and d.fact != no_mapping]
    assert [f"{d.code} {d.fact}" for d in mute] == []
    bare = [d for d in found if d.evidence is None and d.phase not in NO_SIZES]
    assert [f"{d.code} {d.fact}" for d in bare] == []


SUBJECTS = """
netspec: 1
vars: {width: 4}
input: {data: [N, 1, 8, 8]}
blocks:
  unit:
    layers:
      - {name: conv, type: Convolution, num_output: $width, kernel_size: wide}
  idle:
    layers:
      - {name: act, type: ReLU, slop: 1}
layers:
  - {name: u, block: unit, repeat: 2}
  - {name: plain, type: InnerProduct, num_output: 3, weight_filler: {type: xavier, meen: 0}}
  - {name: last, type: ReLU, bottom: plian}
train:
  data: {source: digits}
  solver: {type: SGD, base_lr: fast}
"""


def test_a_finding_is_about_the_layer_and_key_at_its_place() -> None:
    """Of a block, the first use of a layer; of a block that nothing uses, the layer behind its name."""
    assert {tuple(d.about) for d in _found(SUBJECTS)} == {
        ("u.0.conv", "", "kernel_size"),
        ("idle.act", "", "slop"),
        ("plain", "", "weight_filler.meen"),
        ("last", "plian", "bottom"),
        ("", "", "train.solver.base_lr"),
    }


def test_a_finding_in_a_base_is_about_its_layer(tmp_path: Path) -> None:
    base = "netspec: 1\ninput: {data: [N, 4]}\nlayers: [{name: a, type: ReLU, slop: 1}]\n"
    (tmp_path / "base.yaml").write_text(base)
    path = tmp_path / "net.yaml"
    path.write_text("netspec: 1\nbase: base.yaml\n")
    found = check_source(Source(str(path), path.read_text()))
    assert [(d.code, tuple(d.about)) for d in found] == [("NS102", ("a", "", "slop"))]
