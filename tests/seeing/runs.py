"""A run of every kind that netspec trains, each of a moment: a spec and its data, trained in a folder."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from netspec.driver import load
from netspec.read_options import Reading
from netspec.training.session import train_program
from tests.data.boxed_files import LOSS, Boxed, detector, write_coco
from tests.data.sounds import write_classes

__all__ = ["KINDS", "train_kind"]

SOLVER = {"type": "Adam", "base_lr": 0.003, "max_iter": 4, "test_interval": 2, "display": 1, "random_seed": 1}
XAVIER = {"weight_filler": "xavier"}
SHORT = tuple(
    f"train.solver.{name}={number}"
    for name, number in (("max_iter", 4), ("test_interval", 2), ("display", 1))
)
Made = tuple[str, tuple[str, ...]]


def zoo(name: str) -> Made:
    return f"zoo:{name}", SHORT


def spec(folder: Path, **document: Any) -> Made:
    (folder / "net.yaml").write_text(yaml.safe_dump({"netspec": 1, **document}, sort_keys=False))
    return str(folder / "net.yaml"), ()


def section(data: dict[str, Any], *loss: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "data": {**data, "batch_size": 4},
        "test_data": {**data, "batch_size": 4},
        "loss": [*loss],
        "solver": SOLVER,
    } | more


def dense(name: str, width: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "InnerProduct", "num_output": width, **XAVIER, **more}


def regression(folder: Path) -> Made:
    rows = np.random.default_rng(0).standard_normal((40, 3))
    lines = [",".join(f"{n:.4f}" for n in (*row, row.sum())) for row in rows]
    (folder / "t.csv").write_text("\n".join(["a,b,c,sum", *lines]))
    layers = [dense("hidden", 6), {"name": "r", "type": "ReLU"}, dense("score", 1)]
    train = section({"source": "csv", "path": "t.csv", "label": "sum"}, {"type": "EuclideanLoss"})
    return spec(folder, name="sums", input={"data": ["N", 3]}, layers=layers, train=train)


def table(folder: Path) -> Made:
    lines = [f"{20 + i},{('Rome', 'Bonn')[i % 2]},{('yes', 'no', 'later')[i % 3]}" for i in range(48)]
    (folder / "t.csv").write_text("\n".join(["age,city,label", *lines]))
    layers = [dense("hidden", 6), {"name": "r", "type": "ReLU"}, dense("score", 3)]
    train = section(
        {"source": "table", "path": "t.csv"}, {"type": "SoftmaxWithLoss"}, {"name": "acc", "type": "Accuracy"}
    )
    return spec(folder, name="cities", input={"data": ["N", 3]}, layers=layers, train=train)


def segmentation(folder: Path) -> Made:
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 3, (16, 4, 4)).repeat(8, 1).repeat(8, 2)
    np.savez(folder / "shapes.npz", image=(labels * 80).astype(np.uint8)[:, None], label=labels)
    train = section({"source": "npz", "path": "shapes.npz", "split": "all"}, {"type": "SoftmaxWithLoss"})
    return spec(folder, base="zoo:fcn-shapes", train=train, expect=None)


def boxes(folder: Path) -> Made:
    sizes = {f"p{i}": (16, 16) for i in range(6)}
    write_coco(folder, sizes, [Boxed(name, "cat", (3, 3, 10, 11)) for name in sizes], "train")
    write_coco(folder, sizes, [Boxed(name, "cat", (3, 3, 10, 11)) for name in sizes], "val")
    text = detector(
        "source: coco, path: .", "  val_data: {source: coco, path: ., split: val, batch_size: 2}\n"
    )
    assert LOSS in text
    (folder / "net.yaml").write_text(text)
    return str(folder / "net.yaml"), ()


def text(folder: Path) -> Made:
    (folder / "t.txt").write_text("abc" * 300)
    data = {"source": "text", "path": "t.txt", "window": 12}
    return spec(
        folder, base="zoo:char-rnn", vars={"letters": 3, "width": 8}, train=section(data), expect=None
    )


def motifs(folder: Path) -> Made:
    draw = np.random.default_rng(0)
    letters = draw.integers(0, 4, (24, 40))
    rows = np.eye(4, dtype=np.float32)[letters].transpose(0, 2, 1)
    np.savez(folder / "motifs.npz", data=rows, label=draw.integers(0, 2, (24, 1)).astype(np.float32))
    data = {"source": "npz", "path": "motifs.npz", "split": "all"}
    return spec(folder, base="zoo:deepbind", train=section(data), expect=None)


def sounds(folder: Path) -> Made:
    write_classes(folder / "words", {"yes": 8, "no": 8}, frames=64)
    conv = {"type": "Convolution", "num_output": 4, "kernel_size": 5, **XAVIER}
    layers = [{"name": "c", **conv}, {"name": "r", "type": "ReLU"}, dense("score", 2)]
    train = section({"source": "audio", "path": "words", "split": "all"}, {"type": "SoftmaxWithLoss"})
    return spec(folder, name="sounds", input={"data": ["N", 1, 64]}, layers=layers, train=train)


KINDS: dict[str, Any] = {
    "regression": regression,
    "table": table,
    "segmentation": segmentation,
    "boxes": boxes,
    "text": text,
    "motifs": motifs,
    "sounds": sounds,
    "gan": lambda folder: zoo("dcgan-digits"),
    "vae": lambda folder: zoo("vae-digits"),
    "autoencoder": lambda folder: zoo("autoencoder-digits"),
}


def train_kind(kind: str, folder: Path) -> Path:
    """A trained run of a kind."""
    path, settings = KINDS[kind](folder)
    train_program(load(path, Reading(settings=settings)), folder / "run")
    return folder / "run"
