"""Sound files of each kind of data, made small: what the sweep damages. Out: a spec that reads them, and the files."""

import io
import random
import shutil
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from tests.data.boxed_files import PICTURES, detector, write_coco, write_voc
from tests.data.sounds import write_wav

__all__ = ["DATA", "Sound"]

STORES = Path(__file__).resolve().parents[1] / "conformance" / "caffe" / "cases"
TRAIN = "train: {{data: {{{0}, batch_size: 2}}, solver: {{base_lr: 0.01, max_iter: 1, display: 1}}}}\n"
DENSE = "  - {{name: one, type: InnerProduct, num_output: {0}, weight_filler: xavier{1}}}\n"


class Sound(NamedTuple):
    """A spec that trains on files, and the files that may be damaged."""

    spec: str
    files: list[Path]


def net(words: str, shape: str = "[N, 1, 2, 2]", classes: int = 3) -> str:
    return f"input: {{data: {shape}}}\nlayers:\n{DENSE.format(classes, '')}{TRAIN.format(words)}"


def arrays() -> tuple[np.ndarray, np.ndarray]:
    return np.arange(32, dtype=np.float32).reshape(8, 1, 2, 2), np.arange(8) % 3


def npz(chance: random.Random, folder: Path) -> Sound:
    data, label = arrays()
    np.savez(folder / "d.npz", data=data, label=label)
    return Sound(net("source: npz, path: d.npz"), [folder / "d.npz"])


def csv(chance: random.Random, folder: Path) -> Sound:
    rows = (f"{i},{i + 1},{i + 2},{i + 3},{i % 3}" for i in range(8))
    (folder / "d.csv").write_text("\n".join(rows))
    return Sound(net("source: csv, path: d.csv", "[N, 4]"), [folder / "d.csv"])


def hdf5(chance: random.Random, folder: Path) -> Sound:
    import h5py

    with h5py.File(folder / "d.h5", "w") as file:
        file["data"], file["label"] = arrays()
    return Sound(net("source: hdf5, path: d.h5"), [folder / "d.h5"])


def idx(chance: random.Random, folder: Path) -> Sound:
    (folder / "i").write_bytes(struct.pack(">IIII", 2051, 8, 2, 2) + bytes(32))
    (folder / "l").write_bytes(struct.pack(">II", 2049, 8) + bytes(i % 3 for i in range(8)))
    return Sound(net("source: idx, images: i, labels: l"), [folder / "i", folder / "l"])


def pictures(chance: random.Random, folder: Path, ending: str) -> Sound:
    from PIL import Image

    files = []
    for kind in "abc":
        (folder / "pics" / kind).mkdir(parents=True)
        for i in range(2):
            files.append(folder / "pics" / kind / f"{i}.{ending}")
            Image.frombytes("L", (2, 2), chance.randbytes(4)).save(files[-1])
    return Sound(net("source: images, path: pics"), files)


def text(chance: random.Random, folder: Path) -> Sound:
    (folder / "d.txt").write_text("".join(chance.choice("abc\u00e9\n") for _ in range(400)) + "abc\u00e9\n")
    layers = "".join((
        "  - {name: letters, type: Embed, bottom: data, input_dim: 5, num_output: 4, weight_filler: xavier}\n",
        DENSE.format(5, ", axis: 2"),
        "  - {name: loss, type: SoftmaxWithLoss, bottom: [one, label], axis: 2}\n",
    ))  # fmt: skip
    spec = f"input: {{data: [T, N], label: [T, N]}}\nlayers:\n{layers}{TRAIN.format('source: text, path: d.txt, window: 4')}"
    return Sound(spec, [folder / "d.txt"])


def lmdb(chance: random.Random, folder: Path) -> Sound:
    shutil.copytree(STORES / chance.choice(("data_lmdb", "data_lmdb_float")), folder / "store")
    return Sound(net("source: lmdb, path: store", "[N, 3, 7, 6]", 100), [folder / "store" / "data.mdb"])


def cifar(chance: random.Random, folder: Path) -> Sound:
    files = [folder / name for name in ("data_batch_1.bin", "test_batch.bin")]
    for path in files:
        path.write_bytes(b"".join(bytes([i % 10]) + chance.randbytes(3072) for i in range(8)))
    return Sound(net("source: cifar10, path: .", "[N, 3, 32, 32]", 10), files[:1])


def mean(chance: random.Random, folder: Path, ending: str) -> Sound:
    np.savez(folder / "d.npz", data=np.zeros((8, 3, 7, 6), np.uint8), label=np.arange(8) % 3)
    if ending == "npy":
        np.save(folder / "mean.npy", np.ones((3, 7, 6), np.float32))
    else:
        shutil.copy(STORES / "data_mean.binaryproto", folder / "mean.binaryproto")
    words = f"source: npz, path: d.npz, transform_param: {{mean_file: mean.{ending}}}"
    return Sound(net(words, "[N, 3, 7, 6]"), [folder / f"mean.{ending}"])


def wav(chance: random.Random, folder: Path) -> Sound:
    files = []
    for kind in "abc":
        for i in range(2):
            files.append(folder / "sounds" / kind / f"{i}.wav")
            write_wav(files[-1], np.linspace(-0.5, 0.5, 40 + i), 8000)
    return Sound(net("source: audio, path: sounds", "[N, 1, 40]"), files)


def shards(chance: random.Random, folder: Path) -> Sound:
    made = io.BytesIO()
    Image.frombytes("L", (2, 2), chance.randbytes(4)).save(made, "PNG")
    files = []
    for n in range(2):
        files.append(folder / "shards" / f"{n}.tar")
        files[-1].parent.mkdir(exist_ok=True)
        with tarfile.open(files[-1], "w", format=chance.choice((1, 2))) as shard:
            for i in range(6):
                name = f"{n}{i}" * chance.choice((1, 80))
                for end, data in ((".png", made.getvalue()), (".cls", str(i % 3).encode())):
                    info = tarfile.TarInfo(name + end)
                    info.size = len(data)
                    shard.addfile(info, io.BytesIO(data))
    return Sound(net("source: webdataset, path: shards"), files)


def values(chance: random.Random, folder: Path) -> Sound:
    rows = (f"{i},{'xyz'[i % 3]},{i % 3}" for i in range(8))
    (folder / "d.csv").write_text("a,w,label\n" + "\n".join(rows) + "\n")
    return Sound(
        net("source: table, path: d.csv, standardise: true, empty: mean", "[N, 4]"), [folder / "d.csv"]
    )


def boxed(chance: random.Random, folder: Path, form: str) -> Sound:
    if form == "coco":
        files = [write_coco(folder / "pets")] * 4
    else:
        write_voc(folder / "pets", parts={"train": [*PICTURES]})
        files = sorted((folder / "pets").rglob("*.xml")) + sorted((folder / "pets").rglob("*.txt"))
    pictures = sorted((folder / "pets").rglob("*.png"))
    return Sound(detector(f"source: {form}, path: pets, split: train"), [*files, *pictures])


def parquet(chance: random.Random, folder: Path) -> Sound:
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.table({"a": range(8), "w": [*"xyzxyzxy"], "label": [i % 3 for i in range(8)]})
    parquet.write_table(table, folder / "d.parquet")
    return Sound(net("source: table, path: d.parquet, standardise: true", "[N, 4]"), [folder / "d.parquet"])


def of(
    make: Callable[[random.Random, Path, str], Sound], ending: str
) -> Callable[[random.Random, Path], Sound]:
    return lambda chance, folder: make(chance, folder, ending)


DATA: dict[str, Callable[[random.Random, Path], Sound]] = {
    "npz": npz,
    "csv": csv,
    "hdf5": hdf5,
    "idx": idx,
    **{
        f"pictures {ending}": of(pictures, ending)
        for ending in ("png", "jpg", "bmp", "gif", "tif", "webp", "ppm")
    },
    "values": values,
    "wav": wav,
    "shards": shards,
    "coco": of(boxed, "coco"),
    "voc": of(boxed, "voc"),
    "parquet": parquet,
    "text": text,
    "lmdb": lmdb,
    "cifar": cifar,
    **{f"mean {ending}": of(mean, ending) for ending in ("npy", "binaryproto")},
}
