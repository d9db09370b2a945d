"""Files of data are judged again as they are opened: a link or a pipe that came in between is refused, by every reader."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from data_files import write_idx, write_image, write_mnist

from netspec.data import paths
from netspec.data.data_layers.files import matrix
from netspec.data.data_layers.paths import find_layer_file, reach
from netspec.data.data_layers.sources import ImageList
from netspec.data.pictures.mean import read_mean
from netspec.data.registry import Place, open_source
from netspec.diagnostics import SpecError
from netspec.resolve.sections.train import DataSection

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(sys.platform == "win32", reason="links and pipes of POSIX"),
]

CAFFE = Path(__file__).resolve().parent / "caffe"

Open = Callable[[Path], object]


def section(**words: object) -> Open:
    return lambda root: open_source(DataSection(batch_size=2, **words), None, Place(root, (3, 8, 8)))  # type: ignore[arg-type]


def npz(root: Path) -> None:
    np.savez(root / "d", data=np.zeros((4, 2), np.float32), label=np.arange(4) % 2)
    (root / "d.npz").rename(root / "victim")


def csv(root: Path) -> None:
    (root / "victim").write_text("1,2,0\n3,4,1\n")


def hdf5(root: Path) -> None:
    with h5py.File(root / "victim", "w") as file:
        file["data"], file["label"] = np.zeros((4, 2), np.float32), np.arange(4) % 2


def hdf5_list(root: Path) -> None:
    hdf5(root)
    (root / "victim").rename(root / "d.h5")
    (root / "victim").write_text("d.h5\n")


def hdf5_of_a_list(root: Path) -> None:
    hdf5(root)
    (root / "list").write_text("victim\n")


def idx(root: Path) -> None:
    write_idx(root / "victim", np.zeros((4, 2, 2), np.uint8))
    write_idx(root / "labels", np.arange(4, dtype=np.uint8))


def mnist(root: Path) -> None:
    write_mnist(root)
    (root / "train-labels-idx1-ubyte").rename(root / "victim")
    (root / "train-labels-idx1-ubyte").symlink_to("victim")


def cifar(root: Path) -> None:
    (root / "victim").write_bytes(bytes(3073 * 2))
    (root / "data_batch_1.bin").symlink_to("victim")


def lmdb(root: Path) -> None:
    shutil.copy(CAFFE / "data_lmdb" / "data.mdb", root / "victim")


def lmdb_folder(root: Path) -> None:
    lmdb(root)
    (root / "store").mkdir()
    (root / "store" / "data.mdb").symlink_to("../victim")


def mean(root: Path) -> None:
    shutil.copy(CAFFE / "data_mean.binaryproto", root / "victim")


def mean_npy(root: Path) -> None:
    np.save(root / "d", np.zeros((3, 2, 2), np.float32))
    (root / "d.npy").rename(root / "victim")
    (root / "mean.npy").symlink_to("victim")


def picture(root: Path) -> None:
    write_image(root / "p.png").rename(root / "victim")
    (root / "list").write_text("victim 0\n")


def picture_list(root: Path) -> None:
    write_image(root / "p.png")
    (root / "victim").write_text("p.png 0\n")


def class_folders(root: Path) -> None:
    write_image(root / "photos" / "cat" / "a.png").rename(root / "victim")
    (root / "photos" / "cat" / "a.png").symlink_to("../../victim")


def image_list(source: str) -> Open:
    layer = SimpleNamespace(source=source, root_folder="", new_height=0, new_width=0, is_color=True)
    return lambda root: ImageList(layer, root).batch(np.arange(1))


ROWS: list[tuple[Callable[[Path], None], Open]] = [
    (npz, section(source="npz", path="victim")),
    (csv, section(source="csv", path="victim")),
    (csv, section(source="text", path="victim", window=4)),
    (hdf5, section(source="hdf5", path="victim")),
    (hdf5_list, section(source="hdf5", path="victim")),
    (hdf5_of_a_list, section(source="hdf5", path="list")),
    (idx, section(source="idx", images="victim", labels="labels")),
    (mnist, section(source="mnist", path=".")),
    (cifar, section(source="cifar10", path=".")),
    (lmdb, section(source="lmdb", path="victim")),
    (lmdb_folder, section(source="lmdb", path="store")),
    (mean, lambda root: read_mean(find_layer_file("victim", root), reach("victim", root))),
    (mean_npy, lambda root: read_mean(find_layer_file("mean.npy", root), reach("mean.npy", root))),
    (mean, lambda root: matrix("victim", root, (1, 1))),
    (picture, image_list("list")),
    (picture_list, image_list("victim")),
    (class_folders, lambda root: section(source="images", path="photos")(root).batch(np.arange(1))),  # type: ignore[attr-defined]
]
NAMES = [f"{i}-{make.__name__}" for i, (make, _) in enumerate(ROWS)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("NETSPEC_DATA", raising=False)
    for name in ("here", "outside"):
        (tmp_path / name).mkdir()
    return tmp_path / "here"


def swapping(root: Path, monkeypatch: pytest.MonkeyPatch, swap: Callable[[Path], None]) -> list[str]:
    """From now on the victim is swapped once it was judged; answers where that is noted."""
    victim, done, judge = root / "victim", list[str](), paths.reachable

    def then_swapped(path: str, folder: str) -> bool:
        fine = judge(path, folder)
        if os.path.realpath(path) == str(victim) and victim.is_file() and not victim.is_symlink():
            done.append(path)
            swap(victim)
        return fine

    monkeypatch.setattr(paths, "reachable", then_swapped)
    monkeypatch.setattr("netspec.data.folder_layout.reachable", then_swapped)
    return done


def to_a_link(victim: Path) -> None:
    victim.rename(victim.parent.parent / "outside" / "secret")
    victim.symlink_to("../outside/secret")


def to_a_pipe(victim: Path) -> None:
    victim.unlink()
    os.mkfifo(victim)


@pytest.mark.parametrize(("make", "open_it"), ROWS, ids=NAMES)
def test_a_sound_file_is_read(make: Callable[[Path], None], open_it: Open, here: Path) -> None:
    make(here)
    try:
        open_it(here)
    except SpecError as error:  # a mean image is no matrix of one number
        assert open_it is ROWS[13][1] and error.diagnostics[0].code == "NS645", error


@pytest.mark.parametrize(("make", "open_it"), ROWS, ids=NAMES)
def test_a_link_put_in_after_the_judgement(
    make: Callable[[Path], None], open_it: Open, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(here)
    done = swapping(here, monkeypatch, to_a_link)
    with pytest.raises(SpecError) as raised:
        open_it(here)
    assert done and raised.value.diagnostics[0].code == "NS642", raised.value


@pytest.mark.parametrize(("make", "open_it"), ROWS, ids=NAMES)
def test_a_pipe_put_in_after_the_judgement(
    make: Callable[[Path], None], open_it: Open, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks `is_file` first is told no there; the opener itself must say so too."""
    make(here)
    done = swapping(here, monkeypatch, to_a_pipe)
    monkeypatch.setattr(Path, "is_file", Path.exists)
    with pytest.raises(SpecError) as raised:
        open_it(here)
    assert done and raised.value.diagnostics[0].code == "NS643", raised.value
    assert "pipe" in raised.value.diagnostics[0].fact


def test_no_reader_of_data_opens_by_name_alone() -> None:
    """What is opened there says below which folders it must lie."""
    import ast

    home = Path(paths.__file__).parent
    for path in [*sorted(home.rglob("*.py")), home.parent / "training/run/checkpoint.py"]:
        for call in (
            n
            for n in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
        ):
            assert call.func.id != "open_file", f"{path.name}:{call.lineno}"  # type: ignore[attr-defined]
            if call.func.id in ("open_in", "read_bytes", "read_text", "open_text", "read_tensors"):  # type: ignore[attr-defined]
                assert len(call.args) >= 2, f"{path.name}:{call.lineno}"
