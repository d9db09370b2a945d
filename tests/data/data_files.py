"""Real files for the data tests, written as their publishers write them."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from netspec.data.registry import Place, open_source
from netspec.data.source import Source
from netspec.diagnostics import Diagnostic, SpecError
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection

CAFFE = Path(__file__).parent / "caffe"
IDX_TYPES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(array: npt.NDArray[np.generic]) -> bytes:
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, IDX_TYPES[array.dtype.str[1:]], array.ndim, *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_idx(path: Path, array: npt.NDArray[np.generic]) -> Path:
    data = idx_bytes(array)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def write_mnist(folder: Path, count: int = 12, suffix: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.RandomState(1)
    for part in ("train", "t10k"):
        write_idx(
            folder / f"{part}-images-idx3-ubyte{suffix}",
            draw.randint(0, 256, (count, 28, 28)).astype(np.uint8),
        )
        write_idx(folder / f"{part}-labels-idx1-ubyte{suffix}", draw.randint(0, 10, count).astype(np.uint8))
    return folder


def write_image(
    path: Path, size: tuple[int, int] = (8, 8), value: int | None = None, mode: str = "RGB"
) -> Path:
    """An image of (width, height), of one value or of a gradient."""
    path.parent.mkdir(parents=True, exist_ok=True)
    w, h = size
    plane = (
        np.full((h, w), value)
        if value is not None
        else np.add.outer(np.arange(h) * 3, np.arange(w) * 5) % 256
    )
    planes = (
        plane.astype(np.uint8)
        if mode == "L"
        else np.stack([plane, 255 - plane, plane // 2], -1).astype(np.uint8)
    )
    Image.fromarray(planes).save(path)
    return path


def opened(
    folder: Path,
    split: str | None = None,
    contract: ImageContract | None = None,
    shape: tuple[int | None, ...] | None = None,
    classes: tuple[str, ...] | None = None,
    **words: object,
) -> Source:
    return open_source(DataSection(**words), split, Place(folder, shape, contract, classes))


def only(error: SpecError) -> Diagnostic:
    """The one diagnostic of an error, in a message that a reader can use: it names its file and says more than its title."""
    assert len(error.diagnostics) == 1
    found = error.diagnostics[0]
    assert found.fact and found.path
    return found


def fails_with(call: Callable[[], object]) -> Diagnostic:
    """The one finding that a call ends with."""
    with pytest.raises(SpecError) as error:
        call()
    return only(error.value)
