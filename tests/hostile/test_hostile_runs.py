"""Hostile data, runs and models: damaged files of each reader that torch or onnxruntime stands behind."""

import random
import shutil
import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.hostile.arena import run
from tests.hostile.damage import PAYLOADS, damaged

NET = """input: {data: [N, 1, 2, 2]}
layers:
  - {name: one, type: InnerProduct, num_output: 3, weight_filler: xavier}
train: {data: {SOURCE, batch_size: 2}, solver: {base_lr: 0.01, max_iter: 1, display: 1}}
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


def arrays(chance: random.Random) -> tuple[np.ndarray, np.ndarray]:
    labels = np.array(
        [chance.choice((0, 1, 2, 3, -1, 2**31)) if chance.random() < 0.1 else i % 3 for i in range(8)]
    )
    return np.arange(32, dtype=np.float32).reshape(8, 1, 2, 2), labels


def npz(chance: random.Random, folder: Path) -> str:
    data, label = arrays(chance)
    np.savez(folder / "d.npz", data=data, label=label)
    return "source: npz, path: d.npz"


def csv(chance: random.Random, folder: Path) -> str:
    rows = (
        ",".join([*map(str, range(4)), chance.choice(("0", "1", "2", "x", "1e400", *PAYLOADS))])
        for _ in range(8)
    )
    (folder / "d.csv").write_text("\n".join(rows), errors="replace")
    return "source: csv, path: d.csv"


def hdf5(chance: random.Random, folder: Path) -> str:
    import h5py

    with h5py.File(folder / "d.h5", "w") as file:
        file["data"], file["label"] = arrays(chance)
    return "source: hdf5, path: d.h5"


def idx(chance: random.Random, folder: Path) -> str:
    count = chance.choice((8, 8, 2**31 - 1))
    (folder / "i").write_bytes(struct.pack(">IIII", 2051, count, 2, 2) + bytes(32))
    (folder / "l").write_bytes(struct.pack(">II", 2049, 8) + bytes(i % 3 for i in range(8)))
    return "source: idx, images: i, labels: l"


def pictures(chance: random.Random, folder: Path) -> str:
    from PIL import Image

    for kind in ("a", "b", "c"):
        (folder / "pics" / kind).mkdir(parents=True)
        for i in range(2):
            Image.new("L", (2, 2), i).save(
                folder / "pics" / kind / f"{i}.{chance.choice(('png', 'jpg', 'bmp', 'gif', 'tif'))}"
            )
    return "source: images, path: pics"


def text(chance: random.Random, folder: Path) -> str:
    (folder / "d.txt").write_text("".join(chance.choice("abc\u00e9\n") for _ in range(400)))
    return "source: text, path: d.txt, window: 4"


def lmdb(chance: random.Random, folder: Path) -> str:
    (folder / "store").mkdir()
    shutil.copy(STORES / chance.choice(("data_lmdb", "data_lmdb_float")) / "data.mdb", folder / "store")
    return "source: lmdb, path: store"


def cifar(chance: random.Random, folder: Path) -> str:
    for name in ("data_batch_1.bin", "test_batch.bin"):
        (folder / name).write_bytes(b"".join(bytes([i % 10]) + chance.randbytes(3072) for i in range(8)))
    return "source: cifar10, path: ."


def trained_on(
    source: Callable[[random.Random, Path], str], chance: random.Random, folder: Path
) -> list[str]:
    words = source(chance, folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    victim = chance.choice(files)
    victim.write_bytes(damaged(victim.read_bytes(), chance))
    (folder / "spec.yaml").write_text(
        NET.replace("SOURCE", words).replace("[N, 1, 2, 2]", INPUTS.get(source.__name__, "[N, 1, 2, 2]"))
    )
    return ["train", "spec.yaml", "--run", "out"]


SOURCES = {
    "npz": npz,
    "csv": csv,
    "hdf5": hdf5,
    "idx": idx,
    "pictures": pictures,
    "text": text,
    "lmdb": lmdb,
    "cifar": cifar,
}
INPUTS = {"lmdb": "[N, 3, 7, 6]", "cifar": "[N, 3, 32, 32]", "text": "[4, N]"}
STORES = Path(__file__).resolve().parents[1] / "training" / "data" / "caffe"


@pytest.fixture(scope="module", autouse=True)
def torch_at_hand() -> Iterator[None]:
    """Imported once: a child costs a fork. A server ends once it has loaded its model."""
    import torch

    import netspec.serving.server
    import netspec.training.train  # noqa: F401

    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("netspec.serving.server._Server.run", lambda server, sockets: None)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run and its model."""
    folder = tmp_path_factory.mktemp("finished") / "in"
    folder.mkdir()
    spec = NET.replace("SOURCE, ", "source: npz, path: d.npz, ")
    npz(random.Random("sound"), folder)
    np.savez(folder / "d.npz", data=np.zeros((8, 1, 2, 2), np.float32), label=np.arange(8) % 3)
    (folder / "spec.yaml").write_text(spec)
    for arguments in (["train", "spec.yaml", "--run", "out"], ["export", "spec.yaml", "-o", "model.onnx"]):
        outcome = run(arguments, folder)
        assert outcome.code == 0, outcome.words
    return folder


def run_folder(finished: Path, chance: random.Random, folder: Path) -> list[str]:
    shutil.copytree(finished, folder, dirs_exist_ok=True)
    files = sorted(path for path in (folder / "out").rglob("*") if path.is_file())
    victim = chance.choice(files)
    whole = victim.suffix in (".json", ".jsonl") and chance.random() < 0.5
    victim.write_bytes(chance.choice(HEADERS) if whole else damaged(victim.read_bytes(), chance))
    return chance.choice(
        (["test", "out"], ["train", "out", "--resume"], ["predict", "out", "--data", "digits"])
    )


def model(finished: Path, chance: random.Random, folder: Path) -> list[str]:
    (folder / "model.onnx").write_bytes(damaged((finished / "model.onnx").read_bytes(), chance))
    ways = (
        ["predict", "model.onnx", "--data", "digits"],
        ["verify", "model.onnx"],
        ["serve", "model.onnx", "--port", "0"],
    )
    words = chance.choice(ways)
    return [*words, "--allow-uncertified"] if words[0] != "verify" and chance.random() < 0.5 else words


def safetensors(finished: Path, chance: random.Random, folder: Path) -> list[str]:
    """Weights by themselves, read by each command that takes them."""
    for name in ("spec.yaml", "d.npz"):
        shutil.copy(finished / name, folder)
    (folder / "w.safetensors").write_bytes(
        damaged((finished / "out" / "weights.safetensors").read_bytes(), chance)
    )
    return chance.choice((
        ["export", "spec.yaml", "--weights", "w.safetensors", "-o", "made.onnx", "--no-certify"],
        ["train", "spec.yaml", "--weights", "w.safetensors", "--run", "new"],
        ["transplant", "w.safetensors", "spec.yaml", "spec.yaml", "-o", "moved.safetensors"],
    ))  # fmt: skip


def faults(
    make: Callable[[random.Random, Path], list[str]], kind: str, seeds: range, tmp_path: Path
) -> list[str]:
    found = []
    for seed in seeds:
        folder = tmp_path / "arena" / str(seed)
        folder.mkdir(parents=True)
        outcome = run(make(random.Random(f"{kind} {seed}"), folder), folder)
        if outcome.faults or any(folder.parent.rglob("PWN")):
            found.append(f"{kind}, seed {seed}: {outcome.faults} {outcome.words[-600:]}")
        shutil.rmtree(folder)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", SOURCES)
def test_hostile_data_are_answered(kind: str, tmp_path: Path) -> None:
    assert faults(partial(trained_on, SOURCES[kind]), kind, range(40), tmp_path) == []


@pytest.mark.slow
def test_hostile_runs_are_answered(finished: Path, tmp_path: Path) -> None:
    assert faults(partial(run_folder, finished), "run", range(80), tmp_path) == []


@pytest.mark.slow
def test_hostile_models_are_answered(finished: Path, tmp_path: Path) -> None:
    assert faults(partial(model, finished), "model", range(80), tmp_path) == []


@pytest.mark.slow
def test_hostile_weights_are_answered(finished: Path, tmp_path: Path) -> None:
    assert faults(partial(safetensors, finished), "safetensors", range(60), tmp_path) == []
