"""LMDB stores of Caffe's Datum messages, in the order of their keys. A store is read, never locked;
lmdb_pages knows its pages.
"""

import struct
from collections.abc import Callable
from mmap import mmap
from pathlib import Path
from typing import TypeVar

import numpy as np

from netspec.caffe.blobs import Datum, read_datum, read_label
from netspec.data.paths import (
    exists,
    judge_found_path,
    reading_error,
    resolve_path,
    roots_for,
    roots_of,
)
from netspec.data.source import Array, ArraySource, Field, Rows, Source, split_source
from netspec.data.sources.lmdb_pages import (
    DamagedStoreError,
    Place,
    TruncatedStoreError,
    entries,
    map_file,
)
from netspec.diagnostics import Diagnostic, fail
from netspec.file_reading import Roots
from netspec.imaging.decode import decode
from netspec.imaging.remarks import Remarks
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection, find_missing

__all__ = ["Store", "open_lmdb"]

T = TypeVar("T")
SMALL = 1 << 28
"""Stores of raw pixels up to so many bytes are read into memory."""


class Store(Source):
    """Samples of an LMDB. Fields image (uint8, or float32 for float_data) and label.

    Encoded images go through the contract's arriving half, bgr where it names no order, since that
    is what Caffe decodes to.
    """

    def __init__(self, name: str, data: Path, roots: Roots, contract: ImageContract) -> None:
        self.name = name
        self.noticed = Remarks()
        self.contract = contract.replace(color=contract.color or "bgr")
        self.bytes, self.keys, self.places = contents(data, roots)
        if not self.keys:
            raise fail("NS650", "an empty store", path=name)
        first = self.datum(0)
        pixels = self.pixels(first, 0)
        exact = (
            self.contract.resize
            if isinstance(self.contract.resize, tuple) and len(self.contract.resize) == 2
            else (None, None)
        )
        self.decoded = first.encoded is not None
        self.color = self.contract.color if self.decoded else None
        self.label = "label"
        self.marks: Array | None = None
        shape = (pixels.shape[0], *exact) if self.decoded else pixels.shape
        self.fields = {"image": Field(shape, pixels.dtype), "label": Field((), np.dtype(np.int64))}

    def __len__(self) -> int:
        return len(self.keys)

    def batch(self, indices: Array) -> Rows:
        data = [self.datum(i) for i in indices.tolist()]
        images = [self.pixels(datum, int(i)) for datum, i in zip(data, indices, strict=True)]
        labels = np.array([datum.label for datum in data], np.int64)
        if len({image.shape for image in images}) > 1 or None in self.fields["image"].shape:
            return {"image": images, "label": labels}
        return {"image": np.stack(images), "label": labels}

    def labels(self) -> Array:
        if self.marks is None:
            self.marks = np.array([self.read(i, read_label) for i in range(len(self))], np.int64)
        return self.marks

    def remarks(self) -> tuple[Diagnostic, ...]:
        return self.noticed.tell(self.name)

    def where(self, index: int) -> str:
        return f"key {self.keys[index].decode('latin-1')!r:.80}"

    def datum(self, index: int) -> Datum:
        return self.read(index, lambda value: read_datum(bytes(value)))

    def read(self, index: int, reader: Callable[[memoryview], T]) -> T:
        """What a reader finds in a value. NS645: it holds no Datum."""
        start, size = self.places[index]
        try:
            with memoryview(self.bytes) as whole, whole[start : start + size] as value:
                return reader(value)
        except ValueError as error:
            raise fail(
                "NS645",
                f"key {self.keys[index].decode('latin-1')!r} holds no Datum: {error}",
                path=self.name,
            ) from error

    def pixels(self, datum: Datum, index: int) -> Array:
        if datum.encoded is None:
            assert datum.pixels is not None
            return datum.pixels
        name = f"{self.name}: {self.keys[index].decode('latin-1')}"
        return decode(datum.encoded, self.contract, name, self.noticed)


def open_lmdb(
    section: DataSection,
    split: str | None,
    root: Path,
    contract: ImageContract,
    allow_outside: bool = False,
) -> Source:
    """The store in the folder `path`. Raises SpecError NS643 (none there), NS644 (cut short), NS645
    (damaged), NS650 (empty).
    """
    if section.path is None:
        raise fail("NS641", find_missing(section))
    path = resolve_path(section.path, root, allow_outside)
    folder = path.is_dir()
    data = judge_found_path(path / "data.mdb", root, path, allow_outside) if folder else path
    roots = roots_of(root, path, allow_outside) if folder else roots_for(root, allow_outside)
    if not data.is_file():
        raise fail("NS643", "no such store" if not exists(path) else "holds no data.mdb", path=str(path))
    store = Store(str(path), data, roots, contract)
    if store.decoded or len(store.bytes) > SMALL:
        return split_source(store, split)
    rows = store.batch(np.arange(len(store)))
    if isinstance(rows["image"], list):
        return split_source(store, split)
    source = ArraySource(store.name, {"image": rows["image"], "label": np.asarray(rows["label"])}, "label")
    source.places = store.where
    return split_source(source, split)


def contents(path: Path, roots: Roots) -> tuple[mmap | bytes, list[bytes], list[Place]]:
    """The file's bytes, its keys in order and the places of their values. Raises SpecError NS643,
    NS644, NS645.
    """
    try:
        data = map_file(path, roots)
        pairs = list(entries(data))
    except TruncatedStoreError as error:
        raise fail("NS644", str(error), path=str(path)) from error
    except (DamagedStoreError, struct.error) as error:
        raise fail("NS645", f"not a sound LMDB store: {error}", path=str(path)) from error
    except OSError as error:
        raise reading_error(path, error) from error
    return data, [key for key, _ in pairs], [place for _, place in pairs]
