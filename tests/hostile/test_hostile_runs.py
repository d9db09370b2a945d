"""Hostile data, runs, models and requests: damaged files of each reader that torch or onnxruntime stands behind."""

import json
import os
import random
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.hostile.arena import Outcome, run
from tests.hostile.damage import PAYLOADS, damaged
from tests.hostile.data_files import DATA
from tests.hostile.served_requests import asked, make_request

SPEC = """input: {data: [N, 1, 8, 8]}
layers:
  - {name: one, type: InnerProduct, num_output: 10, weight_filler: xavier}
train: {data: {source: digits, batch_size: 2}, solver: {base_lr: 0.01, max_iter: 2, display: 1, snapshot: 1}}
"""
HEADERS = (
    b'{"a": ' * 3000,
    b"[]",
    b"{}",
    b'{"name": 3}',
    b'"\\ud800"',
    b"null",
    b"[[[[1]]]]",
    b'{"classes": [1, 2]}',
    b"",
)
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

Case = tuple[list[str], Path | None]
"""A command, and the file that is damaged before it."""
Maker = Callable[[random.Random, Path], Case]


@pytest.fixture(scope="module", autouse=True)
def torch_at_hand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Imported and tried once, so that a child costs a fork; but onnxruntime, which begins a thread.

    A server ends once it has loaded its model.
    """
    import h5py  # noqa: F401
    import onnx  # noqa: F401
    import torch
    from PIL import Image

    import netspec.exporters.export
    import netspec.serving.http
    import netspec.serving.server  # noqa: F401
    from netspec.cli import main

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    Image.init()
    before = len(os.listdir("/proc/self/task"))  # what distributes the tests has threads of its own
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("netspec.serving.server.run_loop", lambda main: None)
        patch.chdir(tmp_path_factory.mktemp("warm"))
        patch.setattr(sys, "argv", ["netspec", "train", "spec.yaml", "--run", "out"])
        Path("spec.yaml").write_text(SPEC)
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
        assert len(os.listdir("/proc/self/task")) == before, (
            "a forked child would wait for threads that it has not"
        )
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, torch_at_hand: None) -> Path:
    """A folder with a finished run, its model, a picture and the weights by themselves."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("finished") / "in"
    folder.mkdir()
    (folder / "spec.yaml").write_text(SPEC)
    Image.frombytes("L", (8, 8), bytes(range(64))).save(folder / "p.png")
    for words in (["train", "spec.yaml", "--run", "out"], ["export", "out", "-o", "model.onnx"]):
        outcome = run(words, folder)
        assert outcome.code == 0, outcome.words
    shutil.copy(folder / "out" / "weights.safetensors", folder / "w.safetensors")
    return folder


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


def with_metadata(path: Path, chance: random.Random) -> None:
    """A value of the model's metadata replaced, another added."""
    import onnx

    made = onnx.load(path)
    for entry in chance.sample(list(made.metadata_props), min(2, len(made.metadata_props))):
        entry.value = chance.choice(
            (*(header.decode() for header in HEADERS), *PAYLOADS, entry.value[: chance.randrange(60)], "1e400", "[" * 9000)
        ).encode(errors="replace").decode()  # fmt: skip
    onnx.save(made, path)


def damage(path: Path, chance: random.Random) -> None:
    if path.suffix == ".onnx" and chance.random() < 0.5:
        with_metadata(path, chance)
    elif path.suffix in (".json", ".jsonl") and chance.random() < 0.5:
        path.write_bytes(chance.choice(HEADERS))
    else:
        path.write_bytes(damaged(path.read_bytes(), chance))


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


def outcome_faults(outcome: Outcome, what: str, folder: Path) -> list[str]:
    written = [*folder.parent.rglob("PWN")]
    if outcome.faults or written:
        return [f"{what}: {outcome.faults} {written} {outcome.words[-900:]}"]
    return []


@pytest.mark.parametrize("kind", KINDS)
def test_sound_files_are_read(kind: str, finished: Path, tmp_path: Path) -> None:
    """What is damaged reaches its reader: without the damage each command ends well."""
    folder = tmp_path / "arena" / "0"
    folder.mkdir(parents=True)
    words, _ = makers(finished)[kind](random.Random(kind), folder)
    outcome = run(words, folder)
    assert outcome.code == 0, outcome.words[-900:]
    assert outcome.faults == []


@pytest.mark.parametrize("kind", KINDS)
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
