"""Layers of unknown types stop the phases that keep them, and no other."""

from pathlib import Path

import pytest

import netspec
from netspec.diagnostics import SpecError
from netspec.driver import load_source
from netspec.read_options import PLAIN, Reading
from netspec.repair.check import check_source
from netspec.source import Source

NET = """
netspec: 1
input: {{data: [N, 3, 6, 6]}}
layers:
  - {{name: odd, type: {type}, bottom: data, top: {top}, {rule}}}
  - {{name: conv, type: Convolution, bottom: {bottom}, num_output: 2, kernel_size: 3}}
"""


def spec(rule: str, type_: str = "Fork", top: str = "odd", bottom: str = "data") -> Source:
    return Source("spec.yaml", NET.format(rule=rule, type=type_, top=top, bottom=bottom))


def sound(source: Source, reading: Reading = PLAIN) -> list[str]:
    """The phases that can be typed."""
    program, found = load_source(source, reading), []
    for phase in ("train", "test", "deploy"):
        try:
            program.graph(phase)
            found.append(phase)
        except SpecError as error:
            assert {d.code for d in error.diagnostics} <= {"NS101", "NS123"}
    return found


@pytest.mark.parametrize("type_", ["Fork", "Convolutoin", "Python, module: m, layer: Fork"])
@pytest.mark.parametrize(
    ("rule", "phases"),
    [
        ("include: {phase: TRAIN}", ["test", "deploy"]),
        ("exclude: {phase: TEST}", ["test", "deploy"]),
        ("include: {phase: TEST}", ["train"]),
        ("exclude: {phase: TRAIN}", ["train"]),
        ("include: {stage: report}", ["train", "test", "deploy"]),
        ("include: {min_level: 3}", ["train", "test", "deploy"]),
    ],
)
def test_an_unknown_type_stops_the_phases_that_keep_it(type_: str, rule: str, phases: list[str]) -> None:
    source = spec(rule, type_)
    assert sound(source) == phases
    codes = [d.code for d in check_source(source)]
    assert codes == (["NS441"] if len(phases) == 3 else ["NS123" if "Python" in type_ else "NS101"])


def test_stages_and_levels_bring_it_back() -> None:
    assert sound(spec("include: {stage: report}"), Reading(stages=frozenset(["report"]))) == []
    assert sound(spec("include: {min_level: 3}"), Reading(level=3)) == []


def test_without_rules_it_stops_everything() -> None:
    with pytest.raises(SpecError) as error:
        load_source(spec("phase: TRAIN"))
    assert [d.code for d in error.value.diagnostics] == ["NS101"]


def test_what_reads_it_elsewhere_is_told_where_it_went() -> None:
    found = check_source(spec("include: {phase: TRAIN}", bottom="odd"))
    assert sorted(d.code for d in found) == ["NS101", "NS210"]


def test_in_a_block_it_stops_as_much_as_outside() -> None:
    text = """
netspec: 1
input: {data: [N, 3, 6, 6]}
blocks:
  unit:
    layers:
      - {name: odd, type: Fork, bottom: data, include: {phase: TRAIN}}
      - {name: conv, type: Convolution, bottom: data, num_output: 3, kernel_size: 1}
    bottom: data
layers:
  - {name: u, block: unit, repeat: 2}
"""
    source = Source("spec.yaml", text)
    assert sound(source) == ["test", "deploy"]
    assert [d.code for d in check_source(source)] == ["NS101"]


def test_load_asks_for_no_stage_and_level_0(tmp_path: Path) -> None:
    rules = {
        "deep": "include: {min_level: 1}",
        "early": "include: {max_level: 0}",
        "staged": "include: {stage: [more]}",
        "always": "",
    }
    layers = "".join(
        f"  - {{name: {name}, type: ReLU, bottom: x{', ' + rule if rule else ''}}}\n"
        for name, rule in rules.items()
    )
    (tmp_path / "s.yaml").write_text("netspec: 1\ninput: {x: [N, 3]}\nlayers:\n" + layers)
    for words, kept in (
        ({}, {"early", "always"}),
        ({"level": 1}, {"deep", "always"}),
        ({"stages": ["more"]}, {"early", "staged", "always"}),
    ):
        graph = netspec.load(str(tmp_path / "s.yaml"), **words).graph("test").graph  # type: ignore[arg-type]
        assert {node.name for node in graph.nodes} == kept
