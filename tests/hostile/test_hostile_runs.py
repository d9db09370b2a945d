"""Hostile data, runs, models and requests: damaged files of each reader that torch or onnxruntime stands behind."""

import json
import random
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.hostile.arena import Outcome, run
from tests.hostile.cases import Case, damage, outcome_faults
from tests.hostile.damage import damaged
from tests.hostile.data_files import DATA
from tests.hostile.served_requests import asked, make_request

MODEL_WORDS = (
    ["predict", "model.onnx", "--data", "digits"],
    ["predict", "model.onnx", "p.png"],
    ["verify", "model.onnx"],
    ["serve", "model.onnx", "--port", "0"],
)
RUN_WORDS = (["test", "out"], ["train", "out", "--resume"], ["predict", "out", "--data", "digits"])
WEIGHTS_WORDS = (
    ["export", "spec.yaml", "--weights", "w.safetensors", "-o", "made.onnx", "--no-certify"],
    ["train", "spec.yaml", "--weights", "w.safetensors", "--run", "new"],
    ["transplant", "w.safetensors", "spec.yaml", "spec.yaml", "-o", "moved.safetensors"],
)
FEW, MANY = range(1), range(1, 61)

Maker = Callable[[random.Random, Path], Case]


def data(kind: str, chance: random.Random, folder: Path) -> Case:
    sound = DATA[kind](chance, folder)
    (folder / "spec.yaml").write_text(sound.spec)
    return ["train", "spec.yaml", "--run", "out"], chance.choice(sound.files)


def run_folder(finished: Path, chance: random.Random, folder: Path) -> Case:
    shutil.copytree(finished, folder, dirs_exist_ok=True)
    files = sorted(path for path in (folder / "out").rglob("*") if path.is_file())
    return chance.choice(RUN_WORDS), chance.choice(files)


def model(finished: Path, chance: random.Random, folder: Path) -> Case:
    for name in ("model.onnx", "p.png"):
        shutil.copy(finished / name, folder)
    words = chance.choice(MODEL_WORDS)
    allowed = words[0] != "verify" and chance.random() < 0.5
    return [*words, *["--allow-uncertified"] * allowed], folder / "model.onnx"


def picture(finished: Path, chance: random.Random, folder: Path) -> Case:
    shutil.copytree(finished, folder, dirs_exist_ok=True)
    return ["predict", chance.choice(("model.onnx", "out")), "p.png"], folder / "p.png"


def safetensors(finished: Path, chance: random.Random, folder: Path) -> Case:
    """Weights by themselves, read by each command that takes them."""
    for name in ("spec.yaml", "w.safetensors"):
        shutil.copy(finished / name, folder)
    return chance.choice(WEIGHTS_WORDS), folder / "w.safetensors"


def makers(finished: Path) -> dict[str, Maker]:
    kept = {"run": run_folder, "model": model, "picture": picture, "safetensors": safetensors}
    return {
        **{kind: partial(data, kind) for kind in DATA},
        **{kind: partial(make, finished) for kind, make in kept.items()},
    }


KINDS = (*DATA, "run", "model", "picture", "safetensors")
MARKED = [
    pytest.param(kind, marks=pytest.mark.slow) if kind in ("coco", "voc", "parquet") else kind
    for kind in KINDS
]
"""Those that cost most are for before a release, the sound ones of them too."""


def faults(make: Maker, kind: str, seeds: range, tmp_path: Path) -> list[str]:
    """What went wrong, a line a seed."""
    found = []
    for seed in seeds:
        folder = tmp_path / "arena" / str(seed)
        folder.mkdir(parents=True)
        chance = random.Random(f"{kind} {seed}")
        words, victim = make(chance, folder)
        if victim is not None:
            damage(victim, chance)
        found += outcome_faults(run(words, folder), f"{kind}, seed {seed}", folder)
        shutil.rmtree(folder)
    return found


@pytest.mark.parametrize("kind", MARKED)
def test_sound_files_are_read(kind: str, finished: Path, tmp_path: Path) -> None:
    """What is damaged reaches its reader: without the damage each command ends well."""
    folder = tmp_path / "arena" / "0"
    folder.mkdir(parents=True)
    words, _ = makers(finished)[kind](random.Random(kind), folder)
    outcome = run(words, folder)
    assert outcome.code == 0, outcome.words[-900:]
    assert outcome.faults == []


@pytest.mark.parametrize("kind", MARKED)
def test_hostile_files_are_answered(kind: str, finished: Path, tmp_path: Path) -> None:
    assert faults(makers(finished)[kind], kind, FEW, tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_hostile_files_are_answered(kind: str, finished: Path, tmp_path: Path) -> None:
    assert faults(makers(finished)[kind], kind, MANY, tmp_path) == []


def served(finished: Path, folder: Path, seeds: range, sound: bool = False) -> tuple[Outcome, list[int]]:
    """The outcome of a server that is asked, and the status of each answer."""
    requests = [make_request(random.Random(f"request {seed}"), sound) for seed in seeds]
    told = folder / "told.json"

    def job() -> None:
        told.write_text(json.dumps(asked(finished / "model.onnx", requests)))

    folder.mkdir()
    outcome = run(["serve"], folder, job)
    return outcome, json.loads(told.read_text()) if told.exists() else []


def test_sound_requests_are_answered(finished: Path, tmp_path: Path) -> None:
    outcome, told = served(finished, tmp_path / "in", range(8), sound=True)
    assert outcome.code == 0, outcome.words[-900:]
    assert told == [200] * 8


@pytest.mark.parametrize("seeds", [range(30), pytest.param(range(30, 430), marks=pytest.mark.slow)])
def test_hostile_requests_are_answered(seeds: range, finished: Path, tmp_path: Path) -> None:
    outcome, told = served(finished, tmp_path / "in", seeds)
    assert outcome_faults(outcome, "requests", tmp_path) == []
    assert len(told) == len(seeds)
    assert told.count(400) > len(seeds) // 3


SITE = {
    "METADATA": b"Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n",
    "entry_points.txt": b"[netspec.layers]\nSoftsign = mine.softsign:Softsign\nBroken = mine.nowhere:Broken\n",
    "RECORD": b"mine/__init__.py,,\n",
    "top_level.txt": b"mine\n",
}


def plugged(folder: Path, chance: random.Random) -> Outcome:
    """An installed package whose metadata are damaged, beside a spec with a type that nothing knows."""
    info = folder / "mine-1.0.dist-info"
    info.mkdir(parents=True)
    victim = chance.choice(("METADATA", "entry_points.txt", "entry_points.txt", "RECORD"))
    for name, content in SITE.items():
        (info / name).write_bytes(damaged(content, chance) if name == victim else content)
    (folder / "net.yaml").write_text(
        "input: {data: [N, 3]}\nlayers:\n  - {name: s, type: Softsign}\n  - {name: t, type: Strange}\n"
    )
    words = ["check", "net.yaml", *["--allow-code"] * (chance.random() < 0.5)]

    def job() -> None:
        from netspec.cli import main

        sys.path.insert(0, str(folder))
        sys.argv = ["netspec", *words]
        main()

    return run(words, folder, job)


@pytest.mark.parametrize("seeds", [range(4), pytest.param(range(4, 84), marks=pytest.mark.slow)])
def test_hostile_plugin_metadata_are_answered(seeds: range, tmp_path: Path) -> None:
    found = []
    for seed in seeds:
        folder = tmp_path / "arena" / str(seed)
        found += outcome_faults(plugged(folder, random.Random(f"plug-in {seed}")), f"plug-in {seed}", folder)
    assert found == []
