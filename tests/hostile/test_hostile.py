"""Hostile files of each reader: exit 0, 1 or 2, no traceback, no bug, little time and memory, nothing run and nothing outside touched."""

import random
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.hostile.arena import run
from tests.hostile.damage import damaged, extreme_layer, hostile_prototxt, hostile_spec

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "tests" / "conformance" / "caffe" / "cases"
SPECS = sorted((ROOT / "specs").glob("*.yaml"))
PROTOTXTS = sorted(CASES.glob("*.prototxt"))
WEIGHTS = sorted([*CASES.glob("*.caffemodel"), *CASES.glob("*.caffemodel.h5")])

Maker = Callable[[random.Random, Path], list[str]]


def spec(chance: random.Random, folder: Path, sound: bool) -> list[str]:
    text = hostile_spec(chance) if not sound else damaged(chance.choice(SPECS).read_bytes(), chance)
    (folder / "spec.yaml").write_bytes(text)
    return chance.choice(
        (
            ["check", "spec.yaml"],
            ["check", "--fix", "spec.yaml"],
            ["show", "spec.yaml"],
            ["sizes", "spec.yaml"],
        )
    )


def compiled(chance: random.Random, folder: Path) -> list[str]:
    (folder / "spec.yaml").write_bytes(hostile_spec(chance))
    return ["compile", "spec.yaml", "-o", "net.py"]


def numbers(chance: random.Random, folder: Path) -> list[str]:
    (folder / "spec.yaml").write_bytes(extreme_layer(chance))
    return chance.choice((["check", "spec.yaml"], ["compile", "spec.yaml", "-o", "net.py"]))


def prototxt(chance: random.Random, folder: Path, sound: bool) -> list[str]:
    text = hostile_prototxt(chance) if not sound else damaged(chance.choice(PROTOTXTS).read_bytes(), chance)
    (folder / "net.prototxt").write_bytes(text)
    return ["import", "net.prototxt", "-o", "net.yaml"]


def weights(chance: random.Random, folder: Path) -> list[str]:
    path = chance.choice(WEIGHTS)
    name = "w.caffemodel.h5" if path.suffix == ".h5" else "w.caffemodel"
    (folder / name).write_bytes(damaged(path.read_bytes(), chance))
    shutil.copy(CASES / f"{path.name.partition('.')[0]}.prototxt", folder / "net.prototxt")
    return ["import", "net.prototxt", "--weights", name, "-o", "net.yaml"]


MAKERS: dict[str, Maker] = {
    "specs made": partial(spec, sound=False),
    "specs damaged": partial(spec, sound=True),
    "specs compiled": compiled,
    "numbers of layers": numbers,
    "prototxts made": partial(prototxt, sound=False),
    "prototxts damaged": partial(prototxt, sound=True),
    "weights damaged": weights,
}


def tried(kind: str, seeds: range, tmp_path: Path) -> list[str]:
    """What went wrong, one line a seed; the folders of sound runs are removed."""
    faults = []
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    for seed in seeds:
        folder = tmp_path / str(seed)
        folder.mkdir()
        outcome = run(MAKERS[kind](random.Random(f"{kind} {seed}"), folder), folder)
        found = [*outcome.faults, *(["PWN was written"] if any(tmp_path.rglob("PWN")) else [])]
        if outside.read_text() != "untouched":
            found.append("a file outside was changed")
        if found:
            faults.append(f"{kind}, seed {seed}: {found} {outcome.words[-600:]}")
        shutil.rmtree(folder)
    return faults


@pytest.mark.parametrize("kind", MAKERS)
def test_hostile_files_are_answered(kind: str, tmp_path: Path) -> None:
    assert tried(kind, range(7), tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", MAKERS)
def test_many_hostile_files_are_answered(kind: str, tmp_path: Path) -> None:
    assert tried(kind, range(7, 350), tmp_path) == []


def test_a_setting_of_many_steps_leads_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "spec.yaml").write_text("input: {data: [N, 3]}\nlayers:\n  - {name: r, type: ReLU}\n")
    outcome = run(["check", "spec.yaml", "--set", f"a{'.b' * 5000}=3"], folder)
    assert outcome.faults == []
    assert "NS119" in outcome.words
    assert len(outcome.words) < 1000


@pytest.mark.parametrize(
    ("layer", "code"),
    [
        ("Resize, scale: .inf", 1),
        ("PriorBox, bottom: [data, data], min_size: 3, aspect_ratio: [2, -.Inf]", 1),
        ("Power, shift: 1e400", 1),
        ("MappedConvolution, num_output: 2147483647, kernel_size: 3", 0),
        ("Scale, num_axes: 0, axis: -2147483648, bias_term: true", 0),
    ],
)
def test_numbers_that_nobody_means_are_answered(layer: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    spec = f"input: {{data: [N, 3, 8, 8]}}\nlayers:\n  - {{name: l, type: {layer}}}\n"
    (tmp_path / "in" / "spec.yaml").write_text(spec)
    outcome = run(["check", "spec.yaml"], tmp_path / "in")
    assert (outcome.code, outcome.faults) == (code, []), outcome.words


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("import os; os.system('true')", "os.system"),
        ("open('../beside', 'w').close()", "open"),
        ("raise ValueError('planted')", "Traceback"),
        ("x = bytearray(3 << 30)", "MemoryError"),
        ("import sys; sys.exit(101)", "exit 101"),
    ],
)
def test_the_arena_sees_what_it_looks_for(
    body: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.setattr("netspec.cli.main", lambda: exec(body))
    assert any(said in fault for fault in run(["check"], tmp_path / "in").faults)
